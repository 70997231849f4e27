//! A memory for native builds: tests, fuzzers, Miri and profilers run the core over it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::addr::{Addr, PAGE_SIZE};
use crate::memory::{
    BLOCK_TABLE_BYTES, DIRECTORY_BYTES, MARK_STACK_BYTES, Memory, Regions, WRAP_TABLE_BYTES,
};

/// The first address that is not the null guard's.
const STACK_BASE: u32 = 0x1_0000;
/// Bytes of the shadow stack.
const STACK_BYTES: u32 = 512 * 1024;
/// Room for the guard word, to the next multiple of 64.
const GUARD_BYTES: u32 = 64;

/// A memory of the process's, reserved at its full size and zeroed, in the layout of the wasm
/// module.
#[derive(Debug)]
pub struct NativeMemory {
    base: NonNull<u8>,
    layout: Layout,
    pages: u32,
    /// Pages that it may grow to.
    limit: u32,
    sp: Addr,
}

// SAFETY: the memory belongs to the value alone.
unsafe impl Send for NativeMemory {}

impl NativeMemory {
    /// The pointer to an address, for a host that reads and writes objects. It is valid up to the end of memory, at the same
    /// distance from that to address 0 for the life of the memory.
    ///
    /// # Panics
    ///
    /// If the address is outside memory.
    pub fn ptr(&self, at: Addr) -> *mut u8 {
        self.range(at, 0)
    }

    /// A memory that can grow to `max_pages` pages of 64 KiB.
    ///
    /// # Panics
    ///
    /// If the process can't reserve that much, or `max_pages` does not hold the fixed regions.
    pub fn new(max_pages: u32) -> Self {
        let pages = REGIONS.program_base.get() / PAGE_SIZE;
        assert!(pages <= max_pages, "no room for the fixed regions");
        let bytes = max_pages as usize * PAGE_SIZE as usize;
        // With the alignment of any object the system maps fresh pages, instead of zeroing them here.
        let layout = Layout::from_size_align(bytes, 16).expect("a valid size");
        // SAFETY: the size is not zero, as the fixed regions fit in.
        let base = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        Self { base, layout, pages, limit: max_pages, sp: REGIONS.stack_base }
    }

    /// From now on memory grows to this many pages at most, and never beyond those it was made for.
    pub fn set_limit(&mut self, pages: u32) {
        let most = self.layout.size() / PAGE_SIZE as usize;
        self.limit = pages.min(u32::try_from(most).unwrap_or(u32::MAX));
    }

    /// A copy of the `length` bytes from an address on; `None` if they are not in memory.
    pub fn bytes(&self, at: Addr, length: u32) -> Option<std::vec::Vec<u8>> {
        let end = u64::from(at.get()) + u64::from(length);
        if end > u64::from(self.pages) * u64::from(PAGE_SIZE) {
            return None;
        }
        let start = self.range(at, length);
        // SAFETY: inside the allocation, as just checked, and initialised, as it started zeroed.
        Some(unsafe { std::slice::from_raw_parts(start, length as usize) }.to_vec())
    }

    // Called for each access, so it calls little itself: Miri pays for each call.
    fn at<T>(&self, at: Addr, offset: u32) -> *mut T {
        let start = at.get() as usize + offset as usize;
        let inside = start + size_of::<T>() <= self.pages as usize * PAGE_SIZE as usize;
        assert!(inside, "{at:?}+{offset} is outside memory");
        assert!(start & (align_of::<T>() - 1) == 0, "{at:?}+{offset} is misaligned");
        // SAFETY: inside the allocation, as just checked.
        unsafe { self.base.as_ptr().add(start).cast() }
    }

    fn range(&self, at: Addr, bytes: u32) -> *mut u8 {
        let end = at.get() as usize + bytes as usize;
        assert!(end <= self.pages as usize * PAGE_SIZE as usize, "{at:?}+{bytes} is outside");
        // SAFETY: inside the allocation, as just checked.
        unsafe { self.base.as_ptr().add(at.get() as usize) }
    }
}

impl Drop for NativeMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

/// The layout of the wasm module, which has the linear stack where the null guard is here.
const REGIONS: Regions = {
    let stack_base = Addr::new(STACK_BASE);
    let stack_limit = stack_base.plus(STACK_BYTES);
    let block_table = stack_limit.plus(GUARD_BYTES);
    let directory = block_table.plus(BLOCK_TABLE_BYTES);
    let wrap_table = directory.plus(DIRECTORY_BYTES);
    let mark_stack = wrap_table.plus(WRAP_TABLE_BYTES);
    let end = mark_stack.plus(MARK_STACK_BYTES).get().next_multiple_of(PAGE_SIZE);
    Regions {
        stack_base,
        stack_limit,
        program_base: Addr::new(end),
        block_table,
        directory,
        wrap_table,
        mark_stack,
    }
};

// SAFETY: the regions are laid out one after the other, each a multiple of 64 bytes long, in an
// allocation that starts zeroed and stays in place; `pages` never exceeds it.
unsafe impl Memory for NativeMemory {
    fn load8(&self, at: Addr, offset: u32) -> u8 {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u8>(at, offset) }
    }

    fn load32(&self, at: Addr, offset: u32) -> u32 {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u32>(at, offset) }
    }

    fn load64(&self, at: Addr, offset: u32) -> u64 {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u64>(at, offset) }
    }

    fn store8(&mut self, at: Addr, offset: u32, value: u8) {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u8>(at, offset) = value }
    }

    fn store32(&mut self, at: Addr, offset: u32, value: u32) {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u32>(at, offset) = value }
    }

    fn store64(&mut self, at: Addr, offset: u32, value: u64) {
        // SAFETY: `at` checks range and alignment.
        unsafe { *self.at::<u64>(at, offset) = value }
    }

    fn fill(&mut self, at: Addr, bytes: u32, value: u8) {
        // SAFETY: `range` checks the range.
        unsafe { self.range(at, bytes).write_bytes(value, bytes as usize) }
    }

    fn copy(&mut self, to: Addr, from: Addr, bytes: u32) {
        let (source, target) = (self.range(from, bytes), self.range(to, bytes));
        assert!(to.get().abs_diff(from.get()) >= bytes, "the ranges overlap");
        // SAFETY: `range` checks the ranges, and they do not overlap.
        unsafe { target.copy_from_nonoverlapping(source, bytes as usize) }
    }

    fn pages(&self) -> u32 {
        self.pages
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = self.pages;
        let new = old.checked_add(pages)?;
        if new > self.limit {
            return None;
        }
        self.pages = new;
        Some(old)
    }

    fn regions(&self) -> Regions {
        REGIONS
    }

    fn sp(&self) -> Addr {
        self.sp
    }

    fn set_sp(&mut self, sp: Addr) {
        self.sp = sp;
    }
}
