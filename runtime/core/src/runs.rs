//! Runs: the free cells from which small objects are allocated, and the lazy sweep that finds them.
//!
//! Each kind of small object (size class, with or without pointers) has one *run*: free cells in
//! a row in one block, handed out by moving `bump` up to `end`. When a run is used up the next one comes
//! from the block's bitmap, then from the next block in the kind's sweep list, then from a free block. That
//! search is the lazy sweep: the cells that the last collection found dead are used again straight from there, and no free
//! list is built.
//!
//! A run that is in use when the pacer calls for a collection goes on after it. The cells that it has left
//! are zeroed already, and with many size classes in use they are a good part of the allocation
//! between two collections.

use core::mem::offset_of;

use crate::addr::{Addr, Block};
use crate::block::Kind;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;

/// Entries of the table of runs: one for each kind of small object, and enough that any byte is
/// an index.
pub(crate) const RUNS: usize = 256;
/// Entries of the table of sweep lists, rounded up to a power of two so that a masked index needs
/// no bounds check.
pub(crate) const LISTS: usize = 128;

/// Free cells in a row. `bump == end` is an empty run, and so is all zeros. That `bump`, `end` and
/// `cell_size` are where they are is part of the ABI (`gc_run`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Run {
    pub(crate) bump: Addr,
    pub(crate) end: Addr,
    /// The end of the part that was counted as allocated already, from its start.
    pub(crate) counted: Addr,
    /// Bytes in a cell; 0 for a run that never was.
    cell_size: u32,
}

impl Run {
    pub(crate) const EMPTY: Self =
        Self { bump: Addr::NULL, end: Addr::NULL, counted: Addr::NULL, cell_size: 0 };

    /// Hands out the next cell.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Addr> {
        let Self { bump, end, cell_size, .. } = *self;
        if bump == end {
            return None;
        }
        self.bump = bump.plus(cell_size);
        Some(bump)
    }
}

const _: () = assert!(
    offset_of!(Run, bump) == 0 && offset_of!(Run, end) == 4 && offset_of!(Run, cell_size) == 12
);

/// The source of the next run of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// The block being swept, or none.
    pub(crate) block: Block,
    /// Its next cell to look at.
    pub(crate) cell: u32,
    /// The first of the blocks to sweep after it, and the last.
    pub(crate) first: Block,
    pub(crate) last: Block,
}

impl Sweep {
    pub(crate) const EMPTY: Self =
        Self { block: Block::NONE, cell: 0, first: Block::NONE, last: Block::NONE };
}

impl<M: Memory> Runtime<M> {
    /// The run from which requests of `size` bytes are served: for a program that takes cells from
    /// it itself. It stays where it is; that of a large size is always empty.
    #[inline(always)]
    pub fn run_of(&self, size: u32, atomic: bool) -> *const u8 {
        let kind = Kind::of_size(size, atomic);
        (&raw const self.runs[kind.index()]).cast()
    }

    /// Finds the next run of a kind: in the block being swept, in the next one, in a free block.
    pub(crate) fn refill(&mut self, kind: Kind) -> bool {
        self.close_run(kind);
        let mut zeroed = false;
        loop {
            if self.sweep[kind.list()].block.is_none() && !self.next_block(kind, &mut zeroed) {
                return false;
            }
            if self.carve(kind, zeroed) {
                return true;
            }
            self.sweep[kind.list()].block = Block::NONE;
        }
    }

    /// Takes the next block to sweep; says whether its cells are zeros.
    fn next_block(&mut self, kind: Kind, zeroed: &mut bool) -> bool {
        let mut block = self.sweep[kind.list()].first;
        if !block.is_none() {
            self.sweep[kind.list()].first = Block::new(self.record(block).link(&self.mem));
        } else {
            block = self.find_blocks(1, kind.is_atomic());
            if block.is_none() {
                return false;
            }
            *zeroed = self.kind(block) == Kind::FRESH;
            if !*zeroed {
                self.record(block).clear(&mut self.mem);
            }
            self.use_blocks(block, 1, kind);
        }
        self.sweep[kind.list()].block = block;
        self.sweep[kind.list()].cell = 0;
        true
    }

    /// Makes the next free cells of the block being swept the run; `false` if there are none.
    fn carve(&mut self, kind: Kind, zeroed: bool) -> bool {
        let sweep = self.sweep[kind.list()];
        let record = self.record(sweep.block);
        let cells = self.classes.cells(kind);
        let first = record.find(&self.mem, sweep.cell, cells, false);
        if first == cells {
            return false;
        }
        let mut end = record.find(&self.mem, first + 1, cells, true);
        if self.option(GcOption::Eager) != 0 {
            // One cell at a time, so that the slow path sees each allocation.
            end = first + 1;
        }
        record.set_alloc(&mut self.mem, first, end, true);
        self.sweep[kind.list()].cell = end;
        let size = kind.class().cell_size();
        let start = sweep.block.start().plus(first * size);
        let bytes = (end - first) * size;
        if !kind.is_atomic() && !zeroed {
            self.mem.fill(start, bytes, 0);
        }
        self.runs[kind.index()] =
            Run { bump: start, end: start.plus(bytes), counted: start, cell_size: size };
        self.spend(bytes);
        true
    }

    /// Counts what the run of a kind has handed out, and gives the rest back.
    fn close_run(&mut self, kind: Kind) {
        let run = self.runs[kind.index()];
        if run.counted.is_null() {
            return;
        }
        self.count_run(kind);
        if run.bump != run.end {
            // Bring the sweep back, in case it goes on without a collection.
            self.sweep[kind.list()].cell = self.set_rest(kind, false);
        }
        self.runs[kind.index()] = Run::EMPTY;
    }

    /// Sets or clears the alloc bits of what a run has not handed out; returns its first cell.
    fn set_rest(&mut self, kind: Kind, set: bool) -> u32 {
        let run = self.runs[kind.index()];
        let block = run.bump.block();
        let first = self.classes.cell_at(kind, run.bump.since(block.start()));
        let end = self.classes.cell_at(kind, run.end.since(block.start()));
        self.record(block).set_alloc(&mut self.mem, first, end, set);
        first
    }

    /// Ends all runs.
    pub(crate) fn close_runs(&mut self) {
        self.suspend_runs(false);
    }

    /// Ends all runs, or suspends those that are in use for the time of a collection: the bitmaps
    /// say exactly what is allocated. The block of a suspended run is held, not given back.
    pub(crate) fn suspend_runs(&mut self, keep: bool) {
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            let run = self.runs[kind.index()];
            if keep && run.bump != run.end && run.bump != run.counted {
                self.count_run(kind);
                self.set_rest(kind, false);
                self.record(run.bump.block()).set_marked(&mut self.mem, true);
            } else {
                self.close_run(kind);
            }
            kind = kind.next();
        }
    }

    /// Takes suspended runs up again: what they have left is zeroed, and need not be again.
    pub(crate) fn resume_runs(&mut self) {
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            let run = self.runs[kind.index()];
            if run.bump != run.end {
                self.set_rest(kind, true);
            }
            kind = kind.next();
        }
    }

    /// Counts what the run of a kind has handed out since it was last counted.
    fn count_run(&mut self, kind: Kind) {
        let run = &mut self.runs[kind.index()];
        let bytes = run.bump.since(run.counted);
        run.counted = run.bump;
        self.count_allocated(bytes, self.classes.cell_at(kind, bytes));
    }

    /// Counts what all runs have handed out.
    pub(crate) fn count_runs(&mut self) {
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            self.count_run(kind);
            kind = kind.next();
        }
    }

    /// Tells whether the cell at `cell`, whose alloc bit is set, was handed out yet: not if it is in
    /// the rest of a run.
    #[inline]
    pub(crate) fn is_handed_out(&self, kind: Kind, cell: Addr) -> bool {
        let run = self.runs[kind.index()];
        // By distance, as one comparison: large objects have no run, and an empty one has no rest.
        cell.since(run.bump) >= run.end.since(run.bump)
    }
}
