//! The fate of dead cells and blocks: lazily swept, reused, given to another class.

use rootstock_core::host::Host;
use rootstock_core::options::GcOption;
use rootstock_core::size_class::MAX_TABLE;
use rootstock_core::stats::Stat;
use rootstock_core::sweep::POISON;

use crate::host::TestHost;

/// Blocks of objects, without the collector's.
fn blocks(host: &TestHost) -> u64 {
    (host.stat(Stat::HeapBytes) - host.stat(Stat::TableBytes)) >> 14
}

/// `count` objects in an array that is a root.
fn array(host: &TestHost, size: u32, count: u32) -> Vec<u32> {
    let array = host.alloc_root(4 * count);
    (0..count)
        .map(|index| {
            let object = host.alloc(size);
            host.write(array + 4 * index, object);
            object
        })
        .collect()
}

/// Drops all objects of an array but those at the indices that `keep` says.
fn keep(host: &TestHost, slot: u32, objects: &[u32], keep: impl Fn(usize) -> bool) {
    let array = host.read(slot);
    for (index, _) in objects.iter().enumerate().filter(|&(index, _)| !keep(index)) {
        host.write(array + 4 * index as u32, 0);
    }
}

#[test]
fn the_holes_of_partial_blocks_are_used_first() {
    let host = TestHost::manual();
    let sizes = if cfg!(miri) { &[48, 1000, 4096][..] } else { &[8, 16, 48, 1000, 4096] };
    for &size in sizes {
        let count = 4 * 16_384 / size;
        let objects = array(&host, size, count);
        let slot = host.sp() - 4;
        keep(&host, slot, &objects, |index| index % 3 == 0);
        for &object in &objects {
            host.fill(object, size & !7, 0xEE);
        }
        host.collect();
        let before = host.stat(Stat::HeapBytes);
        let holes = objects.iter().enumerate().filter(|(index, _)| index % 3 != 0);
        let mut holes: Vec<u32> = holes.map(|(_, &object)| object).collect();
        // In address order, as neighbours that are used together should lie together.
        holes.sort_unstable();
        let mut reused: Vec<u32> = holes.iter().map(|_| host.alloc(size)).collect();
        for &object in &reused {
            assert!(host.is_filled(object, size, 0), "zeroed");
        }
        reused.retain(|object| holes.binary_search(object).is_ok());
        assert!(reused.is_sorted(), "{size}");
        // All but a block: where no object was before the collection.
        assert!(reused.len() + (16_384 / size) as usize >= holes.len(), "{size}");
        assert!(host.stat(Stat::HeapBytes) <= before + 16_384);
        let survivors = objects.iter().step_by(3);
        assert!(survivors.copied().all(|object| host.bytes(object, 8) == [0xEE; 8]));
        host.clear_stack();
        host.collect();
        host.check();
    }
}

#[test]
fn a_dead_block_serves_another_class() {
    let host = TestHost::manual();
    let sizes = [16, 640, 8192, 50_000, 8, 2720, 16];
    let mut peak = 0;
    for size in sizes {
        for atomic in [false, true] {
            for _ in 0..=if cfg!(miri) { 1 << 14 } else { 1 << 20 } / size {
                host.try_alloc(size, atomic).expect("room");
            }
            host.collect();
            assert_eq!(blocks(&host), 0);
            host.check();
            let now = host.stat(Stat::MemoryPages);
            assert!(peak == 0 || now <= peak + 8, "{now} pages, after {peak}");
            peak = now;
        }
    }
}

/// The classical worst case: one survivor in each block. Only its own class can use the rest, and
/// does; nothing else is lost.
#[test]
fn fragmentation_costs_what_it_must() {
    let host = TestHost::manual();
    let per_block = 16_384 / 64;
    let count = if cfg!(miri) { 3 } else { 100 };
    let objects = array(&host, 64, per_block * count);
    let slot = host.sp() - 4;
    keep(&host, slot, &objects, |index| index % per_block as usize == 0);
    host.collect();
    let array_blocks = u64::from((4 * per_block * count).div_ceil(16_384));
    assert_eq!(blocks(&host), u64::from(count) + array_blocks);
    let before = host.stat(Stat::HeapBytes);
    for _ in 0..(per_block - 1) * (count - 1) {
        host.alloc(64);
    }
    assert_eq!(host.stat(Stat::HeapBytes), before, "the holes hold them all");
    host.clear_stack();
    host.collect();
    assert_eq!(blocks(&host), 0);
    host.check();
}

/// Sizes that change over time, as in a program with phases: memory does not grow with them.
#[test]
#[cfg_attr(miri, ignore = "too much allocation")]
fn phases_do_not_add_up() {
    let host = TestHost::new();
    let megabyte = 1 << 20;
    let mut most = 0;
    for size in [24, 100, 500, 3000, 9000, 24, 100, 500, 3000, 9000] {
        let root = host.sp();
        let count = megabyte / size;
        array(&host, size, count);
        for _ in 0..count {
            host.alloc(size);
        }
        most = most.max(host.stat(Stat::PeakBytes));
        host.set_sp(root);
    }
    assert!(most < 5 * u64::from(megabyte), "{most} bytes for 1 MiB at a time");
    host.check();
}

#[test]
fn poison_fills_exactly_what_is_freed() {
    let count = if cfg!(miri) { 6 } else { 40 };
    for size in [8, 16, 200, 8192, 20_000] {
        let host = TestHost::manual();
        host.configure(GcOption::Poison, 1);
        let objects = array(&host, size, count);
        for &object in &objects {
            host.fill(object, host.size(object), 0x99);
        }
        let slot = host.sp() - 4;
        keep(&host, slot, &objects, |index| index % 2 == 0);
        let cell = host.size(objects[0]);
        host.collect();
        for (index, &object) in objects.iter().enumerate() {
            let expected = if index % 2 == 0 { 0x99 } else { POISON };
            assert!(host.is_filled(object, cell, expected), "{size}");
        }
        // And none of it is seen by who gets the cells next.
        for _ in 0..count {
            let object = host.alloc(size);
            assert!(host.is_filled(object, cell, 0), "{size}");
        }
    }
}

#[test]
fn without_poison_dead_cells_are_not_touched() {
    let host = TestHost::manual();
    let object = host.alloc(64);
    host.fill(object, 64, 0x99);
    host.collect();
    assert!(!host.is_object(object));
    assert_eq!(host.bytes(object, 64), [0x99; 64]);
}

/// Atomic cells are not zeroed: that is what they are for.
#[test]
fn atomic_cells_keep_what_is_there() {
    for size in [64, 20_000] {
        let host = TestHost::manual();
        let object = host.alloc_atomic(size);
        host.fill(object, size, 0x99);
        host.collect();
        assert_eq!(host.alloc_atomic(size), object);
        assert_eq!(host.bytes(object, size), vec![0x99; size as usize]);
    }
}

/// The rest of a run is handed out by the fast path alone, to objects of its kind.
#[test]
fn a_run_needs_no_slow_path() {
    let host = TestHost::manual();
    let fast = |size, atomic| host.with(|runtime| runtime.alloc_fast(size, atomic));
    for size in [0, 8, 16, 17, 500, MAX_TABLE] {
        for atomic in [false, true] {
            assert_eq!(fast(size, atomic), None, "there is no run yet");
            let object = host.try_alloc(size, atomic).expect("room");
            let next = fast(size, atomic).expect("more of the run").get();
            assert_eq!(next, object + host.size(object));
        }
        host.collect();
    }
    let object = host.alloc(40);
    let run = host.with(|runtime| runtime.run_of(40, false));
    // SAFETY: a run is four words of the runtime, which stays where it is and is not borrowed now.
    let [bump, end, _, cell] = unsafe { run.cast::<[u32; 4]>().read() };
    assert_eq!((bump, cell), (object + 48, 48), "what gc_run tells");
    assert_eq!(end, object + 48 * (16_384 / 48));
    host.alloc(MAX_TABLE + 1);
    assert_eq!(fast(MAX_TABLE + 1, false), None, "it is in no table");
    host.check();
}

/// A collection in the middle of a run takes what is left of it back.
#[test]
fn the_rest_of_a_run_is_not_lost() {
    let host = TestHost::manual();
    let first = host.alloc_root(16);
    for _ in 0..100 {
        host.collect();
        assert!(!host.is_object(first + 16));
        assert_eq!(host.alloc(16), first + 16);
    }
    assert_eq!(host.stat(Stat::AllocatedObjects), 101);
    assert_eq!(blocks(&host), 1);
}

/// A collection that the pacer asks for ends no run that is in use, and those that are not.
#[test]
fn runs_in_use_go_on_after_a_collection() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 20)]);
    // No statistic is asked for: that counts what runs have handed out, as a collection does.
    let collection = || {
        let garbage = [3000; 2].map(|size| host.alloc(size))[1];
        while host.is_object(garbage) {
            host.alloc(8192);
        }
    };
    let first = host.alloc(16);
    collection();
    assert!(!host.is_object(first));
    let second = host.alloc(16);
    assert_eq!(second, first + 16);
    collection();
    collection();
    assert_ne!(host.alloc(16), second + 16, "the second ended the run");
    host.check();
}

#[test]
fn what_was_not_handed_out_is_no_object() {
    let host = TestHost::manual();
    let object = host.alloc(16);
    assert_eq!((host.base(object + 15), host.size(object + 15)), (object, 16));
    for at in [object + 16, object + 32, object + 1024] {
        assert_eq!((host.base(at), host.size(at)), (0, 0));
    }
    assert_eq!(host.alloc(16), object + 16);
    assert_eq!(host.base(object + 16), object + 16);
}

/// EAGER carves one cell at a time; turning it on and off must not lose or double any.
#[test]
fn eager_on_and_off() {
    let host = TestHost::manual();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..if cfg!(miri) { 40 } else { 200 } {
        host.configure(GcOption::Eager, u32::from(round % 2 == 0) * 1000);
        for _ in 0..round % 7 {
            let object = host.alloc_root(16);
            assert!(seen.insert(object), "{object:#x} twice");
        }
    }
    let (first, last) = (seen.first().expect("some"), seen.last().expect("some"));
    assert_eq!(last - first, 16 * (seen.len() as u32 - 1), "a cell was left out");
    host.configure(GcOption::Eager, 1);
    let collections = host.stat(Stat::Collections);
    for _ in 0..10 {
        host.alloc_root(16);
    }
    assert_eq!(host.stat(Stat::Collections), collections + 10);
    assert_eq!(host.stat(Stat::LiveObjects), seen.len() as u64 + 10);
    host.check();
}
