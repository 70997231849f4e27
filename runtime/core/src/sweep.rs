//! Reclaiming: what was not marked is free.
//!
//! The marks become the allocation map. Blocks in which nothing lives go back whole, for any
//! class; the others with free cells make up the list, in address order, from which allocation
//! takes its runs. No cell is touched: that is left to the allocation that reuses it.

use crate::addr::{BLOCK_SIZE, Block};
use crate::block::{Bit, Kind};
use crate::memory::Memory;
use crate::options::GcOption;
use crate::phases::Phase;
use crate::runs::{LISTS, Sweep};
use crate::runtime::Runtime;

/// The byte that freed cells are filled with under POISON.
pub const POISON: u8 = 0xDB;

/// The findings of a collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    /// Words of objects that may hold pointers.
    pub(crate) words: u64,
    /// Blocks looked at.
    pub(crate) blocks: u32,
}

impl Found {
    pub(crate) const NOTHING: Self = Self { bytes: 0, objects: 0, words: 0, blocks: 0 };
}

impl<M: Memory> Runtime<M> {
    /// Frees all cells that are not marked; counts those that are.
    pub(crate) fn reclaim(&mut self) {
        self.sweep = [Sweep::EMPTY; LISTS];
        let mut found = Found::NOTHING;
        let mut block = self.heap.lo;
        while block < self.heap.hi {
            let kind = self.kind(block);
            let mut length = 1;
            if kind.has_objects() {
                let (cells, size) = self.cells_of(block, kind);
                if !kind.is_small() {
                    length = size / BLOCK_SIZE;
                }
                if self.option(GcOption::Poison) != 0 {
                    M::phase(self, Phase::Poison, block.index());
                }
                found.blocks += 1;
                if self.record_inline(block).may_be_marked(&self.mem) {
                    let live = self.reclaim_marked(block, cells);
                    if live != cells {
                        self.list_for_sweep(block, kind);
                    }
                    let bytes = u64::from(live) * u64::from(size);
                    found.objects += u64::from(live);
                    found.bytes += bytes;
                    if !kind.is_atomic() {
                        found.words += bytes >> 2;
                    }
                } else {
                    self.free_blocks(block, length);
                }
            }
            block = block.plus(length);
        }
        self.reset_search();
        self.found = found;
    }

    /// Frees what is not marked in a block; returns how many objects are.
    #[inline(always)]
    fn reclaim_marked(&mut self, block: Block, cells: u32) -> u32 {
        let record = self.record_inline(block);
        record.set_marked(&mut self.mem, false);
        let mut live = 0;
        let mut pair = 0;
        while pair * 64 < cells {
            let marks = record.mark_word(&self.mem, pair);
            record.set_alloc_word(&mut self.mem, pair, marks);
            record.set_mark_word(&mut self.mem, pair, 0);
            live += marks.count_ones();
            pair += 1;
        }
        live
    }

    fn list_for_sweep(&mut self, block: Block, kind: Kind) {
        self.record(block).set_link(&mut self.mem, 0);
        let sweep = self.sweep[kind.list()];
        if sweep.first.is_none() {
            self.sweep[kind.list()].first = block;
        } else {
            let last = self.record(sweep.last);
            last.set_link(&mut self.mem, block.index());
        }
        self.sweep[kind.list()].last = block;
    }

    /// Poisons the cells of a block that are not marked.
    #[cold]
    #[inline(never)]
    pub(crate) fn poison_dead(&mut self, block: Block) {
        let (cells, size) = self.cells_of(block, self.kind(block));
        let record = self.record(block);
        let mut cell = 0;
        while cell < cells {
            let bit = Bit::of(cell);
            if record.is_allocated(&self.mem, bit) && !record.is_marked(&self.mem, bit) {
                self.mem.fill(block.start().plus(cell * size), size, POISON);
            }
            cell += 1;
        }
    }
}
