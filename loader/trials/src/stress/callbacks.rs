//! Handles and the host: released, dropped, shut down, and what a host may do while it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rand::RngExt;
use rootstock_host::wasmtime;
use rootstock_host::{Callback, CallbackCx, Error, Instance, Ptr, Status};
use runtime::error::ErrorCode;
use runtime::stats::Stat;

use super::cx::{Cx, Failure, Finished, Outcome, check, check_eq, expect_trap, verify};

const KIND: u32 = 4;

fn wrap(vm: &mut Instance) -> Outcome<(Ptr, u32)> {
    let handle = vm.handles_mut().insert(KIND, 0);
    let ptr = vm.alloc(12)?;
    vm.register_wrapper(ptr, KIND, handle)?;
    Ok((ptr, handle))
}

/// Wrappers released by the program, dropped, and left for `gc_shutdown`; then all of it again.
pub(super) fn release_and_shutdown(cx: &mut Cx) -> Outcome<Finished> {
    const SLOTS: u32 = 1000;
    let n = cx.scaled(300_000, 2000);
    let mut vm = cx.instance(&[])?;
    let array = vm.alloc(SLOTS * 4)?;
    vm.push_root(array)?;
    let mut live: Vec<Option<(Ptr, u32)>> = vec![None; SLOTS as usize];
    for _ in 0..2 {
        let mut released = 0u64;
        cx.chunked(n / 2, |cx, from, to| {
            for _ in from..to {
                let slot = cx.rng.random_range(0..SLOTS);
                let word = array.offset(slot * 4).0;
                if let Some((ptr, handle)) = live[slot as usize].take() {
                    check_eq("a live wrapper's handle", vm.handles().status(handle), Status::Live)?;
                    if cx.rng.random() {
                        release(&mut vm, ptr, handle)?;
                        released += 1;
                    }
                }
                let (ptr, handle) = wrap(&mut vm)?;
                vm.write_u32(word, ptr.0)?;
                live[slot as usize] = Some((ptr, handle));
            }
            Ok(())
        })?;
        check!(released > 0, "nothing was released");
        misuse(&mut vm, live.iter().flatten().next().copied())?;
        vm.collect()?;
        let alive = live.iter().flatten().count() as i64;
        check_eq("wrappers before gc_shutdown", vm.stat(Stat::Wrappers), alive)?;
        vm.shutdown()?;
        check_eq("wrappers after gc_shutdown", vm.stat(Stat::Wrappers), 0)?;
        for (_, handle) in live.iter().flatten() {
            check_eq("handle after gc_shutdown", vm.handles().status(*handle), Status::ToldOnce)?;
        }
        // The objects are still there; only the handles are gone.
        check_eq("objects after gc_shutdown", vm.stat(Stat::LiveObjects), alive + 1)?;
        live.fill(None);
        vm.write(array.0, &[0; SLOTS as usize * 4])?;
    }
    cx.finish(&mut vm)
}

/// A release tells the host at once, and only once.
fn release(vm: &mut Instance, ptr: Ptr, handle: u32) -> Outcome<()> {
    check!(vm.release_wrapper(ptr)?, "release_wrapper did not find the wrapper at {ptr}");
    check_eq("a released handle", vm.handles().status(handle), Status::ToldOnce)?;
    check!(!vm.release_wrapper(ptr)?, "release_wrapper found a wrapper twice at {ptr}");
    Ok(())
}

/// Calls that the ABI calls errors, and that change nothing.
fn misuse(vm: &mut Instance, live: Option<(Ptr, u32)>) -> Outcome<()> {
    let Some((ptr, _)) = live else { return Ok(()) };
    let told = vm.stat(Stat::WrappersTold);
    let result = vm.register_wrapper(ptr, KIND, 1);
    expect_trap(vm, "a second registration", result, ErrorCode::AlreadyRegistered, Some(ptr.0))?;
    for wrong in [Ptr::NULL, Ptr(vm.stack_base()), ptr.offset(4), Ptr(0xffff_fff8)] {
        let result = vm.register_wrapper(wrong, KIND, 1);
        expect_trap(vm, "registering no object", result, ErrorCode::NotAnObject, Some(wrong.0))?;
    }
    check_eq("handles told by errors", vm.stat(Stat::WrappersTold), told)?;
    verify(vm)
}

/// The number of times that a wrapper is born again in the callback; its kind counts them.
const LIVES: u32 = 3;
/// Slots that the callback fills, one after the other.
const ALBUM: u32 = 64;

/// The state that the callback and the scenario share.
#[derive(Default)]
struct Shared {
    album: AtomicU32,
    calls: AtomicU32,
    asked: AtomicU32,
}

/// The host allocates, registers and asks for a collection from inside the callback.
pub(super) fn host_callback_allocates(cx: &mut Cx) -> Outcome<Finished> {
    let n = cx.scaled(500_000, 2000);
    let shared = Arc::new(Shared::default());
    let mut config = cx.config(&[]);
    config.callback = {
        let shared = Arc::clone(&shared);
        Callback::custom(move |host, kind, handle| Ok(told(&shared, host, kind, handle)?))
    };
    let mut vm = cx.instance_with(&config)?;
    let album = vm.alloc(ALBUM * 4)?;
    vm.push_root(album)?;
    shared.album.store(album.0, Ordering::Relaxed);
    cx.chunked(n, |_, from, to| {
        for _ in from..to {
            wrap(&mut vm)?;
        }
        Ok(())
    })?;
    // Each collection ends one life of what is left.
    for _ in 0..=LIVES {
        vm.collect()?;
    }
    let lives = i64::from(n) * i64::from(LIVES + 1);
    check_eq("wrappers that died", vm.stat(Stat::WrappersTold), lives)?;
    check_eq("handles told once", vm.handles().audit().told_once, lives.unsigned_abs())?;
    let asked = shared.asked.load(Ordering::Relaxed);
    check!(asked > 0, "the callback never asked for a collection");
    check_eq("nested collections refused", vm.stat(Stat::NestedRefused), asked.into())?;
    let calls = shared.calls.load(Ordering::Relaxed);
    for slot in 0..ALBUM.min(calls) {
        let page = vm.read_u32(album.offset(slot * 4).0)?;
        // The last call that wrote to this slot.
        let call = slot + (calls - 1 - slot) / ALBUM * ALBUM;
        check_eq("what the callback allocated", vm.read_u32(page)?, call << 1 | 1)?;
    }
    cx.finish(&mut vm)
}

/// The callback: an object into the album, garbage, a new wrapper for an old handle's next life.
fn told(shared: &Shared, host: &mut CallbackCx<'_>, kind: u32, handle: u32) -> Result<(), Error> {
    // The runtime may collect in here, and then tells of more deaths before it returns.
    let page = host.alloc(8 + handle % 64 * 8)?;
    let call = shared.calls.fetch_add(1, Ordering::Relaxed);
    host.write_u32(page.0, call << 1 | 1)?;
    let album = shared.album.load(Ordering::Relaxed);
    host.write_u32(album + call % ALBUM * 4, page.0)?;
    if call.is_multiple_of(8) {
        host.collect()?;
        shared.asked.fetch_add(1, Ordering::Relaxed);
    }
    host.alloc_atomic(call % 300)?;
    if kind - KIND < LIVES {
        let next = host.handles_mut().insert(kind + 1, 0);
        let ptr = host.alloc(12)?;
        host.register_wrapper(ptr, kind + 1, next)?;
    }
    Ok(())
}

/// The host traps in the callback now and then: what is dead is told later, and only once.
pub(super) fn host_callback_fails(cx: &mut Cx) -> Outcome<Finished> {
    const EVERY: u32 = 1000;
    let n = cx.scaled(300_000, 5 * EVERY);
    let failing = Arc::new(AtomicBool::new(true));
    let mut config = cx.config(&[]);
    config.callback = {
        let failing = Arc::clone(&failing);
        let calls = AtomicU32::new(0);
        Callback::custom(move |_, _, _| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            if failing.load(Ordering::Relaxed) && call % EVERY == EVERY - 1 {
                return Err(wasmtime::Error::msg("the host would not take the handle"));
            }
            Ok(())
        })
    };
    let mut vm = cx.instance_with(&config)?;
    let mut kept = Kept::new(&mut vm)?;
    let mut failures = 0;
    let mut released_while_queued = 0;
    cx.chunked(n, |cx, from, to| {
        for _ in from..to {
            let made = survive(&mut vm)?;
            failures += made.failures;
            if made.failures > 0 {
                released_while_queued += u32::from(vm.stat(Stat::DeadQueued) > 0);
                failures += kept.replace(cx, &mut vm)?;
            }
        }
        Ok(())
    })?;
    check!(failures > 0, "the callback never failed");
    check!(
        released_while_queued > 0 || cx.eager != 0,
        "no wrapper was released while dead handles were queued"
    );
    failing.store(false, Ordering::Relaxed);
    vm.collect()?;
    check_eq("dead handles still queued", vm.stat(Stat::DeadQueued), 0)?;
    let audit = vm.handles().audit();
    check_eq("handles alive", audit.live, KEPT.into())?;
    check_eq("handles told once", audit.told_once, audit.made - u64::from(KEPT))?;
    for (_, handle) in kept.wrappers {
        check_eq("handle of a live wrapper", vm.handles().status(handle), Status::Live)?;
    }
    cx.finish(&mut vm)
}

/// A wrapper that was registered in spite of a failing host.
struct Made {
    ptr: Ptr,
    handle: u32,
    /// The number of times that the host failed meanwhile.
    failures: u32,
}

/// Makes a wrapper, however often the host fails meanwhile.
fn survive(vm: &mut Instance) -> Outcome<Made> {
    let handle = vm.handles_mut().insert(KIND, 0);
    let registered = vm.stat(Stat::WrappersRegistered);
    let saved = vm.sp();
    for failures in 0..10 {
        let allocated = vm.alloc(12);
        let ptr = *allocated.as_ref().unwrap_or(&Ptr::NULL);
        match allocated.and_then(|ptr| vm.register_wrapper(ptr, KIND, handle)) {
            Ok(()) => return Ok(Made { ptr, handle, failures }),
            Err(error) => recover(vm, saved, error)?,
        }
        // The runtime may tell the host before it makes the entry, or after.
        if vm.stat(Stat::WrappersRegistered) > registered {
            return Ok(Made { ptr, handle, failures: failures + 1 });
        }
    }
    Err(Failure::Check("the host failed 10 times in a row: the runtime does not go on".to_owned()))
}

/// After a trap of the host as after any other: it restores `gc_sp` and goes on.
fn recover(vm: &mut Instance, sp: u32, error: Error) -> Outcome<()> {
    match error {
        Error::Trap(report) if report.code.is_none() => {
            vm.set_sp(sp);
            verify(vm)
        }
        other => Err(other.into()),
    }
}

/// Wrappers that are alive while others die.
const KEPT: u32 = 32;

struct Kept {
    array: Ptr,
    wrappers: Vec<(Ptr, u32)>,
}

impl Kept {
    fn new(vm: &mut Instance) -> Outcome<Self> {
        let array = vm.alloc(KEPT * 4)?;
        vm.push_root(array)?;
        let mut wrappers = Vec::new();
        for slot in 0..KEPT {
            let (ptr, handle) = wrap(vm)?;
            vm.write_u32(array.offset(slot * 4).0, ptr.0)?;
            wrappers.push((ptr, handle));
        }
        Ok(Self { array, wrappers })
    }

    /// Releases a random one, which tells the host at once, and puts a new one in its place.
    fn replace(&mut self, cx: &mut Cx, vm: &mut Instance) -> Outcome<u32> {
        let slot = cx.rng.random_range(0..KEPT);
        let (ptr, handle) = self.wrappers[slot as usize];
        let saved = vm.sp();
        match vm.release_wrapper(ptr) {
            Ok(found) => check!(found, "release_wrapper did not find the wrapper at {ptr}"),
            Err(error) => recover(vm, saved, error)?,
        }
        check_eq("a released handle", vm.handles().status(handle), Status::ToldOnce)?;
        let made = survive(vm)?;
        vm.write_u32(self.array.offset(slot * 4).0, made.ptr.0)?;
        self.wrappers[slot as usize] = (made.ptr, made.handle);
        Ok(made.failures)
    }
}
