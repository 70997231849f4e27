//! What the host is told: each dead wrapper exactly once, when the heap is consistent, whatever the callback does.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rootstock_host::{Callback, Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Setup, assert_usable};

fn wrapper(gc: &mut Instance, kind: u32, handle: u32) -> Ptr {
    let p = gc.alloc(12).unwrap();
    gc.register_wrapper(p, kind, handle).unwrap();
    p
}

#[test]
fn a_dead_wrapper_is_told_by_the_next_collection_and_never_again() {
    let (mut gc, told) = Setup::new().instance();
    let live = wrapper(&mut gc, 1, 10);
    gc.push_root(live).unwrap();
    wrapper(&mut gc, 2, 20);
    gc.collect().unwrap();
    assert_eq!(told.take(), [(2, 20)]);
    gc.collect().unwrap();
    assert!(told.is_empty());
    gc.set_sp(gc.stack_base());
    gc.collect().unwrap();
    assert_eq!(told.take(), [(1, 10)]);
    gc.collect().unwrap();
    gc.shutdown().unwrap();
    assert!(told.is_empty());
}

#[test]
fn kinds_and_handles_are_any_numbers_and_need_not_differ() {
    let (mut gc, told) = Setup::new().instance();
    let pairs = [(0, 0), (u32::MAX, u32::MAX), (0x8000_0000, 7), (5, 5), (5, 5)];
    for (kind, handle) in pairs {
        wrapper(&mut gc, kind, handle);
    }
    gc.collect().unwrap();
    let mut expected = pairs;
    expected.sort_unstable();
    assert_eq!(told.sorted(), expected);
}

#[test]
fn release_tells_at_once_and_shutdown_tells_the_rest() {
    let (mut gc, told) = Setup::new().instance();
    let (a, b) = (wrapper(&mut gc, 1, 1), wrapper(&mut gc, 1, 2));
    for p in [a, b] {
        gc.push_root(p).unwrap();
    }
    wrapper(&mut gc, 1, 3);
    assert!(gc.release_wrapper(a).unwrap());
    assert_eq!(told.take(), [(1, 1)]);
    assert!(!gc.release_wrapper(a).unwrap(), "forgotten");
    gc.shutdown().unwrap();
    assert_eq!(told.sorted(), [(1, 2), (1, 3)], "the dead one and the living one");
    told.clear();
    assert_eq!(gc.stat(Stat::Wrappers), 0);
    gc.shutdown().unwrap();
    gc.set_sp(gc.stack_base());
    gc.collect().unwrap();
    assert!(told.is_empty());
    assert_usable(&mut gc, &told);
}

/// The callback traps at its third call: the handles after it are told later, each once; the one whose callback trapped
/// counts as told.
#[test]
fn a_callback_that_traps_leaves_the_rest_for_the_next_collection() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let callback = Callback::Custom(Arc::new(move |_, kind, handle| {
        let mut told = seen.lock().unwrap();
        told.push((kind, handle));
        if told.len() == 3 {
            return Err(tests::host_error("the host's own failure"));
        }
        Ok(())
    }));
    let mut gc = Setup::new().option(GcOption::Verify, 1).callback(callback);
    for handle in 0..10 {
        wrapper(&mut gc, 3, handle);
    }
    let sp = gc.sp();
    let error = gc.collect().expect_err("the callback's failure comes through");
    assert!(error.to_string().contains("the host's own failure"), "{error}");
    gc.set_sp(sp);
    assert_eq!(told.lock().unwrap().len(), 3);
    assert_eq!(gc.stat(Stat::DeadQueued), 7);
    assert_eq!(gc.stat(Stat::Wrappers), 0, "dead ones are out of the table");
    assert_eq!(gc.verify().unwrap(), 0);
    // neither stuck in the callback nor confused about what is queued
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::NestedRefused), 0, "the collection after the trap is no nested one");
    assert_eq!(gc.stat(Stat::DeadQueued), 0);
    assert_eq!(gc.stat(Stat::WrappersTold), 10);
    let mut all = told.lock().unwrap().clone();
    all.sort_unstable();
    assert_eq!(all, (0..10).map(|handle| (3, handle)).collect::<Vec<_>>());
}

/// Every call of the callback traps: each collection tells one, and none is lost or told twice.
#[test]
fn a_callback_that_always_traps_is_told_each_handle_once_in_the_end() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let callback = Callback::Custom(Arc::new(move |_, kind, handle| {
        seen.lock().unwrap().push((kind, handle));
        Err(tests::host_error("always"))
    }));
    let mut gc = Setup::new().callback(callback);
    for handle in 0..5 {
        wrapper(&mut gc, 3, handle);
    }
    let sp = gc.sp();
    for told_so_far in 1..=5 {
        gc.collect().expect_err("the callback traps");
        gc.set_sp(sp);
        assert_eq!(told.lock().unwrap().len(), told_so_far);
        assert_eq!(gc.verify().unwrap(), 0);
    }
    gc.collect().unwrap();
    let mut all = told.lock().unwrap().clone();
    all.sort_unstable();
    assert_eq!(all, (0..5).map(|handle| (3, handle)).collect::<Vec<_>>());
}

/// What is queued when the instance shuts down is told too.
#[test]
fn shutdown_tells_what_a_trap_left_in_the_queue() {
    let fail = Arc::new(AtomicBool::new(true));
    let told = Arc::new(Mutex::new(Vec::new()));
    let (failing, seen) = (fail.clone(), told.clone());
    let callback = Callback::Custom(Arc::new(move |_, kind, handle| {
        seen.lock().unwrap().push((kind, handle));
        if failing.swap(false, Ordering::Relaxed) { Err(tests::host_error("once")) } else { Ok(()) }
    }));
    let mut gc = Setup::new().callback(callback);
    for handle in 0..4 {
        wrapper(&mut gc, 3, handle);
    }
    let sp = gc.sp();
    gc.collect().expect_err("the callback traps");
    gc.set_sp(sp);
    let live = wrapper(&mut gc, 4, 100);
    gc.push_root(live).unwrap();
    gc.shutdown().unwrap();
    let mut all = told.lock().unwrap().clone();
    all.sort_unstable();
    assert_eq!(all, [(3, 0), (3, 1), (3, 2), (3, 3), (4, 100)]);
}

/// The callback allocates and registers; what it does is ordinary, also when it fills the table that is being emptied.
#[test]
fn a_callback_may_allocate_and_register_in_the_callback() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let next = Arc::new(AtomicU32::new(1_000));
    let (seen, numbers) = (told.clone(), next.clone());
    let callback = Callback::Custom(Arc::new(move |cx, kind, handle| {
        seen.lock().unwrap().push((kind, handle));
        // each dead handle below 1,000 has two more made in its place, none of which is rooted
        if handle < 1_000 {
            for _ in 0..2 {
                let p = cx.alloc(12)?;
                cx.register_wrapper(p, kind + 1, numbers.fetch_add(1, Ordering::Relaxed))?;
            }
        }
        Ok(())
    }));
    let mut gc = Setup::new()
        .option(GcOption::WrapLimit, 4096)
        .option(GcOption::Poison, 1)
        .callback(callback);
    for handle in 0..400 {
        wrapper(&mut gc, 3, handle);
    }
    gc.collect().unwrap();
    assert_eq!(gc.verify().unwrap(), 0);
    for _ in 0..3 {
        gc.collect().unwrap();
    }
    assert_eq!(gc.stat(Stat::Wrappers), 0);
    let mut all = told.lock().unwrap().clone();
    all.sort_unstable();
    let expected: Vec<_> = (0..400).map(|h| (3, h)).chain((1_000..1_800).map(|h| (4, h))).collect();
    assert_eq!(all, expected);
    assert_eq!(gc.verify().unwrap(), 0);
}

/// What the callback roots stays alive however much it allocates, and its roots are gone when it pops them.
#[test]
fn what_the_callback_roots_is_not_collected_under_it() {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = calls.clone();
    let callback = Callback::Custom(Arc::new(move |cx, _, handle| {
        counter.fetch_add(1, Ordering::Relaxed);
        let sp = cx.sp();
        let kept = cx.alloc(16)?;
        cx.push_root(kept)?;
        cx.write_u32(kept.0, handle)?;
        for _ in 0..200 {
            let other = cx.alloc(1_000)?;
            cx.write_u32(other.0, 0xffff_ffff)?;
        }
        assert_eq!(cx.read_u32(kept.0)?, handle, "an object was collected inside the callback");
        cx.set_sp(sp);
        Ok(())
    }));
    let mut gc = Setup::new()
        .option(GcOption::Poison, 1)
        .option(GcOption::MinHeap, 4_096)
        .callback(callback);
    for handle in 0..20 {
        wrapper(&mut gc, 3, handle);
    }
    let sp = gc.sp();
    gc.collect().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 20);
    assert_eq!(gc.sp(), sp);
    assert_eq!(gc.verify().unwrap(), 0);
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 0);
}

/// The object of the call in which the host is told is on its way to the caller: nothing that the host does meanwhile
/// can take it away.
#[test]
fn the_object_on_its_way_to_the_caller_survives_what_the_callback_does() {
    let callback = || {
        Callback::custom(|cx, _, _| {
            for size in [12, 16, 1_000, 40_000] {
                for _ in 0..10 {
                    let other = cx.alloc(size)?;
                    cx.write(other.0, &vec![0xee; size as usize])?;
                }
            }
            Ok(())
        })
    };
    for full in [false, true] {
        for size in [12_u32, 16, 1_000, 40_000] {
            let mut gc = Setup::new()
                .option(GcOption::Poison, 1)
                .option(GcOption::MinHeap, 0)
                .callback(callback());
            if full {
                // no slot is free for whatever the runtime might want to push
                let limit = gc.stack_limit();
                gc.set_sp(limit);
            }
            for handle in 0..800 {
                let p = gc.alloc(size).unwrap();
                let mut bytes = vec![1; size as usize];
                gc.read(p.0, &mut bytes).unwrap();
                assert!(
                    bytes.iter().all(|byte| *byte == 0),
                    "a new object of {size} bytes at {p} is not zero"
                );
                assert_eq!(
                    gc.base(p.0),
                    Some(p),
                    "an object of {size} bytes was collected on its way"
                );
                gc.write_u32(p.0, handle | 0x8000_0000).unwrap();
                gc.register_wrapper(p, 3, handle).unwrap();
                assert_eq!(
                    gc.base(p.0),
                    Some(p),
                    "a wrapper of {size} bytes was collected on its way"
                );
                assert_eq!(gc.read_u32(p.0).unwrap(), handle | 0x8000_0000);
            }
            assert!(gc.stat(Stat::WrappersTold) > 200);
            assert_eq!(gc.verify().unwrap(), 0);
        }
    }
}

/// A host that does not put gc_sp back after a trap in its callback is taken for one that is still inside it, but not
/// for ever.
#[test]
fn a_host_that_forgets_gc_sp_after_a_trap_in_its_callback_is_told_the_rest_all_the_same() {
    let fail = Arc::new(AtomicBool::new(true));
    let failing = fail.clone();
    let mut gc = Setup::new().callback(Callback::custom(move |_, _, _| {
        if failing.swap(false, Ordering::Relaxed) { Err(tests::host_error("once")) } else { Ok(()) }
    }));
    for handle in 0..4 {
        wrapper(&mut gc, 3, handle);
    }
    gc.collect().expect_err("the callback traps");
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::WrappersTold), 4, "the rest, whatever else becomes of the request");
    // it goes on allocating, as no callback does that asks for a collection each time
    for _ in 0..100 {
        gc.alloc(16).unwrap();
    }
    let collections = gc.stat(Stat::Collections);
    for n in 1..=3 {
        gc.collect().unwrap();
        assert_eq!(
            gc.stat(Stat::Collections),
            collections + n,
            "collections are not refused any more"
        );
    }
    assert!(gc.stat(Stat::NestedRefused) <= 1);
    assert_eq!(gc.verify().unwrap(), 0);
}

#[test]
fn a_collection_asked_for_in_the_callback_is_refused_and_counted() {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = calls.clone();
    let callback = Callback::Custom(Arc::new(move |cx, _, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        cx.collect()?;
        Ok(())
    }));
    let mut gc = Setup::new().callback(callback);
    for handle in 0..3 {
        wrapper(&mut gc, 3, handle);
    }
    gc.collect().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(gc.stat(Stat::NestedRefused), 3);
    assert_eq!(gc.stat(Stat::Collections), 1);
    // also in release and shutdown, where no collection is under way
    let p = wrapper(&mut gc, 3, 7);
    assert!(gc.release_wrapper(p).unwrap());
    assert_eq!(gc.verify().unwrap(), 0);
}

/// The limit is reached inside the callback: the registration traps there, and nothing else is lost.
#[test]
fn a_registration_beyond_the_limit_inside_the_callback_traps_and_loses_nothing() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let callback = Callback::Custom(Arc::new(move |cx, kind, handle| {
        seen.lock().unwrap().push((kind, handle));
        if kind == 3 {
            for extra in 0..4 {
                let p = cx.alloc(12)?;
                cx.push_root(p)?;
                cx.register_wrapper(p, 4, 10 * handle + extra)?;
            }
        }
        Ok(())
    }));
    let mut gc = Setup::new().option(GcOption::WrapLimit, 6).callback(callback);
    for handle in 1..=3 {
        wrapper(&mut gc, 3, handle);
    }
    // the first dead one registers 4, the second two more, and its third is one too many
    let sp = gc.sp();
    let error = gc.collect().expect_err("the callback's registration traps");
    assert!(error.to_string().contains("WRAP_TABLE_FULL"), "{error}");
    assert_eq!(gc.last_error(), Some((ErrorCode::WrapTableFull, 6)));
    gc.set_sp(sp);
    assert_eq!(gc.verify().unwrap(), 0);
    assert_eq!(gc.stat(Stat::Wrappers), 6);
    gc.configure(GcOption::WrapLimit, 4096).unwrap();
    gc.collect().unwrap();
    gc.collect().unwrap();
    let all = told.lock().unwrap().clone();
    let distinct: std::collections::HashSet<_> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "told twice: {all:?}");
    assert_eq!(
        gc.stat(Stat::WrappersRegistered),
        all.len() as i64,
        "registered is told in the end"
    );
    for handle in 1..=3 {
        assert!(all.contains(&(3, handle)));
    }
}
