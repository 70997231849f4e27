//! Pacing without a clock: memory and the collector's own work units, which are the same on every machine.

use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Guest, Setup};

const MIB: i64 = 1 << 20;
/// Above the program's static data: the null guard, the stacks and the runtime's own data are no heap.
const PROGRAM_BASE: i64 = MIB;

/// "memory stays at most 2.5 times live + 2 MiB": of the whole memory, the part below the heap included.
fn assert_memory(guest: &mut Guest, live: i64, what: &str) {
    let memory = guest.stat(Stat::MemoryPages) * 65_536;
    let bound = live * 5 / 2 + 2 * MIB;
    assert!(
        memory <= bound,
        "{what}: {memory} bytes of memory for {live} alive; the bound is {bound}"
    );
    assert!(guest.stat(Stat::PeakBytes) <= memory - PROGRAM_BASE, "{what}: blocks beyond memory");
}

/// A live list of `nodes`, then `garbage` dead objects of 16 bytes in steps so small that a step collects at most once.
/// Answers with the work units of all collections for each object allocated.
fn work_per_object(nodes: u32, garbage: u32) -> f64 {
    let mut guest = Setup::new().guest("list.wat");
    let mut work = Work::new(&mut guest);
    let list: u32 = guest.call("build", nodes);
    guest.push_root(list);
    // the collections while the list grew are few; of those only the last one's work is known, and none was larger
    let building = guest.stat(Stat::Collections) - work.collections;
    work.total += building * guest.stat(Stat::MaxWork);
    work.collections += building;
    let live = i64::from(nodes) * 16;
    let step = (nodes / 4).clamp(1_000, 100_000);
    for _ in 0..garbage / step {
        guest.call::<_, ()>("garbage", (step, 16_u32));
        work.add(&mut guest);
        assert_memory(&mut guest, live, "garbage beside a list");
    }
    assert_eq!(guest.call::<_, u32>("length", list), nodes);
    assert_eq!(guest.verify(), 0);
    work.total as f64 / guest.stat(Stat::AllocatedObjects) as f64
}

/// LAST_WORK of each collection, summed.
struct Work {
    collections: i64,
    total: i64,
}

impl Work {
    fn new(guest: &mut Guest) -> Self {
        Self { collections: guest.stat(Stat::Collections), total: 0 }
    }

    fn add(&mut self, guest: &mut Guest) {
        let collections = guest.stat(Stat::Collections);
        match collections - self.collections {
            0 => {}
            1 => self.total += guest.stat(Stat::LastWork),
            more => panic!("{more} collections in one step: their work is not known"),
        }
        self.collections = collections;
    }
}

/// "the cost per allocated object with 4M live is at most 4 times that with 100k live"
#[test]
fn the_work_per_allocated_object_does_not_grow_with_the_heap() {
    let small = work_per_object(100_000, 10_000_000);
    let large = work_per_object(4_000_000, 10_000_000);
    assert!(small > 0.5, "{small} work units an object: nothing was collected");
    assert!(large <= 4.0 * small, "{large} work units an object with 4M live, {small} with 100k");
}

/// Never a collection per page grown: the number of collections while a heap grows goes with its logarithm.
#[test]
fn a_growing_heap_is_collected_a_logarithmic_number_of_times() {
    let mut guest = Setup::new().guest("list.wat");
    guest.call::<_, u32>("build", 4_000_000_u32);
    // from 256 KiB to 64 MB are 8 doublings
    let collections = guest.stat(Stat::Collections);
    assert!((4..=16).contains(&collections), "{collections} collections");
    assert_memory(&mut guest, 4_000_000 * 16, "a list while it is built");
}

/// Mixed sizes and random replacement: fragmentation stays within the same bound.
#[test]
fn memory_is_bounded_with_mixed_sizes_replaced_at_random() {
    for (slots, max) in [(20_000_u32, 124_u32), (200_000, 28)] {
        let mut guest = Setup::new().guest("table.wat");
        let good: u32 = guest.call("main", (slots, 3_000_000_u32, max));
        assert_eq!(good, slots, "objects are as they were made");
        guest.collect();
        let live = guest.stat(Stat::LiveBytes);
        let asked = i64::from(slots) * (4 + 16 + 2 * i64::from(max));
        assert!(
            (asked..asked * 3 / 2).contains(&live),
            "{live} bytes in cells for about {asked} asked for"
        );
        assert_memory(&mut guest, live, "random replacement");
        assert_eq!(guest.verify(), 0);
    }
}

/// Blocks that are all dead serve another size: memory does not add up over phases of one size each.
#[test]
fn memory_does_not_add_up_over_phases_of_different_sizes() {
    let mut guest = Setup::new().guest("list.wat");
    for size in [
        16_u32, 24, 40, 64, 100, 160, 256, 400, 640, 1_000, 1_600, 2_500, 4_000, 6_400, 10_000,
        40_000,
    ] {
        guest.call::<_, ()>("garbage", ((16 << 20) / size, size));
    }
    assert_memory(&mut guest, 0, "garbage of sixteen sizes, one after the other");
    assert_eq!(guest.verify(), 0);
}

/// Large objects that die leave room for large objects, also when each is a little larger than the one before.
#[test]
fn memory_is_bounded_with_large_objects_that_grow() {
    let mut guest = Setup::new().guest("list.wat");
    let mut size = 20_000_u32;
    while size < 2 << 20 {
        guest.call::<_, ()>("garbage", (4_u32, size));
        size += size / 16;
    }
    // the last ones are 2 MiB each, and one may be alive while the next is allocated
    assert_memory(&mut guest, 4 * MIB, "growing large objects");
    assert_eq!(guest.verify(), 0);
}

/// "at most max(512, live) dead": registrations are pressure, in proportion to the living.
#[test]
fn dead_wrappers_stay_within_a_constant_factor_of_the_living() {
    for live in [0_u32, 100, 512, 3_000, 20_000, 100_000] {
        let mut guest = Setup::new().option(GcOption::MinHeap, 1 << 30).guest("wrappers.wat");
        guest.call::<_, ()>("keep", live);
        guest.collect();
        for _ in 0..100 {
            guest.call::<_, u32>("burst", 5_000_u32);
            let dead = guest.stat(Stat::Wrappers) - i64::from(live);
            assert!(dead <= i64::from(live.max(512)), "{dead} dead with {live} alive");
        }
        let peak = guest.stat(Stat::WrappersPeak) - i64::from(live);
        assert!(peak <= i64::from(live.max(512)), "{peak} dead at once with {live} alive");
        assert_eq!(guest.verify(), 0);
    }
}

/// It must not thrash: a fixed table that is nearly full of live entries collects once for each time the rest is full,
/// and a table that may grow does so rather than collect at each registration.
#[test]
fn a_nearly_full_table_does_not_collect_at_each_registration() {
    let churn = 1_000_000_u32;
    for (limit, live, at_most) in
        [(4_096, 4_000, 1_000_000 / 96 + 50), (16_777_216, 4_000, 1_000_000 / 500 + 50)]
    {
        let mut guest = Setup::new()
            .option(GcOption::WrapLimit, limit)
            .option(GcOption::MinHeap, 1 << 30)
            .guest("wrappers.wat");
        guest.call::<_, ()>("keep", live);
        let before = guest.stat(Stat::Collections);
        guest.call::<_, u32>("burst", churn);
        let collections = guest.stat(Stat::Collections) - before;
        assert!(
            collections <= at_most,
            "{collections} collections for {churn} registrations, limit {limit}"
        );
        guest.collect();
        assert_eq!(guest.stat(Stat::Wrappers), i64::from(live));
        assert_eq!(guest.told.len() as u32, churn);
        assert_eq!(guest.verify(), 0);
    }
}

/// "the host memory behind the handle counts as allocation in the collector's pacing"
#[test]
fn external_bytes_are_pressure() {
    let (mut gc, told) = Setup::new().instance();
    let mut peak = 0;
    for handle in 0..1_000 {
        let p = gc.alloc(12).unwrap();
        gc.register_wrapper_sized(p, 1, handle, 64 << 10).unwrap();
        peak = peak.max(gc.stat(Stat::ExternalBytes));
    }
    // 64 MiB went by with none alive: 256 KiB are the least between two collections
    assert!(peak <= 512 << 10, "{peak} bytes of the host behind dead wrappers");
    assert!(told.len() > 900);
    assert!(gc.stat(Stat::Collections) <= 400, "{} collections", gc.stat(Stat::Collections));
    // but a single one of any size is no reason to collect for ever
    gc.collect().unwrap();
    let before = gc.stat(Stat::Collections);
    let p = gc.alloc(12).unwrap();
    gc.push_root(p).unwrap();
    gc.register_wrapper_sized(p, 1, 1_000, u32::MAX).unwrap();
    for _ in 0..10_000 {
        gc.alloc(16).unwrap();
    }
    assert!(
        gc.stat(Stat::Collections) - before <= 4,
        "{} collections",
        gc.stat(Stat::Collections) - before
    );
    assert_eq!(gc.verify().unwrap(), 0);
}

/// A heap at its limit that is nearly full of live objects gives up in the end, and not after a collection for each
/// allocation on the way there.
#[test]
fn a_heap_nearly_at_its_limit_does_not_collect_for_each_allocation() {
    let (mut gc, _) = Setup::new().option(GcOption::HeapLimit, 8 << 20).instance();
    let mut objects = 0_i64;
    while let Some(p) = gc.try_alloc(64).unwrap() {
        gc.push_root(p).unwrap();
        objects += 1;
    }
    let collections = gc.stat(Stat::Collections);
    assert!(collections <= 64, "{collections} collections for {objects} objects");
    assert!(objects * 64 > 7 << 20, "{objects} objects of 64 bytes in 8 MiB");
}
