//! The place of the heap, the growth of memory, and the failures to grow.

use std::ops::Range;

use rootstock_core::block::GROUP_BLOCKS;
use rootstock_core::error::ErrorCode;
use rootstock_core::host::Host;
use rootstock_core::options::{GcOption, OPTIONS};
use rootstock_core::stats::{STATS, Stat};

use crate::host::{PAGES, TestHost, failure};

const PAGE: u32 = 65_536;

#[test]
fn init_is_told_once() {
    let host = TestHost::new();
    let base = host.regions().program_base.get();
    host.init(base + 100_000).expect("the first");
    host.init(base + 100_000).expect("the same again");
    let why = Err(failure(ErrorCode::InitTwice, base + 100_000));
    assert_eq!(host.init(base + 100_004), why);
    assert_eq!(host.init(0), why);
    let object = host.alloc(16);
    assert!(object >= base + 100_000);
    host.init(base + 100_000).expect("the same, in use");
    assert_eq!(host.init(base), why);
}

#[test]
fn init_comes_before_the_first_allocation() {
    let host = TestHost::new();
    let base = host.regions().program_base.get();
    let object = host.alloc(16);
    assert!(object >= base);
    let why = Err(failure(ErrorCode::InitTwice, base));
    assert_eq!(host.init(base + 4), why);
    host.init(base).expect("what is in force");
    host.init(4).expect("static data below PROGRAM_BASE are no static data");
}

#[test]
fn the_heap_starts_above_static_data() {
    for bytes in [0, 1, 16_384, 16_385, 65_535, 65_536, 65_537, 3 << 20] {
        let host = TestHost::new();
        let base = host.regions().program_base.get();
        host.init(base + bytes).expect("the first");
        assert!(host.pages() * PAGE >= base + bytes, "memory reaches that far");
        host.fill(base, bytes, 0x77);
        for _ in 0..if cfg!(miri) { 100 } else { 2000 } {
            let object = host.alloc(64);
            assert!(object >= base + bytes);
            host.fill(object, 64, 0xEE);
        }
        host.alloc(100_000);
        assert_eq!(host.bytes(base, bytes), vec![0x77; bytes as usize]);
        host.check();
    }
}

#[test]
fn init_beyond_what_there_is() {
    let host = TestHost::with_pages(32);
    let far = 40 * PAGE;
    assert_eq!(host.init(far), Err(failure(ErrorCode::HeapExhausted, far)));
    host.init(20 * PAGE).expect("not too much");
    assert_eq!(host.pages(), 20);
    host.configure(GcOption::MaxPages, 16);
    host.init(20 * PAGE).expect("memory reaches there already, whatever the ceiling says");
    let host = TestHost::with_pages(100);
    host.configure(GcOption::MaxPages, 20);
    assert_eq!(host.init(40 * PAGE), Err(failure(ErrorCode::HeapExhausted, 40 * PAGE)));
    host.init(20 * PAGE).expect("up to the ceiling");
}

/// Another allocator grows memory at any time; the heap goes around it.
#[test]
fn pages_of_another_allocator() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30)]);
    host.alloc(8);
    let mut foreign = Vec::new();
    for (round, size) in [16, 60_000, 8, 3000, 200_000, 1 << 20].into_iter().enumerate() {
        let pages = round as u32 % 3 + 1;
        let first = host.foreign_grow(pages).expect("room") * PAGE;
        host.fill(first, pages * PAGE, 0xF0);
        foreign.push((first, pages * PAGE));
        for _ in 0..if cfg!(miri) { 3 } else { (2 << 20) / size } {
            let object = host.alloc(size);
            let end = object + host.size(object);
            assert!(foreign.iter().all(|&(at, bytes)| end <= at || object >= at + bytes));
            host.fill(object, host.size(object), 0xEE);
        }
        host.check();
    }
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 0);
    host.check();
    for &(at, bytes) in &foreign {
        assert_eq!(host.bytes(at, bytes), vec![0xF0; bytes as usize]);
        assert_eq!(host.base(at), 0);
    }
    // What was freed on both sides serves again, also for objects that need blocks in a row.
    let pages = host.pages();
    for _ in 0..if cfg!(miri) { 3 } else { 20 } {
        host.alloc(200_000);
    }
    assert_eq!(host.pages(), pages);
}

#[test]
fn memory_grows_in_ever_larger_steps() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30)]);
    let megabytes = if cfg!(miri) { 4 } else { 60 };
    for _ in 0..megabytes * 32 {
        host.alloc_atomic(32_000);
    }
    let growths = host.memory(|memory| memory.growths());
    assert!(growths <= 80, "memory grew {growths} times to {megabytes} MiB");
    assert!(host.pages() <= (megabytes + megabytes / 8) * 16 + 32, "{} pages", host.pages());
    host.check();
}

/// Fills the heap with rooted objects of this size; how many there are.
fn fill_up(host: &TestHost, size: u32) -> u32 {
    for count in 0.. {
        match host.try_alloc(size, false) {
            Ok(object) => host.push(object),
            Err(why) => {
                assert_eq!(why, failure(ErrorCode::HeapExhausted, size));
                return count;
            }
        }
    }
    unreachable!("memory has an end")
}

#[test]
fn a_heap_that_is_full_recovers() {
    for size in [if cfg!(miri) { 2000 } else { 64 }, 5000, 20_000] {
        let pages = if cfg!(miri) { 1 } else { 8 };
        let host = TestHost::with_pages(16 + pages);
        let count = fill_up(&host, size);
        let cells = (pages * PAGE - 0x4000) / host.size(host.read(host.sp() - 4));
        assert!(count >= cells * 9 / 10, "{count} objects of {size} bytes in {pages} pages");
        for _ in 0..3 {
            let why = failure(ErrorCode::HeapExhausted, size);
            assert_eq!(host.try_alloc(size, false), Err(why));
            host.check();
        }
        assert_eq!(host.stat(Stat::LiveObjects), u64::from(count));
        host.pop(1);
        let object = host.alloc_root(size);
        assert!(host.is_filled(object, size, 0));
        host.clear_stack();
        assert_eq!(fill_up(&host, size), count, "all of it");
    }
}

/// Nothing was allocated since the last collection, but roots were dropped: there is garbage.
#[test]
fn a_heap_whose_roots_were_dropped_after_a_collection_is_not_full() {
    for size in [if cfg!(miri) { 2000 } else { 64 }, 20_000] {
        let host = TestHost::with_pages(if cfg!(miri) { 17 } else { 24 });
        fill_up(&host, size);
        host.collect();
        host.clear_stack();
        host.alloc(size);
        host.check();
    }
}

/// `try_alloc` of what there is no room for, again and again.
#[test]
#[cfg_attr(miri, ignore = "too much to mark")]
fn growth_that_is_refused() {
    let host = TestHost::new();
    host.alloc_root(64);
    host.memory(|memory| memory.refuse_growth(true));
    let pages = host.pages();
    let count = fill_up(&host, 1000);
    let why = failure(ErrorCode::HeapExhausted, 1 << 20);
    assert_eq!(host.try_alloc(1 << 20, false), Err(why));
    assert_eq!(host.pages(), pages);
    host.check();
    host.memory(|memory| memory.refuse_growth(false));
    host.alloc_root(1 << 20);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), u64::from(count) + 2);
    host.check();
}

/// Groups of blocks, each with a block for records, that the pages in this range touch.
fn groups(pages: Range<u32>) -> u32 {
    (4 * pages.end).div_ceil(GROUP_BLOCKS) - 4 * pages.start / GROUP_BLOCKS
}

/// Pages that the heap takes for its first object, of `count` blocks, where memory may have `most` pages and
/// static data take `start` pages.
fn first_growth(count: u32, start: u32, most: u32) -> u32 {
    let host = TestHost::with_options(&[(GcOption::MaxPages, most)]);
    host.init(host.regions().program_base.get() + start * PAGE).expect("the first");
    let (pages, growths) = (host.pages(), host.memory(|memory| memory.growths()));
    host.try_alloc(count * 0x4000, true).expect("room");
    assert_eq!(host.memory(|memory| memory.growths()), growths + 1, "{count} blocks");
    assert_eq!(host.stat(Stat::TableBytes), u64::from(groups(pages..host.pages()) * 0x4000));
    host.check();
    host.pages() - pages
}

/// Memory grows once for an object of any size, wherever the heap starts in a group of blocks, and by what the
/// object and the records of its blocks need.
#[test]
fn one_growth_is_enough() {
    let long = [991, 992, 993, 1984, 2976, 3720];
    let counts = (1..=140).chain(if cfg!(miri) { &[][..] } else { &long }.iter().copied());
    for count in counts.step_by(if cfg!(miri) { 35 } else { 1 }) {
        for start in 0..8 {
            let added = first_growth(count, start, PAGES);
            let base = TestHost::new().regions().program_base.get() / PAGE + start;
            let fits = |&added: &u32| 4 * added >= count + groups(base..base + added);
            let least = (1..).find(fits).expect("some");
            assert!(added <= 8.max(least + 1), "{added} pages for {count} blocks");
            if added > 8 {
                assert_eq!(first_growth(count, start, base + added), added, "to the last page");
            }
        }
    }
}

/// The step in which memory grows depends on the heap, not on what lies below it.
#[test]
fn static_data_are_no_heap() {
    assert_eq!(first_growth(1, PAGES / 2, PAGES), 8);
}

/// The step that the heap would like to grow by is too large, and a smaller one is not.
#[test]
fn growth_by_less_than_wished() {
    for pages in 17..if cfg!(miri) { 19 } else { 24 } {
        let host = TestHost::with_pages(pages);
        let object = host.alloc_root(1000);
        assert!(host.is_object(object));
        fill_up(&host, 1000);
        assert_eq!(host.pages(), pages);
        host.check();
    }
    let host = TestHost::with_pages(16);
    assert_eq!(host.try_alloc(8, false), Err(failure(ErrorCode::HeapExhausted, 8)));
    host.check();
}

#[test]
fn the_heap_limit_holds() {
    let large = if cfg!(miri) { 150_000 } else { 3 << 20 };
    for limit in [0x4000, 100_000, large / 3, large] {
        let host = TestHost::with_options(&[(GcOption::HeapLimit, limit)]);
        // The records of blocks are not held to it: two blocks at most for each growth step.
        let slack = 2 * 0x4000 + limit / 31;
        for size in [if cfg!(miri) { 2000 } else { 64 }, 3000, 40_000] {
            fill_up(&host, size);
            let objects = host.stat(Stat::HeapBytes) - host.stat(Stat::TableBytes);
            assert!(objects <= u64::from(limit), "{limit}");
            host.check();
        }
        host.clear_stack();
        if limit > 100_000 {
            // Garbage is collected before the limit is reached, whatever the pacer says.
            host.configure(GcOption::MinHeap, 1 << 30);
            for _ in 0..if cfg!(miri) { 50 } else { 1000 } {
                host.alloc(20_000);
            }
        }
        assert!(host.stat(Stat::PeakBytes) <= u64::from(limit + slack), "{limit}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much to mark")]
fn the_ceiling_of_pages_holds() {
    let host = TestHost::with_options(&[(GcOption::MaxPages, 40)]);
    fill_up(&host, 1000);
    assert_eq!(host.pages(), 40);
    // Others may grow it beyond; the heap does not follow.
    host.foreign_grow(10).expect("room");
    assert_eq!(fill_up(&host, 1000), 0);
    host.configure(GcOption::MaxPages, 64);
    assert!(fill_up(&host, 1000) > 0);
    assert_eq!(host.pages(), 64);
    host.check();
}

#[test]
fn sizes_that_can_never_be_had() {
    let host = TestHost::new();
    for size in [u32::MAX, u32::MAX - 7, 0xC000_0000, 0x8000_0000, 0x7FFF_0000] {
        for atomic in [false, true] {
            let why = failure(ErrorCode::SizeTooLarge, size);
            assert_eq!(host.try_alloc(size, atomic), Err(why));
        }
    }
    let why = failure(ErrorCode::HeapExhausted, 0x4000_0000);
    assert_eq!(host.try_alloc(0x4000_0000, false), Err(why), "more than this host has");
    host.alloc(16);
    host.check();
}

/// Right below 4 GiB: no object ends there, where the address one past it would be 0.
#[test]
#[cfg_attr(miri, ignore = "reserves 4 GiB")]
fn the_end_of_the_address_space() {
    let host = TestHost::with_pages(65_536);
    host.configure(GcOption::MaxPages, 65_536);
    host.configure(GcOption::Interior, 1);
    host.alloc_root(16);
    host.foreign_grow(65_536 - host.pages() - 4).expect("address space");
    let mut last = 0;
    let mut objects = 1;
    for size in [64, 8192, 16_384] {
        while let Ok(object) = host.try_alloc(size, false) {
            assert!(object.checked_add(host.size(object)).is_some(), "{object:#x} ends at 2^32");
            host.push(object);
            host.fill(object, host.size(object), 0x81);
            last = last.max(object);
            objects += 1;
            host.write(object, if objects % 2 == 0 { last } else { u32::MAX });
        }
    }
    assert!(last > 0xFFFF_0000, "{last:#x}: the last page was used");
    host.collect();
    host.check();
    assert_eq!(host.stat(Stat::LiveObjects), objects);
    assert_eq!(host.base(u32::MAX), 0);
    host.clear_stack();
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 0);
    host.check();
    // Cells that are not handed out yet, up to the end.
    host.push(host.alloc_atomic(16_384 * 10));
    while let Ok(object) = host.try_alloc(4096, false) {
        host.push(object);
        assert_eq!(host.base(object.wrapping_add(4096)), 0, "a cell that was not handed out");
        if object > 0xFFFF_0000 {
            host.check();
        }
    }
}

#[test]
fn options_and_statistics_that_do_not_exist() {
    let host = TestHost::new();
    for row in OPTIONS {
        let set = |value| host.with(|runtime| runtime.configure(row.option as u32, value));
        assert_eq!(set(row.min), row.default as i32, "{}", row.name);
        assert_eq!(set(row.max), row.min as i32, "{}", row.name);
        for bad in [row.min.wrapping_sub(1), row.max + 1, u32::MAX] {
            if bad < row.min || bad > row.max {
                assert_eq!(set(bad), -1, "{} = {bad}", row.name);
            }
        }
        assert_eq!(set(row.default), row.max as i32, "{}: a bad value changes nothing", row.name);
    }
    for id in [OPTIONS.len() as u32, 1000, u32::MAX] {
        assert_eq!(host.with(|runtime| runtime.configure(id, 1)), -1);
    }
    for id in [STATS.len() as u32, 1000, u32::MAX] {
        assert_eq!(host.with(|runtime| runtime.stat(id)), -1);
    }
    for row in STATS {
        let known = [Stat::MemoryPages, Stat::WrapCapacity];
        assert!(known.contains(&row.stat) || host.stat(row.stat) == 0, "{}", row.name);
    }
    host.check();
}

/// Growing takes blocks for records, which may use up what the limit has left for the request that made it grow.
#[test]
fn records_count_against_the_heap_limit() {
    for blocks in 2..if cfg!(miri) { 6 } else { 120 } {
        let host = TestHost::manual();
        let limit = blocks * 16_384;
        host.configure(GcOption::HeapLimit, limit);
        for count in [1, 1, 3, 1, 2, 5].into_iter().cycle() {
            let object = host.try_alloc(count * 16_384, true);
            let heap = host.stat(Stat::HeapBytes);
            assert!(heap <= u64::from(limit), "{heap} bytes of {limit}");
            match object {
                Ok(object) => host.push(object),
                Err(why) => {
                    assert_eq!(why, failure(ErrorCode::HeapExhausted, count * 16_384));
                    break;
                }
            }
        }
        host.check();
    }
}
