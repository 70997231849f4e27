//! The linear memory of the wasm module itself: address = pointer.
//!
//! The fixed tables are one zeroed static, so that the linker places them and the file does not
//! hold them. The shadow stack lies in a gap that the build script's link arguments leave above
//! the module's data; `gc_sp` is a wasm global of the object file that the build script writes.
//! A program that links `libruntime.a` leaves the gap below all data, and that is checked before anything else.

use core::arch::wasm32;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use rootstock_core::addr::Addr;
use rootstock_core::memory::{
    BLOCK_TABLE_BYTES, DIRECTORY_BYTES, GUARD_WORD, MARK_STACK_BYTES, Memory, Regions,
    WRAP_TABLE_BYTES,
};
use rootstock_core::phases::Phase;
use rootstock_core::runtime::Runtime;

#[repr(C, align(64))]
struct Tables {
    mark_stack: [u8; MARK_STACK_BYTES as usize],
    directory: [u8; DIRECTORY_BYTES as usize],
    wrap_table: [u8; WRAP_TABLE_BYTES as usize],
    block_table: [u8; BLOCK_TABLE_BYTES as usize],
}

/// Only its address is used.
struct Place(#[expect(dead_code, reason = "reached by address")] UnsafeCell<Tables>);

// SAFETY: the module has one thread, and only `WasmMemory` looks inside.
unsafe impl Sync for Place {}

static TABLES: Place = Place(UnsafeCell::new(Tables {
    mark_stack: [0; MARK_STACK_BYTES as usize],
    directory: [0; DIRECTORY_BYTES as usize],
    wrap_table: [0; WRAP_TABLE_BYTES as usize],
    block_table: [0; BLOCK_TABLE_BYTES as usize],
}));

unsafe extern "C" {
    /// Reads the global `gc_sp`.
    safe fn rootstock_sp_get() -> u32;
    /// Writes the global `gc_sp`.
    safe fn rootstock_sp_set(sp: u32);
    /// Tells whether the runtime may work; the argument is the guard word. In `runtime.wasm` the answer is
    /// a constant. In an object link it may call `malloc`, which may call any export.
    safe fn rootstock_enter(guard: u32) -> u32;
    /// The memory that is nobody's: where it starts in the lower half, where it ends in the upper.
    safe fn rootstock_spare() -> u64;
}

/// The answers of [`enter`]; the build script's object files know the numbers.
pub(crate) const READY: u32 = 0;
/// The shadow stack has overflowed.
pub(crate) const OVERFLOWED: u32 = 1;

/// Tells whether the runtime may work, or why not. Called while nobody has borrowed it.
#[inline(always)]
pub(crate) fn enter() -> u32 {
    rootstock_enter(GUARD_WORD)
}

/// Parses a number that the build script decided on.
const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(value) => value,
        Err(_) => panic!("the build script passes numbers"),
    }
}

const STACK_BASE: u32 = number(env!("ROOTSTOCK_STACK_BASE"));
const STACK_LIMIT: u32 = number(env!("ROOTSTOCK_STACK_LIMIT"));
const PROGRAM_BASE: u32 = number(env!("ROOTSTOCK_PROGRAM_BASE"));

/// The linear memory of this module. There may be several values of it, but one user.
#[derive(Debug)]
pub(crate) struct WasmMemory(());

impl WasmMemory {
    /// The linear memory.
    ///
    /// # Safety
    ///
    /// All values share the fixed tables: at most one runtime may use one.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }
}

/// # Safety
///
/// `at + offset` does not wrap.
#[inline(always)]
unsafe fn place(at: Addr, offset: u32) -> *mut u8 {
    // SAFETY: the machine's memory is one allocation; the caller promises that the sum is in it.
    unsafe { (at.get() as *mut u8).add(offset as usize) }
}

#[inline(always)]
fn table(offset: usize) -> Addr {
    Addr::new((&raw const TABLES) as u32 + offset as u32)
}

// SAFETY: the regions are fields of a static that nobody else uses, and the gap below the module's
// data; linear memory never moves or shrinks, and the machine zeroes and checks it.
unsafe impl Memory for WasmMemory {
    #[inline(always)]
    fn load8(&self, at: Addr, offset: u32) -> u8 {
        // SAFETY: the machine traps outside linear memory; bytes there have no types.
        unsafe { place(at, offset).cast::<u8>().read() }
    }

    #[inline(always)]
    fn load32(&self, at: Addr, offset: u32) -> u32 {
        // SAFETY: as for `load8`; wasm loads need no alignment.
        unsafe { place(at, offset).cast::<u32>().read() }
    }

    #[inline(always)]
    fn load64(&self, at: Addr, offset: u32) -> u64 {
        // SAFETY: as for `load32`.
        unsafe { place(at, offset).cast::<u64>().read() }
    }

    #[inline(always)]
    fn touch(&self, at: Addr) {
        // SAFETY: as for `load32`. Volatile, so that a load stays whose result nobody wants.
        unsafe { place(at, 0).cast::<u32>().read_volatile() };
    }

    #[inline(always)]
    fn store8(&mut self, at: Addr, offset: u32, value: u8) {
        // SAFETY: as for `load8`; the caller stores to tables and free cells only.
        unsafe { place(at, offset).cast::<u8>().write(value) }
    }

    #[inline(always)]
    fn store32(&mut self, at: Addr, offset: u32, value: u32) {
        // SAFETY: as for `store8`.
        unsafe { place(at, offset).cast::<u32>().write(value) }
    }

    #[inline(always)]
    fn store64(&mut self, at: Addr, offset: u32, value: u64) {
        // SAFETY: as for `store8`.
        unsafe { place(at, offset).cast::<u64>().write(value) }
    }

    #[inline(always)]
    fn fill(&mut self, at: Addr, bytes: u32, value: u8) {
        // SAFETY: as for `store8`.
        unsafe { (at.get() as *mut u8).write_bytes(value, bytes as usize) }
    }

    #[inline(always)]
    fn copy(&mut self, to: Addr, from: Addr, bytes: u32) {
        // SAFETY: as for `store8`; the caller's ranges do not overlap.
        unsafe {
            (to.get() as *mut u8).copy_from_nonoverlapping(from.get() as *const u8, bytes as usize);
        }
    }

    #[inline(always)]
    fn pages(&self) -> u32 {
        wasm32::memory_size::<0>() as u32
    }

    #[inline(always)]
    fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = wasm32::memory_grow::<0>(pages as usize);
        (old != usize::MAX).then_some(old as u32)
    }

    #[inline(always)]
    fn spare(&self) -> Option<(Addr, Addr)> {
        let spare = rootstock_spare();
        (spare != 0).then_some((Addr::new(spare as u32), Addr::new((spare >> 32) as u32)))
    }

    #[inline(always)]
    fn regions(&self) -> Regions {
        Regions {
            stack_base: Addr::new(STACK_BASE),
            stack_limit: Addr::new(STACK_LIMIT),
            program_base: Addr::new(PROGRAM_BASE),
            block_table: table(offset_of!(Tables, block_table)),
            directory: table(offset_of!(Tables, directory)),
            wrap_table: table(offset_of!(Tables, wrap_table)),
            mark_stack: table(offset_of!(Tables, mark_stack)),
        }
    }

    #[inline(always)]
    fn sp(&self) -> Addr {
        Addr::new(rootstock_sp_get())
    }

    #[inline(always)]
    fn set_sp(&mut self, sp: Addr) {
        rootstock_sp_set(sp.get());
    }

    #[inline(always)]
    fn phase(runtime: &mut Runtime<Self>, phase: Phase, argument: u32) -> u32 {
        crate::phases::run(runtime, phase, argument)
    }
}
