//! Memory for the collector's own tables: dlmalloc, fed from our blocks.
//!
//! dlmalloc asks its `Allocator` for memory in the middle of `malloc`, when the runtime is
//! borrowed. So it is served from a *stock*: when a `malloc` fails, the caller takes blocks from
//! the heap, puts them in stock, and tries again.

use core::cell::Cell;

use dlmalloc::{Allocator, Dlmalloc};

use crate::addr::{Addr, BLOCK_SIZE, Block, blocks_for};
use crate::memory::Memory;
use crate::runtime::Runtime;

/// No table is smaller, which spares us dlmalloc's bins for small requests.
const MIN_TABLE: u32 = 512;
/// What dlmalloc needs beside the request: its headers and the end of its segment.
const OVERHEAD: u32 = 256;

#[derive(Debug)]
struct Stock {
    base: Cell<*mut u8>,
    bytes: Cell<usize>,
}

// SAFETY: `Allocator` must hand out memory that nobody else uses. The stock is filled from blocks
// that were taken from the heap for good, and each filling is handed out once. The pointer in it
// belongs to the memory that the runtime owns, so it may go where the runtime goes.
unsafe impl Send for Stock {}

// SAFETY: as above.
unsafe impl Allocator for Stock {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let bytes = self.bytes.get();
        if bytes < size {
            return (core::ptr::null_mut(), 0, 0);
        }
        self.bytes.set(0);
        (self.base.get(), bytes, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        false
    }

    fn page_size(&self) -> usize {
        BLOCK_SIZE as usize
    }
}

/// The allocator of the tables.
pub(crate) struct Tables(Dlmalloc<Stock>);

impl core::fmt::Debug for Tables {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Tables").field(self.0.allocator()).finish()
    }
}

impl Tables {
    #[expect(clippy::declare_interior_mutable_const, reason = "a static is made of it once")]
    pub(crate) const EMPTY: Self = {
        let stock = Stock { base: Cell::new(core::ptr::null_mut()), bytes: Cell::new(0) };
        let mut heap = Dlmalloc::new_with_allocator(stock);
        assert!(heap.set_granularity(BLOCK_SIZE as usize), "a block is a power of two");
        Self(heap)
    };
}

impl<M: Memory> Runtime<M> {
    /// Allocates a table of `bytes` bytes of any content; null if there is no memory.
    pub(crate) fn table_alloc(&mut self, bytes: u32) -> Addr {
        let table = self.table_try(bytes);
        if !table.is_null() || bytes > u32::MAX / 2 {
            return table;
        }
        let count = blocks_for(bytes + OVERHEAD);
        let block = self.take_internal(count);
        if block.is_none() {
            return Addr::NULL;
        }
        self.stock(block, count);
        self.table_try(bytes)
    }

    fn table_try(&mut self, bytes: u32) -> Addr {
        // SAFETY: any size may be asked for; the result is aligned to two pointers, which is
        // enough for tables of 64-bit words.
        let ptr = unsafe { self.tables.0.c_malloc(bytes.max(MIN_TABLE) as usize) };
        if ptr.is_null() { Addr::NULL } else { self.mem.addr_of(ptr) }
    }

    /// Puts blocks in stock. There is none left: dlmalloc takes all of it at once.
    fn stock(&mut self, block: Block, count: u32) {
        let stock = self.tables.0.allocator();
        stock.base.set(self.mem.ptr(block.start()));
        stock.bytes.set((count * BLOCK_SIZE) as usize);
    }

    /// Frees a table that [`Self::table_alloc`] returned.
    pub(crate) fn table_free(&mut self, table: Addr) {
        let ptr = self.mem.ptr(table);
        // SAFETY: the caller passes what `table_alloc` returned.
        unsafe { self.tables.0.c_free(ptr) };
    }
}
