//! The memory under the heap: loads, stores, fills, growth, and where the fixed tables lie.

use crate::addr::{Addr, MAX_BLOCKS};
use crate::phases::Phase;
use crate::runtime::Runtime;

/// Entries of the wrap-table to begin with.
pub const WRAP_TABLE_ENTRIES: u32 = 4096;
/// Bytes of one entry of the wrap-table.
pub const WRAP_ENTRY_BYTES: u32 = 16;
/// Bytes of the built-in part of the mark stack.
pub const MARK_STACK_BYTES: u32 = 32 * 1024;
/// The word kept at `gc_stack_limit`. If it has changed, the program pushed past the end.
pub const GUARD_WORD: u32 = 0x6AAD_5AFE;
/// Bytes of the block table: one for each block of the address space.
pub const BLOCK_TABLE_BYTES: u32 = MAX_BLOCKS;
/// Bytes of the directory: a word for each group of blocks.
pub const DIRECTORY_BYTES: u32 = MAX_BLOCKS / crate::block::GROUP_BLOCKS * 4;
/// Bytes of the wrap-table to begin with.
pub const WRAP_TABLE_BYTES: u32 = WRAP_TABLE_ENTRIES * WRAP_ENTRY_BYTES;

/// The addresses of the parts of memory that exist before the heap does.
///
/// ```text
/// 0        tables               stack_base       stack_limit   program_base   heap
/// +--------+--------------------+----------------+-------------+--------------+--------->
/// | linear | block table,       | shadow stack   | guard word  | static data  | blocks
/// | stack  | directory, ...     | (roots) ->     |             | of programs  |
/// +--------+--------------------+----------------+-------------+--------------+--------->
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    /// The first slot of the shadow stack.
    pub stack_base: Addr,
    /// One past the last slot; the guard word lies here.
    pub stack_limit: Addr,
    /// The start of a program's static data.
    pub program_base: Addr,
    /// [`BLOCK_TABLE_BYTES`] of zeros.
    pub block_table: Addr,
    /// [`DIRECTORY_BYTES`] of zeros.
    pub directory: Addr,
    /// [`WRAP_TABLE_BYTES`], of any content.
    pub wrap_table: Addr,
    /// [`MARK_STACK_BYTES`], of any content, 8-byte aligned.
    pub mark_stack: Addr,
}

/// A linear memory of at most 4 GiB.
///
/// # Safety
///
/// The heap hands out addresses for others to write through. An implementation must
/// * return regions that are disjoint, aligned to 8 bytes, inside memory and used by nobody else;
/// * never move or shrink, and return zeroed pages from `grow`;
/// * return from `spare` nothing that anybody else uses, or will use.
///
/// Loads and stores are not `unsafe` to call: an implementation stays inside its memory (on wasm
/// the machine checks it, natively the implementation does), and bytes have no types.
pub unsafe trait Memory {
    /// The byte at `at + offset`. Here and below the sum does not wrap: a constant offset is part
    /// of the wasm instruction.
    fn load8(&self, at: Addr, offset: u32) -> u8;
    /// The little-endian word at `at + offset`, which is 4-byte aligned.
    fn load32(&self, at: Addr, offset: u32) -> u32;
    /// The little-endian double word at `at + offset`, which is 8-byte aligned.
    fn load64(&self, at: Addr, offset: u32) -> u64;
    /// Loads the word at `at`, which is 4-byte aligned, for its cache line alone.
    #[inline]
    fn touch(&self, at: Addr) {
        core::hint::black_box(self.load32(at, 0));
    }
    /// Stores a byte.
    fn store8(&mut self, at: Addr, offset: u32, value: u8);
    /// Stores a word; the place is 4-byte aligned.
    fn store32(&mut self, at: Addr, offset: u32, value: u32);
    /// Stores a double word; the place is 8-byte aligned.
    fn store64(&mut self, at: Addr, offset: u32, value: u64);
    /// Sets `bytes` bytes from `at` on.
    fn fill(&mut self, at: Addr, bytes: u32, value: u8);
    /// Copies `bytes` bytes between ranges that do not overlap.
    fn copy(&mut self, to: Addr, from: Addr, bytes: u32);
    /// The size in pages of 64 KiB.
    fn pages(&self) -> u32;
    /// Adds zeroed pages; returns the old size in pages, or `None` and changes nothing.
    fn grow(&mut self, pages: u32) -> Option<u32>;
    /// The start and the end of memory that was there before the heap and is known to be nobody's. It may be of any
    /// content. The heap asks where memory cannot grow.
    #[inline]
    fn spare(&self) -> Option<(Addr, Addr)> {
        None
    }
    /// The fixed regions.
    fn regions(&self) -> Regions;
    /// The next free slot of the shadow stack (`gc_sp`).
    fn sp(&self) -> Addr;
    /// Moves `gc_sp`.
    fn set_sp(&mut self, sp: Addr);
    /// Runs a phase that a linked program can lack. The module makes each a function of its own.
    #[inline(always)]
    fn phase(runtime: &mut Runtime<Self>, phase: Phase, argument: u32) -> u32
    where
        Self: Sized,
    {
        runtime.run_phase(phase, argument)
    }
}
