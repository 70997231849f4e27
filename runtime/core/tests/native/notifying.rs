//! NOTIFY, `gc_notify` and `gc_wrapper`: when the host is notified, and what it may ask.

use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};
use crate::memory::trap;

fn queueing() -> TestHost {
    let host = TestHost::manual();
    host.configure(GcOption::Notify, 0);
    host
}

#[test]
fn what_is_queued_is_told_in_portions() {
    let host = queueing();
    let kept = host.wrapper_root(100);
    for handle in 0..10 {
        let ptr = host.alloc(16);
        host.try_register_sized(ptr, 1, handle, 1000).expect("an object");
    }
    host.collect();
    assert_eq!(host.told_handles(), []);
    assert_eq!((host.stat(Stat::DeadQueued), host.stat(Stat::Wrappers)), (10, 1));
    assert_eq!(host.stat(Stat::ExternalBytes), 0, "dead already, told or not");
    assert_eq!(host.notify(0), 10, "only asks");
    assert_eq!(host.notify(3), 7);
    assert_eq!(host.told_handles(), [9, 8, 7]);
    assert_eq!((host.stat(Stat::DeadQueued), host.stat(Stat::WrappersTold)), (7, 3));
    host.check();
    host.collect();
    assert_eq!(host.notify(u32::MAX), 0);
    assert_eq!(host.told_handles(), [6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(host.notify(5), 0);
    assert_eq!(host.told_handles(), []);
    assert!(host.is_object(kept));
    host.check();
}

/// Neither an allocation nor a registration nor a collection calls the host; what is asked for by name does.
#[test]
fn only_what_is_asked_for_is_told() {
    for eager in [0, 1] {
        let host = TestHost::with_options(&[(GcOption::Notify, 0), (GcOption::Eager, eager)]);
        let calls = host.counting(|_, _| {});
        for handle in 0..2000 {
            host.wrapper(handle);
            host.alloc_atomic(1000);
        }
        let kept = host.wrapper_root(2000);
        host.collect();
        assert_eq!(calls.get(), 0);
        assert!(host.stat(Stat::Collections) > 1);
        assert_eq!(host.stat(Stat::DeadQueued), 2000);
        assert_eq!(host.release(kept), Ok(true));
        assert_eq!(calls.get(), 1, "release_wrapper tells at once");
        let last = host.wrapper(2001);
        assert!(host.is_object(last));
        host.shutdown();
        assert_eq!(calls.get(), 2002, "gc_shutdown tells all, the queue too");
        assert_eq!(host.stat(Stat::DeadQueued), 0);
        host.check();
    }
}

/// Back at 1, the next collection tells what was queued. And with 1 the queue of a trap may be asked for.
#[test]
fn notify_is_an_option_at_any_time() {
    let host = queueing();
    host.dead_wrappers(3);
    host.collect();
    assert_eq!(host.configure(GcOption::Notify, 1), 0);
    host.alloc(16);
    assert_eq!(host.told_handles(), []);
    host.collect();
    assert_eq!(host.told_handles(), [2, 1, 0]);
    host.dead_wrappers(3);
    host.on_decref(|_, _, handle| {
        if handle == 2 {
            trap()
        }
    });
    assert!(host.catch(|host| host.collect()).is_err());
    assert_eq!(host.notify(1), 1);
    assert_eq!(host.told_handles(), [2, 1]);
    host.check();
}

/// A queue of any length is beyond WRAP_LIMIT and does not make each registration collect.
#[test]
fn a_queue_does_not_fill_the_table() {
    for limit in [4, 4096] {
        let host = queueing();
        host.configure(GcOption::WrapLimit, limit);
        for handle in 0..3 {
            host.wrapper_root(handle);
        }
        host.dead_wrappers(5000);
        host.collect();
        let (before, queued) = (host.stat(Stat::Collections), host.stat(Stat::DeadQueued));
        assert_eq!(queued, 5000);
        for _ in 0..200 {
            let ptr = host.alloc_root(16);
            host.try_register(ptr, 1, 7).expect("there is room");
            assert_eq!(host.release(ptr), Ok(true));
            host.pop(1);
        }
        assert_eq!(host.stat(Stat::Collections), before);
        assert_eq!(host.stat(Stat::Wrappers), 3);
        if limit == 4 {
            host.wrapper_root(8);
            let ptr = host.alloc_root(16);
            let full = Err(failure(ErrorCode::WrapTableFull, limit));
            assert_eq!(host.try_register(ptr, 1, 9), full);
        }
        host.told();
        assert_eq!(host.notify(u32::MAX), 0);
        assert_eq!(host.told().len(), 5000);
        host.check();
    }
}

#[test]
fn a_trap_while_it_is_told_leaves_the_rest_queued() {
    let host = queueing();
    host.dead_wrappers(6);
    host.collect();
    host.on_decref(|_, _, handle| {
        if handle == 4 {
            trap()
        }
    });
    assert!(host.catch(|host| host.notify(3)).is_err());
    assert_eq!(host.told_handles(), [5, 4]);
    assert_eq!(host.notify(u32::MAX), 0);
    assert_eq!(host.told_handles(), [3, 2, 1, 0]);
    host.check();
}

/// The callback may ask for more itself; each handle is told once.
#[test]
fn the_callback_notifies_too() {
    let host = queueing();
    host.dead_wrappers(40);
    host.collect();
    let calls = host.counting(|host, _| {
        host.collect();
        host.notify(1);
    });
    // Each of the two, what it asks for, and so on: eight levels.
    assert_eq!(host.notify(2), 40 - 2 * 8);
    assert_eq!(calls.get(), 2 * 8);
    host.no_callback();
    assert_eq!(host.notify(u32::MAX), 0);
    let mut told = host.told_handles();
    told.sort_unstable();
    assert_eq!(told, Vec::from_iter(0..40));
    assert_eq!(host.stat(Stat::NestedRefused), 2 * 8);
    host.check();
}

#[test]
fn an_entry_is_found_for_as_long_as_it_stands() {
    let host = TestHost::manual();
    let wrappers: Vec<u32> = (0..200).map(|handle| host.wrapper_root(handle)).collect();
    let plain = host.alloc_root(16);
    let check = |alive: &[u32]| {
        for (handle, &ptr) in (0..).zip(&wrappers) {
            let known = alive.contains(&ptr).then_some((1, handle));
            assert_eq!(host.wrapper_entry(ptr), known);
        }
        for none in [plain, wrappers[0] + 4, wrappers[0] + 1, 0, 1, u32::MAX, host.sp()] {
            assert_eq!(host.wrapper_entry(none), None);
        }
        host.check();
    };
    check(&wrappers);
    // What is registered after a look is found too, and released in any order.
    let more = host.wrapper_root(777);
    assert_eq!(host.wrapper_entry(more), Some((1, 777)));
    host.release(more).expect("an object");
    assert_eq!(host.wrapper_entry(more), None);
    host.release(wrappers[5]).expect("an object");
    let mut alive = wrappers.clone();
    alive.remove(5);
    check(&alive);
    // A collection moves entries: those of the upper half are left.
    host.clear_stack();
    host.push(plain);
    alive.drain(..100);
    alive.iter().for_each(|&ptr| host.push(ptr));
    host.collect();
    check(&alive);
    host.shutdown();
    check(&[]);
}

/// Without memory for the index an entry is searched for, and found as well.
#[test]
fn an_entry_is_found_without_memory() {
    let host = TestHost::with_pages(17);
    let wrappers: Vec<u32> = (0..20).map(|handle| host.wrapper_root(handle)).collect();
    while host.try_alloc(8192, true).map(|object| host.push(object)).is_ok() {}
    for (handle, &ptr) in (0..).zip(&wrappers) {
        assert_eq!(host.wrapper_entry(ptr), Some((1, handle)));
    }
    host.check();
}

#[test]
fn before_the_heap_is_used() {
    let host = TestHost::new();
    assert_eq!(host.wrapper_entry(host.regions().program_base.get()), None);
    assert_eq!(host.notify(u32::MAX), 0);
}
