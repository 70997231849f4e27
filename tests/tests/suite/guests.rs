//! Whole programs, as a compiler emits them, with what the runtime must make of each.
//!
//! This file is two modules of the suite: `guests` instantiates a program beside the runtime, and `guests_merged` runs
//! the one module that `rootstock link` makes of both.

use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Setup, assert_error, static_data};

fn setup() -> Setup {
    Setup::new().merged(module_path!().ends_with("_merged"))
}

/// Collect at every allocation, spoil what is freed, check the heap each time: a program whose roots are complete runs
/// the same.
fn hard() -> Setup {
    setup().option(GcOption::Eager, 1).option(GcOption::Poison, 1).option(GcOption::Verify, 1)
}

fn easy() -> Setup {
    setup().option(GcOption::Verify, 1)
}

#[test]
fn every_export_is_used_as_it_is_meant() {
    let mut guest = setup().guest("every_export.wat");
    assert_eq!(guest.call::<_, u32>("main", ()), 0, "the number of the step that failed");
    assert_eq!(guest.told.take(), [(4, 41), (3, 42), (3, 43), (5, 46), (3, 44)]);
    assert_eq!(guest.instance.sp(), guest.instance.stack_base());
}

#[test]
fn lists_are_built_and_summed() {
    for (setup, n) in [(easy(), 100_000_u32), (hard(), 300)] {
        let mut guest = setup.guest("list.wat");
        assert_eq!(guest.call::<_, i64>("main", n), i64::from(n) * (i64::from(n) + 1) / 2);
        assert_eq!(guest.call::<_, u32>("churn", (20_u32, n / 20)), 1);
        assert_eq!(guest.verify(), 0);
        guest.collect();
        assert_eq!(guest.stat(Stat::LiveObjects), 0);
    }
}

#[test]
fn cells_are_taken_from_a_run_without_a_call() {
    for (setup, n) in [(easy(), 100_000_u32), (hard(), 300)] {
        let mut guest = setup.guest("inline.wat");
        assert_eq!(guest.call::<_, i64>("main", n), i64::from(n) * (i64::from(n) + 1) / 2);
        assert_eq!(guest.verify(), 0);
        assert_eq!(guest.stat(Stat::AllocatedObjects), 2 * i64::from(n));
        assert!(guest.stat(Stat::Collections) > 0);
        guest.collect();
        assert_eq!(guest.stat(Stat::LiveObjects), 0);
    }
}

#[test]
fn binary_trees_are_built_and_counted() {
    for (setup, rounds, depth) in [(easy(), 40_u32, 14_u32), (hard(), 3, 7)] {
        let mut guest = setup.guest("shapes.wat");
        assert_eq!(
            guest.call::<_, u32>("trees", (rounds, depth)),
            (rounds + 1) * ((1 << depth) - 1)
        );
        assert_eq!(guest.verify(), 0);
    }
}

#[test]
fn closures_keep_what_they_capture() {
    for (setup, n) in [(easy(), 20_000_u32), (hard(), 200)] {
        let mut guest = setup.guest("closures.wat");
        assert_eq!(guest.call::<_, u32>("fold", n), 20 * n);
        assert_eq!(guest.verify(), 0);
    }
}

#[test]
fn strings_are_concatenated_from_static_digits() {
    for (setup, n) in [(easy(), 3_000_u32), (hard(), 150)] {
        let mut guest = setup.guest("closures.wat");
        let (string, length): (u32, u32) = guest.call("join", n);
        let expected: String = (0..n).map(|i| i.to_string()).collect();
        assert_eq!(length as usize, expected.len());
        assert_eq!(guest.bytes(string, length), expected.as_bytes());
        assert_eq!(guest.verify(), 0);
    }
}

#[test]
fn a_table_under_mutation_keeps_every_slot() {
    for (setup, slots, steps, max) in [
        (easy(), 5_000_u32, 200_000_u32, 500_u32),
        (easy(), 200, 20_000, 9_000),
        (hard(), 60, 500, 2_000),
    ] {
        let mut guest = setup.guest("table.wat");
        assert_eq!(guest.call::<_, u32>("main", (slots, steps, max)), slots);
        assert_eq!(guest.verify(), 0);
        guest.call::<_, ()>("forget", ());
        guest.collect();
        assert_eq!(guest.stat(Stat::LiveObjects), 0, "the table hung from its range alone");
    }
}

/// Rounds that each grow the memory from outside: what the program got stays its own.
#[test]
fn memory_grown_by_somebody_else_between_allocations_stays_theirs() {
    for (setup, rounds, pages, objects, size) in [
        (easy(), 50_u32, 3_u32, 10_000_u32, 64_u32),
        (easy(), 20, 1, 30, 100_000),
        (easy(), 200, 1, 100, 1_000),
        (hard(), 10, 2, 40, 24),
    ] {
        let mut guest = setup.guest("grow.wat");
        assert_eq!(
            guest.call::<_, i32>("main", (rounds, pages, objects, size)),
            (rounds * pages) as i32
        );
        assert_eq!(guest.verify(), 0);
        // the pages of the program are memory, but no part of the heap
        let others = i64::from(rounds * pages) * 65_536;
        assert!(guest.stat(Stat::HeapBytes) <= guest.stat(Stat::MemoryPages) * 65_536 - others);
    }
}

/// The program takes its pages before anything is allocated: they are its own too.
#[test]
fn memory_grown_by_somebody_else_before_the_first_allocation_stays_theirs() {
    for pages in [1_u32, 4, 50] {
        let mut guest = easy().guest("grow.wat");
        assert_eq!(
            guest.call::<_, u32>("early", (pages, 20_000_u32)),
            pages,
            "pages of the program's own"
        );
        assert_eq!(guest.verify(), 0);
        guest.collect();
        assert_eq!(guest.stat(Stat::LiveObjects), 20_000);
    }
}

/// 100,000 frames, each with a root that alone keeps its cell alive until the recursion returns.
#[test]
fn a_recursion_100_000_deep_with_a_root_a_frame() {
    const DEPTH: u32 = 100_000;
    let run = || {
        let mut guest = easy().wasm_stack(64 << 20).guest("deep.wat");
        assert_eq!(
            guest.call::<_, i64>("main", DEPTH),
            i64::from(DEPTH) * (i64::from(DEPTH) + 1) / 2
        );
        assert_eq!(guest.stat(Stat::StackHighWater), i64::from(DEPTH) * 4);
        assert_eq!(guest.verify(), 0);
    };
    rootstock_host::with_stack(80 << 20, run).expect("a thread");
}

/// A compiler whose epilogue forgets the roots: the next collection says so, and the host goes on.
#[test]
fn a_program_that_overruns_the_shadow_stack_is_told_at_the_next_collection() {
    let mut guest = easy().guest("deep.wat");
    let (base, limit) = (guest.instance.stack_base(), guest.instance.stack_limit());
    guest.call::<_, ()>("forget", (limit - base) / 4);
    guest.collect();
    guest.instance.set_sp(base);
    // the host looks when the call returns
    let overrun = guest.try_call::<_, ()>("forget", (limit - base) / 4 + 1);
    assert_error(overrun, ErrorCode::ShadowStackOverflow, limit + 4);
    guest.instance.set_sp(base);
    guest.collect();
    // and so does the runtime at a collection
    guest.instance.set_sp(limit + 4);
    assert_error(guest.instance.collect(), ErrorCode::ShadowStackOverflow, limit + 4);
    // said once: the host that puts gc_sp back goes on
    guest.instance.set_sp(base);
    guest.collect();
    // an overrun that was popped before anybody looked wrote over the guard word, and that is found
    guest.instance.write_u32(limit, 0).unwrap();
    assert_error(guest.instance.collect(), ErrorCode::ShadowStackOverflow, base);
    guest.collect();
    assert_eq!(guest.verify(), 0);
}

/// 3 MB of static data in a passive segment: the heap starts above it, and none of it is written to.
#[test]
fn three_megabytes_of_static_data_stay_as_they_are() {
    for setup in [easy(), hard()] {
        let data = static_data::bytes(3_000_000);
        let mut guest = setup.guest_text("static data", &static_data::module(&data));
        let base = guest.instance.program_base();
        let n = if guest.is_eager() { 200_u32 } else { 50_000 };
        assert_eq!(guest.call::<_, i64>("build_and_sum", n), i64::from(n) * (i64::from(n) - 1) / 2);
        assert_eq!(guest.bytes(base, data.len() as u32), data);
        let sum = data.iter().map(|byte| i64::from(*byte)).sum::<i64>();
        assert_eq!(guest.call::<_, i64>("checksum", ()), sum);
        let p = guest.instance.alloc(16).unwrap();
        assert!(p.0 >= base + data.len() as u32, "an object at {p} in static data");
        assert_eq!(guest.verify(), 0);
    }
}

/// Static data of any size, the awkward ones among them: the first object lies above, and is aligned.
#[test]
fn static_data_may_have_any_size() {
    for size in [1_usize, 2, 7, 16_383, 16_384, 65_535, 65_536, 65_537, 1 << 20, 20 << 20] {
        let data = static_data::bytes(size);
        let mut guest = easy().guest_text("static data", &static_data::module(&data));
        let end = guest.instance.program_base() + size as u32;
        for request in [1, 8, 16, 5_000, 100_000] {
            let p = guest.instance.alloc(request).unwrap();
            assert!(p.0 >= end, "{size} bytes: an object at {p}, static data end at {end:#x}");
            assert_eq!(p.0 % if request >= 16 { 16 } else { 8 }, 0);
            assert!(guest.instance.size(p.0).is_some_and(|usable| usable >= request));
        }
        assert_eq!(guest.call::<_, i64>("build_and_sum", 10_000_u32), 49_995_000);
        assert_eq!(guest.bytes(end - size as u32, size as u32), data);
        assert_eq!(guest.verify(), 0);
    }
}

/// The shapes of the seed again, with a collection at every step.
#[test]
fn reclamation_shapes_with_eager_collection() {
    let n = 150_u32;
    for (fold, expected) in [("map_fold", n), ("set_fold", n), ("decimal_fold", n * (n - 1) / 2)] {
        let mut guest = hard().guest("reclaim.wat");
        assert_eq!(guest.call::<_, i64>(fold, n), i64::from(expected), "{fold}");
        guest.collect();
        let audit = guest.audit();
        assert_eq!(audit.live, 1, "{fold}");
        assert!(audit.is_clean(), "{fold}: {audit:?}");
    }
}

/// A program that releases its wrappers itself leaves nothing for the collector.
#[test]
fn wrappers_that_are_released_are_told_at_once() {
    let mut guest = easy().guest("wrappers.wat");
    assert_eq!(guest.call::<_, u32>("dispose", 100_000_u32), 100_000);
    assert_eq!(guest.told.sorted(), (1..=100_000).map(|handle| (3, handle)).collect::<Vec<_>>());
    assert_eq!(guest.stat(Stat::WrappersPeak), 1);
    guest.collect();
    assert_eq!(guest.told.len(), 100_000);
}
