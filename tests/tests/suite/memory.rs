//! `gc_init`, the memory map, and what an allocation promises.

use std::collections::HashSet;

use rootstock_host::{Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Setup, assert_error};

#[test]
fn init_with_the_same_value_is_idempotent_and_with_another_an_error() {
    let (mut gc, _) = Setup::new().instance();
    let end = gc.program_base() + 10_000;
    gc.init(end).unwrap();
    gc.init(end).unwrap();
    assert_error(gc.init(end + 8), ErrorCode::InitTwice, end);
    assert_error(gc.init(end - 8), ErrorCode::InitTwice, end);
    let p = gc.alloc(16).unwrap();
    assert!(p.0 >= end);
    // the same value stays right when the heap is in use
    gc.init(end).unwrap();
    assert_error(gc.init(end + 8), ErrorCode::InitTwice, end);
    assert_eq!(gc.base(p.0), Some(p));
    assert_eq!(gc.verify().unwrap(), 0);
}

#[test]
fn init_after_the_first_allocation_is_an_error_unless_it_says_what_is_so() {
    let (mut gc, _) = Setup::new().instance();
    let p = gc.alloc(16).unwrap();
    gc.push_root(p).unwrap();
    assert!(p.0 >= gc.program_base(), "a program without static data may skip gc_init");
    let error = gc.init(gc.program_base() + 100_000).expect_err("the heap is in use");
    assert_eq!(error.code(), Some(ErrorCode::InitTwice));
    gc.collect().unwrap();
    assert_eq!(gc.base(p.0), Some(p));
    assert_eq!(gc.verify().unwrap(), 0);
}

/// Below PROGRAM_BASE there are no static data to speak of: the heap starts there all the same.
#[test]
fn init_below_program_base_says_that_there_are_no_static_data() {
    let (gc, _) = Setup::new().instance();
    let base = gc.program_base();
    for end in [0, 1, base - 1, base] {
        let (mut gc, told) = Setup::new().instance();
        gc.init(end).unwrap();
        gc.init(base).expect("the same, said in another way");
        assert_error(gc.init(base + 1), ErrorCode::InitTwice, base);
        assert!(gc.alloc(8).unwrap().0 >= base);
        tests::assert_usable(&mut gc, &told);
    }
}

/// Memory cannot reach so far: an error, and the heap is as it was.
#[test]
fn init_with_an_address_that_cannot_be_one_is_an_error() {
    for wrong in [u32::MAX, 0x8000_0000, 0xffff_0000] {
        let (mut gc, told) = Setup::new().max_memory(1 << 30).instance();
        let error = gc.init(wrong).expect_err("no static data can end there");
        assert_error::<()>(Err(error), ErrorCode::HeapExhausted, wrong);
        tests::assert_usable(&mut gc, &told);
    }
}

/// The map from the bottom: null guard, shadow stack, PROGRAM_BASE, heap.
#[test]
fn the_memory_map_is_in_order() {
    let (mut gc, _) = Setup::new().instance();
    let (base, limit, program) = (gc.stack_base(), gc.stack_limit(), gc.program_base());
    assert_eq!(gc.sp(), base, "gc_sp is right from instantiation on");
    assert_eq!((base % 4, limit % 4), (0, 0));
    assert!(base > 1_024, "the null guard is below everything");
    assert!(limit - base >= 512 << 10, "{} bytes of shadow stack", limit - base);
    assert!(limit < program);
    assert_eq!(program, 0x10_0000);
    let p = gc.alloc(1).unwrap();
    assert!(p.0 >= program);
    assert!(gc.stat(Stat::MemoryPages) * 65_536 > i64::from(p.0));
}

fn zeroed(gc: &mut Instance, p: Ptr, size: u32) -> bool {
    let mut bytes = vec![1; size as usize];
    gc.read(p.0, &mut bytes).unwrap();
    bytes.iter().all(|byte| *byte == 0)
}

/// Zeroed, aligned, large enough, distinct: at every size up to 4,096 and at the edges of blocks, and so again when
/// the memory is handed out a second time.
#[test]
fn what_alloc_promises_holds_at_every_size() {
    let sizes: Vec<u32> = (0..=4_096)
        .chain([8_191, 8_192, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 65_537, 1 << 20])
        .collect();
    let (mut gc, _) = Setup::new().option(GcOption::MinHeap, 1 << 30).instance();
    for round in 0..2 {
        let mut end_of_last = 0;
        for &size in &sizes {
            let p = gc.alloc(size).unwrap();
            assert_ne!(p, Ptr::NULL);
            assert_eq!(
                p.0 % if size >= 16 { 16 } else { 8 },
                0,
                "round {round}: alignment of {size} bytes at {p}"
            );
            let usable = gc.size(p.0).expect("an object");
            assert!(
                usable >= size && usable <= size + size / 2 + 16_384,
                "{usable} usable bytes for {size}"
            );
            assert!(zeroed(&mut gc, p, size), "round {round}: {size} bytes at {p} are not zero");
            assert_eq!(gc.base(p.0), Some(p));
            gc.write(p.0, &vec![0xff; usable as usize]).unwrap();
            end_of_last = end_of_last.max(p.0 + usable);
        }
        assert!(i64::from(end_of_last) <= gc.stat(Stat::MemoryPages) * 65_536);
        assert_eq!(gc.verify().unwrap(), 0);
        gc.collect().unwrap();
        assert_eq!(gc.stat(Stat::LiveObjects), 0);
    }
}

/// No two objects that are alive share a byte.
#[test]
fn objects_do_not_overlap() {
    let (mut gc, _) = Setup::new().option(GcOption::Eager, 50).instance();
    let mut cells = Vec::new();
    let mut seed = 7_u32;
    for _ in 0..3_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = match seed >> 28 {
            0 => 20_000 + (seed >> 8) % 60_000,
            1..=3 => (seed >> 8) % 5_000,
            _ => (seed >> 8) % 100,
        };
        let p =
            if seed & 1 == 0 { gc.alloc(size).unwrap() } else { gc.alloc_atomic(size).unwrap() };
        // two of three die
        if seed.is_multiple_of(3) {
            gc.push_root(p).unwrap();
            cells.push((p.0, gc.size(p.0).unwrap()));
        }
    }
    cells.sort_unstable();
    for pair in cells.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), cells.len() as i64);
    for (p, size) in cells {
        assert_eq!(gc.size(p), Some(size));
    }
}

#[test]
fn size_0_gives_distinct_valid_pointers() {
    let (mut gc, _) = Setup::new().instance();
    let pointers: HashSet<Ptr> = (0..1_000)
        .map(|_| {
            let p = gc.alloc(0).unwrap();
            gc.push_root(p).unwrap();
            p
        })
        .collect();
    assert_eq!(pointers.len(), 1_000);
    assert!(!pointers.contains(&Ptr::NULL));
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 1_000);
    for p in pointers {
        gc.register_wrapper(p, 1, p.0).unwrap();
    }
}

/// `gc_base` and `gc_size` at each address in and around objects, and anywhere else.
#[test]
fn base_and_size_answer_for_any_address() {
    let (mut gc, _) = Setup::new().instance();
    for size in [8_u32, 24, 100, 3_000, 50_000] {
        let p = gc.alloc(size).unwrap();
        gc.push_root(p).unwrap();
        let usable = gc.size(p.0).unwrap();
        for offset in [0, 1, 7, size / 2, size - 1, usable - 1] {
            assert_eq!(gc.base(p.0 + offset), Some(p), "{offset} bytes into an object of {size}");
        }
        assert_ne!(gc.base(p.0 + usable), Some(p), "the byte behind an object of {size}");
        assert_ne!(gc.base(p.0 - 1), Some(p));
        tests::pop_roots(&mut gc, 1);
        gc.collect().unwrap();
        for offset in [0, 1, size - 1] {
            assert_eq!(gc.base(p.0 + offset), None, "the object of {size} bytes is dead");
            assert_eq!(gc.size(p.0 + offset), None);
        }
    }
    let memory = (gc.stat(Stat::MemoryPages) * 65_536) as u32;
    for address in [
        0,
        1,
        gc.stack_base(),
        gc.stack_limit(),
        gc.program_base() - 1,
        memory - 1,
        memory,
        u32::MAX,
    ] {
        assert_eq!(gc.base(address), None, "{address:#x}");
        assert_eq!(gc.size(address), None, "{address:#x}");
    }
}

/// Roots may be any words at all: nothing that is not the address of an object keeps one alive or does harm.
#[test]
fn junk_on_the_shadow_stack_is_harmless() {
    let (mut gc, _) = Setup::new().option(GcOption::Verify, 1).instance();
    let live = gc.alloc(48).unwrap();
    let large = gc.alloc(100_000).unwrap();
    for p in [live, large] {
        gc.push_root(p).unwrap();
    }
    let memory = (gc.stat(Stat::MemoryPages) * 65_536) as u32;
    let mut seed = 1_u32;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // anywhere, near the heap, and just beside what is alive
        let word = match seed % 3 {
            0 => seed,
            1 => (gc.program_base() + (seed >> 4) % (memory - gc.program_base())) | 1,
            _ => live.0 + 1 + (seed >> 8) % 15,
        };
        gc.push_root(Ptr(word)).unwrap();
    }
    for edge in
        [0, 1, 4, memory - 4, memory, memory + 4, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 3]
    {
        gc.push_root(Ptr(edge)).unwrap();
    }
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 2);
    for slot in (gc.stack_base()..gc.sp()).step_by(4).skip(2) {
        gc.read_u32(slot).unwrap();
    }
    assert!(
        zeroed(&mut gc, live, 48) && zeroed(&mut gc, large, 100_000),
        "nothing is written through a candidate"
    );
}
