//! Each statistic counts what the table says, on a scenario whose numbers are known.

use rootstock_host::{Instance, Ptr};
use runtime::options::GcOption;
use runtime::stats::{STATS, Stat};
use tests::Setup;

type Check = fn(&mut Instance);

/// One check for each row of the table; `every_statistic_has_a_check` holds it to that.
const CHECKS: &[(Stat, Check)] = &[
    (Stat::LiveBytes, live),
    (Stat::LiveObjects, live),
    (Stat::PeakBytes, peak),
    (Stat::MemoryPages, memory),
    (Stat::Collections, collections),
    (Stat::AllocatedBytes, allocated),
    (Stat::AllocatedObjects, allocated),
    (Stat::Wrappers, wrappers),
    (Stat::WrappersPeak, wrappers),
    (Stat::WrappersRegistered, wrappers),
    (Stat::WrappersTold, wrappers),
    (Stat::StackHighWater, stack),
    (Stat::LastWork, work),
    (Stat::MaxWork, work),
    (Stat::NestedRefused, not_nested),
    (Stat::ExternalBytes, external),
    (Stat::WrapCapacity, capacity),
    (Stat::HeapBytes, peak),
    (Stat::DeadQueued, nothing_queued),
    (Stat::Pins, pins),
    (Stat::RootRanges, ranges),
    (Stat::MarkOverflows, overflows),
    (Stat::TableBytes, capacity),
    (Stat::Stacks, stacks),
];

#[test]
fn every_statistic_counts_what_the_table_says() {
    let checked: Vec<_> = CHECKS.iter().map(|(stat, _)| *stat).collect();
    let table: Vec<_> = STATS.iter().map(|row| row.stat).collect();
    assert_eq!(checked, table);
    for (_, check) in CHECKS {
        // nothing is collected but on request
        let (mut gc, _) = Setup::new().option(GcOption::MinHeap, 1 << 30).instance();
        check(&mut gc);
        assert_eq!(gc.verify().unwrap(), 0);
    }
}

#[test]
fn a_new_instance_has_counted_nothing() {
    let (mut gc, _) = Setup::new().instance();
    let not_zero: Vec<_> =
        STATS.iter().filter(|row| gc.stat(row.stat) != 0).map(|row| row.name).collect();
    assert_eq!(not_zero, ["MEMORY_PAGES", "WRAP_CAPACITY"]);
}

#[test]
fn an_unknown_statistic_is_minus_one() {
    let mut guest = Setup::new().guest("raw.wat");
    for id in [STATS.len() as i32, 1_000, -1, i32::MIN] {
        assert_eq!(guest.call::<_, i64>("gc_stat", id), -1, "statistic {id}");
    }
    for row in STATS {
        assert!(guest.call::<_, i64>("gc_stat", row.stat as u32) >= 0, "{}", row.name);
    }
}

/// Objects whose sizes are usual, odd, and beyond a block; answers with them and their cells' bytes.
fn some(gc: &mut Instance) -> (Vec<Ptr>, i64) {
    let objects: Vec<Ptr> = [0, 1, 8, 12, 16, 100, 1_000, 5_000, 20_000, 300_000]
        .map(|size| gc.alloc(size).unwrap())
        .into();
    let bytes =
        objects.iter().map(|p| i64::from(gc.size(p.0).expect("it was just allocated"))).sum();
    (objects, bytes)
}

fn live(gc: &mut Instance) {
    let (first, bytes) = some(gc);
    assert_eq!(
        (gc.stat(Stat::LiveObjects), gc.stat(Stat::LiveBytes)),
        (10, bytes),
        "allocated since"
    );
    for p in &first {
        gc.push_root(*p).unwrap();
    }
    some(gc);
    assert_eq!((gc.stat(Stat::LiveObjects), gc.stat(Stat::LiveBytes)), (20, 2 * bytes));
    gc.collect().unwrap();
    assert_eq!(
        (gc.stat(Stat::LiveObjects), gc.stat(Stat::LiveBytes)),
        (10, bytes),
        "found by the collection"
    );
    some(gc);
    assert_eq!(
        (gc.stat(Stat::LiveObjects), gc.stat(Stat::LiveBytes)),
        (20, 2 * bytes),
        "and allocated since"
    );
    gc.set_sp(gc.stack_base());
    gc.collect().unwrap();
    assert_eq!((gc.stat(Stat::LiveObjects), gc.stat(Stat::LiveBytes)), (0, 0));
}

fn allocated(gc: &mut Instance) {
    let (_, bytes) = some(gc);
    assert_eq!((gc.stat(Stat::AllocatedObjects), gc.stat(Stat::AllocatedBytes)), (10, bytes));
    gc.collect().unwrap();
    gc.alloc_atomic(16).unwrap();
    gc.try_alloc(16).unwrap();
    assert_eq!((gc.stat(Stat::AllocatedObjects), gc.stat(Stat::AllocatedBytes)), (12, bytes + 32));
}

/// HEAP_BYTES goes up with what is in use and down again with whole blocks; PEAK_BYTES stays.
fn peak(gc: &mut Instance) {
    for _ in 0..100 {
        gc.alloc(100_000).unwrap();
    }
    for _ in 0..10_000 {
        gc.alloc(100).unwrap();
    }
    let used = gc.stat(Stat::HeapBytes);
    let asked = 100 * 100_000 + 10_000 * 100;
    assert!((asked..asked * 5 / 4).contains(&used), "{used} bytes of blocks for {asked}");
    assert_eq!(gc.stat(Stat::PeakBytes), used);
    gc.collect().unwrap();
    let p = gc.alloc(8).unwrap();
    gc.push_root(p).unwrap();
    let left = gc.stat(Stat::HeapBytes) - gc.stat(Stat::TableBytes);
    assert!((1..64 << 10).contains(&left), "{left} bytes for one object");
    assert!(gc.stat(Stat::TableBytes) < used / 20, "{} bytes of tables", gc.stat(Stat::TableBytes));
    assert_eq!(gc.stat(Stat::PeakBytes), used, "the peak stays");
}

fn memory(gc: &mut Instance) {
    let before = gc.stat(Stat::MemoryPages);
    // the address of the last byte is inside, the one behind it is not
    let end = before as u32 * 65_536;
    gc.read(end - 1, &mut [0]).unwrap();
    gc.read(end, &mut [0]).unwrap_err();
    gc.alloc(10 << 20).unwrap();
    let after = gc.stat(Stat::MemoryPages);
    assert!(after >= before + 159, "10 MiB are 160 pages: {before}, then {after}");
    let end = after as u32 * 65_536;
    gc.read(end - 1, &mut [0]).unwrap();
    gc.read(end, &mut [0]).unwrap_err();
}

fn collections(gc: &mut Instance) {
    for n in 1..=3 {
        gc.collect().unwrap();
        assert_eq!(gc.stat(Stat::Collections), n);
    }
    gc.configure(GcOption::Eager, 1).unwrap();
    gc.alloc(8).unwrap();
    assert_eq!(gc.stat(Stat::Collections), 4);
}

fn wrapper(gc: &mut Instance, handle: u32) -> Ptr {
    let p = gc.alloc(12).unwrap();
    gc.register_wrapper(p, 1, handle).unwrap();
    p
}

fn wrappers(gc: &mut Instance) {
    let counts = |gc: &mut Instance| {
        [Stat::Wrappers, Stat::WrappersPeak, Stat::WrappersRegistered, Stat::WrappersTold]
            .map(|stat| gc.stat(stat))
    };
    let kept = wrapper(gc, 0);
    gc.push_root(kept).unwrap();
    for handle in 1..5 {
        wrapper(gc, handle);
    }
    assert_eq!(counts(gc), [5, 5, 5, 0]);
    gc.collect().unwrap();
    assert_eq!(counts(gc), [1, 5, 5, 4]);
    wrapper(gc, 5);
    assert_eq!(counts(gc), [2, 5, 6, 4]);
    gc.release_wrapper(kept).unwrap();
    assert_eq!(counts(gc), [1, 5, 6, 5]);
    gc.shutdown().unwrap();
    assert_eq!(counts(gc), [0, 5, 6, 6]);
}

fn stack(gc: &mut Instance) {
    for _ in 0..100 {
        gc.push_root(Ptr(0)).unwrap();
    }
    assert_eq!(gc.stat(Stat::StackHighWater), 0, "no collection has looked");
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::StackHighWater), 400);
    gc.set_sp(gc.stack_base());
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::StackHighWater), 400);
}

/// Work units: words scanned, plus objects marked, plus blocks swept.
fn work(gc: &mut Instance) {
    gc.collect().unwrap();
    let idle = gc.stat(Stat::LastWork);
    assert!(idle < 100, "{idle} work units for an empty heap");
    let p = gc.alloc(4_000).unwrap();
    gc.push_root(p).unwrap();
    gc.collect().unwrap();
    let one = gc.stat(Stat::LastWork);
    assert!(
        (1_000..1_100).contains(&(one - idle)),
        "{one} work units for one object of 1,000 words"
    );
    assert_eq!(gc.stat(Stat::MaxWork), one);
    // what is atomic is not scanned
    let p = gc.alloc_atomic(40_000).unwrap();
    gc.push_root(p).unwrap();
    gc.collect().unwrap();
    let two = gc.stat(Stat::LastWork);
    assert!(two - one < 50, "{two} work units with an atomic object, {one} without");
    gc.set_sp(gc.stack_base());
    gc.collect().unwrap();
    assert!(gc.stat(Stat::LastWork) < 100);
    assert_eq!(gc.stat(Stat::MaxWork), two.max(one));
}

/// Refused collections are counted in `telling.rs`, where there is a callback; those that run are not.
fn not_nested(gc: &mut Instance) {
    wrapper(gc, 1);
    gc.collect().unwrap();
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::NestedRefused), 0);
}

fn external(gc: &mut Instance) {
    let sized = |gc: &mut Instance, handle, bytes| {
        let p = gc.alloc(12).unwrap();
        gc.register_wrapper_sized(p, 1, handle, bytes).unwrap();
        p
    };
    let kept = sized(gc, 1, 1_000);
    gc.push_root(kept).unwrap();
    sized(gc, 2, 500);
    wrapper(gc, 3);
    assert_eq!(gc.stat(Stat::ExternalBytes), 1_500);
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::ExternalBytes), 1_000);
    gc.release_wrapper(kept).unwrap();
    assert_eq!(gc.stat(Stat::ExternalBytes), 0);
    // sums go beyond 32 bits
    for handle in 0..4 {
        let p = sized(gc, handle, 0x7fff_ffff);
        gc.push_root(p).unwrap();
    }
    assert_eq!(gc.stat(Stat::ExternalBytes), 4 * 0x7fff_ffff);
    gc.shutdown().unwrap();
    assert_eq!(gc.stat(Stat::ExternalBytes), 0);
}

/// 4,096 entries to begin with, at no cost to the heap until the first; then more, each of 16 bytes.
fn capacity(gc: &mut Instance) {
    assert_eq!(gc.stat(Stat::WrapCapacity), 4_096);
    for handle in 0..10_000 {
        let p = wrapper(gc, handle);
        gc.push_root(p).unwrap();
    }
    let capacity = gc.stat(Stat::WrapCapacity);
    assert!((10_000..=40_000).contains(&capacity), "{capacity} entries for 10,000");
    let bytes = gc.stat(Stat::TableBytes);
    assert!(bytes >= capacity * 16, "{bytes} bytes of tables for {capacity} entries");
}

fn nothing_queued(gc: &mut Instance) {
    wrapper(gc, 1);
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::DeadQueued), 0);
}

fn pins(gc: &mut Instance) {
    let (a, b) = (gc.alloc(8).unwrap(), gc.alloc(8).unwrap());
    for p in [a, a, b] {
        gc.pin(p).unwrap();
    }
    assert_eq!(gc.stat(Stat::Pins), 2, "objects, not calls");
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 2);
    gc.unpin(a).unwrap();
    gc.unpin(b).unwrap();
    assert_eq!(gc.stat(Stat::Pins), 1);
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 1, "pins are counted");
    gc.unpin(a).unwrap();
    gc.collect().unwrap();
    assert_eq!((gc.stat(Stat::Pins), gc.stat(Stat::LiveObjects)), (0, 0));
}

fn ranges(gc: &mut Instance) {
    let base = gc.program_base();
    gc.init(base + 64).unwrap();
    gc.add_roots(base, base + 32).unwrap();
    gc.add_roots(base + 32, base + 64).unwrap();
    assert_eq!(gc.stat(Stat::RootRanges), 2);
    for (slot, size) in [(base, 8), (base + 28, 16), (base + 60, 100)] {
        let p = gc.alloc(size).unwrap();
        gc.write_u32(slot, p.0).unwrap();
    }
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 3);
    gc.remove_roots(base, base + 32).unwrap();
    gc.collect().unwrap();
    assert_eq!((gc.stat(Stat::RootRanges), gc.stat(Stat::LiveObjects)), (1, 1));
}

fn stacks(gc: &mut Instance) {
    let made = [1, 100].map(|slots| gc.stack_new(slots).unwrap());
    assert_eq!(gc.stat(Stat::Stacks), 2);
    gc.stack_switch(made[0]).unwrap();
    assert_eq!(gc.stat(Stat::Stacks), 2);
    gc.stack_free(made[1]).unwrap();
    assert_eq!(gc.stat(Stat::Stacks), 1);
    gc.stack_switch(0).unwrap();
    gc.stack_free(made[0]).unwrap();
    assert_eq!(gc.stat(Stat::Stacks), 0);
}

/// Lists whose cells each hold 15 leaves, more than marking looks ahead at, before the pointer to the next cell and behind it.
fn overflows(gc: &mut Instance) {
    gc.configure(GcOption::MarkStackLimit, 0).unwrap();
    for (slot, next) in [(0, 0), (4, 60)] {
        let mut list = Ptr::NULL;
        for _ in 0..5_000 {
            let cell = gc.alloc(64).unwrap();
            gc.write_u32(cell.0 + next, list.0).unwrap();
            gc.set_sp(gc.stack_base() + slot);
            gc.push_root(cell).unwrap();
            for word in (0..64).step_by(4).filter(|word| *word != next) {
                let leaf = gc.alloc(8).unwrap();
                gc.write_u32(cell.0 + word, leaf.0).unwrap();
            }
            list = cell;
        }
    }
    gc.collect().unwrap();
    assert!(gc.stat(Stat::MarkOverflows) > 0);
    assert_eq!(gc.stat(Stat::LiveObjects), 160_000);
    let walked = gc.stat(Stat::MarkOverflows);
    gc.configure(GcOption::MarkStackLimit, i32::MAX as u32).unwrap();
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::MarkOverflows), walked);
}
