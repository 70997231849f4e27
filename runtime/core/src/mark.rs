//! Marking: which objects can be reached from the roots.
//!
//! A word is a candidate. It is an object's address if it lies in the heap's range, in a block
//! that holds objects, at the base of a cell (with INTERIOR: anywhere in one), and the cell is
//! allocated. Each test is a look at a table beside the heap: nothing is read or written through
//! a word before it has passed them all.
//!
//! A marked object goes on the mark stack to be scanned, as (address, bytes left to scan). The
//! stack has a small built-in part and grows by a block at a time. If a block can't be had, the
//! object's block is noted as dirty instead, and when the stack is empty the dirty blocks are
//! walked and their marked objects scanned again. Each such walk scans something that was marked
//! since the last, so it ends, and needs no memory: slower, never wrong. (The method is that of
//! the Boehm-Demers-Weiser collector; here it is confined to the blocks concerned.)
//!
//! ```text
//! segment (one block):  +0 previous segment | +4 next segment | +8 entries of 8 bytes ...
//! ```

use crate::addr::{Addr, BLOCK_SIZE, Block};
use crate::block::{Bit, Kind};
use crate::memory::{MARK_STACK_BYTES, Memory};
use crate::options::GcOption;
use crate::runtime::Runtime;
use crate::stats::Stat;

/// Objects larger than this are scanned in pieces, so that the mark stack stays short.
const CHUNK: u32 = 1024;
/// Bytes of a segment's links.
const LINKS: u32 = 8;
const ENTRY: u32 = 8;

/// The mark stack, and what marking has found.
#[derive(Debug)]
pub(crate) struct MarkStack {
    /// Where the next entry goes.
    top: Addr,
    /// One past the segment's last entry.
    limit: Addr,
    /// The segment's first entry.
    bottom: Addr,
    /// The block that the current segment is in; none for the built-in part.
    segment: Block,
    /// The first segment beyond the built-in part.
    first: Block,
    /// Segments beyond the built-in part.
    segments: u32,
    /// The range of blocks in which there may be dirty ones; empty if `dirty_end` is 0.
    dirty: Block,
    dirty_end: Block,
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    pub(crate) words: u64,
}

impl MarkStack {
    pub(crate) const EMPTY: Self = Self {
        top: Addr::NULL,
        limit: Addr::NULL,
        bottom: Addr::NULL,
        segment: Block::NONE,
        first: Block::NONE,
        segments: 0,
        dirty: Block::NONE,
        dirty_end: Block::NONE,
        bytes: 0,
        objects: 0,
        words: 0,
    };
}

/// An entry of the mark stack: words to scan. 0 bytes stand for the cell that `base` is in: the
/// entry is then known as soon as the word is, and need not wait for look-ups to be popped again.
#[inline(always)]
fn entry(base: Addr, bytes: u32) -> u64 {
    u64::from(base.get()) | u64::from(bytes) << 32
}

impl<M: Memory> Runtime<M> {
    /// Sets the mark stack up, empty, in its built-in part.
    pub(crate) fn start_mark_stack(&mut self) {
        self.enter_segment(Block::NONE);
        self.stack.top = self.stack.bottom;
    }

    /// Starts to count. The mark stack is empty: marking ends when it is.
    pub(crate) fn start_marking(&mut self) {
        self.stack.bytes = 0;
        self.stack.objects = 0;
        self.stack.words = 0;
    }

    /// Gives the memory of the mark stack back.
    pub(crate) fn finish_marking(&mut self) {
        let mut segment = self.stack.first;
        while !segment.is_none() {
            let next = Block::new(self.mem.load32(segment.start(), 4));
            self.free_internal(segment, 1);
            segment = next;
        }
        self.stack.first = Block::NONE;
        self.stack.segments = 0;
    }

    /// Marks the object that a word points to, whatever it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn visit_any(&mut self, at: Addr) {
        let base = self.base_of(at);
        let points = base == at || self.option(GcOption::Interior) != 0;
        if !base.is_null() && points && !self.is_flagged(base) {
            self.flag(base, true);
            self.marked(base, self.size_of(base), self.kind(base.block()));
        }
    }

    fn marked(&mut self, base: Addr, size: u32, kind: Kind) {
        self.stack.objects += 1;
        self.stack.bytes += u64::from(size);
        if !kind.is_atomic() {
            self.push(base, size);
        }
    }

    /// Puts words to scan on the mark stack; if there is no room, notes their block as dirty.
    pub(crate) fn push(&mut self, base: Addr, size: u32) {
        if self.stack.top == self.stack.limit && !self.next_segment() {
            return self.note_dirty(base.block());
        }
        self.mem.store64(self.stack.top, 0, entry(base, size));
        self.stack.top = self.stack.top.plus(ENTRY);
    }

    /// Scans what is on the stack, and then the dirty blocks, until nothing is left.
    pub(crate) fn drain(&mut self) {
        self.drain_stack();
        while !self.stack.dirty_end.is_none() {
            self.walk_dirty();
        }
    }

    /// Scans everything on the stack. This loop is what a collection spends its time in: the
    /// common case, an object of a size class, is spelled out, and what it needs is in locals.
    #[inline(never)]
    pub(crate) fn drain_stack(&mut self) {
        let lo = self.heap.lo.start();
        let span = self.heap.hi.start().since(lo);
        let interior = self.option(GcOption::Interior) != 0;
        let (mut objects, mut bytes, mut words) = (0, 0, 0);
        let mut top = self.stack.top;
        loop {
            if top == self.stack.bottom {
                if !self.previous_segment() {
                    break;
                }
                top = self.stack.top;
            }
            let popped = self.mem.load64(top.plus(ENTRY.wrapping_neg()), 0);
            let (mut at, mut size) = (Addr::new(popped as u32), (popped >> 32) as u32);
            if size == 0 {
                size = self.kind(at.block()).class().cell_size();
                top = top.plus(ENTRY.wrapping_neg());
            } else if size > CHUNK {
                // The rest stays where the entry was.
                let rest = entry(at.plus(CHUNK), size - CHUNK);
                self.mem.store64(top.plus(ENTRY.wrapping_neg()), 0, rest);
                size = CHUNK;
            } else {
                top = top.plus(ENTRY.wrapping_neg());
            }
            words += u64::from(size >> 2);
            let end = at.plus(size);
            while at != end {
                let word = Addr::new(self.mem.load32(at, 0));
                at = at.plus(4);
                if word.since(lo) >= span {
                    continue;
                }
                let kind = self.kind(word.block());
                if !kind.is_small() {
                    if kind >= Kind::TAIL {
                        self.stack.top = top;
                        self.visit_any(word);
                        top = self.stack.top;
                    }
                    continue;
                }
                let class = kind.class();
                let offset = word.block_offset();
                let cell = class.cell_at(offset);
                let cell_size = class.cell_size();
                let mut base = word;
                if cell * cell_size != offset {
                    if !interior {
                        continue;
                    }
                    base = word.block().start().plus(cell * cell_size);
                }
                let record = self.record_inline(word.block());
                if !record.try_mark(&mut self.mem, Bit::of(cell)) {
                    continue;
                }
                objects += 1;
                bytes += u64::from(cell_size);
                if kind.is_atomic() {
                    continue;
                }
                if top == self.stack.limit {
                    self.stack.top = top;
                    self.push(base, 0);
                    top = self.stack.top;
                } else {
                    self.mem.store64(top, 0, entry(base, 0));
                    top = top.plus(ENTRY);
                }
            }
        }
        self.stack.top = top;
        self.stack.objects += objects;
        self.stack.bytes += bytes;
        self.stack.words += words;
    }

    #[cold]
    fn next_segment(&mut self) -> bool {
        let current = self.stack.segment;
        let mut next = if current.is_none() {
            self.stack.first
        } else {
            Block::new(self.mem.load32(current.start(), 4))
        };
        if next.is_none() {
            let limit = self.option(GcOption::MarkStackLimit) / BLOCK_SIZE;
            if self.stack.segments >= limit {
                return false;
            }
            next = self.take_internal(1);
            if next.is_none() {
                return false;
            }
            self.stack.segments += 1;
            self.mem.store32(next.start(), 0, current.index());
            self.mem.store32(next.start(), 4, 0);
            if current.is_none() {
                self.stack.first = next;
            } else {
                self.mem.store32(current.start(), 4, next.index());
            }
        }
        self.enter_segment(next);
        self.stack.top = self.stack.bottom;
        true
    }

    /// Goes back to the segment below, which is full; `false` at the built-in part.
    #[cold]
    fn previous_segment(&mut self) -> bool {
        if self.stack.segment.is_none() {
            return false;
        }
        let previous = Block::new(self.mem.load32(self.stack.segment.start(), 0));
        self.enter_segment(previous);
        self.stack.top = self.stack.limit;
        true
    }

    fn enter_segment(&mut self, segment: Block) {
        self.stack.segment = segment;
        if segment.is_none() {
            self.stack.bottom = self.mem.regions().mark_stack;
            self.stack.limit = self.stack.bottom.plus(MARK_STACK_BYTES);
        } else {
            self.stack.bottom = segment.start().plus(LINKS);
            self.stack.limit = segment.start().plus(BLOCK_SIZE);
        }
    }

    /// Notes that a block holds an object that is marked and was not scanned.
    #[cold]
    fn note_dirty(&mut self, block: Block) {
        self.record(block).set_dirty(&mut self.mem, true);
        let empty = self.stack.dirty_end.is_none();
        self.counters[Stat::MarkOverflows] += u64::from(empty);
        self.stack.dirty = if empty { block } else { self.stack.dirty.min(block) };
        self.stack.dirty_end = self.stack.dirty_end.max(block.plus(1));
    }

    /// Scans the marked objects of each dirty block; more may become dirty on the way.
    #[cold]
    fn walk_dirty(&mut self) {
        let (from, end) = (self.stack.dirty, self.stack.dirty_end);
        self.stack.dirty_end = Block::NONE;
        let mut next = from;
        while next < end {
            let block = next;
            next = next.plus(1);
            let kind = self.kind(block);
            if !kind.has_objects() || !self.record(block).is_dirty(&self.mem) {
                continue;
            }
            self.record(block).set_dirty(&mut self.mem, false);
            if kind.is_small() {
                self.scan_marked(block, kind);
            } else {
                let size = self.record(block).length(&self.mem) * BLOCK_SIZE;
                self.push(block.start(), size);
                self.drain_stack();
            }
        }
    }

    fn scan_marked(&mut self, block: Block, kind: Kind) {
        let size = kind.class().cell_size();
        let mut pair = 0;
        while pair * 64 < kind.class().cells() {
            let mut marks = self.record(block).mark_word(&self.mem, pair);
            while marks != 0 {
                let cell = pair * 64 + marks.trailing_zeros();
                marks &= marks - 1;
                self.push(block.start().plus(cell * size), size);
                self.drain_stack();
            }
            pair += 1;
        }
    }
}
