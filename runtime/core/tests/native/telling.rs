//! Telling the host: what its callback may do.

use std::rc::Rc;

use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

#[test]
fn the_heap_is_consistent_and_the_dead_are_gone() {
    let host = TestHost::manual();
    let wrappers: Vec<u32> = (0..50).map(|handle| host.wrapper(handle)).collect();
    let calls = host.counting(move |host, handle| {
        host.check();
        assert!(!host.is_object(wrappers[handle as usize]));
        assert_eq!(host.stat(Stat::Wrappers), 0);
        assert_eq!(host.stat(Stat::LiveObjects), 0);
    });
    host.collect();
    assert_eq!(calls.get(), 50);
}

#[test]
fn the_callback_may_allocate_and_register() {
    let host = TestHost::manual();
    host.dead_wrappers(50);
    let calls = host.counting(|host, handle| {
        if handle < 1000 {
            let wrapper = host.wrapper_root(1000 + handle);
            host.write(wrapper, handle | 0x8000_0000);
        }
        host.check();
    });
    host.collect();
    assert_eq!(calls.get(), 50);
    assert_eq!(host.stat(Stat::Wrappers), 50);
    // The roots that the callback pushed are the host's business.
    host.clear_stack();
    host.told();
    host.collect();
    let mut told = host.told_handles();
    told.sort_unstable();
    assert_eq!(told, (1000..1050).collect::<Vec<_>>());
}

/// Each death makes a new wrapper that dies too: it is for the next collection, not this one.
#[test]
fn wrappers_made_in_the_callback_wait_for_the_next_collection() {
    let host = TestHost::manual();
    host.dead_wrappers(20);
    let calls = host.counting(|host, handle| {
        host.wrapper(handle + 100);
    });
    for round in 1..5 {
        host.collect();
        assert_eq!(calls.get(), 20 * round);
        host.check();
    }
    host.no_callback();
    host.shutdown();
    assert_eq!(host.stat(Stat::WrappersTold), 100);
}

#[test]
fn a_nested_collection_is_refused_and_counted_and_never_run() {
    let host = TestHost::manual();
    host.dead_wrappers(10);
    let calls = host.counting(|host, _| {
        let collections = host.stat(Stat::Collections);
        let garbage = host.alloc(16);
        for _ in 0..3 {
            host.collect();
            host.alloc(16);
        }
        assert!(host.is_object(garbage), "a nested collection was run");
        assert_eq!(host.stat(Stat::Collections), collections);
    });
    host.collect();
    assert_eq!(calls.get(), 10);
    assert_eq!(host.stat(Stat::Collections), 1);
    assert_eq!(host.stat(Stat::NestedRefused), 30);
    host.no_callback();
    host.collect();
    assert_eq!(host.stat(Stat::Collections), 2);
    assert_eq!(host.stat(Stat::LiveObjects), 0);
}

/// Much allocation in the callback does collect, in the end; the object on its way to the outer
/// caller is nobody's root then.
#[test]
fn the_object_in_flight_survives_its_callbacks() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 0), (GcOption::Eager, 1)]);
    for round in 0..if cfg!(miri) { 5 } else { 20 } {
        host.dead_wrappers(3);
        let calls = host.counting(|host, _| {
            let collections = host.stat(Stat::Collections);
            for _ in 0..100 {
                host.fill(host.alloc(1000), 1000, 0xEE);
            }
            assert!(host.stat(Stat::Collections) > collections, "three budgets were spent");
        });
        host.clear_stack();
        let size = 8 << (round % 5);
        let object = host.alloc(size);
        assert!(calls.get() > 0);
        assert!(host.is_object(object));
        assert!(host.is_filled(object, size, 0), "it was handed out twice");
        host.no_callback();
        host.check();
    }
}

#[test]
fn the_registration_in_flight_survives_its_callbacks() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 0), (GcOption::WrapLimit, 8)]);
    host.dead_wrappers(8);
    let object = host.alloc(16);
    host.write(object, 0x8000_1234);
    let calls = host.counting(|host, _| {
        for _ in 0..100 {
            host.fill(host.alloc(1000), 1000, 0xEE);
        }
    });
    host.try_register(object, 7, 99).expect("the others are dead");
    assert!(calls.get() >= 8);
    assert!(host.is_object(object));
    assert_eq!(host.read(object), 0x8000_1234);
    host.no_callback();
    host.told();
    host.collect();
    assert_eq!(host.told(), [(7, 99)]);
}

#[test]
fn the_callback_registers_the_object_in_flight() {
    let host = TestHost::with_options(&[(GcOption::WrapLimit, 8)]);
    host.dead_wrappers(8);
    let object = host.alloc_root(16);
    let calls = host.counting(move |host, handle| {
        let result = host.try_register(object, 1, 100 + handle);
        assert_eq!(result.is_ok(), handle == 7, "the last entry is told first");
    });
    let why = Err(failure(ErrorCode::AlreadyRegistered, object));
    assert_eq!(host.try_register(object, 1, 99), why);
    assert_eq!(calls.get(), 8);
    assert_eq!(host.stat(Stat::Wrappers), 1);
    host.check();
}

#[test]
fn the_callback_fills_the_table_again() {
    let host = TestHost::with_options(&[(GcOption::WrapLimit, 8)]);
    host.dead_wrappers(8);
    let object = host.alloc_root(16);
    host.counting(|host, handle| {
        host.wrapper_root(100 + handle);
    });
    let why = Err(failure(ErrorCode::WrapTableFull, 8));
    assert_eq!(host.try_register(object, 1, 99), why);
    assert_eq!(host.stat(Stat::Wrappers), 8);
    host.check();
}

#[test]
fn the_callback_releases_others() {
    let host = TestHost::manual();
    host.dead_wrappers(10);
    let living: Vec<u32> = (100..110).map(|handle| host.wrapper_root(handle)).collect();
    host.counting(move |host, handle| {
        if handle < 100 {
            assert_eq!(host.release(living[handle as usize]), Ok(true));
            assert_eq!(host.release(living[handle as usize]), Ok(false));
        }
        host.check();
    });
    host.collect();
    let mut told = host.told_handles();
    assert_eq!(told.chunks(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [100; 10]);
    told.sort_unstable();
    assert_eq!(told, (0..10).chain(100..110).collect::<Vec<_>>());
    assert_eq!(host.stat(Stat::Wrappers), 0);
}

#[test]
fn shutdown_in_the_callback() {
    let host = TestHost::manual();
    host.dead_wrappers(5);
    for handle in 100..105 {
        host.wrapper_root(handle);
    }
    host.counting(|host, _| host.shutdown());
    host.collect();
    let mut told = host.told_handles();
    told.sort_unstable();
    assert_eq!(told, (0..5).chain(100..105).collect::<Vec<_>>());
    host.check();
    host.no_callback();
    let collections = host.stat(Stat::Collections);
    host.collect();
    assert_eq!(host.stat(Stat::Collections), collections + 1, "no level of telling is left");
}

/// Deeper than the runtime keeps account of.
#[test]
fn callbacks_in_callbacks() {
    let host = TestHost::manual();
    let living: Rc<Vec<u32>> = Rc::new((0..40).map(|handle| host.wrapper_root(handle)).collect());
    let chain = Rc::clone(&living);
    host.counting(move |host, handle| {
        if let Some(&next) = chain.get(handle as usize + 1) {
            assert_eq!(host.release(next), Ok(true));
        }
        host.alloc(100);
        host.check();
    });
    let sp = host.sp();
    assert_eq!(host.release(living[0]), Ok(true));
    assert_eq!(host.told_handles(), (0..40).collect::<Vec<_>>());
    assert_eq!(host.sp(), sp);
    host.collect();
    assert_eq!(host.stat(Stat::Collections), 1);
    assert_eq!(host.stat(Stat::LiveObjects), 40);
}

/// A callback may leave roots behind; the runtime only takes back what it pushed itself.
#[test]
fn roots_that_the_callback_leaves_stay() {
    let host = TestHost::manual();
    host.dead_wrappers(1);
    let sp = host.sp();
    host.counting(|host, _| {
        host.alloc_root(16);
    });
    host.collect();
    host.no_callback();
    assert!(host.sp() > sp);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 1);
    host.dead_wrappers(1);
    let sp = host.sp();
    host.collect();
    assert_eq!(host.sp(), sp);
}

/// Calls of the host in its callback may fail, and it may ignore that; the error that the outer call
/// traps with is its own.
#[test]
fn the_error_of_a_call_is_its_own() {
    let host = TestHost::with_pages(32);
    host.configure(GcOption::Eager, 1);
    host.wrapper(0);
    let failed = host.counting(|host, _| {
        assert_eq!(host.pin(4), Err(failure(ErrorCode::NotAnObject, 4)));
    });
    let size = 100 << 20;
    assert_eq!(host.try_alloc(size, false), Err(failure(ErrorCode::HeapExhausted, size)));
    assert_eq!(failed.get(), 1);

    host.configure(GcOption::WrapLimit, 1);
    host.no_callback();
    let (living, object) = (host.wrapper_root(1), host.alloc_root(16));
    host.configure(GcOption::WrapLimit, 2);
    host.wrapper(2);
    host.configure(GcOption::WrapLimit, 1);
    host.counting(|host, _| {
        assert_eq!(host.pin(4), Err(failure(ErrorCode::NotAnObject, 4)));
    });
    let why = Err(failure(ErrorCode::WrapTableFull, 1));
    assert_eq!(host.try_register(object, 1, 3), why);
    assert!(host.is_object(living));
}

/// A host that asks for a collection, allocates, and asks again is believed the second time, as the runtime may have
/// missed a trap. It has not: what is on its way to the caller outside lives, and the shadow stack is as it was.
#[test]
fn a_second_request_in_the_callback_frees_nothing_in_flight() {
    let host = TestHost::manual();
    host.wrapper(1);
    host.configure(GcOption::Eager, 1);
    host.on_decref(|host, _, _| {
        host.configure(GcOption::Eager, 0);
        host.collect();
        for _ in 0..20 {
            host.alloc(16);
        }
        host.collect();
    });
    let sp = host.sp();
    let object = host.alloc(24);
    assert_eq!(host.told_handles(), [1]);
    assert_eq!((host.stat(Stat::NestedRefused), host.stat(Stat::Collections)), (1, 2));
    assert!(host.is_object(object), "the object was on its way to the caller");
    assert_eq!(host.sp(), sp);
    host.check();
}

/// Each level of telling keeps its object alive, up to the last, at which nothing collects.
#[test]
fn telling_inside_telling() {
    for depth in 1..=10 {
        let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 16)]);
        let base = host.sp();
        let wrappers: Vec<u32> = (0..depth).map(|handle| host.wrapper_root(handle)).collect();
        let (first, all) = (wrappers[0], wrappers.clone());
        let calls = host.counting(move |host, handle| {
            // Only the call in progress keeps the object now.
            host.write(base + 4 * handle, 0);
            if let Some(&next) = wrappers.get(handle as usize + 1) {
                assert_eq!(host.release(next), Ok(true));
                return;
            }
            let collections = host.stat(Stat::Collections);
            (0..40).for_each(|_| _ = host.alloc(16_384));
            assert_eq!(host.stat(Stat::Collections) != collections, depth < 8, "{depth} deep");
            assert!(wrappers.iter().all(|&wrapper| host.is_object(wrapper)));
        });
        assert_eq!(host.release(first), Ok(true));
        assert_eq!((calls.get(), host.sp()), (depth, base + 4 * depth));
        host.collect();
        assert!(all.iter().all(|&wrapper| !host.is_object(wrapper)));
        host.check();
    }
}

/// A full table is collected outside and grown inside the callback, but for one that may not grow.
#[test]
#[cfg_attr(miri, ignore = "too many wrappers")]
fn full_tables() {
    let host = TestHost::manual();
    // So much lives that registrations alone are no reason to collect.
    host.alloc_root(4 << 20);
    host.collect();
    let live = |count| (0..count).for_each(|handle| _ = host.wrapper_root(handle));
    live(2000);
    host.dead_wrappers(2097);
    assert_eq!((host.stat(Stat::Collections), host.stat(Stat::WrapCapacity)), (2, 4096));
    // More than three quarters of it live, but it is not full.
    live(1500);
    host.configure(GcOption::Eager, 1);
    live(1);
    host.configure(GcOption::Eager, 0);
    assert_eq!(host.stat(Stat::WrapCapacity), 4096);
    host.configure(GcOption::WrapLimit, 4096);
    let collections = host.stat(Stat::Collections);
    for handle in host.stat(Stat::Wrappers) as u32..4096 {
        host.wrapper_root(handle);
    }
    let calls = host.counting(|host, _| {
        host.wrapper_root(0);
        host.configure(GcOption::WrapLimit, 1 << 20);
        host.wrapper_root(1);
    });
    host.release(host.read(host.sp() - 4)).expect("an object");
    assert_eq!((calls.get(), host.stat(Stat::Collections)), (1, collections));
    assert!(host.stat(Stat::WrapCapacity) > 4096);

    let host = TestHost::with_options(&[(GcOption::WrapLimit, 64)]);
    let calls = host.counting(|host, handle| {
        if handle == 1000 {
            host.dead_wrappers(200);
        }
    });
    let wrapper = host.wrapper(1000);
    host.release(wrapper).expect("an object");
    assert!(calls.get() > 100 && host.stat(Stat::Collections) >= 3);
}

/// The table fills up with the dead that are still to be told and what the callback registers.
#[test]
#[cfg_attr(miri, ignore = "too many wrappers")]
fn a_table_full_of_the_dead() {
    let host = TestHost::manual();
    host.alloc_root(4 << 20);
    host.collect();
    host.dead_wrappers(4000);
    let calls = host.counting(|host, handle| {
        if handle != 3999 {
            return;
        }
        let objects: Vec<u32> = (0..200).map(|_| host.alloc_root(16)).collect();
        host.configure(GcOption::HeapLimit, host.stat(Stat::HeapBytes) as u32);
        let failed = objects.iter().find_map(|&object| host.try_register(object, 1, object).err());
        assert_eq!(failed, Some(failure(ErrorCode::HeapExhausted, 2 * 4096 * 16)));
        host.configure(GcOption::HeapLimit, 0);
        host.try_register(objects[199], 1, 0).expect("a larger table");
        assert_eq!(host.stat(Stat::WrapCapacity), 8192);
        host.check();
    });
    host.collect();
    assert_eq!((calls.get(), host.stat(Stat::Wrappers)), (4000, 98));
    host.check();
}
