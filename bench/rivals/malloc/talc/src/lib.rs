//! talc, set up as its notes on wasm say.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};

#[global_allocator]
static HEAP: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Zeroed memory.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(size: usize) -> *mut u8 {
    // SAFETY: no size of a workload is zero, and 8 is a power of two.
    let p = unsafe { HEAP.alloc_zeroed(Layout::from_size_align_unchecked(size, 8)) };
    if p.is_null() { core::arch::wasm32::unreachable() } else { p }
}

/// Frees what `alloc` gave for this size.
#[unsafe(no_mangle)]
pub extern "C" fn free(p: *mut u8, size: usize) {
    // SAFETY: guests free what they were given, with the size they asked for.
    unsafe { HEAP.dealloc(p, Layout::from_size_align_unchecked(size, 8)) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
