//! The wrap-table: order, growth, limits, the index behind `release_wrapper`.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

/// Registers `count` rooted wrappers with the handles from `first` on.
fn register(host: &TestHost, first: u32, count: u32) -> Vec<u32> {
    let table = host.alloc_root(4 * count);
    (0..count)
        .map(|index| {
            let wrapper = host.wrapper(first + index);
            host.write(table + 4 * index, wrapper);
            wrapper
        })
        .collect()
}

#[test]
fn the_dead_are_told_once_and_the_living_are_not() {
    let host = TestHost::manual();
    let wrappers: Vec<u32> = (0..100).map(|handle| host.wrapper(handle)).collect();
    for &wrapper in wrappers.iter().step_by(3) {
        host.push(wrapper);
    }
    host.collect();
    let mut told = host.told_handles();
    told.sort_unstable();
    assert_eq!(told, (0..100).filter(|handle| handle % 3 != 0).collect::<Vec<_>>());
    assert_eq!(host.stat(Stat::Wrappers), 34);
    host.collect();
    assert_eq!(host.told_handles(), []);
    host.clear_stack();
    host.collect();
    assert_eq!(host.told_handles().len(), 34);
    assert_eq!(host.stat(Stat::WrappersTold), 100);
    assert_eq!(host.stat(Stat::WrappersPeak), 100);
}

#[test]
fn kind_and_handle_arrive_as_they_were_given() {
    let host = TestHost::manual();
    let pairs = [(0, 0), (1, u32::MAX), (u32::MAX, 0), (0x8000_0000, 0xDEAD_BEEF)];
    for (kind, handle) in pairs {
        let object = host.alloc(1);
        host.try_register(object, kind, handle).expect("fresh");
        host.collect();
        assert_eq!(host.told(), [(kind, handle)]);
    }
}

/// The entries of the survivors, in order: read where the table is to begin with.
fn entries(host: &TestHost) -> Vec<u32> {
    let table = host.regions().wrap_table.get();
    let live = host.stat(Stat::Wrappers) as u32;
    (0..live).map(|entry| host.read(table + 16 * entry + 8)).collect()
}

#[test]
fn compaction_keeps_the_order() {
    let host = TestHost::manual();
    let count = if cfg!(miri) { 100 } else { 1000 };
    let wrappers = register(&host, 0, count);
    let table = host.read(host.sp() - 4);
    let mut alive: Vec<u32> = (0..count).collect();
    for step in [2, 3, 5, 7] {
        for &handle in alive.iter().step_by(step) {
            host.write(table + 4 * handle, 0);
        }
        let dead: Vec<u32> = alive.iter().copied().step_by(step).collect();
        alive.retain(|handle| !dead.contains(handle));
        host.collect();
        assert_eq!(entries(&host), alive);
        let mut told = host.told_handles();
        told.sort_unstable();
        assert_eq!(told, dead);
        host.check();
    }
    assert!(alive.iter().all(|&handle| host.is_object(wrappers[handle as usize])));
}

#[test]
fn wrappers_of_any_size_and_kind() {
    let host = TestHost::manual();
    for (handle, size) in [0, 8, 100, 8192, 8193, 100_000].into_iter().enumerate() {
        for (kind, atomic) in [(0, false), (1, true)] {
            let object = host.try_alloc(size, atomic).expect("room");
            host.try_register(object, kind, handle as u32).expect("fresh");
            host.push(object);
            host.collect();
            assert_eq!(host.told(), []);
            host.pop(1);
            host.collect();
            assert_eq!(host.told(), [(kind, handle as u32)]);
            host.check();
        }
    }
}

#[test]
fn what_cannot_be_registered() {
    let host = TestHost::manual();
    let object = host.alloc_root(16);
    let never = host.base(object + 16);
    assert_eq!(never, 0);
    for ptr in [0, 4, object + 4, object + 16, 0xFFFF_FFF0, host.regions().program_base.get()] {
        let why = Err(failure(ErrorCode::NotAnObject, ptr));
        assert_eq!(host.try_register(ptr, 1, 1), why);
        assert_eq!(host.release(ptr).map(|_| ()), why);
    }
    host.try_register(object, 1, 1).expect("fresh");
    let why = Err(failure(ErrorCode::AlreadyRegistered, object));
    assert_eq!(host.try_register(object, 1, 2), why);
    assert_eq!(host.release(object), Ok(true));
    assert_eq!(host.release(object), Ok(false));
    host.try_register(object, 1, 3).expect("released");
    assert_eq!(host.told_handles(), [1]);
    assert_eq!(host.stat(Stat::Wrappers), 1);
    host.check();
}

#[test]
fn a_full_table_of_dead_wrappers_does_not_grow() {
    let host = TestHost::manual();
    let count = if cfg!(miri) { 600 } else { 20_000 };
    host.dead_wrappers(count);
    assert_eq!(host.stat(Stat::WrapCapacity), 4096);
    host.collect();
    assert_eq!(host.told().len(), count as usize);
}

#[test]
fn a_table_of_live_wrappers_grows_and_keeps_them() {
    let host = TestHost::manual();
    let count = if cfg!(miri) { 4200 } else { 50_000 };
    let wrappers = register(&host, 0, count);
    assert_eq!(host.stat(Stat::Wrappers), u64::from(count));
    assert!(host.stat(Stat::WrapCapacity) >= u64::from(count));
    assert!(host.stat(Stat::WrapCapacity) <= 4 * u64::from(count));
    assert_eq!(host.told(), []);
    host.collect();
    host.check();
    for (handle, &wrapper) in wrappers.iter().enumerate().step_by(97) {
        assert_eq!(host.release(wrapper), Ok(true));
        assert_eq!(host.told_handles(), [handle as u32]);
    }
    host.clear_stack();
    host.collect();
    assert_eq!(host.stat(Stat::Wrappers), 0);
    assert_eq!(host.stat(Stat::WrappersTold), u64::from(count));
}

/// A nearly full table of live wrappers must not collect at each registration.
#[test]
#[cfg_attr(miri, ignore = "too many wrappers")]
fn a_nearly_full_table_does_not_thrash() {
    let host = TestHost::manual();
    register(&host, 0, 4000);
    let (before, churned) = (host.stat(Stat::Collections), 50_000);
    for handle in 0..churned {
        host.wrapper(4000 + handle);
    }
    let collections = host.stat(Stat::Collections) - before;
    assert!(collections <= u64::from(churned) / 1000 + 2, "{collections} collections");
}

#[test]
fn at_the_limit_the_table_is_full_only_if_all_live() {
    let limit = if cfg!(miri) { 200 } else { 4096 };
    let host = TestHost::with_options(&[(GcOption::WrapLimit, limit)]);
    let wrappers = register(&host, 0, limit);
    let one_more = host.alloc_root(16);
    for _ in 0..3 {
        let why = Err(failure(ErrorCode::WrapTableFull, limit));
        assert_eq!(host.try_register(one_more, 1, 9999), why);
        host.check();
    }
    assert_eq!(host.told(), []);
    // The host can go on: with one given back,
    assert_eq!(host.release(wrappers[7]), Ok(true));
    host.try_register(one_more, 1, 9999).expect("room for one");
    assert_eq!(host.told_handles(), [7]);
    // or one dead.
    host.write(host.read(host.regions().stack_base.get()) + 4 * 100, 0);
    let another = host.alloc_root(16);
    host.try_register(another, 1, 10_000).expect("room after a collection");
    assert_eq!(host.told_handles(), [100]);
    assert_eq!(host.stat(Stat::WrapCapacity), 4096);
    assert_eq!(host.stat(Stat::Wrappers), u64::from(limit));
}

#[test]
fn small_limits() {
    for limit in [1, 2, 5] {
        let host = TestHost::with_options(&[(GcOption::WrapLimit, limit)]);
        for handle in 0..limit {
            host.wrapper_root(handle);
        }
        let object = host.alloc_root(8);
        let why = Err(failure(ErrorCode::WrapTableFull, limit));
        assert_eq!(host.try_register(object, 1, 99), why);
        host.clear_stack();
        host.push(object);
        host.try_register(object, 1, 99).expect("the others are dead");
        assert_eq!(host.told().len(), limit as usize);
    }
}

/// A limit below what there is already: nothing is lost, and nothing is added.
#[test]
fn a_limit_that_is_lowered() {
    let host = TestHost::manual();
    register(&host, 0, 100);
    host.configure(GcOption::WrapLimit, 10);
    let object = host.alloc_root(16);
    let why = Err(failure(ErrorCode::WrapTableFull, 10));
    assert_eq!(host.try_register(object, 1, 100), why);
    assert_eq!((host.stat(Stat::Wrappers), host.told()), (100, vec![]));
    host.check();
}

/// The object that is being registered is not a root of anybody's when the table is full.
#[test]
fn the_wrapper_in_flight_survives() {
    let (limit, count) = if cfg!(miri) { (4, 48) } else { (64, 1000) };
    for eager in [0, 1] {
        let host =
            TestHost::with_options(&[(GcOption::WrapLimit, limit), (GcOption::Eager, eager)]);
        for handle in 0..count {
            let object = host.alloc_root(24);
            host.write(object, handle | 0x8000_0000);
            let link = host.alloc_atomic(8);
            host.write(object + 4, link);
            host.pop(1);
            // Nobody's root from here on, and neither is what it points to.
            let collections = host.stat(Stat::Collections);
            host.try_register(object, 1, handle).expect("room");
            assert!(host.is_object(object) && host.is_object(link));
            assert_eq!(host.read(object), handle | 0x8000_0000);
            assert!(eager == 0 || host.stat(Stat::Collections) > collections);
            host.check();
        }
        assert!(host.stat(Stat::Collections) > 10);
    }
}

#[test]
fn external_bytes_are_counted() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 20)]);
    let object = host.alloc_root(16);
    host.try_register_sized(object, 1, 0, 5_000_000).expect("fresh");
    assert_eq!(host.stat(Stat::ExternalBytes), 5_000_000);
    host.pop(1);
    host.collect();
    assert_eq!(host.stat(Stat::ExternalBytes), 0);
    let objects: Vec<u32> = (0..3).map(|_| host.alloc_root(16)).collect();
    for (handle, &object) in objects.iter().enumerate() {
        host.try_register_sized(object, 1, handle as u32, u32::MAX).expect("fresh");
    }
    assert_eq!(host.stat(Stat::ExternalBytes), 3 * u64::from(u32::MAX));
    host.release(objects[1]).expect("an object");
    assert_eq!(host.stat(Stat::ExternalBytes), 2 * u64::from(u32::MAX));
    host.shutdown();
    assert_eq!(host.stat(Stat::ExternalBytes), 0);
}

#[test]
fn shutdown_tells_about_all_and_forgets() {
    let host = TestHost::manual();
    let wrappers = register(&host, 0, 10);
    host.shutdown();
    let mut told = host.told_handles();
    told.sort_unstable();
    assert_eq!(told, (0..10).collect::<Vec<_>>());
    assert!(wrappers.iter().all(|&wrapper| host.is_object(wrapper)), "they are still rooted");
    assert_eq!(host.stat(Stat::Wrappers), 0);
    host.shutdown();
    host.clear_stack();
    host.collect();
    assert_eq!(host.told(), []);
    host.check();
}

/// However many wrappers there are, and whatever their addresses have in common, each is found at once.
#[test]
fn entries_are_found_at_once() {
    for size in [8, 16, 1024, 8192] {
        let host = TestHost::manual();
        let count = if cfg!(miri) { 200 } else { 2000 };
        let objects: Vec<u32> = (0..count).map(|_| host.alloc_root(size)).collect();
        for &object in &objects {
            host.try_register(object, 1, object).expect("fresh");
        }
        host.each_within(40, &objects, |object| assert_eq!(host.release(object), Ok(true)));
        assert_eq!(host.told_handles(), objects);
        // With what the releases have left behind.
        host.each_within(300, &objects, |object| {
            host.try_register(object, 1, 0).expect("released")
        });
    }
}

/// A collection moves entries; releases before and after it find them.
#[test]
fn entries_are_found_where_they_moved() {
    let host = TestHost::manual();
    let wrappers: Vec<u32> = (0..10).map(|handle| host.wrapper_root(handle)).collect();
    assert_eq!(host.release(wrappers[9]), Ok(true));
    host.write(host.regions().stack_base.get(), 0);
    host.collect();
    assert_eq!(host.told_handles(), [9, 0]);
    host.each_within(60, &wrappers[1..9], |object| assert_eq!(host.release(object), Ok(true)));
    assert_eq!(host.told_handles(), [1, 2, 3, 4, 5, 6, 7, 8]);
    // More than there were when the index was built.
    let wrappers: Vec<u32> = (0..100).map(|handle| host.wrapper_root(handle)).collect();
    host.each_within(60, &wrappers, |object| assert_eq!(host.release(object), Ok(true)));
    assert!(host.told_handles().into_iter().eq(0..100));
}

/// Without memory for an index, entries are still found.
#[test]
fn entries_are_found_without_memory() {
    let host = TestHost::with_pages(17);
    let wrappers: Vec<u32> = (0..20).map(|handle| host.wrapper_root(handle)).collect();
    while host.try_alloc(8192, false).map(|object| host.push(object)).is_ok() {}
    let tables = host.stat(Stat::TableBytes);
    for handle in [19, 0, 7, 18, 1, 2, 17, 9, 3] {
        assert_eq!(host.release(wrappers[handle]), Ok(true));
        assert_eq!(host.told_handles(), [handle as u32]);
    }
    assert_eq!(host.stat(Stat::TableBytes), tables);
    assert_eq!(host.stat(Stat::Wrappers), 11);
    host.check();
}

/// An entry that was released leaves traces in the table and in the index; they must never be
/// taken for an entry again. (Released last, its slot is not filled by another.)
#[test]
fn released_and_registered_again() {
    let host = TestHost::manual();
    let [a, b, c] = [0, 1, 2].map(|handle| host.wrapper_root(handle));
    assert_eq!(host.release(c), Ok(true));
    assert_eq!(host.release(a), Ok(true));
    host.try_register(c, 1, 3).expect("released");
    assert_eq!(host.release(c), Ok(true));
    assert_eq!(host.release(b), Ok(true));
    assert_eq!(host.told_handles(), [2, 0, 3, 1]);
}

proptest! {
    #![proptest_config(crate::model::config(30))]

    /// Releases, registrations and deaths of few objects, so that entries move all the time.
    #[test]
    fn releases_find_their_entries(
        count in prop::sample::select(vec![3_u32, 10, 200]),
        ops in vec((any::<u32>(), 0..20_u8), 1..300),
    ) {
        let host = TestHost::manual();
        let slot = |index: u32| host.regions().stack_base.get() + 4 * index;
        for _ in 0..count {
            host.alloc_root(8);
        }
        let mut handles = BTreeMap::new();
        for (next, (choice, kind)) in ops.into_iter().enumerate() {
            let (index, handle) = (choice % count, next as u32);
            let object = host.read(slot(index));
            match (kind, handles.get(&index).copied()) {
                (0..2, old) => {
                    host.write(slot(index), host.alloc(8));
                    host.collect();
                    prop_assert_eq!(host.told_handles(), Vec::from_iter(old));
                    handles.remove(&index);
                }
                (_, Some(old)) => {
                    prop_assert_eq!(host.release(object), Ok(true));
                    prop_assert_eq!(host.told_handles(), [old]);
                    handles.remove(&index);
                }
                (_, None) => {
                    prop_assert_eq!(host.try_register(object, 1, handle), Ok(()));
                    handles.insert(index, handle);
                }
            }
        }
        prop_assert_eq!(host.stat(Stat::Wrappers), handles.len() as u64);
        prop_assert_eq!(host.verify(), 0);
        for (index, handle) in handles {
            prop_assert_eq!(host.release(host.read(slot(index))), Ok(true));
            prop_assert_eq!(host.told_handles(), [handle]);
        }
    }
}
