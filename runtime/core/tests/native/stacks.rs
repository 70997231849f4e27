//! More than one shadow stack.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};
use crate::memory::trap;

const OVERFLOW: ErrorCode = ErrorCode::ShadowStackOverflow;
/// `gc_verify`'s code for an unsound stack.
const BROKEN: u32 = 11;

#[test]
fn each_stack_is_scanned_up_to_where_it_stands() {
    let host = TestHost::new();
    let first = host.alloc_root(16);
    let stack = host.stack_new(64).expect("memory");
    assert_ne!(stack, 0);
    assert_eq!(host.stat(Stat::Stacks), 1);
    let start = host.sp();
    assert_eq!(host.stack_switch(stack), Ok(0));
    let base = host.sp();
    assert_ne!(base, start);
    assert_eq!(host.stack_end(), base + 4 * 64);
    let [kept, popped] = [host.alloc_root(16), host.alloc_root(16)];
    host.pop(1);
    host.collect();
    assert!(host.is_object(first), "on the stack that was left");
    assert!(host.is_object(kept) && !host.is_object(popped), "up to gc_sp");
    let above = host.alloc_root(16);
    host.pop(1);
    assert_eq!(host.stack_switch(0), Ok(stack));
    assert_eq!(host.sp(), start);
    assert_eq!(host.stack_end(), host.regions().stack_limit.get());
    host.collect();
    assert!(host.is_object(kept) && !host.is_object(above), "up to where it was left");
    host.check();
    host.stack_free(stack).expect("a stack");
    assert_eq!(host.stat(Stat::Stacks), 0);
    host.collect();
    assert!(host.is_object(first) && !host.is_object(kept), "freed with its roots");
    host.check();
}

#[test]
fn before_anything_else() {
    let host = TestHost::new();
    assert_eq!(host.stack_end(), host.regions().stack_limit.get());
    assert_eq!(host.stack_switch(0), Ok(0), "the one that it is on");
    assert_eq!(host.stat(Stat::Stacks), 0);
    let host = TestHost::new();
    let stack = host.stack_new(1).expect("memory");
    assert_eq!(host.stack_switch(stack), Ok(0));
    let object = host.alloc_root(16);
    host.push(object);
    host.collect();
    assert!(host.is_object(object), "on a stack that is full");
    assert_eq!(host.sp(), host.stack_end());
    host.check();
}

#[test]
fn what_is_no_stack() {
    let host = TestHost::new();
    let bad = |stack| Err(failure(ErrorCode::BadRange, stack));
    for stack in [1, 2, 32, 33, u32::MAX] {
        assert_eq!(host.stack_switch(stack).map(drop), bad(stack));
        assert_eq!(host.stack_free(stack), bad(stack));
    }
    assert_eq!(host.stack_free(0), bad(0));
    let [one, other] = [host.stack_new(8), host.stack_new(8)].map(|stack| stack.expect("memory"));
    host.stack_switch(one).expect("a stack");
    assert_eq!(host.stack_free(one), bad(one), "the current one");
    assert_eq!(host.stack_free(0), bad(0), "the first one");
    host.stack_free(other).expect("a stack");
    assert_eq!(host.stack_free(other), bad(other), "freed already");
    assert_eq!(host.stack_switch(other).map(drop), bad(other));
    assert_eq!(host.stack_switch(one), Ok(one), "nothing has changed");
    host.check();
}

#[test]
fn no_memory_for_a_stack() {
    let host = TestHost::manual();
    host.alloc_root(16);
    for slots in [1 << 25, 1 << 29, 1 << 30, u32::MAX] {
        let bytes = (slots.saturating_add(1) & !1).saturating_mul(4).saturating_add(256);
        assert_eq!(host.stack_new(slots), Err(failure(ErrorCode::HeapExhausted, bytes)));
    }
    assert_eq!(host.stat(Stat::Stacks), 0);
    host.configure(GcOption::HeapLimit, 1 << 20);
    let mut stacks = Vec::new();
    let why = loop {
        match host.stack_new(16_384) {
            Ok(stack) => stacks.push(stack),
            Err(why) => break why,
        }
    };
    assert_eq!(why, failure(ErrorCode::HeapExhausted, 65_536 + 256));
    assert!(stacks.len() > 8, "{} stacks in a MiB", stacks.len());
    assert_eq!(host.stat(Stat::Stacks), stacks.len() as u64);
    for &stack in &stacks {
        host.stack_free(stack).expect("a stack");
    }
    host.stack_new(16_384).expect("what was freed serves again");
    host.check();
}

/// Each stack has its own bounds and its own guard word; and where `gc_sp` is put back all is well again.
#[test]
fn an_overflow_of_each_stack_is_told() {
    let host = TestHost::new();
    let stacks = [16, 64].map(|slots| host.stack_new(slots).expect("memory"));
    let object = host.alloc_root(16);
    let first = host.sp();
    for (stack, slots) in stacks.into_iter().zip([16, 64]) {
        host.stack_switch(stack).expect("a stack");
        let base = host.sp();
        host.set_sp(base + 4 * slots);
        host.collect();
        for bad in [base - 4, base + 4 * slots + 4, base + 1, 0, u32::MAX - 3] {
            host.set_sp(bad);
            let why = Err(failure(OVERFLOW, bad));
            assert_eq!(host.try_collect(), why);
            assert_eq!(host.stack_switch(0).map(drop), why, "the stack that is left");
            assert_eq!(host.verify(), BROKEN);
        }
        // This many pushes overwrite the guard word, and nothing of the collector's.
        host.set_sp(base);
        for _ in 0..slots + 32 {
            host.push(0x7777_7777);
        }
        assert_eq!(host.verify(), BROKEN);
        assert_eq!(host.try_collect(), Err(failure(OVERFLOW, base + 4 * slots + 4 * 32)));
        host.set_sp(base);
        host.collect();
        host.check();
        assert_eq!(host.stack_switch(0), Ok(stack));
        assert_eq!(host.sp(), first);
        host.collect();
        assert!(host.is_object(object));
    }
    // A guard word that something overwrote while its stack was left.
    host.stack_switch(stacks[0]).expect("a stack");
    let end = host.stack_end();
    host.stack_switch(0).expect("a stack");
    host.write(end, 1);
    assert_eq!(host.verify(), BROKEN);
    host.stack_switch(stacks[0]).expect("a stack");
    assert_eq!(host.try_collect(), Err(failure(OVERFLOW, end - 64)));
    host.collect();
    host.check();
}

/// A host that puts `gc_sp` back after a trap need not know that there are several stacks.
#[test]
fn a_trap_on_another_stack() {
    let host = TestHost::new();
    let outer = host.alloc_root(16);
    let stack = host.stack_new(64).expect("memory");
    let trapped = host.catch(|host| {
        let inner = host.alloc_root(16);
        host.stack_switch(stack).expect("a stack");
        host.alloc_root(inner);
        trap();
    });
    assert!(trapped.is_err());
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 1);
    assert!(host.is_object(outer));
    host.check();
    assert_eq!(host.stack_switch(0), Ok(0), "gc_sp has told which is current");
    host.stack_free(stack).expect("a stack that is not current");
    host.check();
    // And the other way round: the trap was on the first, the call on another.
    let stack = host.stack_new(64).expect("memory");
    host.stack_switch(stack).expect("a stack");
    let object = host.alloc_root(16);
    let trapped = host.catch(|host| {
        host.stack_switch(0).expect("a stack");
        trap();
    });
    assert!(trapped.is_err());
    assert_eq!(host.verify(), 0, "also before it is settled");
    assert_eq!(host.stack_end(), host.sp() - 4 + 4 * 64);
    host.collect();
    assert!(host.is_object(outer) && host.is_object(object));
    assert_eq!(host.stack_switch(0), Ok(stack));
    host.check();
}

/// `gc_sp` in the unused part of another stack is no stack's top, and an overwritten guard word is no trap's.
#[test]
fn where_gc_sp_tells_nothing() {
    let host = TestHost::new();
    let first = host.sp();
    let stack = host.stack_new(64).expect("memory");
    host.stack_switch(stack).expect("a stack");
    let (base, end) = (host.sp(), host.stack_end());
    host.set_sp(first + 4);
    assert_eq!(host.try_collect(), Err(failure(OVERFLOW, first + 4)), "above where it was left");
    host.set_sp(first + 2);
    assert_eq!(host.try_collect(), Err(failure(OVERFLOW, first + 2)), "misaligned");
    host.write(end, 0);
    host.set_sp(first);
    assert_eq!(host.try_collect(), Err(failure(OVERFLOW, first)), "the guard word");
    host.set_sp(base);
    host.collect();
    host.check();
}

/// A callback may run others' work on their stacks, and comes back to its own.
#[test]
fn a_callback_that_switches() {
    let host = Rc::new(TestHost::manual());
    let stack = host.stack_new(64).expect("memory");
    for mine in [0, host.stack_new(64).expect("memory")] {
        host.stack_switch(mine).expect("a stack");
        host.dead_wrappers(3);
        let refused = host.stat(Stat::NestedRefused);
        host.on_decref(move |host, _, _| {
            let sp = host.sp();
            let old = host.stack_switch(stack).expect("a stack");
            host.alloc_root(16);
            host.collect(); // refused, on whatever stack it is, and the others are told from there
            assert_eq!(host.stack_switch(old), Ok(stack));
            assert!(old == stack || host.sp() == sp);
            host.collect();
        });
        let sp = host.sp();
        host.collect();
        assert_eq!(host.told_handles().len(), 3);
        assert_eq!(host.stat(Stat::NestedRefused), refused + 6);
        assert_eq!(host.sp(), sp, "the marker is gone");
        host.no_callback();
        let before = host.stat(Stat::Collections);
        host.collect();
        assert_eq!(host.stat(Stat::Collections), before + 1, "nothing is left over");
        host.check();
        // One that does not come back is brought back; what it pushed there stays.
        host.wrapper(7);
        let left = Rc::new(std::cell::Cell::new(0));
        let object = Rc::clone(&left);
        host.on_decref(move |host, _, _| {
            host.stack_switch(stack).expect("a stack");
            object.set(host.alloc_root(16));
        });
        host.collect();
        host.no_callback();
        assert_eq!((host.told_handles(), host.sp()), (vec![7], sp));
        assert_eq!(host.stack_switch(mine), Ok(mine));
        host.collect();
        assert!(host.is_object(left.get()));
        host.check();
    }
}

/// A trap in a callback that has switched: the next call is no nested one.
#[test]
fn a_trap_in_a_callback_that_switched() {
    let host = TestHost::manual();
    let stack = host.stack_new(64).expect("memory");
    host.dead_wrappers(3);
    host.on_decref(move |host, _, _| {
        host.stack_switch(stack).expect("a stack");
        trap();
    });
    assert!(host.catch(|host| host.collect()).is_err());
    host.no_callback();
    host.collect();
    assert_eq!(host.told_handles(), [2, 1, 0]);
    assert_eq!(host.stat(Stat::NestedRefused), 0);
    host.stack_free(stack).expect("not the current one");
    host.check();
    // The stack with the marker is freed in the callback: that call never returns to it.
    let stack = host.stack_new(64).expect("memory");
    host.stack_switch(stack).expect("a stack");
    host.wrapper(9);
    host.on_decref(move |host, _, _| {
        host.stack_switch(0).expect("a stack");
        host.stack_free(stack).expect("not the current one");
        host.collect();
    });
    let before = host.stat(Stat::Collections);
    host.collect();
    assert_eq!(host.stat(Stat::Collections), before + 2, "its level is over");
    host.check();
}

#[derive(Clone, Debug)]
enum Op {
    New(u16),
    Switch(u8),
    Free(u8),
    Push(bool),
    Pop(u8),
    Collect,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..600_u16).prop_map(Op::New),
        6 => any::<u8>().prop_map(Op::Switch),
        1 => any::<u8>().prop_map(Op::Free),
        8 => any::<bool>().prop_map(Op::Push),
        4 => (0..8_u8).prop_map(Op::Pop),
        1 => Just(Op::Collect),
    ]
}

/// A stack as the test knows it: its slots, and what was pushed.
#[derive(Default)]
struct Known {
    slots: usize,
    pushed: Vec<u32>,
}

proptest! {
    #![proptest_config(crate::model::config(20))]

    /// The stacks against a map of vectors.
    #[test]
    fn stacks_are_vectors(ops in vec(op(), 1..if cfg!(miri) { 100 } else { 1500 })) {
        let host = TestHost::manual();
        let first = Known { slots: 131_072, pushed: Vec::new() };
        let mut stacks = BTreeMap::from([(0_u32, first)]);
        let mut current = 0;
        for op in ops {
            let pick = |which: u8| *stacks.keys().nth(usize::from(which) % stacks.len()).unwrap();
            match op {
                Op::New(slots) => {
                    let stack = host.stack_new(u32::from(slots)).expect("memory");
                    let known = Known { slots: usize::from(slots).next_multiple_of(2), pushed: Vec::new() };
                    prop_assert!(stacks.insert(stack, known).is_none(), "{stack} is taken");
                }
                Op::Switch(which) => {
                    let stack = pick(which);
                    prop_assert_eq!(host.stack_switch(stack), Ok(current));
                    current = stack;
                }
                Op::Free(which) => {
                    let stack = pick(which);
                    if stack == 0 || stack == current {
                        prop_assert!(host.stack_free(stack).is_err());
                    } else {
                        prop_assert_eq!(host.stack_free(stack), Ok(()));
                        stacks.remove(&stack);
                    }
                }
                Op::Push(new) => {
                    let known = stacks.get_mut(&current).unwrap();
                    if known.pushed.len() == known.slots {
                        prop_assert_eq!(host.sp(), host.stack_end());
                    } else {
                        let root = if new { host.alloc(16) } else { 0 };
                        host.push(root);
                        known.pushed.push(root);
                    }
                }
                Op::Pop(slots) => {
                    let pushed = &mut stacks.get_mut(&current).unwrap().pushed;
                    let slots = pushed.len().min(slots.into());
                    pushed.truncate(pushed.len() - slots);
                    host.pop(slots as u32);
                }
                Op::Collect => {
                    host.collect();
                    let pushed = stacks.values().flat_map(|known| &known.pushed);
                    let live = pushed.filter(|&&root| root != 0).count() as u64;
                    prop_assert_eq!(host.stat(Stat::LiveObjects), live);
                }
            }
            prop_assert_eq!(host.stat(Stat::Stacks), stacks.len() as u64 - 1);
        }
        prop_assert_eq!(host.verify(), 0);
    }
}
