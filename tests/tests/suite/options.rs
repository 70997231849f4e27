//! Each option: its default, its bounds, and what it changes.

use rootstock_host::{Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::{GcOption, OPTIONS};
use runtime::stats::Stat;
use tests::{Setup, assert_error};

/// Options that could not be tried at their bounds: all can.
#[test]
fn every_option_has_its_default_and_its_bounds() {
    for row in OPTIONS {
        let mut guest = Setup::new().guest("raw.wat");
        let mut set = |value: u32| guest.call::<_, i32>("gc_configure", (row.option as u32, value));
        let name = row.name;
        // the first answer is the default
        assert_eq!(set(row.min), row.default as i32, "{name}: default");
        assert_eq!(set(row.max), row.min as i32, "{name}: least value");
        assert_eq!(set(row.default), row.max as i32, "{name}: greatest value");
        // a refused value changes nothing
        if row.min > 0 {
            assert_eq!(set(row.min - 1), -1, "{name}: below the least value");
        }
        assert_eq!(set(row.max + 1), -1, "{name}: above the greatest value");
        assert_eq!(set(u32::MAX), -1, "{name}: -1 is no value");
        assert_eq!(set(row.default), row.default as i32, "{name}: a refused value was kept");
    }
}

#[test]
fn an_unknown_option_is_refused() {
    let mut guest = Setup::new().guest("raw.wat");
    for option in [OPTIONS.len() as i32, 1_000, -1, i32::MAX, i32::MIN] {
        for value in [0, 1, -1] {
            assert_eq!(
                guest.call::<_, i32>("gc_configure", (option, value)),
                -1,
                "option {option}"
            );
        }
    }
    assert_eq!(guest.verify(), 0);
}

fn collections(gc: &mut Instance, work: impl FnOnce(&mut Instance)) -> i64 {
    let before = gc.stat(Stat::Collections);
    work(gc);
    gc.stat(Stat::Collections) - before
}

#[test]
fn eager_collects_at_every_nth_allocation_or_registration() {
    let (mut gc, _) = Setup::new().instance();
    let allocate = |gc: &mut Instance, n: u32| {
        for _ in 0..n {
            gc.alloc(8).unwrap();
        }
    };
    assert_eq!(collections(&mut gc, |gc| allocate(gc, 100)), 0, "off by default");
    gc.configure(GcOption::Eager, 1).unwrap();
    assert_eq!(collections(&mut gc, |gc| allocate(gc, 100)), 100);
    gc.configure(GcOption::Eager, 7).unwrap();
    assert_eq!(collections(&mut gc, |gc| allocate(gc, 70)), 10);
    assert_eq!(
        collections(&mut gc, |gc| for _ in 0..7 {
            gc.alloc_atomic(100).unwrap();
            gc.try_alloc(40_000).unwrap();
        }),
        2,
        "atomic, large and try_alloc count too"
    );
    gc.configure(GcOption::Eager, 1).unwrap();
    let made = collections(&mut gc, |gc| {
        let p = gc.alloc(12).unwrap();
        gc.register_wrapper(p, 1, 1).unwrap();
    });
    assert_eq!(made, 2, "one for the allocation, one for the registration");
    gc.configure(GcOption::Eager, 0).unwrap();
    assert_eq!(collections(&mut gc, |gc| allocate(gc, 100)), 0, "off again");
}

/// What the allocator had set aside when the option changes is no object.
#[test]
fn switching_eager_makes_no_objects() {
    for size in [8_u32, 16, 100, 1_000] {
        let (mut gc, _) = Setup::new().instance();
        let p = gc.alloc(size).unwrap();
        let cell = gc.size(p.0).unwrap();
        for every in [1, 0] {
            gc.configure(GcOption::Eager, every).unwrap();
            assert_eq!(gc.base(p.0), Some(p));
            assert_eq!(
                gc.base(p.0 + cell),
                None,
                "nobody allocated the cell behind one of {size} bytes"
            );
            assert_eq!(gc.stat(Stat::LiveObjects), 1);
        }
    }
}

/// With POISON a freed cell reads 0xDB once it is freed, without it nothing is written there.
#[test]
fn poison_fills_freed_cells() {
    for size in [8_u32, 16, 48, 512, 2_000, 100_000] {
        for poison in [0, 1] {
            let (mut gc, _) = Setup::new().option(GcOption::Poison, poison).instance();
            // a neighbour on each side stays, so that no block is freed as a whole
            let cells: Vec<Ptr> = (0..3)
                .map(|_| {
                    let p = gc.alloc_atomic(size).unwrap();
                    gc.write(p.0, &vec![0x11; size as usize]).unwrap();
                    p
                })
                .collect();
            gc.push_root(cells[0]).unwrap();
            gc.push_root(cells[2]).unwrap();
            gc.collect().unwrap();
            // sweeping is lazy: allocating the size again reaches the block, but may hand out the very cell
            let mut bytes = vec![0; size as usize];
            gc.read(cells[1].0, &mut bytes).unwrap();
            let expected = if poison == 1 { 0xDB } else { 0x11 };
            assert!(
                bytes.iter().all(|byte| *byte == expected),
                "POISON={poison}: a freed cell of {size} bytes begins {:x?}",
                &bytes[..8]
            );
            for kept in [cells[0], cells[2]] {
                gc.read(kept.0, &mut bytes).unwrap();
                assert!(
                    bytes.iter().all(|byte| *byte == 0x11),
                    "a living cell of {size} bytes was written to"
                );
            }
        }
    }
}

/// A poisoned cell that is handed out again is zero all the same.
#[test]
fn poison_does_not_leak_into_new_objects() {
    let (mut gc, _) = Setup::new().option(GcOption::Poison, 1).instance();
    for round in 0..4 {
        for size in [1_u32, 8, 12, 16, 24, 40, 100, 333, 1_000, 3_000, 9_000, 70_000] {
            for _ in 0..20 {
                let p = gc.alloc(size).unwrap();
                let usable = gc.size(p.0).unwrap();
                let mut bytes = vec![1; usable as usize];
                gc.read(p.0, &mut bytes).unwrap();
                assert!(
                    bytes[..size as usize].iter().all(|byte| *byte == 0),
                    "round {round}: an object of {size} bytes is not zero"
                );
                gc.write(p.0, &vec![0xff; usable as usize]).unwrap();
            }
        }
        gc.collect().unwrap();
    }
}

#[test]
fn heap_limit_bounds_the_heap_and_try_alloc_sees_it() {
    let (mut gc, _) = Setup::new().option(GcOption::HeapLimit, 4 << 20).instance();
    let mut objects = 0;
    while let Some(p) = gc.try_alloc(500).unwrap() {
        gc.push_root(p).unwrap();
        objects += 1;
        assert!(objects * 500 <= 4 << 20);
    }
    assert!(objects * 500 > 3 << 20, "{objects} objects of 500 bytes in 4 MiB");
    assert!(gc.stat(Stat::HeapBytes) <= 4 << 20, "{} bytes", gc.stat(Stat::HeapBytes));
    // garbage still runs through what is left after half of it is dropped
    gc.set_sp(gc.stack_base() + 4 * (objects / 2) as u32);
    for _ in 0..20_000 {
        gc.alloc(500).unwrap();
    }
    assert_eq!(gc.verify().unwrap(), 0);
}

#[test]
fn max_pages_bounds_the_memory() {
    let (mut gc, _) = Setup::new().instance();
    let pages = gc.stat(Stat::MemoryPages) as u32 + 40;
    gc.configure(GcOption::MaxPages, pages).unwrap();
    let mut bytes = 0;
    let last = loop {
        match gc.alloc(1_000) {
            Ok(p) => gc.push_root(p).unwrap(),
            Err(error) => break error,
        }
        bytes += 1_000_u32;
        assert!(bytes < pages * 65_536);
    };
    assert_error::<()>(Err(last), ErrorCode::HeapExhausted, 1_000);
    assert!(gc.stat(Stat::MemoryPages) <= i64::from(pages));
    assert!(bytes > 30 * 65_536, "only {bytes} bytes in 40 pages");
    gc.configure(GcOption::MaxPages, pages + 40).unwrap();
    gc.alloc(1_000).expect("room again");
}

/// The host refuses to grow the memory: the same as a limit of the runtime's own.
#[test]
fn a_host_that_refuses_to_grow_the_memory_is_no_limit_reached_without_a_collection() {
    let (mut gc, told) = Setup::new().max_memory(8 << 20).instance();
    for _ in 0..50_000 {
        gc.alloc(1_000).unwrap();
    }
    assert!(gc.stat(Stat::MemoryPages) <= 128);
    let sp = gc.sp();
    let error = loop {
        match gc.alloc(1_000) {
            Ok(p) => gc.push_root(p).unwrap(),
            Err(error) => break error,
        }
    };
    assert_error::<()>(Err(error), ErrorCode::HeapExhausted, 1_000);
    assert!(
        gc.stat(Stat::LiveBytes) > 5 << 20,
        "{} bytes of 8 MiB were usable",
        gc.stat(Stat::LiveBytes)
    );
    gc.set_sp(sp);
    tests::assert_usable(&mut gc, &told);
}

/// `bytes` of garbage in objects of 64.
fn garbage(gc: &mut Instance, bytes: u32) {
    for _ in 0..bytes / 64 {
        gc.alloc(64).unwrap();
    }
}

#[test]
fn growth_percent_sets_how_much_is_allocated_between_collections() {
    let mut counts = [50_u32, 100, 400].map(|percent| {
        let (mut gc, _) = Setup::new()
            .option(GcOption::GrowthPercent, percent)
            .option(GcOption::MinHeap, 0)
            .instance();
        for _ in 0..(1 << 20) / 64 {
            let p = gc.alloc(64).unwrap();
            gc.push_root(p).unwrap();
        }
        gc.collect().unwrap();
        collections(&mut gc, |gc| garbage(gc, 8 << 20))
    });
    // 8 MiB allocated over 1 MiB alive: a collection for each half, whole, and four MiB
    for (count, expected) in counts.iter_mut().zip([16, 8, 2]) {
        assert!(
            (*count - expected).abs() <= 1 + expected / 8,
            "{count} collections, {expected} expected"
        );
    }
}

#[test]
fn min_heap_is_allocated_between_collections_however_little_is_live() {
    for (min_heap, expected) in [(64 << 10, 64), (256 << 10, 16), (1 << 20, 4), (8 << 20, 0)] {
        let (mut gc, _) = Setup::new().option(GcOption::MinHeap, min_heap).instance();
        gc.collect().unwrap();
        let count = collections(&mut gc, |gc| garbage(gc, 4 << 20));
        assert!(
            (count - expected).abs() <= 1 + expected / 4,
            "MIN_HEAP={min_heap}: {count}, {expected} expected"
        );
    }
}

#[test]
fn interior_decides_whether_an_address_inside_keeps_an_object_alive() {
    for (interior, size) in
        [(0, 64_u32), (1, 64), (0, 3_000), (1, 3_000), (0, 200_000), (1, 200_000)]
    {
        let (mut gc, _) = Setup::new().option(GcOption::Interior, interior).instance();
        for offset in [1, 8, size / 2, size - 1] {
            let sp = gc.sp();
            let p = gc.alloc(size).unwrap();
            gc.push_root(Ptr(p.0 + offset)).unwrap();
            gc.collect().unwrap();
            assert_eq!(
                gc.stat(Stat::LiveObjects),
                i64::from(interior),
                "INTERIOR={interior}, {offset} of {size}"
            );
            assert_eq!(gc.base(p.0 + offset), (interior == 1).then_some(p));
            // a pointer inside an object works the same way
            gc.set_sp(sp);
            let holder = gc.alloc(16).unwrap();
            gc.push_root(holder).unwrap();
            let p = gc.alloc(size).unwrap();
            gc.write_u32(holder.0 + 4, p.0 + offset).unwrap();
            gc.collect().unwrap();
            assert_eq!(gc.stat(Stat::LiveObjects), 1 + i64::from(interior));
            gc.set_sp(sp);
        }
        assert_eq!(gc.verify().unwrap(), 0);
    }
}

#[test]
fn mark_stack_limit_makes_the_heap_be_walked_instead() {
    for (limit, walked) in [(0, true), (i32::MAX as u32, false)] {
        let overflows = [0_u32, 124].map(|at| {
            let mut guest =
                Setup::new().option(GcOption::MarkStackLimit, limit).guest("shapes.wat");
            let comb: u32 = guest.call("comb", (5_000_u32, at));
            guest.push_root(comb);
            guest.collect();
            assert_eq!(guest.call::<_, u32>("comb_intact", (comb, at)), 5_000);
            assert_eq!(guest.stat(Stat::LiveObjects), 145_000);
            guest.stat(Stat::MarkOverflows)
        });
        assert_eq!(
            overflows.iter().sum::<i64>() > 0,
            walked,
            "MARK_STACK_LIMIT={limit}: {overflows:?}"
        );
    }
}
