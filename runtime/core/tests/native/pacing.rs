//! When collections come: what they cost in all, and what memory there is between them.

use std::cell::Cell;
use std::rc::Rc;

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;

/// Live objects of 32 bytes in arrays of 1,000.
fn live(host: &TestHost, count: u32) {
    let index = host.alloc_root(4 * count.div_ceil(1000));
    for part in 0..count.div_ceil(1000) {
        let array = host.alloc(4000);
        host.write(index + 4 * part, array);
        for slot in 0..1000.min(count - 1000 * part) {
            let object = host.alloc(32);
            host.write(array + 4 * slot, object);
        }
    }
}

/// Work units for each object that is allocated while `count` live.
fn work_per_object(count: u32, garbage: u32) -> f64 {
    let host = TestHost::new();
    live(&host, count);
    let (mut work, mut seen) = (0, host.stat(Stat::Collections));
    for made in 0..garbage {
        host.alloc(32);
        if made % 64 == 0 && host.stat(Stat::Collections) != seen {
            seen = host.stat(Stat::Collections);
            work += host.stat(Stat::LastWork);
        }
    }
    work as f64 / f64::from(garbage)
}

#[test]
#[cfg_attr(miri, ignore = "too much allocation")]
fn the_cost_of_an_object_does_not_grow_with_what_lives() {
    // Many collections in each case, so that none weighs much.
    let (few, many) = (work_per_object(10_000, 200_000), work_per_object(100_000, 1_000_000));
    assert!(few > 1.0, "{few}: there were collections");
    assert!(many < 2.0 * few, "{few} units of work with 10,000 live, {many} with 100,000");
    // Eight words and the object itself: a little more than the bytes ask for.
    assert!(many < 20.0, "{many} units of work for each object");
}

/// LAST_WORK: words of roots and of live objects, live objects, and blocks with objects.
#[test]
fn work_is_words_objects_and_blocks() {
    let host = TestHost::manual();
    host.alloc_root(16);
    host.alloc_root(2000);
    host.alloc_root(20_000);
    host.push(host.alloc_atomic(64));
    host.alloc(48);
    host.collect();
    let objects = 16 / 4 + 2048 / 4 + 2 * 16_384 / 4;
    assert_eq!(host.stat(Stat::LastWork), 4 + objects + 4 + 5);
    host.clear_stack();
    host.collect();
    assert_eq!(host.stat(Stat::LastWork), 4, "the blocks that are freed");
    assert_eq!(host.stat(Stat::MaxWork), 4 + objects + 4 + 5);
}

/// The bound that ARCHITECTURE.md promises.
fn assert_bounded(host: &TestHost, live: u64) {
    let base = u64::from(host.regions().program_base.get());
    let memory = u64::from(host.pages()) * 65_536 - base;
    assert!(memory <= live * 5 / 2 + (2 << 20), "{memory} bytes of memory for {live} live ones");
    assert!(host.stat(Stat::PeakBytes) <= memory);
}

#[test]
fn memory_is_bounded_by_what_lives() {
    for count in [0, 1000, 30_000, 150_000] {
        let count = if cfg!(miri) { count / 1000 } else { count };
        let sizes = if cfg!(miri) { &[400, 3000, 20_000][..] } else { &[16, 100, 3000, 20_000] };
        for &size in sizes {
            if count * size > 6 << 20 {
                continue;
            }
            let host = TestHost::new();
            live(&host, count);
            host.collect();
            let live = host.stat(Stat::LiveBytes);
            for _ in 0..(if cfg!(miri) { 300_000 } else { 6 << 20 }) / size {
                host.alloc(size);
            }
            assert_bounded(&host, live);
            host.check();
        }
    }
}

/// Live data that double again and again, as a program reads its input.
#[test]
fn memory_is_bounded_while_the_heap_grows() {
    let host = TestHost::new();
    let (rounds, thousands) = if cfg!(miri) { (4, 2) } else { (30, 10) };
    let mut made = 0;
    for _ in 0..rounds {
        live(&host, 1000 * thousands);
        made += u64::from(thousands) * (32_000 + 4096) + 48;
        assert_bounded(&host, made);
    }
    let collections = host.stat(Stat::Collections);
    assert!(collections <= 12, "{collections} collections while the heap grew to {made} bytes");
}

#[test]
fn collections_come_with_allocation_not_with_pages() {
    let host = TestHost::new();
    let (megabytes, size) = if cfg!(miri) { (1, 512) } else { (40, 64) };
    for _ in 0..(megabytes << 20) / size {
        host.alloc(size);
    }
    // 256 KiB between two.
    let collections = host.stat(Stat::Collections);
    let expected = u64::from(megabytes) * 4;
    assert!(collections <= expected + 1, "{collections} collections for {megabytes} MiB");
    assert!(collections + 2 >= expected, "{collections} collections for {megabytes} MiB");
}

#[test]
#[cfg_attr(miri, ignore = "too much allocation")]
fn growth_percent_and_min_heap_say_when() {
    let collections = |percent, min_heap| {
        let host = TestHost::with_options(&[
            (GcOption::GrowthPercent, percent),
            (GcOption::MinHeap, min_heap),
        ]);
        live(&host, 30_000);
        host.collect();
        let before = host.stat(Stat::Collections);
        for _ in 0..(16 << 20) / 1024 {
            host.alloc(1024);
        }
        host.stat(Stat::Collections) - before
    };
    // A megabyte and a little lives.
    let counts = [(25, 0), (100, 0), (400, 0), (100, 8 << 20)].map(|(p, m)| collections(p, m));
    assert!(counts[0] >= 3 * counts[1] && counts[1] >= 3 * counts[2], "{counts:?}");
    assert!((13..=17).contains(&counts[1]), "{counts:?}");
    assert!((1..=2).contains(&counts[3]), "{counts:?}");
}

/// Small wrappers that die at once put no pressure on the heap, but on the host.
#[test]
fn dead_wrappers_are_bounded_by_the_living() {
    let counts = if cfg!(miri) { &[0, 60][..] } else { &[0, 10, 600, 3000, 6000] };
    for &living in counts {
        let host = TestHost::new();
        host.configure(GcOption::MinHeap, 1 << 30);
        for handle in 0..living {
            host.wrapper_root(handle);
        }
        host.collect();
        let told = Rc::new(Cell::new(0));
        let counter = Rc::clone(&told);
        host.on_decref(move |_, _, _| counter.set(counter.get() + 1));
        let (churn, mut most) = (if cfg!(miri) { 600 } else { 20_000 }, 0);
        for made in 1..=churn {
            host.wrapper(living + made);
            most = most.max(made - told.get());
        }
        let bound = living.max(512);
        assert!(most <= bound, "{most} dead ones beside {living} live ones");
        // And not more often than that asks for, or a table that is three quarters full.
        let collections = host.stat(Stat::Collections);
        let expected = u64::from(churn / bound.min(1024));
        assert!(collections <= expected + 4, "{collections} collections, not {expected}");
    }
}

/// Calls `f` until there is a collection; how often before that.
fn until_a_collection(host: &TestHost, f: impl Fn(u32)) -> u32 {
    let collections = host.stat(Stat::Collections);
    let calls = (0..).take_while(|&call| {
        f(call);
        host.stat(Stat::Collections) == collections
    });
    calls.count() as u32
}

/// 512 bytes that live allow one registration.
#[test]
fn what_lives_allows_registrations() {
    let host = TestHost::manual();
    let live = if cfg!(miri) { 1 << 19 } else { 1 << 20 };
    host.push(host.alloc_atomic(live));
    host.collect();
    assert_eq!(until_a_collection(&host, |handle| _ = host.wrapper(handle)), live / 512);
}

/// In the host's callback both budgets are twice what they are outside.
#[test]
fn the_callback_has_twice_the_budget() {
    let counts: [fn(&TestHost) -> u32; 2] = [
        |host| until_a_collection(host, |_| _ = host.alloc(16_384)),
        |host| until_a_collection(host, |handle| _ = host.wrapper(handle)),
    ];
    for count in counts {
        let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 18)]);
        host.collect();
        let outside = count(&host);
        assert!([16, 512].contains(&outside), "{outside}");
        host.dead_wrappers(1);
        let inside = Rc::new(Cell::new(None));
        let counted = Rc::clone(&inside);
        host.on_decref(move |host, _, _| {
            if counted.get().is_none() {
                counted.set(Some(0));
                counted.set(Some(count(host)));
            }
        });
        host.collect();
        assert_eq!(inside.get(), Some(2 * outside));
    }
}

/// In the callback the budget is twice as large, and what it has spent is due afterwards.
#[test]
fn what_the_callback_spends_is_due_at_the_next_registration() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 64 << 10)]);
    host.dead_wrappers(1);
    let object = host.alloc_root(16);
    let calls = host.counting(|host, _| {
        let before = host.stat(Stat::Collections);
        for _ in 0..20 {
            host.alloc(4096);
        }
        host.wrapper_root(100);
        assert_eq!(host.stat(Stat::Collections), before);
    });
    host.collect();
    assert_eq!(calls.get(), 1);
    let before = host.stat(Stat::Collections);
    host.try_register(object, 1, 101).expect("fresh");
    assert_eq!(host.stat(Stat::Collections), before + 1);
}

#[test]
fn external_bytes_are_pressure() {
    let host = TestHost::new();
    host.configure(GcOption::MinHeap, 1 << 20);
    let (registered, mut most) = (if cfg!(miri) { 100 } else { 400 }, 0);
    for handle in 0..registered {
        let object = host.alloc(16);
        host.try_register_sized(object, 1, handle, 100_000).expect("fresh");
        most = most.max(host.stat(Stat::ExternalBytes));
    }
    assert!(most <= 2 << 20, "{most} bytes behind dead wrappers");
    let collections = host.stat(Stat::Collections);
    // One for each megabyte or two.
    let expected = u64::from(registered) / 20..=u64::from(registered) / 8;
    assert!(expected.contains(&collections), "{collections} collections, not {expected:?}");
    // What lives counts as live: the next collection comes when as much again was allocated.
    let object = host.alloc_root(16);
    host.try_register_sized(object, 1, 0, 50 << 20).expect("fresh");
    host.collect();
    let before = host.stat(Stat::Collections);
    for _ in 0..if cfg!(miri) { 1 } else { 20 << 10 } {
        host.alloc(1024);
    }
    assert_eq!(host.stat(Stat::Collections), before);
}

#[test]
fn eager_collects_at_every_nth() {
    let count = if cfg!(miri) { 10 } else { 30 };
    for every in [1, 2, 5] {
        let host = TestHost::with_options(&[(GcOption::Eager, every)]);
        for _ in 0..count {
            host.alloc(16);
        }
        assert_eq!(host.stat(Stat::Collections), u64::from(count / every));
        for handle in 0..count {
            host.wrapper_root(handle);
        }
        assert_eq!(host.stat(Stat::Collections), u64::from(3 * count / every));
    }
}
