//! The wrap-table: bursts, its limit, the edge of its limit, pressure.

use rand::RngExt;
use rootstock_host::{Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::cx::{Cx, Finished, Outcome, check, check_eq, expect_trap, verify};
use super::guest::Guest;

/// Entries that the wrap-table has to begin with.
const FIRST_CAPACITY: u32 = 4096;
/// Dead wrappers that may wait for a collection where few are alive.
const MOST_DEAD: i64 = 1024;
/// A kind of handle; which one does not matter to the runtime.
const KIND: u32 = 3;

/// Wrappers that die at once, with no other heap pressure.
pub(super) fn burst(cx: &mut Cx) -> Outcome<Finished> {
    let n = cx.scaled(10_000_000, 20_000);
    let mut vm = cx.instance(&[])?;
    let guest = Guest::new(&mut vm)?;
    cx.chunked(n, |_, from, to| guest.burst(&mut vm, to - from, KIND))?;
    // Dead handles stay within a constant factor of the live ones, of which there is none.
    let most_at_once = vm.stat(Stat::WrappersPeak);
    check!(
        most_at_once <= MOST_DEAD,
        "{most_at_once} wrappers at once, though none was ever alive; expected at most {MOST_DEAD}"
    );
    let collections = vm.stat(Stat::Collections);
    let least = i64::from(n / FIRST_CAPACITY);
    check!(collections >= least, "{collections} collections cannot have freed {n} wrappers");
    let most = i64::from(n / 128 + 16) + cx.eager_collections(u64::from(n) * 2);
    check!(
        collections <= most,
        "{collections} collections for {n} wrappers, expected at most {most}"
    );
    vm.collect()?;
    check_eq(
        "dead wrappers that the host was told about",
        vm.handles().audit().told_once,
        n.into(),
    )?;
    cx.finish(&mut vm)
}

/// A wrapper as a host makes it: the handle, then the object, then the registration.
fn wrap(vm: &mut Instance) -> Outcome<(Ptr, u32)> {
    let (ptr, handle) = unregistered(vm)?;
    vm.register_wrapper(ptr, KIND, handle)?;
    Ok((ptr, handle))
}

fn unregistered(vm: &mut Instance) -> Outcome<(Ptr, u32)> {
    let handle = vm.handles_mut().insert(KIND, 0);
    let ptr = vm.alloc(12)?;
    vm.write_u32(ptr.0, KIND)?;
    vm.write_u32(ptr.offset(4).0, handle | 0x8000_0000)?;
    Ok((ptr, handle))
}

/// Live wrappers up to WRAP_LIMIT; one more traps, and the host goes on.
pub(super) fn live(cx: &mut Cx) -> Outcome<Finished> {
    // The least limit makes the fixed table of 4,096; the other one has to grow several times.
    live_up_to(cx, FIRST_CAPACITY)?;
    let limit = cx.scaled(200_000, FIRST_CAPACITY + 1);
    live_up_to(cx, limit)
}

fn live_up_to(cx: &mut Cx, limit: u32) -> Outcome<Finished> {
    let mut vm = cx.instance(&[(GcOption::WrapLimit, limit)])?;
    let array = vm.alloc(limit * 4)?;
    vm.push_root(array)?;
    let mut wrappers: Vec<Option<(Ptr, u32)>> = vec![None; limit as usize];
    fill(cx, &mut vm, array, &mut wrappers)?;
    one_too_many(&mut vm, limit)?;

    // The host disposes of one, and there is room for one.
    let released = cx.rng.random_range(0..limit);
    if let Some((ptr, _)) = wrappers[released as usize].take() {
        check!(vm.release_wrapper(ptr)?, "release_wrapper did not find the wrapper at {ptr}");
        vm.write_u32(array.offset(released * 4).0, 0)?;
    }
    fill(cx, &mut vm, array, &mut wrappers)?;
    one_too_many(&mut vm, limit)?;

    // A random half dies. Nobody asks for a collection: the registrations that find the table full do.
    let mut dead = 0;
    for slot in 0..limit {
        if cx.rng.random() {
            vm.write_u32(array.offset(slot * 4).0, 0)?;
            wrappers[slot as usize] = None;
            dead += 1;
        }
    }
    fill(cx, &mut vm, array, &mut wrappers)?;
    one_too_many(&mut vm, limit)?;
    check_eq("handles told", vm.handles().audit().told_once, dead + 1)?;
    for (ptr, handle) in wrappers.iter().flatten() {
        check!(
            vm.handles().get(*handle).is_some(),
            "handle {handle} was told while its wrapper was alive"
        );
        check_eq("handle in a live wrapper", vm.read_u32(ptr.offset(4).0)?, handle | 0x8000_0000)?;
    }
    cx.finish(&mut vm)
}

/// Registers a wrapper for each empty slot.
fn fill(
    cx: &mut Cx,
    vm: &mut Instance,
    array: Ptr,
    wrappers: &mut [Option<(Ptr, u32)>],
) -> Outcome<()> {
    let total = u32::try_from(wrappers.len()).unwrap_or(u32::MAX);
    cx.chunked(total, |_, from, to| {
        for slot in from..to {
            let wrapper = &mut wrappers[slot as usize];
            if wrapper.is_none() {
                let (ptr, handle) = wrap(vm)?;
                vm.write_u32(array.offset(slot * 4).0, ptr.0)?;
                *wrapper = Some((ptr, handle));
            }
        }
        Ok(())
    })
}

/// The table is full of live entries: one more traps and changes nothing.
fn one_too_many(vm: &mut Instance, limit: u32) -> Outcome<()> {
    let told = vm.stat(Stat::WrappersTold);
    for _ in 0..2 {
        let (ptr, handle) = unregistered(vm)?;
        let result = vm.register_wrapper(ptr, KIND, handle);
        expect_trap(
            vm,
            "one wrapper above the limit",
            result,
            ErrorCode::WrapTableFull,
            Some(limit),
        )?;
        // No wrapper stands for it, so the host keeps it itself.
        vm.handles_mut().remove(handle);
        verify(vm)?;
    }
    check_eq("wrappers at the limit", vm.stat(Stat::Wrappers), limit.into())?;
    check_eq("handles told by the trap", vm.stat(Stat::WrappersTold), told)
}

/// 4,000 live wrappers in a table of 4,096, and many more churned.
pub(super) fn nearly_full(cx: &mut Cx) -> Outcome<Finished> {
    const LIVE: u32 = 4000;
    let n = cx.scaled(1_000_000, 20_000);
    // At its limit the table has 96 free entries, so a collection for each 96 registrations is
    // the least there can be. Where it may grow, it has to: then one for each 1,000 is plenty.
    let fixed = [(GcOption::WrapLimit, FIRST_CAPACITY)];
    churn(cx, &fixed, LIVE, n, (FIRST_CAPACITY - LIVE) / 2)?;
    churn(cx, &[], LIVE, n, 1000)
}

fn churn(
    cx: &mut Cx,
    options: &[(GcOption, u32)],
    live: u32,
    n: u32,
    wrappers_per_collection: u32,
) -> Outcome<Finished> {
    let mut vm = cx.instance(options)?;
    let guest = Guest::new(&mut vm)?;
    guest.keep(&mut vm, live, KIND)?;
    let before = vm.stat(Stat::Collections);
    cx.chunked(n, |_, from, to| guest.burst(&mut vm, to - from, KIND))?;
    let collections = vm.stat(Stat::Collections) - before;
    let most = i64::from(n / wrappers_per_collection + 8) + cx.eager_collections(u64::from(n) * 2);
    check!(
        collections <= most,
        "{collections} collections for {n} wrappers beside {live} live ones, expected at most {most}"
    );
    vm.collect()?;
    check_eq("live wrappers", vm.stat(Stat::Wrappers), live.into())?;
    check_eq(
        "dead wrappers that the host was told about",
        vm.handles().audit().told_once,
        n.into(),
    )?;
    for slot in (vm.stack_base()..vm.sp()).step_by(4) {
        let wrapper = Ptr(vm.read_u32(slot)?);
        let handle = vm.read_u32(wrapper.offset(4).0)?;
        check!(
            vm.handles().get(handle).is_some(),
            "handle {handle:#x} was told while its wrapper was alive"
        );
    }
    cx.finish(&mut vm)
}

/// Small wrappers of large host objects: the bytes behind the handles are pressure.
pub(super) fn sized(cx: &mut Cx) -> Outcome<Finished> {
    const RING: usize = 16;
    const LARGEST: u32 = 4 << 20;
    let n = cx.scaled(200_000, 1000);
    let mut vm = cx.instance(&[])?;
    let ring = vm.alloc(RING as u32 * 4)?;
    vm.push_root(ring)?;
    let mut sizes = [0i64; RING];
    let mut most_live = 0;
    let mut most_held = 0;
    cx.chunked(n, |cx, from, to| {
        for i in from..to {
            let bytes = cx.rng.random_range(1 << 10..=LARGEST);
            let (ptr, handle) = unregistered(&mut vm)?;
            vm.register_wrapper_sized(ptr, KIND, handle, bytes)?;
            let slot = i as usize % RING;
            vm.write_u32(ring.offset(slot as u32 * 4).0, ptr.0)?;
            sizes[slot] = bytes.into();
            most_live = most_live.max(sizes.iter().sum());
            most_held = most_held.max(vm.stat(Stat::ExternalBytes));
        }
        Ok(())
    })?;
    let bound = most_live * 5 / 2 + (2 << 20) + i64::from(LARGEST);
    check!(
        most_held <= bound,
        "wrappers held {most_held} bytes of host memory where {most_live} were alive, expected at most {bound}"
    );
    vm.collect()?;
    let in_use = n.min(RING as u32);
    check_eq("wrappers in the ring", vm.stat(Stat::Wrappers), in_use.into())?;
    check_eq("host memory behind them", vm.stat(Stat::ExternalBytes), sizes.iter().sum())?;
    cx.finish(&mut vm)
}
