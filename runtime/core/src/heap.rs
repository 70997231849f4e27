//! The heap as blocks: the block table, free blocks, and growth.
//!
//! Free blocks are found lowest first, so that the heap stays low and warm blocks are used again
//! before fresh ones. Memory may be grown by others at any time: what lies between our pages is
//! foreign and never touched. What memory there was at the start may be another allocator's: it is
//! used only where memory cannot grow, and where it is known to be nobody's.

use crate::addr::{Addr, BLOCK_SIZE, BLOCKS_PER_PAGE, Block, MAX_BLOCKS, PAGE_SIZE, blocks_for};
use crate::block::{GROUP_BLOCKS, GROUP_SHIFT, Kind, RECORD_SHIFT, Record};
use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::options::GcOption;
use crate::phases::Phase;
use crate::runtime::Runtime;

/// Pages that memory grows by at the least, if the ceiling allows.
const MIN_GROWTH_PAGES: u32 = 8;
/// Memory grows by at least this part of the heap, if the ceiling allows: 1/16.
const GROWTH_SHIFT: u32 = 4;

/// The state of the heap that the block table does not say.
#[derive(Debug)]
pub(crate) struct Heap {
    /// The first block that may be in the heap.
    pub(crate) lo: Block,
    /// One past the last block that may be in the heap.
    pub(crate) hi: Block,
    /// No free block lies below this one.
    hint: Block,
    /// A search for several free blocks in a row starts here.
    run_hint: Block,
    /// A search for this many free blocks in a row, or more, has failed since the last one was
    /// freed; 0 is none.
    hopeless: u32,
    /// Blocks in use.
    pub(crate) used: u32,
    /// Of these, tables of the collector.
    pub(crate) internal: u32,
    /// The most blocks ever in use.
    pub(crate) peak: u32,
}

impl Heap {
    pub(crate) const EMPTY: Self = Self {
        lo: Block::NONE,
        hi: Block::NONE,
        hint: Block::NONE,
        run_hint: Block::NONE,
        hopeless: 0,
        used: 0,
        internal: 0,
        peak: 0,
    };
}

impl<M: Memory> Runtime<M> {
    /// The kind of a block.
    #[inline(always)]
    pub(crate) fn kind(&self, block: Block) -> Kind {
        Kind::from_byte(self.mem.load8(self.mem.regions().block_table, block.index()))
    }

    #[inline(always)]
    pub(crate) fn set_kind(&mut self, block: Block, kind: Kind) {
        self.mem.store8(self.mem.regions().block_table, block.index(), kind.byte());
    }

    pub(crate) fn set_kinds(&mut self, first: Block, count: u32, kind: Kind) {
        let at = self.mem.regions().block_table.plus(first.index());
        self.mem.fill(at, count, kind.byte());
    }

    /// The address of a group's metadata block; null if it has none.
    #[inline(always)]
    fn metadata(&self, group: u32) -> Addr {
        Addr::new(self.mem.load32(self.mem.regions().directory, group << 2))
    }

    /// The record of a block in the heap, where speed counts: inlined.
    #[inline(always)]
    pub(crate) fn record_inline(&self, block: Block) -> Record {
        Record::at(self.record_addr(block))
    }

    /// The record of a block in the heap.
    #[inline(never)]
    pub(crate) fn record(&self, block: Block) -> Record {
        Record::at(self.record_addr(block))
    }

    #[inline(always)]
    pub(crate) fn record_addr(&self, block: Block) -> Addr {
        let slot = block.index() & (GROUP_BLOCKS - 1);
        self.metadata(block.index() >> GROUP_SHIFT).plus(slot << RECORD_SHIFT)
    }

    /// Finds `count` free blocks in a row, growing memory if need be. They stay free, and `FRESH`
    /// where the block is all zeros, until [`Self::use_blocks`]: so who is stopped while preparing
    /// them has changed nothing. With BLACKLIST it matters if they are for data without pointers.
    pub(crate) fn find_blocks(&mut self, count: u32, atomic: bool) -> Block {
        loop {
            // Asked again when memory has grown, as the records of what was added count too.
            let limit = self.option(GcOption::HeapLimit);
            if limit != 0 && self.heap.used + count > limit / BLOCK_SIZE {
                return Block::NONE;
            }
            let clean = M::phase(self, Phase::Clean, count << 1 | u32::from(atomic));
            let mut block = Block::new(clean);
            if block.is_none() {
                block = self.find_free(count);
            }
            if !block.is_none() || !(self.grow_heap(count) || self.add_spare()) {
                return block;
            }
        }
    }

    /// Takes free blocks into use.
    #[inline(never)]
    pub(crate) fn use_blocks(&mut self, block: Block, count: u32, kind: Kind) {
        self.set_kinds(block, count, kind);
        self.heap.used += count;
        self.heap.peak = self.heap.peak.max(self.heap.used);
    }

    /// Takes blocks for a table of the collector; their content is not defined.
    pub(crate) fn take_internal(&mut self, count: u32) -> Block {
        let block = self.find_blocks(count, true);
        if !block.is_none() {
            self.use_blocks(block, count, Kind::INTERNAL);
            self.heap.internal += count;
        }
        block
    }

    /// Gives back blocks that [`Self::take_internal`] took.
    pub(crate) fn free_internal(&mut self, block: Block, count: u32) {
        self.heap.internal -= count;
        self.free_blocks(block, count);
    }

    /// Gives blocks back to the heap.
    pub(crate) fn free_blocks(&mut self, block: Block, count: u32) {
        // Mostly it is one, for which a fill would take longer.
        let mut distance = 0;
        while distance < count {
            self.set_kind(block.plus(distance), Kind::FREE);
            distance += 1;
        }
        self.heap.used -= count;
        self.heap.hint = self.heap.hint.min(block);
        self.heap.hopeless = 0;
    }

    /// Starts the search for free blocks from below again.
    pub(crate) fn reset_search(&mut self) {
        self.heap.run_hint = Block::NONE;
        self.heap.hopeless = 0;
    }

    fn find_free(&mut self, count: u32) -> Block {
        if count == 1 {
            let found = self.scan_free(self.heap.hint, self.heap.hi, 1);
            self.heap.hint = if found.is_none() { self.heap.hi } else { found };
            return found;
        }
        if self.heap.hopeless != 0 && count >= self.heap.hopeless {
            return Block::NONE;
        }
        let from = self.heap.run_hint.max(self.heap.hint);
        let mut found = self.scan_free(from, self.heap.hi, count);
        if found.is_none() {
            // What lies across the starting point belongs to the first search.
            let end = self.heap.hi.min(from.plus(count - 1));
            found = self.scan_free(self.heap.hint, end, count);
        }
        if found.is_none() {
            self.heap.hopeless = count;
        } else {
            self.heap.run_hint = found.plus(count);
        }
        found
    }

    fn scan_free(&self, from: Block, end: Block, count: u32) -> Block {
        let mut run = 0;
        let mut block = from;
        while block < end {
            run = if self.kind(block).is_free() { run + 1 } else { 0 };
            block = block.plus(1);
            if run == count {
                return Block::new(block.index() - count);
            }
        }
        Block::NONE
    }

    /// Adds at least `count` blocks in a row to the heap, with what their records need.
    pub(crate) fn grow_heap(&mut self, count: u32) -> bool {
        let ceiling = self.option(GcOption::MaxPages);
        let size = self.mem.pages();
        if size >= ceiling {
            return false;
        }
        // One metadata block for each group touched, and the groups at both ends may be shared.
        let blocks = count + count / (GROUP_BLOCKS - 1) + 2;
        let needed = blocks.div_ceil(BLOCKS_PER_PAGE);
        let room = ceiling - size;
        if needed > room {
            return false;
        }
        let heap_pages = (self.heap.hi.index() - self.heap.lo.index()) / BLOCKS_PER_PAGE;
        let wanted = needed.max(MIN_GROWTH_PAGES).max(heap_pages >> GROWTH_SHIFT).min(room);
        let (old, added) = match self.mem.grow(wanted) {
            Some(old) => (old, wanted),
            None => match self.mem.grow(needed) {
                Some(old) => (old, needed),
                None => return false,
            },
        };
        let start = Block::new(old * BLOCKS_PER_PAGE);
        self.add_blocks(start, start.plus(added * BLOCKS_PER_PAGE), Kind::FRESH)
    }

    /// Adds what was there before the heap and is nobody's, once.
    fn add_spare(&mut self) -> bool {
        let Some((start, end)) = self.mem.spare() else { return false };
        let start = Block::new(blocks_for(start.max(self.heap_start()).get()));
        let ceiling = Block::new(self.option(GcOption::MaxPages) * BLOCKS_PER_PAGE);
        let end = end.block().min(ceiling);
        // A block that was added is of another kind. These may be of any content.
        start < end && self.kind(start) == Kind::FOREIGN && self.add_blocks(start, end, Kind::FREE)
    }

    /// Makes `start..end`, of a free kind, part of the heap. Each group that is new to the heap gets its metadata
    /// block first: from the free blocks if there are any, else from the start of the addition.
    fn add_blocks(&mut self, start: Block, end: Block, kind: Kind) -> bool {
        // Not the last block below 2^32: the address one past its last object would be 0.
        let end = end.min(Block::new(MAX_BLOCKS - 1));
        // First, so that what is counted is in the heap. Until they are given a kind they are foreign.
        self.heap.hi = self.heap.hi.max(end);
        let mut first = start;
        let last = (end.index() - 1) >> GROUP_SHIFT;
        let mut next = start.index() >> GROUP_SHIFT;
        while next <= last {
            let group = next;
            next += 1;
            if !self.metadata(group).is_null() {
                continue;
            }
            let mut metadata = self.find_free(1);
            if metadata.is_none() {
                if first == end {
                    return false;
                }
                metadata = first;
                self.set_kind(metadata, kind);
                first = first.plus(1);
            }
            if self.kind(metadata) != Kind::FRESH {
                self.mem.fill(metadata.start(), BLOCK_SIZE, 0);
            }
            self.set_kind(metadata, Kind::INTERNAL);
            let directory = self.mem.regions().directory;
            self.mem.store32(directory, group << 2, metadata.start().get());
            self.heap.used += 1;
            self.heap.internal += 1;
        }
        self.set_kinds(first, end.since(first), kind);
        self.heap.peak = self.heap.peak.max(self.heap.used);
        self.heap.hint = self.heap.hint.min(first);
        self.heap.hopeless = 0;
        true
    }

    /// The end of the static data of programs, at which the heap may start: not below PROGRAM_BASE.
    pub(crate) fn heap_start(&self) -> Addr {
        self.static_end.max(self.mem.regions().program_base)
    }

    /// Tells the runtime where static data end, and makes memory reach that far.
    ///
    /// # Errors
    ///
    /// `INIT_TWICE` if the heap is in use or another end was given; `HEAP_EXHAUSTED` if memory
    /// cannot reach `static_end`.
    pub fn init(&mut self, static_end: Addr) -> Result<(), Failed> {
        let end = static_end.max(self.mem.regions().program_base);
        if !self.static_end.is_null() || !self.heap.lo.is_none() {
            let known = self.heap_start();
            if end != known {
                return Err(self.fail(ErrorCode::InitTwice, known.get()));
            }
        }
        let pages = end.get().div_ceil(PAGE_SIZE);
        let size = self.mem.pages();
        let ceiling = self.option(GcOption::MaxPages);
        if pages > size && (pages > ceiling || self.mem.grow(pages - size).is_none()) {
            return Err(self.fail(ErrorCode::HeapExhausted, static_end.get()));
        }
        self.static_end = end;
        Ok(())
    }

    /// Sets the heap up at the first use, empty: the memory that is there already may belong to another allocator.
    pub(crate) fn start_heap(&mut self) {
        let start = Block::new(blocks_for(self.heap_start().get()));
        self.heap.lo = start;
        self.heap.hi = start;
    }
}
