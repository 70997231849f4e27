//! More than one shadow stack: fibers that take turns, and what becomes of a host that knows nothing of them.

use rootstock_host::Ptr;
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;
use runtime::verify::Invariant;
use tests::{Setup, assert_error, assert_usable};

fn setups() -> impl Iterator<Item = (Setup, u32, u32)> {
    [false, true].into_iter().flat_map(|merged| {
        let setup = Setup::new().option(GcOption::Verify, 1).merged(merged);
        let hard = setup.clone().option(GcOption::Eager, 1).option(GcOption::Poison, 1);
        [(setup, 300, 300), (hard, 7, 20)]
    })
}

#[test]
fn fibers_that_take_turns_keep_their_roots() {
    for (setup, fibers, n) in setups() {
        let mut guest = setup.guest("fibers.wat");
        let sum = fibers * n * (n + 1) / 2;
        for _ in 0..3 {
            assert_eq!(guest.call::<_, u32>("main", (fibers, n)), sum);
        }
        assert_eq!(guest.instance.sp(), guest.instance.stack_base());
        assert_eq!(guest.verify(), 0);
        guest.collect();
        assert_eq!((guest.stat(Stat::LiveObjects), guest.stat(Stat::Stacks)), (0, 0));
        let high = guest.stat(Stat::StackHighWater);
        assert!(!guest.is_eager() || high >= i64::from(4 * (n - 1)), "{high}");
    }
}

#[test]
fn a_stack_that_is_overrun_says_so_and_the_host_goes_on() {
    for (setup, ..) in setups() {
        let mut guest = setup.option(GcOption::Eager, 1).guest("fibers.wat");
        guest.call::<_, ()>("overrun", 16);
        for slots in [17, 20, 80] {
            let before = guest.instance.sp();
            let error = guest.try_call::<_, ()>("overrun", slots).unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode::ShadowStackOverflow), "{slots}: {error}");
            guest.instance.set_sp(before);
            guest.collect();
            assert_eq!(guest.verify(), 0);
        }
        assert_eq!(guest.call::<_, u32>("main", (3, 3)), 18);
    }
}

/// After a trap it is enough to put `gc_sp` back.
#[test]
fn a_trap_on_another_stack_needs_no_more_than_any() {
    for (setup, fibers, n) in setups() {
        let mut guest = setup.guest("fibers.wat");
        let kept = guest.instance.alloc(16).unwrap();
        guest.push_root(kept.0);
        for _ in 0..10 {
            let sp = guest.instance.sp();
            guest.try_call::<_, ()>("lost", 5).unwrap_err();
            guest.instance.set_sp(sp);
            assert_eq!(guest.verify(), 0);
            guest.collect();
            assert_eq!(guest.stat(Stat::LiveObjects), 1);
            assert_eq!(guest.instance.base(kept.0), Some(kept));
        }
        assert_eq!(guest.call::<_, u32>("main", (fibers, n)), fibers * n * (n + 1) / 2);
        assert_usable(&mut guest.instance, &guest.told.clone());
    }
}

/// The host's own stacks: roots that it pushes are on the current one, up to that one's limit.
#[test]
fn a_host_pushes_on_the_stack_that_is_current() {
    let (mut gc, told) = Setup::new().option(GcOption::Verify, 1).instance();
    let first = gc.alloc(8).unwrap();
    gc.push_root(first).unwrap();
    assert_eq!(gc.stack_end(), gc.stack_limit());
    let stack = gc.stack_new(10).unwrap();
    assert_eq!(gc.stack_switch(stack).unwrap(), 0);
    let objects: Vec<Ptr> = (0..10)
        .map(|_| {
            let p = gc.alloc(8).unwrap();
            gc.push_root(p).unwrap();
            p
        })
        .collect();
    let end = gc.stack_end();
    let full = gc.push_root(first).unwrap_err();
    assert!(full.to_string().contains(&format!("{end:#x}")), "{full}");
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 11);
    assert_eq!(gc.stack_switch(0).unwrap(), stack);
    gc.collect().unwrap();
    assert!(objects.iter().all(|p| gc.base(p.0) == Some(*p)));
    // A guard word is looked at where its stack becomes current, and by the checker at any time.
    let guard = gc.read_u32(end).unwrap();
    gc.write_u32(end, !guard).unwrap();
    assert_eq!(gc.verify().unwrap(), Invariant::ShadowStack as u32);
    gc.configure(GcOption::Verify, 0).unwrap();
    gc.stack_switch(stack).unwrap();
    let sp = gc.sp();
    assert_error(gc.stack_switch(0), ErrorCode::ShadowStackOverflow, sp);
    gc.stack_switch(0).unwrap();
    gc.stack_free(stack).unwrap();
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::LiveObjects), 1);
    assert_usable(&mut gc, &told);
}

#[test]
fn what_is_no_stack_is_refused() {
    let (mut gc, told) = Setup::new().instance();
    let stack = gc.stack_new(1).unwrap();
    for wrong in [stack + 1, 1 << 20, u32::MAX] {
        assert_error(gc.stack_switch(wrong), ErrorCode::BadRange, wrong);
        assert_error(gc.stack_free(wrong), ErrorCode::BadRange, wrong);
    }
    assert_error(gc.stack_free(0), ErrorCode::BadRange, 0);
    gc.stack_switch(stack).unwrap();
    assert_error(gc.stack_free(stack), ErrorCode::BadRange, stack);
    gc.stack_switch(0).unwrap();
    gc.stack_free(stack).unwrap();
    assert_error(gc.stack_free(stack), ErrorCode::BadRange, stack);
    for slots in [u32::MAX, 1 << 29] {
        let bytes = (slots.saturating_add(1) & !1).saturating_mul(4).saturating_add(256);
        assert_error(gc.stack_new(slots), ErrorCode::HeapExhausted, bytes);
    }
    assert_eq!(gc.stat(Stat::Stacks), 0);
    assert_usable(&mut gc, &told);
}
