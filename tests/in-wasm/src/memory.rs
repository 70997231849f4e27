//! The module's own linear memory, with the fixed regions where Rust's allocator puts them.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::arch::wasm32;

use runtime::addr::{Addr, PAGE_SIZE};
use runtime::memory::{
    BLOCK_TABLE_BYTES, DIRECTORY_BYTES, MARK_STACK_BYTES, Memory, Regions, WRAP_TABLE_BYTES,
};

const STACK_BYTES: u32 = 64 * 1024;
/// The guard word, up to the next multiple of 64.
const GUARD_BYTES: u32 = 64;

/// The memory of this module as one runtime sees it. Each value has regions of its own, so that several runtimes can
/// live in the module side by side.
#[derive(Debug)]
pub struct SharedMemory {
    regions: Regions,
    sp: Addr,
}

impl Default for SharedMemory {
    /// Takes the fixed regions from Rust's allocator, for good. The heap starts at the present end of memory.
    fn default() -> Self {
        let bytes = [
            STACK_BYTES,
            GUARD_BYTES,
            BLOCK_TABLE_BYTES,
            DIRECTORY_BYTES,
            WRAP_TABLE_BYTES,
            MARK_STACK_BYTES,
        ];
        let total = bytes.iter().map(|bytes| bytes.next_multiple_of(64)).sum::<u32>() as usize;
        let layout = Layout::from_size_align(total, 64).expect("a valid layout");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        let mut next = Addr::new(start as u32);
        let [stack_base, stack_limit, block_table, directory, wrap_table, mark_stack] =
            bytes.map(|bytes| {
                let at = next;
                next = next.plus(bytes.next_multiple_of(64));
                at
            });
        let end = wasm32::memory_size::<0>() as u32 * PAGE_SIZE;
        let regions = Regions {
            stack_base,
            stack_limit,
            program_base: Addr::new(end),
            block_table,
            directory,
            wrap_table,
            mark_stack,
        };
        Self { regions, sp: stack_base }
    }
}

fn place<T>(at: Addr, offset: u32) -> *mut T {
    (at.get() + offset) as *mut T
}

// SAFETY: the regions were allocated for this value and are never freed; linear memory never moves or shrinks, and the
// machine zeroes what it adds and checks each access.
unsafe impl Memory for SharedMemory {
    fn load8(&self, at: Addr, offset: u32) -> u8 {
        // SAFETY: the machine traps outside linear memory; bytes there have no types.
        unsafe { place::<u8>(at, offset).read() }
    }

    fn load32(&self, at: Addr, offset: u32) -> u32 {
        // SAFETY: as for `load8`.
        unsafe { place::<u32>(at, offset).read() }
    }

    fn load64(&self, at: Addr, offset: u32) -> u64 {
        // SAFETY: as for `load8`.
        unsafe { place::<u64>(at, offset).read() }
    }

    fn store8(&mut self, at: Addr, offset: u32, value: u8) {
        // SAFETY: as for `load8`; the runtime stores to its own regions and blocks only.
        unsafe { place::<u8>(at, offset).write(value) }
    }

    fn store32(&mut self, at: Addr, offset: u32, value: u32) {
        // SAFETY: as for `store8`.
        unsafe { place::<u32>(at, offset).write(value) }
    }

    fn store64(&mut self, at: Addr, offset: u32, value: u64) {
        // SAFETY: as for `store8`.
        unsafe { place::<u64>(at, offset).write(value) }
    }

    fn fill(&mut self, at: Addr, bytes: u32, value: u8) {
        // SAFETY: as for `store8`.
        unsafe { place::<u8>(at, 0).write_bytes(value, bytes as usize) }
    }

    fn copy(&mut self, to: Addr, from: Addr, bytes: u32) {
        // SAFETY: as for `store8`; the caller's ranges do not overlap.
        unsafe { place::<u8>(to, 0).copy_from_nonoverlapping(place(from, 0), bytes as usize) }
    }

    fn pages(&self) -> u32 {
        wasm32::memory_size::<0>() as u32
    }

    fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = wasm32::memory_grow::<0>(pages as usize);
        (old != usize::MAX).then_some(old as u32)
    }

    fn regions(&self) -> Regions {
        self.regions
    }

    fn sp(&self) -> Addr {
        self.sp
    }

    fn set_sp(&mut self, sp: Addr) {
        self.sp = sp;
    }
}
