//! The shadow stack and pins.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

#[test]
fn a_deep_stack() {
    let host = TestHost::new();
    let regions = host.regions();
    let slots = regions.stack_limit.since(regions.stack_base) / 4;
    assert!(slots >= 131_072, "{slots} roots at least");
    // Exactly full, with an object here and there.
    host.fill(host.sp(), 4 * slots, 0);
    host.set_sp(regions.stack_limit.get());
    let step = if cfg!(miri) { 1000 } else { 3 };
    let objects: Vec<u32> = (0..slots)
        .step_by(step)
        .map(|slot| {
            let object = host.alloc(8);
            host.write(regions.stack_base.get() + 4 * slot, object);
            object
        })
        .collect();
    host.collect();
    assert!(objects.iter().all(|&object| host.is_object(object)));
    assert_eq!(host.stat(Stat::StackHighWater), u64::from(4 * slots));
    host.check();
}

#[test]
fn a_broken_stack_is_told_once() {
    let host = TestHost::new();
    let object = host.alloc_root(16);
    let (base, limit) = (host.regions().stack_base.get(), host.regions().stack_limit.get());
    let good = host.sp();
    for bad in [base - 4, limit + 4, good + 1, good + 2, 0, u32::MAX - 3] {
        host.set_sp(bad);
        let why = Err(failure(ErrorCode::ShadowStackOverflow, bad));
        assert_eq!(host.try_collect(), why);
        assert_eq!(host.try_collect(), why, "while it is broken");
        host.set_sp(good);
        host.collect();
        assert!(host.is_object(object));
        host.check();
    }
    // The guard word: whoever wrote it has pushed too much and come back.
    host.write(limit, object);
    let why = Err(failure(ErrorCode::ShadowStackOverflow, good));
    assert_eq!(host.try_collect(), why);
    host.collect();
    assert!(host.is_object(object));
    host.check();
}

#[test]
fn an_allocation_that_collects_finds_a_broken_stack_too() {
    let host = TestHost::with_options(&[(GcOption::Eager, 1)]);
    let object = host.alloc_root(16);
    let good = host.sp();
    host.set_sp(good + 2);
    let why = failure(ErrorCode::ShadowStackOverflow, good + 2);
    assert_eq!(host.try_alloc(8, false), Err(why));
    assert_eq!(host.try_register(object, 1, 1), Err(why));
    host.set_sp(good);
    host.alloc(8);
    host.try_register(object, 1, 1).expect("the stack is in order again");
    host.check();
}

#[test]
fn pins_are_counted() {
    let host = TestHost::new();
    let object = host.alloc(16);
    for _ in 0..3 {
        host.pin(object).expect("an object");
    }
    assert_eq!(host.stat(Stat::Pins), 1);
    for _ in 0..3 {
        host.collect();
        assert!(host.is_object(object));
        host.unpin(object).expect("pinned");
    }
    assert_eq!(host.stat(Stat::Pins), 0);
    let why = Err(failure(ErrorCode::UnpinUnderflow, object));
    assert_eq!(host.unpin(object), why);
    host.collect();
    assert!(!host.is_object(object));
    let why = Err(failure(ErrorCode::NotAnObject, object));
    assert_eq!(host.unpin(object), why);
    assert_eq!(host.pin(object), why);
}

#[test]
fn what_cannot_be_pinned() {
    let host = TestHost::new();
    for ptr in [0, 1, 8, u32::MAX, host.regions().program_base.get()] {
        let why = Err(failure(ErrorCode::NotAnObject, ptr));
        assert_eq!(host.unpin(ptr), why);
        assert_eq!(host.pin(ptr), why);
    }
    let object = host.alloc_root(16);
    assert_eq!(host.pin(object + 8), Err(failure(ErrorCode::NotAnObject, object + 8)));
    assert_eq!(host.unpin(object), Err(failure(ErrorCode::UnpinUnderflow, object)));
    assert_eq!(host.stat(Stat::Pins), 0);
}

/// An object that was pinned once leaves nothing in the table for good, and a table that was rebuilt is given back.
#[test]
fn pins_that_come_and_go() {
    let host = TestHost::manual();
    let mut tables = 0;
    for round in 0..if cfg!(miri) { 100 } else { 2000 } {
        let object = host.alloc_root(8);
        host.pin(object).expect("an object");
        host.unpin(object).expect("pinned");
        tables = if round == 0 { host.stat(Stat::TableBytes) } else { tables };
        assert_eq!(host.stat(Stat::TableBytes), tables);
    }
}

#[test]
fn no_memory_for_a_table() {
    let host = TestHost::with_pages(17);
    let base = host.regions().program_base.get();
    let object = host.alloc_root(8192);
    while host.try_alloc(8192, false).map(|object| host.push(object)).is_ok() {}
    // 32 entries of 16 bytes to begin with.
    let why = Err(failure(ErrorCode::HeapExhausted, 512));
    assert_eq!(host.pin(object), why);
    assert_eq!(host.add_roots(base, base + 4), why);
    assert_eq!((host.stat(Stat::Pins), host.stat(Stat::RootRanges)), (0, 0));
    host.check();
    host.clear_stack();
    host.push(object);
    host.collect();
    host.pin(object).expect("an object");
    host.add_roots(base, base + 4).expect("a range");
    host.check();
}

/// However many pins there are, and whatever their addresses have in common, each is found at once.
#[test]
fn pins_are_found_at_once() {
    for size in [8, 16, 1024, 8192] {
        let host = TestHost::manual();
        let count = if cfg!(miri) { 200 } else { 2000 };
        let objects: Vec<u32> = (0..count).map(|_| host.alloc_root(size)).collect();
        host.each_within(20, &objects, |object| host.pin(object).expect("an object"));
        host.each_within(12, &objects, |object| host.unpin(object).expect("pinned"));
    }
}

/// More pins than the built-in mark stack has room for: it grows, or it does without, and writes to nothing else.
#[test]
#[cfg_attr(miri, ignore = "too much to mark")]
fn more_pins_than_the_mark_stack_holds() {
    for limit in [0, 1 << 20] {
        let host = TestHost::manual();
        host.configure(GcOption::MarkStackLimit, limit);
        let base = host.regions().program_base.get();
        host.init(base + 65_536).expect("the first init");
        host.fill(base, 65_536, 0x77);
        for _ in 0..20_000 {
            let object = host.alloc_root(8);
            let child = host.alloc(8);
            host.write(object, child);
            host.pin(object).expect("an object");
            host.pop(1);
        }
        host.collect();
        assert_eq!(host.stat(Stat::LiveObjects), 40_000);
        assert_eq!(host.stat(Stat::MarkOverflows) != 0, limit == 0);
        assert!(host.bytes(base, 65_536) == vec![0x77; 65_536]);
        host.check();
    }
}

/// The blocks of a table that was outgrown serve the next.
#[test]
#[cfg_attr(miri, ignore = "too many wrappers")]
fn tables_that_were_outgrown() {
    let host = TestHost::manual();
    let base = host.regions().program_base.get();
    host.init(base + 4).expect("the first init");
    for handle in 0..9000 {
        host.wrapper_root(handle);
    }
    // A table of 32,768 entries of 16 bytes and its index of words, and the smaller ones before them are free.
    let (tables, pages) = (host.stat(Stat::TableBytes), host.stat(Stat::MemoryPages));
    host.add_roots(base, base + 4).expect("a range");
    assert_eq!(host.stat(Stat::TableBytes), tables + 16_384, "a block for the table of ranges");
    assert_eq!(host.stat(Stat::MemoryPages), pages);
    host.check();
}

/// The tables lie in blocks that were used before. What is left there of a dead object's words is no root.
#[test]
fn tables_in_used_blocks() {
    let host = TestHost::manual();
    let base = host.regions().program_base.get();
    host.init(base + 4).expect("the first init");
    let count = if cfg!(miri) { 20 } else { 100 };
    let held: Vec<u32> = (0..count).map(|_| host.alloc_root(16)).collect();
    let object = host.alloc(16);
    for _ in 0..8 {
        let garbage = host.alloc(16_384);
        for word in 0..4096 {
            host.write(garbage + 4 * word, object);
        }
    }
    host.collect();
    for held in held {
        assert_eq!(host.alloc(16), object, "the same cell again");
        host.pin(held).expect("an object");
        host.add_roots(base, base + 4).expect("a range");
        host.collect();
        assert_eq!(host.stat(Stat::LiveObjects), count);
        host.check();
    }
}

proptest! {
    #![proptest_config(crate::model::config(20))]

    /// The pin table against a map, with enough pins to grow it several times.
    #[test]
    fn pins_are_a_map(
        count in prop::sample::select(vec![4_u32, 40, 400]),
        ops in vec((any::<u32>(), 0..8_u8), 1..if cfg!(miri) { 200 } else { 1500 }),
    ) {
        let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30)]);
        let mut objects: Vec<u32> = (0..count).map(|_| host.alloc_root(8)).collect();
        let mut pins = BTreeMap::<u32, u32>::new();
        for (choice, kind) in ops {
            let object = objects[choice as usize % objects.len()];
            match (kind, pins.get(&object).copied()) {
                (0..4, pinned) => {
                    prop_assert_eq!(host.pin(object), Ok(()));
                    pins.insert(object, pinned.unwrap_or(0) + 1);
                }
                (4..7, None) => {
                    let why = failure(ErrorCode::UnpinUnderflow, object);
                    prop_assert_eq!(host.unpin(object), Err(why));
                }
                (4..7, Some(pinned)) => {
                    prop_assert_eq!(host.unpin(object), Ok(()));
                    pins.insert(object, pinned - 1);
                    pins.retain(|_, pinned| *pinned > 0);
                }
                _ if choice % 64 == 0 => {
                    // Only the pins keep anything; the dead cells are handed out again.
                    host.clear_stack();
                    host.collect();
                    prop_assert_eq!(host.stat(Stat::LiveObjects), pins.len() as u64);
                    objects = pins.keys().copied().collect();
                    objects.extend((pins.len()..count as usize).map(|_| host.alloc_root(8)));
                }
                _ => {}
            }
            prop_assert_eq!(host.stat(Stat::Pins), pins.len() as u64);
        }
        prop_assert_eq!(host.verify(), 0);
        host.clear_stack();
        host.collect();
        prop_assert_eq!(host.stat(Stat::LiveObjects), pins.len() as u64);
    }
}
