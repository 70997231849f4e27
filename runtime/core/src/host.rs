//! The boundary to the host: operations that may notify it, in order.
//!
//! The runtime is never borrowed while the host runs: each function here borrows it, lets go,
//! calls the host, and borrows it again. So whatever the host does in its callback is ordinary.

use crate::addr::Addr;
use crate::error::Failed;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;

/// A host, and the way to the one runtime that serves it.
pub trait Host {
    /// The memory of the runtime.
    type Memory: Memory;

    /// Borrows the runtime.
    fn with<R>(&self, f: impl FnOnce(&mut Runtime<Self::Memory>) -> R) -> R;

    /// Tells the host that a handle is no longer referred to. It may call back, trap or panic.
    fn decref(&self, kind: u32, handle: u32);

    /// Notifies the host of the dead that a collection in this call left; `object` is kept alive meanwhile. This is a
    /// phase that a linked program can lack ([`crate::phases`]).
    #[inline(always)]
    fn notify_pending(&self, object: Addr)
    where
        Self: Sized,
    {
        notify_pending(self, object);
    }
}

/// Allocates when [`Runtime::alloc_fast`] could not; null, with the reason stored, on failure.
pub fn alloc_slow<H: Host>(host: &H, size: u32, atomic: bool) -> Addr {
    let object = host.with(|runtime| runtime.alloc_slow(size, atomic));
    host.notify_pending(object);
    object
}

/// Allocates `size` bytes; null, with the reason stored, on failure.
pub fn alloc<H: Host>(host: &H, size: u32, atomic: bool) -> Addr {
    let object = host.with(|runtime| runtime.alloc_fast(size, atomic));
    object.unwrap_or_else(|| alloc_slow(host, size, atomic))
}

/// Registers a wrapper.
///
/// # Errors
///
/// As [`register_slow`].
pub fn register<H: Host>(host: &H, ptr: Addr, kind: u32, handle: u32) -> Result<(), Failed> {
    let fast = || host.with(|runtime| runtime.register_fast(ptr, kind, handle));
    if fast() { Ok(()) } else { register_slow(host, ptr, || _ = fast()) }
}

/// Registers a wrapper when [`Runtime::register_fast`] could not; `again` calls that again, which
/// then can.
///
/// # Errors
///
/// `NOT_AN_OBJECT`, `ALREADY_REGISTERED`, and what a collection fails with; `WRAP_TABLE_FULL` if the
/// table is at its limit and all entries are alive, `HEAP_EXHAUSTED` if there is no memory for a
/// larger one.
pub fn register_slow<H: Host>(host: &H, ptr: Addr, again: impl FnOnce()) -> Result<(), Failed> {
    let prepared = host.with(|runtime| runtime.register_prepare(ptr));
    host.notify_pending(ptr);
    prepared?;
    host.with(|runtime| runtime.register_ready(ptr))?;
    again();
    host.with(Runtime::register_finish);
    Ok(())
}

/// Disposes of a wrapper now; `Ok(false)` if the object is no wrapper.
///
/// # Errors
///
/// `NOT_AN_OBJECT`.
pub fn release<H: Host>(host: &H, ptr: Addr) -> Result<bool, Failed> {
    if !host.with(|runtime| runtime.release(ptr))? {
        return Ok(false);
    }
    let level = host.with(|runtime| runtime.begin_notifying(ptr));
    notify_one(host);
    if level != 0 {
        host.with(|runtime| runtime.end_notifying(level));
    }
    Ok(true)
}

/// Runs a full collection. From inside the host's callback it is refused and counted; what waits
/// for notification is notified of, as this may be the first call after a trap in the callback.
///
/// # Errors
///
/// `SHADOW_STACK_OVERFLOW`; with VERIFY, `HEAP_CORRUPT`.
pub fn collect<H: Host>(host: &H) -> Result<(), Failed> {
    let mut refused = false;
    let outcome = host.with(|runtime| {
        runtime.enter_or_fail()?;
        refused = runtime.refuse_nested();
        if refused { Ok(()) } else { runtime.collect(false) }
    });
    host.notify_pending(Addr::NULL);
    if refused {
        host.with(Runtime::note_refusal);
    }
    outcome
}

/// Tells the host about every wrapper there is, and forgets them.
///
/// # Errors
///
/// `HEAP_CORRUPT` if a collection was interrupted.
pub fn shutdown<H: Host>(host: &H) -> Result<(), Failed> {
    host.with(|runtime| {
        runtime.enter_or_fail()?;
        runtime.kill_wrappers();
        Ok(())
    })?;
    notify_all(host, Addr::NULL);
    Ok(())
}

/// Notifies the host of at most `max` of the dead handles that are queued; returns how many are left.
///
/// # Errors
///
/// `HEAP_CORRUPT` if a collection was interrupted.
pub fn notify<H: Host>(host: &H, max: u32) -> Result<u32, Failed> {
    host.with(Runtime::enter_or_fail)?;
    let mut left = max;
    let mut next = || {
        let may = left != 0;
        left = left.saturating_sub(1);
        may && host.with(|runtime| runtime.next_dead())
    };
    if max != 0 {
        notify_while(host, Addr::NULL, &mut next);
    }
    Ok(host.with(|runtime| runtime.dead()))
}

/// Notifies the host of the dead that a collection left, unless NOTIFY leaves them queued: the body of
/// [`Host::notify_pending`].
#[inline(always)]
pub fn notify_pending<H: Host>(host: &H, object: Addr) {
    let pending = host.with(|runtime| {
        let pending = core::mem::take(&mut runtime.notifying.pending);
        pending && runtime.option(GcOption::Notify) != 0
    });
    if pending {
        notify_all(host, object);
    }
}

/// Notifies the host of all dead handles.
#[inline(never)]
fn notify_all<H: Host>(host: &H, object: Addr) {
    notify_while(host, object, || host.with(|runtime| runtime.next_dead()));
}

/// Notifies the host of dead handles, the last queued first, as long as `next` finds one.
#[inline(always)]
fn notify_while<H: Host>(host: &H, object: Addr, mut next: impl FnMut() -> bool) {
    let level =
        host.with(|runtime| if runtime.dead() != 0 { runtime.begin_notifying(object) } else { 0 });
    if level == 0 {
        return;
    }
    // What fails inside the callback is the callback's to see; the caller's failure stays its own.
    let failure = host.with(|runtime| runtime.failure_words());
    while next() {
        notify_one(host);
    }
    host.with(|runtime| {
        runtime.set_failure_words(failure);
        runtime.end_notifying(level);
    });
}

#[inline(always)]
fn notify_one<H: Host>(host: &H) {
    let (kind, handle) = host.with(|runtime| (runtime.notifying.kind, runtime.notifying.handle));
    host.decref(kind, handle);
}
