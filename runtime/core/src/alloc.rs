//! Allocation: the fast path, the slow path, and the runs between them.
//!
//! Each kind of small object (size class, with or without pointers) has one *run*: free cells in
//! a row in one block, handed out by moving `bump` up to `end`. When a run is used up the slow
//! path finds the next one:
//!
//! ```text
//! run used up → next run of free cells in the block → next block in the kind's sweep list
//!             → a free block → more memory → a collection, and all that again → HEAP_EXHAUSTED
//! ```
//!
//! Finding the runs of a block in its bitmap is the lazy sweep: what the last collection found
//! dead is reused straight from there, and no free list is built.

use crate::addr::{Addr, BLOCK_SIZE, BLOCKS_PER_PAGE, Block};
use crate::block::{Bit, Kind};
use crate::error::ErrorCode;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::{Failed, Runtime};
use crate::size_class::{Class, MAX_SMALL, MAX_TABLE};

/// Entries of the run table: one for each kind of small object, rounded up to a power of two so
/// that a masked index needs no bounds check.
pub(crate) const RUNS: usize = 128;

/// Free cells in a row. `bump == end` is an empty run, and so is all zeros.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Run {
    pub(crate) bump: Addr,
    pub(crate) end: Addr,
    pub(crate) start: Addr,
}

impl Run {
    pub(crate) const EMPTY: Self = Self { bump: Addr::NULL, end: Addr::NULL, start: Addr::NULL };
}

/// Where the next run of a kind comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// The block being swept, or none.
    pub(crate) block: Block,
    /// Its next cell to look at.
    pub(crate) cell: u32,
    /// Whether its free cells are zeros.
    pub(crate) zeroed: bool,
    /// The first of the blocks to sweep after it, and the last.
    pub(crate) first: Block,
    pub(crate) last: Block,
}

impl Sweep {
    pub(crate) const EMPTY: Self =
        Self { block: Block::NONE, cell: 0, zeroed: false, first: Block::NONE, last: Block::NONE };
}

impl<M: Memory> Runtime<M> {
    /// Allocates from the current run; `None` if it is used up, or `size` is above [`MAX_TABLE`].
    #[inline(always)]
    pub fn alloc_fast(&mut self, size: u32, atomic: bool) -> Option<Addr> {
        if size > MAX_TABLE {
            return None;
        }
        let class = Class::of_table(size);
        let run = &mut self.runs[Kind::small(class, atomic).run()];
        let cell = run.bump;
        if cell == run.end {
            return None;
        }
        run.bump = cell.plus(class.cell_size());
        Some(cell)
    }

    /// Allocates, whatever it takes; null, with the reason stored, if it cannot be done.
    pub fn alloc_slow(&mut self, size: u32, atomic: bool) -> Addr {
        if !self.enter_slow() || self.eager_tick().is_err() {
            return Addr::NULL;
        }
        if self.is_due() && self.collect().is_err() {
            return Addr::NULL;
        }
        let cell = self.alloc_here(size, atomic);
        if !cell.is_null() {
            return cell;
        }
        let most = self.option(GcOption::MaxPages) * BLOCKS_PER_PAGE;
        let most = most.saturating_sub(self.heap.lo.index());
        if size > MAX_SMALL && size.div_ceil(BLOCK_SIZE) > most {
            self.fail(ErrorCode::SizeTooLarge, size);
            return Addr::NULL;
        }
        // Whatever the pacer says: rather collect than fail. And rather use a larger cell.
        if self.may_collect() && self.collect().is_err() {
            return Addr::NULL;
        }
        let mut cell_size = size;
        loop {
            let cell = self.alloc_here(cell_size, atomic);
            if !cell.is_null() {
                return cell;
            }
            if cell_size > MAX_SMALL {
                self.fail(ErrorCode::HeapExhausted, size);
                return cell;
            }
            cell_size = Class::of(cell_size).cell_size() + 1;
        }
    }

    /// Allocates without a collection; null if there is no memory.
    fn alloc_here(&mut self, size: u32, atomic: bool) -> Addr {
        if size > MAX_SMALL {
            return self.alloc_large(size, atomic);
        }
        let class = Class::of(size);
        let kind = Kind::small(class, atomic);
        let run = self.runs[kind.run()];
        if run.bump == run.end && !self.refill(kind) {
            return Addr::NULL;
        }
        let run = &mut self.runs[kind.run()];
        let cell = run.bump;
        run.bump = cell.plus(class.cell_size());
        cell
    }

    /// Finds the next run of a kind: in the block being swept, in the next one, in a free block.
    fn refill(&mut self, kind: Kind) -> bool {
        self.close_run(kind);
        loop {
            if self.sweep[kind.run()].block.is_none() && !self.next_block(kind) {
                return false;
            }
            if self.carve(kind) {
                return true;
            }
            self.sweep[kind.run()].block = Block::NONE;
        }
    }

    fn next_block(&mut self, kind: Kind) -> bool {
        let first = self.sweep[kind.run()].first;
        if !first.is_none() {
            let link = Block::new(self.record(first).link(&self.mem));
            let sweep = &mut self.sweep[kind.run()];
            *sweep = Sweep { block: first, cell: 0, zeroed: false, first: link, ..*sweep };
            return true;
        }
        let block = self.take_blocks(1);
        if block.is_none() {
            return false;
        }
        let zeroed = self.kind(block) == Kind::FRESH;
        self.set_kind(block, kind);
        let sweep = &mut self.sweep[kind.run()];
        *sweep = Sweep { block, cell: 0, zeroed, ..*sweep };
        true
    }

    /// Makes the next free cells of the block being swept the run; `false` if there are none.
    fn carve(&mut self, kind: Kind) -> bool {
        let sweep = self.sweep[kind.run()];
        let record = self.record(sweep.block);
        let cells = kind.class().cells();
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
        self.sweep[kind.run()].cell = end;
        let size = kind.class().cell_size();
        let start = sweep.block.start().plus(first * size);
        let bytes = (end - first) * size;
        if !kind.is_atomic() && !sweep.zeroed {
            self.mem.fill(start, bytes, 0);
        }
        self.runs[kind.run()] = Run { bump: start, end: start.plus(bytes), start };
        self.spend(bytes);
        true
    }

    /// Counts what the run of a kind has handed out, and gives the rest back.
    fn close_run(&mut self, kind: Kind) {
        let run = self.runs[kind.run()];
        if run.start.is_null() {
            return;
        }
        self.count_run(kind);
        if run.bump != run.end {
            let block = run.bump.block();
            let first = kind.class().cell_at(run.bump.since(block.start()));
            let end = kind.class().cell_at(run.end.since(block.start()));
            let record = self.record(block);
            record.set_alloc(&mut self.mem, first, end, false);
            // Bring the sweep back, in case it goes on without a collection.
            self.sweep[kind.run()].cell = first;
        }
        self.runs[kind.run()] = Run::EMPTY;
    }

    /// Ends all runs, so that the bitmaps say exactly what is allocated.
    pub(crate) fn close_runs(&mut self) {
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            self.close_run(kind);
            kind = kind.next();
        }
    }

    /// Counts what the run of a kind has handed out since it was last counted.
    fn count_run(&mut self, kind: Kind) {
        let run = &mut self.runs[kind.run()];
        let bytes = run.bump.since(run.start);
        run.start = run.bump;
        self.count_allocated(bytes, kind.class().cell_at(bytes));
    }

    /// Counts what all runs have handed out.
    pub(crate) fn count_runs(&mut self) {
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            self.count_run(kind);
            kind = kind.next();
        }
    }

    /// Whether the cell at `cell`, whose alloc bit is set, was handed out yet: not if it is in
    /// the rest of a run.
    #[inline]
    pub(crate) fn is_handed_out(&self, kind: Kind, cell: Addr) -> bool {
        let run = self.runs[kind.run()];
        // By distance: a run may end at the end of the address space, which is address 0.
        !kind.is_small() || cell.since(run.bump) >= run.end.since(run.bump)
    }

    /// Starts again to count for EAGER; called when the option changes.
    pub(crate) fn restart_eager(&mut self) {
        self.pace.eager = 0;
        if !self.heap.lo.is_none() && !self.collecting {
            self.close_runs();
        }
    }

    /// The base of the allocated object whose cell holds the byte at `at`; null if there is none.
    pub(crate) fn base_of(&self, at: Addr) -> Addr {
        let mut block = at.block();
        if block < self.heap.lo || block >= self.heap.hi {
            return Addr::NULL;
        }
        let mut kind = self.kind(block);
        let mut cell = 0;
        if kind.is_small() {
            cell = kind.class().cell_at(at.block_offset());
        } else if kind == Kind::TAIL {
            block = self.head_of(block);
            kind = self.kind(block);
        }
        if !kind.has_objects() || !self.record(block).is_allocated(&self.mem, Bit::of(cell)) {
            return Addr::NULL;
        }
        let base = block.start().plus(cell * kind.class().cell_size());
        if self.is_handed_out(kind, base) { base } else { Addr::NULL }
    }

    /// Whether `ptr` is the base of an allocated object.
    pub(crate) fn is_object(&self, ptr: Addr) -> bool {
        !ptr.is_null() && self.base_of(ptr) == ptr
    }

    /// Fails with `NOT_AN_OBJECT` if `ptr` is not the base of an allocated object.
    #[inline(never)]
    pub(crate) fn expect_object(&mut self, ptr: Addr) -> Result<(), Failed> {
        if self.is_object(ptr) { Ok(()) } else { Err(self.fail(ErrorCode::NotAnObject, ptr.get())) }
    }

    /// The usable size of the object with this base.
    pub(crate) fn size_of(&self, base: Addr) -> u32 {
        let kind = self.kind(base.block());
        if kind.is_small() {
            kind.class().cell_size()
        } else {
            self.record(base.block()).length(&self.mem) * BLOCK_SIZE
        }
    }

    /// The bit of the object with this base, in the record of its block.
    #[inline(always)]
    pub(crate) fn bit_of(&self, base: Addr) -> Bit {
        let kind = self.kind(base.block());
        Bit::of(if kind.is_small() { kind.class().cell_at(base.block_offset()) } else { 0 })
    }
}
