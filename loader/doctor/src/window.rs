//! EAGER for some allocations only.
//!
//! A missing root that shows under EAGER after a million allocations takes long to get at when each of them collects. With
//! the number of the allocation that matters, or a guess, only those around it need to. The runtime counts nothing for
//! that; functions of the host stand in front of its allocators, if there is a window.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rootstock_host::Error;
use rootstock_host::HostState;
use rootstock_host::Instance;
use rootstock_host::wasmtime;
use rootstock_host::wasmtime::Caller;
use runtime::options::GcOption;

/// Collects at each `every`th allocation or registration from one allocation of programs up to another; the first is 1.
/// For programs that are instantiated from now on; what the host itself allocates is not counted.
///
/// # Errors
///
/// If the runtime refuses the number, or its exports cannot be watched.
pub fn eager_window(
    instance: &mut Instance,
    every: u32,
    window: RangeInclusive<u64>,
) -> Result<(), Error> {
    /// Never, in practice: but every allocation is a call then, and so is counted.
    const RARELY: u32 = i32::MAX.cast_unsigned();
    // The first allocation is as good as any before it; and the runtime itself says what it thinks of the number.
    instance.configure(GcOption::Eager, every)?;
    if *window.start() > 1 {
        instance.configure(GcOption::Eager, RARELY)?;
    }
    let count = Arc::new(AtomicU64::new(0));
    instance.linker_and_store().0.allow_shadowing(true);
    for name in ["alloc", "alloc_atomic", "try_alloc", "try_alloc_atomic"] {
        let exports = instance.exports();
        let function = match name {
            "alloc" => exports.alloc.clone(),
            "alloc_atomic" => exports.alloc_atomic.clone(),
            "try_alloc" => exports.try_alloc.clone(),
            _ => exports.try_alloc_atomic.clone(),
        };
        let (count, window) = (Arc::clone(&count), window.clone());
        let wrapped = move |mut cx: Caller<'_, HostState>, size: u32| -> wasmtime::Result<u32> {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            // Only at the ends: in between the program may do with the option what it likes.
            let now = match number {
                _ if number == *window.start() => Some(every),
                _ if Some(number) == window.end().checked_add(1) => Some(0),
                _ => None,
            };
            if let Some(value) = now {
                exports.gc_configure.call(&mut cx, (GcOption::Eager as u32, value))?;
            }
            function.call(&mut cx, size)
        };
        let defined = instance.linker_and_store().0.func_wrap("runtime", name, wrapped).map(drop);
        defined.map_err(|error| Error::engine(format!("{name} cannot be watched"), &error))?;
    }
    instance.linker_and_store().0.allow_shadowing(false);
    Ok(())
}
