//! Reclaiming: what was not marked is free.
//!
//! The marks become the allocation map. Blocks in which nothing lives go back whole, for any
//! class; the others with free cells make up the list, in address order, from which allocation
//! takes its runs. No cell is touched: that is left to the allocation that reuses it.

use crate::addr::{Addr, BLOCK_SIZE, Block};
use crate::alloc::{RUNS, Sweep};
use crate::block::{Kind, Record};
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;

/// What freed cells are filled with under POISON.
pub const POISON: u8 = 0xDB;

impl<M: Memory> Runtime<M> {
    /// Frees everything that is not marked; returns the number of blocks looked at.
    pub(crate) fn reclaim(&mut self) -> u32 {
        self.sweep = [Sweep::EMPTY; RUNS];
        let mut block = self.heap.lo;
        let mut blocks = 0;
        while block < self.heap.hi {
            let kind = self.kind(block);
            let mut length = 1;
            if kind.is_small() {
                self.reclaim_small(block, kind);
                blocks += 1;
            } else if kind.has_objects() {
                length = self.record(block).length(&self.mem);
                self.reclaim_large(block, length);
                blocks += 1;
            }
            block = block.plus(length);
        }
        self.reset_search();
        blocks
    }

    fn reclaim_small(&mut self, block: Block, kind: Kind) {
        let record = self.record(block);
        let cells = kind.class().cells();
        let size = kind.class().cell_size();
        let mut live = 0;
        let mut pair = 0;
        while pair * 64 < cells {
            let marks = record.mark_word(&self.mem, pair);
            if self.option(GcOption::Poison) != 0 {
                let dead = record.alloc_word(&self.mem, pair) & !marks;
                self.poison(block.start().plus(pair * 64 * size), size, dead);
            }
            record.set_alloc_word(&mut self.mem, pair, marks);
            record.set_mark_word(&mut self.mem, pair, 0);
            live += marks.count_ones();
            pair += 1;
        }
        if live == 0 {
            self.free_blocks(block, 1);
        } else if live != cells {
            self.list_for_sweep(block, kind, record);
        }
    }

    fn list_for_sweep(&mut self, block: Block, kind: Kind, record: Record) {
        record.set_link(&mut self.mem, 0);
        let sweep = self.sweep[kind.run()];
        if sweep.first.is_none() {
            self.sweep[kind.run()].first = block;
        } else {
            let last = self.record(sweep.last);
            last.set_link(&mut self.mem, block.index());
        }
        self.sweep[kind.run()].last = block;
    }

    fn reclaim_large(&mut self, block: Block, length: u32) {
        let record = self.record(block);
        if record.mark_word(&self.mem, 0) != 0 {
            record.set_mark_word(&mut self.mem, 0, 0);
            return;
        }
        if self.option(GcOption::Poison) != 0 {
            self.mem.fill(block.start(), length * BLOCK_SIZE, POISON);
        }
        record.set_alloc_word(&mut self.mem, 0, 0);
        self.free_blocks(block, length);
    }

    /// Poisons the cells of a bitmap word.
    #[cold]
    #[inline(never)]
    fn poison(&mut self, first: Addr, size: u32, dead: u64) {
        let mut dead = dead;
        while dead != 0 {
            self.mem.fill(first.plus(dead.trailing_zeros() * size), size, POISON);
            dead &= dead - 1;
        }
    }
}
