//! Traps in the host's callback: what they leave behind, and how the runtime sees that they are over.

use std::rc::Rc;

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;
use crate::memory::trap;

#[test]
fn a_trap_leaves_the_rest_for_the_next_collection() {
    let host = TestHost::manual();
    host.dead_wrappers(10);
    host.on_decref(|_, _, handle| {
        if handle == 6 {
            trap();
        }
    });
    assert!(host.catch(|host| host.collect()).is_err());
    assert_eq!(host.told_handles(), [9, 8, 7, 6]);
    assert_eq!(host.stat(Stat::DeadQueued), 6);
    host.check();
    // Not an outer call's business: it goes on as ever.
    host.alloc(16);
    assert_eq!(host.told_handles(), []);
    host.collect();
    assert_eq!(host.told_handles(), [5, 4, 3, 2, 1, 0]);
    assert_eq!(host.stat(Stat::NestedRefused), 0);
    assert_eq!(host.stat(Stat::Collections), 2);
}

#[test]
fn a_trap_leaves_the_rest_for_shutdown() {
    let host = TestHost::manual();
    host.dead_wrappers(4);
    host.wrapper_root(4);
    host.on_decref(|_, _, _| trap());
    for left in (0..5).rev() {
        assert!(host.catch(|host| host.shutdown()).is_err());
        assert_eq!(host.told().len(), 1);
        assert_eq!(host.stat(Stat::DeadQueued), left);
    }
    host.shutdown();
    assert_eq!(host.told(), []);
    assert_eq!(host.stat(Stat::WrappersTold), 5);
}

/// After a trap the host runs the program again, which pushes roots before it calls anything:
/// `gc_sp` is then above where it was at the trap. The next collection is no nested one.
#[test]
fn a_trap_is_over_when_the_program_goes_on() {
    for pushed in [1, 2, 100] {
        let host = TestHost::manual();
        host.dead_wrappers(10);
        host.on_decref(|_, _, _| trap());
        assert!(host.catch(|host| host.collect()).is_err());
        host.no_callback();
        for _ in 0..pushed {
            host.push(0x8000_0000);
        }
        host.collect();
        assert_eq!(host.stat(Stat::NestedRefused), 0, "with {pushed} roots");
        assert_eq!(host.stat(Stat::Collections), 2);
        assert_eq!(host.told().len(), 10);
    }
}

#[test]
fn many_traps_do_not_add_up() {
    let host = TestHost::manual();
    host.on_decref(|_, _, _| trap());
    for round in 1..40 {
        host.wrapper(round);
        // One more root each time, so that no trap is at the place of the one before.
        host.push(0x8000_0000);
        assert!(host.catch(|host| host.collect()).is_err(), "nothing was told in round {round}");
        assert_eq!(host.told_handles(), [round]);
        assert_eq!(host.stat(Stat::Collections), u64::from(round));
    }
    assert_eq!(host.stat(Stat::NestedRefused), 0);
    host.no_callback();
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 0, "what was in flight is no root for ever");
}

/// A host that catches a trap inside its callback and goes on there.
#[test]
fn a_trap_caught_in_the_callback() {
    let host = TestHost::manual();
    let living: Rc<Vec<u32>> = Rc::new((0..10).map(|handle| host.wrapper_root(handle)).collect());
    let inner = Rc::clone(&living);
    host.on_decref(move |host, _, handle| match handle {
        0 => {
            let sp = host.sp();
            assert!(host.catch(|host| host.release(inner[1])).is_err());
            assert_eq!(host.sp(), sp);
            host.collect();
            assert_eq!(host.stat(Stat::Collections), 0, "still nested");
            assert_eq!(host.release(inner[2]), Ok(true));
        }
        1 => trap(),
        _ => {}
    });
    assert_eq!(host.release(living[0]), Ok(true));
    assert_eq!(host.told_handles(), [0, 1, 2]);
    host.collect();
    assert_eq!(host.stat(Stat::Collections), 1);
    host.check();
}

/// No slot is free for the runtime's marker on the shadow stack.
#[test]
fn with_the_stack_exactly_full() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30), (GcOption::WrapLimit, 8)]);
    host.dead_wrappers(8);
    let object = host.alloc(16);
    let (base, limit) = (host.regions().stack_base.get(), host.regions().stack_limit.get());
    host.fill(base, limit - base, 0);
    host.write(limit - 4, 0x8181_8181);
    host.set_sp(limit);
    let calls = host.counting(|host, _| {
        host.alloc(16);
        host.collect();
        host.check();
    });
    host.try_register(object, 1, 99).expect("the others are dead");
    assert_eq!((calls.get(), host.sp()), (8, limit));
    assert_eq!(host.read(limit - 4), 0x8181_8181);
    assert_eq!(host.stat(Stat::NestedRefused), 8);
    assert!(host.is_object(object));
    host.collect();
    assert_eq!(host.stat(Stat::Collections), 2);
    // A trap: that it is over shows as soon as the program takes a root back.
    host.on_decref(|_, _, _| trap());
    host.wrapper(100);
    assert!(host.catch(|host| host.collect()).is_err());
    host.no_callback();
    host.pop(1);
    host.collect();
    assert_eq!(host.stat(Stat::Collections), 4);
    assert_eq!(host.stat(Stat::NestedRefused), 9);
    host.clear_stack();
    host.collect();
    host.check();
    assert_eq!(host.stat(Stat::LiveObjects), 0);
}

/// Traps that the callback catches leave no levels of telling behind: it may be collected in as ever.
#[test]
fn levels_that_traps_unwound_are_forgotten() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 16)]);
    let wrappers: Vec<u32> = (0..20).map(|handle| host.wrapper_root(handle)).collect();
    let first = wrappers[0];
    let calls = host.counting(move |host, handle| {
        if handle != 0 {
            trap();
        }
        for &wrapper in &wrappers[1..] {
            assert!(host.catch(|host| host.release(wrapper)).is_err());
        }
        let collections = host.stat(Stat::Collections);
        (0..40).for_each(|_| _ = host.alloc(16_384));
        assert!(host.stat(Stat::Collections) > collections);
    });
    assert_eq!(host.release(first), Ok(true));
    assert_eq!(calls.get(), 20);
    host.check();
}
