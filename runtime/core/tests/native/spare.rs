//! Memory that is there before the heap: used where memory cannot grow and nobody else has it.

use rootstock_core::addr::PAGE_SIZE;
use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

/// A host whose memory does not grow, with this many pages above the static data, of any content.
fn fixed(pages: u32) -> (TestHost, u32, u32) {
    let host = TestHost::manual();
    let base = host.regions().program_base.get();
    host.foreign_grow(pages).expect("there is room");
    host.fill(base, pages * PAGE_SIZE, 0x5A);
    host.memory(|memory| memory.refuse_growth(true));
    (host, base, base + pages * PAGE_SIZE)
}

/// Allocates until there is no memory; the objects.
fn fill_up(host: &TestHost, size: u32) -> Vec<u32> {
    let mut objects = Vec::new();
    loop {
        match host.try_alloc(size, false) {
            Ok(object) => {
                assert!(host.bytes(object, size).iter().all(|byte| *byte == 0), "{object:#x}");
                host.push(object);
                host.fill(object, size, 0xFF);
                objects.push(object);
            }
            Err(why) => {
                assert_eq!(why, failure(ErrorCode::HeapExhausted, size));
                return objects;
            }
        }
    }
}

#[test]
fn memory_that_is_nobodys_is_used_where_it_cannot_grow() {
    let (host, base, end) = fixed(40);
    let why = failure(ErrorCode::HeapExhausted, 64);
    assert_eq!(host.try_alloc(64, false), Err(why), "nothing is known about it");
    // What starts and ends inside a block is used from the next block on.
    let (start, stop) = (base + 20, end - 20);
    host.memory(|memory| memory.set_spare(start, stop));
    let objects = fill_up(&host, 4096);
    // 158 whole blocks, less one for the records of each group of 32 blocks that they are in
    assert!(objects.len() >= 4 * (158 - 6), "{}", objects.len());
    for object in &objects {
        assert!((start..stop - 4095).contains(object), "{object:#x}");
    }
    host.check();
    host.clear_stack();
    host.collect();
    assert_eq!(fill_up(&host, 4096).len(), objects.len(), "it serves again");
    assert!(host.bytes(base, 20).iter().chain(&host.bytes(stop, 20)).all(|byte| *byte == 0x5A));
    host.check();
}

#[test]
fn memory_that_grows_is_preferred() {
    let (host, _, end) = fixed(4);
    let base = host.regions().program_base.get();
    host.memory(|memory| {
        memory.set_spare(base, end);
        memory.refuse_growth(false);
    });
    let first = host.alloc_root(8);
    assert!(first >= end, "{first:#x}");
    host.memory(|memory| memory.refuse_growth(true));
    let objects = fill_up(&host, 16_384);
    assert!(objects.iter().any(|object| *object < end), "what was there is used last");
    host.check();
    assert!(host.is_object(first));
}

#[test]
fn neither_static_data_nor_what_is_above_the_ceiling_is_taken() {
    let (host, base, end) = fixed(40);
    let static_end = base + 10 * PAGE_SIZE;
    host.init(static_end).expect("memory reaches that far");
    host.memory(|memory| memory.set_spare(base, end));
    let ceiling = base / PAGE_SIZE + 20;
    host.configure(GcOption::MaxPages, ceiling);
    for object in fill_up(&host, 1024) {
        assert!(object >= static_end && object + 1024 <= ceiling * PAGE_SIZE, "{object:#x}");
    }
    host.check();
    assert!(host.stat(Stat::HeapBytes) <= u64::from(10 * PAGE_SIZE));
}

/// No more than the records of a block need, and less.
#[test]
fn too_little_memory_is_no_heap() {
    for bytes in [0, 16_383, 16_384, 3 * 16_384] {
        let (host, base, _) = fixed(1);
        host.memory(|memory| memory.set_spare(base, base + bytes));
        let objects = fill_up(&host, 8192);
        assert_eq!(objects.len() as u32, 2 * (bytes / 16_384).saturating_sub(1), "{bytes}");
        host.check();
    }
}
