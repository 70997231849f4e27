//! `runtime.wasm` and `libruntime.a`: every export, and nothing else.
//!
//! `ABI.md` is the reference; here each export is a line or two. The collector is the crate
//! `rootstock-core`. This crate holds the one instance, and the only code that knows of linear
//! memory as pointers (`wasm.rs`). It is empty on other targets.
#![cfg(target_family = "wasm")]
#![no_std]

mod phases;
mod wasm;

use core::arch::wasm32;
use core::cell::UnsafeCell;

use rootstock_core::ABI_VERSION;
use rootstock_core::addr::Addr;
use rootstock_core::error::Failed;
use rootstock_core::host::{self, Host};
use rootstock_core::runtime::Runtime;
use rootstock_core::verify::Invariant;

use crate::wasm::WasmMemory;

struct Instance(UnsafeCell<Runtime<WasmMemory>>);

// SAFETY: the module has one thread.
unsafe impl Sync for Instance {}

// SAFETY: the only runtime of the module.
static INSTANCE: Instance = Instance(UnsafeCell::new(Runtime::new(unsafe { WasmMemory::new() })));

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    safe fn host_decref_handle(kind: u32, handle: u32);
}

/// The host of the module: its one import.
struct Import;

impl Host for Import {
    type Memory = WasmMemory;

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Runtime<WasmMemory>) -> R) -> R {
        // SAFETY: the runtime never calls out while it is borrowed, so borrows do not overlap.
        f(unsafe { &mut *INSTANCE.0.get() })
    }

    #[inline(always)]
    fn decref(&self, kind: u32, handle: u32) {
        host_decref_handle(kind, handle);
    }

    #[inline(always)]
    fn notify_pending(&self, object: Addr) {
        phases::notify(object);
    }
}

/// The reason is stored: trap.
#[cold]
#[inline(never)]
fn trap() -> ! {
    wasm32::unreachable()
}

#[inline(always)]
fn or_trap<T>(result: Result<T, Failed>) -> T {
    match result {
        Ok(value) => value,
        Err(_) => trap(),
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // From inside the runtime: it may be borrowed, but not by anybody who goes on.
    Import.with(|runtime| runtime.note(Invariant::Internal));
    trap()
}

/// Tells whether an operation may begin; if not, the reason is stored. In an object link the memory map may be wrong, or
/// the shadow stack have overflowed towards the runtime's tables: neither is left to be found in the tables.
#[inline(always)]
fn try_enter() -> Result<(), Failed> {
    match wasm::enter() {
        wasm::READY => Ok(()),
        reason => Err(refuse(reason)),
    }
}

#[inline(always)]
fn enter() {
    or_trap(try_enter());
}

#[cold]
#[inline(never)]
fn refuse(reason: u32) -> Failed {
    Import.with(|runtime| match reason {
        wasm::OVERFLOWED => runtime.note_overflow(),
        _ => runtime.note(Invariant::MemoryMap),
    })
}

/// Allocates when the current run could not; null, with the reason stored, on failure.
#[cold]
#[inline(never)]
fn alloc_slow(size: u32, atomic: bool) -> Addr {
    if try_enter().is_err() { Addr::NULL } else { host::alloc_slow(&Import, size, atomic) }
}

#[cold]
#[inline(never)]
fn alloc_slow_or_trap(size: u32, atomic: bool) -> Addr {
    let object = alloc_slow(size, atomic);
    if object.is_null() { trap() } else { object }
}

#[inline(always)]
fn alloc_or_trap(size: u32, atomic: bool) -> Addr {
    // SAFETY: as in `with`, which is not used here because it would not be inlined.
    let runtime = unsafe { &mut *INSTANCE.0.get() };
    match runtime.alloc_fast(size, atomic) {
        Some(object) => object,
        None => alloc_slow_or_trap(size, atomic),
    }
}

#[unsafe(no_mangle)]
extern "C" fn gc_abi_version() -> u32 {
    ABI_VERSION
}

#[unsafe(no_mangle)]
extern "C" fn gc_init(static_end: Addr) {
    enter();
    or_trap(Import.with(|runtime| runtime.init(static_end)));
}

#[unsafe(no_mangle)]
extern "C" fn alloc(size: u32) -> Addr {
    alloc_or_trap(size, false)
}

#[unsafe(no_mangle)]
extern "C" fn alloc_atomic(size: u32) -> Addr {
    alloc_or_trap(size, true)
}

#[unsafe(no_mangle)]
extern "C" fn gc_run(size: u32, atomic: u32) -> u32 {
    Import.with(|runtime| runtime.run_of(size, atomic != 0) as u32)
}

#[unsafe(no_mangle)]
extern "C" fn try_alloc(size: u32) -> Addr {
    alloc_slow(size, false)
}

#[unsafe(no_mangle)]
extern "C" fn try_alloc_atomic(size: u32) -> Addr {
    alloc_slow(size, true)
}

/// Registers when it takes more than an entry.
#[cold]
#[inline(never)]
fn register_slow(ptr: Addr, kind: u32, handle: u32) -> Result<(), Failed> {
    try_enter()?;
    // Calls the export again, so that there is one copy of what it does.
    host::register_slow(&Import, ptr, || register_wrapper(ptr, kind, handle))
}

#[unsafe(no_mangle)]
extern "C" fn register_wrapper(ptr: Addr, kind: u32, handle: u32) {
    // SAFETY: as in `with`, which is not used here because it would not be inlined.
    let runtime = unsafe { &mut *INSTANCE.0.get() };
    if !runtime.register_fast(ptr, kind, handle) {
        or_trap(register_slow(ptr, kind, handle));
    }
}

#[unsafe(no_mangle)]
extern "C" fn try_register_wrapper(ptr: Addr, kind: u32, handle: u32) -> u32 {
    match register_slow(ptr, kind, handle) {
        Ok(()) => 0,
        Err(_) => gc_last_error(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn register_wrapper_sized(ptr: Addr, kind: u32, handle: u32, external_bytes: u32) {
    register_wrapper(ptr, kind, handle);
    Import.with(|runtime| runtime.set_external(external_bytes));
}

#[unsafe(no_mangle)]
extern "C" fn release_wrapper(ptr: Addr) -> u32 {
    enter();
    u32::from(or_trap(host::release(&Import, ptr)))
}

#[unsafe(no_mangle)]
extern "C" fn gc_wrapper(ptr: Addr) -> Addr {
    Import.with(|runtime| runtime.wrapper(ptr))
}

#[unsafe(no_mangle)]
extern "C" fn gc_notify(max: u32) -> u32 {
    enter();
    or_trap(host::notify(&Import, max))
}

#[unsafe(no_mangle)]
extern "C" fn gc_collect() {
    enter();
    or_trap(host::collect(&Import));
}

#[unsafe(no_mangle)]
extern "C" fn gc_shutdown() {
    enter();
    or_trap(host::shutdown(&Import));
}

#[unsafe(no_mangle)]
extern "C" fn gc_add_roots(start: Addr, end: Addr) {
    enter();
    or_trap(Import.with(|runtime| runtime.add_roots(start, end)));
}

#[unsafe(no_mangle)]
extern "C" fn gc_remove_roots(start: Addr, end: Addr) {
    enter();
    or_trap(Import.with(|runtime| runtime.remove_roots(start, end)));
}

#[unsafe(no_mangle)]
extern "C" fn gc_pin(ptr: Addr) {
    enter();
    or_trap(Import.with(|runtime| runtime.pin(ptr)));
}

#[unsafe(no_mangle)]
extern "C" fn gc_unpin(ptr: Addr) {
    enter();
    or_trap(Import.with(|runtime| runtime.unpin(ptr)));
}

#[unsafe(no_mangle)]
extern "C" fn gc_stack_new(slots: u32) -> u32 {
    enter();
    or_trap(Import.with(|runtime| runtime.stack_new(slots)))
}

#[unsafe(no_mangle)]
extern "C" fn gc_stack_switch(stack: u32) -> u32 {
    enter();
    or_trap(Import.with(|runtime| runtime.stack_switch(stack)))
}

#[unsafe(no_mangle)]
extern "C" fn gc_stack_free(stack: u32) {
    enter();
    or_trap(Import.with(|runtime| runtime.stack_free(stack)));
}

#[unsafe(no_mangle)]
extern "C" fn gc_stack_end() -> Addr {
    Import.with(|runtime| runtime.stack_end())
}

#[unsafe(no_mangle)]
extern "C" fn gc_configure(option: u32, value: u32) -> i32 {
    Import.with(|runtime| runtime.configure(option, value))
}

#[unsafe(no_mangle)]
extern "C" fn gc_stat(id: u32) -> i64 {
    Import.with(|runtime| runtime.stat(id))
}

#[unsafe(no_mangle)]
extern "C" fn gc_base(ptr: Addr) -> Addr {
    Import.with(|runtime| runtime.base(ptr))
}

#[unsafe(no_mangle)]
extern "C" fn gc_size(ptr: Addr) -> u32 {
    Import.with(|runtime| runtime.size(ptr))
}

#[unsafe(no_mangle)]
extern "C" fn gc_verify() -> u32 {
    Import.with(|runtime| runtime.verify())
}

#[unsafe(no_mangle)]
extern "C" fn gc_last_error() -> u32 {
    Import.with(|runtime| runtime.last_error())
}

#[unsafe(no_mangle)]
extern "C" fn gc_last_error_arg() -> u32 {
    Import.with(|runtime| runtime.last_error_arg())
}
