//! Marking: which objects can be reached from the roots.
//!
//! A word is a candidate. It is an object's address if it lies in the heap's range, in a block
//! that holds objects, at the base of a cell (with INTERIOR: anywhere in one), and the cell is
//! allocated. Each test is a look at a table beside the heap: nothing is read or written through
//! a word before it has passed them all.
//!
//! A marked object goes on the mark stack to be scanned. The stack has a small built-in part and
//! grows by a block at a time. Without memory for a block, the object's block is noted as dirty
//! instead, and when the stack is empty the dirty blocks are walked and their marked objects
//! scanned again. Each such walk scans something that was marked since the last, so it ends, and
//! needs no memory: slower, never wrong. (The method is that of the Boehm-Demers-Weiser collector;
//! here it is confined to the blocks concerned.)
//!
//! ```text
//! segment (one block):  +0 previous segment | +4 its top | +8 BOTTOM | +12 entries ...
//!
//! entry:   object          marked: its block says how many bytes it has
//!          bytes | SIZED   this many bytes from an address on: roots, what is left of an object
//!          word | ODD      a word that points to no cell's base, where that matters
//! ```
//!
//! **Looking ahead.** What a scan costs in a heap that is larger than the caches is the first load
//! from each object. An entry that is far from the object before it is therefore taken off the
//! stack together with those below it, up to eight, and all of them are touched before the first is
//! scanned: their misses overlap. Entries near the one before are in the caches, or will be, and
//! are not held up by this.

use crate::addr::{Addr, BLOCK_SIZE, Block};
use crate::block::{Bit, Kind, Place};
use crate::memory::{MARK_STACK_BYTES, Memory};
use crate::options::GcOption;
use crate::phases::Phase;
use crate::runtime::Runtime;
use crate::stats::Stat;

/// Objects larger than this are scanned in pieces, so that the mark stack stays short.
const CHUNK: u32 = 1024;
/// Bytes in front of a segment's bottom.
const LINKS: u32 = 8;
/// Bytes of an entry, or of a part of one.
const ENTRY: u32 = 4;
/// The bits of an entry that are not part of the address.
const TAG: u32 = 7;
/// Words to scan; the number of bytes is the entry below.
const SIZED: u32 = 1;
/// The entry below is a word that points to no cell's base.
const ODD: u32 = 2;
/// The end of the segment.
const BOTTOM: u32 = 3;
/// Bits that are different in the addresses of cells that are far from each other, and the tag.
const FAR: u32 = !(BLOCK_SIZE - 1) | TAG;
/// Bytes of the entries that are looked at ahead, at most.
const AHEAD: u32 = 8 * ENTRY;

/// The mark stack, and what marking has found.
#[derive(Debug)]
pub(crate) struct MarkStack {
    /// The address at which the next entry goes.
    top: Addr,
    /// Above it there is no room for what one piece of an object refers to.
    limit: Addr,
    /// The segment's first entry.
    bottom: Addr,
    /// The start of the heap, and the bytes from there on in which words are looked at.
    pub(crate) lo: Addr,
    pub(crate) span: u32,
    /// Words in blocks of a kind below this one are of interest even if they point to no cell's base.
    strays: u32,
    /// The block that the current segment is in; none for the built-in part.
    segment: Block,
    /// Segments beyond the built-in part.
    segments: u32,
    /// The range of blocks in which there may be dirty ones; empty if `dirty_end` is 0.
    dirty: Block,
    dirty_end: Block,
    /// Words scanned that are not of marked objects (which `reclaim` counts), or scanned again; less those of objects that were
    /// noted as dirty and not scanned yet, so that it may be below 0 on the way.
    pub(crate) words: u64,
}

impl MarkStack {
    pub(crate) const EMPTY: Self = Self {
        top: Addr::NULL,
        limit: Addr::NULL,
        bottom: Addr::NULL,
        lo: Addr::NULL,
        span: 0,
        strays: 0,
        segment: Block::NONE,
        segments: 0,
        dirty: Block::NONE,
        dirty_end: Block::NONE,
        words: 0,
    };
}

impl<M: Memory> Runtime<M> {
    /// Sets the mark stack up, empty, in its built-in part.
    pub(crate) fn start_mark_stack(&mut self) {
        self.enter_segment(Block::NONE);
        self.stack.top = self.stack.bottom;
    }

    /// Starts marking. The mark stack is empty: marking ends when it is.
    pub(crate) fn start_marking(&mut self) {
        self.stack.words = 0;
        self.stack.lo = self.heap.lo.start();
        self.stack.span = self.heap.hi.start().since(self.stack.lo);
        self.stack.strays = M::phase(self, Phase::Stray, 0);
    }

    /// The start of `Phase::Stray`: in blocks of which kinds words that point to no cell's base are of interest.
    pub(crate) fn start_strays(&mut self) -> u32 {
        let noting = self.start_noting();
        if self.option(GcOption::Interior) != 0 {
            Kind::END.index() as u32
        } else if noting {
            Kind::INTERNAL.index() as u32
        } else {
            0
        }
    }

    /// The body of `Phase::Stray`: such a word may point into an object, or keep a block from being used.
    pub(crate) fn visit_stray(&mut self, word: Addr) {
        self.visit_any(word);
        self.note_stray(word);
    }

    /// Marks the object that a word points to, whatever it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn visit_any(&mut self, at: Addr) {
        let mut base = at;
        if self.option(GcOption::Interior) != 0 {
            let inside = self.base_of(at);
            if self.is_near(inside, at) {
                base = inside;
            }
        }
        let place = self.place_of(base);
        if place != Place::NONE && !place.is_marked(&self.mem) {
            self.flag(place);
            if !self.kind(base.block()).is_atomic() {
                self.push(base, self.size_of(base));
            }
        }
    }

    /// Tells whether an address inside an object is near enough to its base to keep it alive.
    fn is_near(&self, base: Addr, at: Addr) -> bool {
        let most = self.option(GcOption::LargeInterior);
        most == 0 || at.since(base) < most || self.kind(base.block()).is_small()
    }

    /// Marks what the words of a range point to; it starts and ends on a 4-byte boundary, and an empty
    /// one on an 8-byte boundary.
    pub(crate) fn scan_range(&mut self, start: Addr, end: Addr) {
        let mut start = start;
        self.stack.words = self.stack.words.wrapping_add(u64::from(end.since(start) >> 2));
        if !start.is_aligned(8) {
            self.visit_any(Addr::new(self.mem.load32(start, 0)));
            start = start.plus(4);
        }
        if !end.is_aligned(8) {
            self.visit_any(Addr::new(self.mem.load32(end.minus(4), 0)));
        }
        self.scan_pairs(start, start.plus(end.since(start) & !7));
    }

    /// Marks what pairs of words point to.
    pub(crate) fn scan_pairs(&mut self, start: Addr, end: Addr) {
        if start != end {
            self.push(start, end.since(start));
        }
        self.drain_stack();
    }

    /// Puts words to scan on the mark stack; if there is no room, notes their block as dirty.
    pub(crate) fn push(&mut self, base: Addr, bytes: u32) {
        if self.stack.top > self.stack.limit && !self.next_segment() {
            self.note_dirty(base.block(), bytes);
        } else {
            self.put(base, bytes);
        }
    }

    /// Scans what is on the stack, and then the dirty blocks, until nothing is left.
    pub(crate) fn drain(&mut self) {
        self.drain_stack();
        while !self.stack.dirty_end.is_none() {
            self.walk_dirty();
        }
    }

    /// Scans all entries of the mark stack.
    #[inline(never)]
    pub(crate) fn drain_stack(&mut self) {
        let (mut at, mut bytes) = (Addr::NULL, 0);
        loop {
            let popped = self.scan_stack(at, bytes);
            bytes = 0;
            match popped & TAG {
                BOTTOM if self.previous_segment() => {}
                BOTTOM => return,
                ODD => {
                    let word = self.pop();
                    M::phase(self, Phase::Stray, word);
                }
                tag => {
                    at = Addr::new(popped & !TAG);
                    bytes = if tag == SIZED { self.pop() } else { self.size_of(at) };
                    if self.stack.top > self.stack.limit && !self.next_segment() {
                        // No room for what the object may refer to.
                        self.note_dirty(at.block(), bytes);
                        bytes = 0;
                    } else if bytes > CHUNK {
                        self.put(at.plus(CHUNK), bytes - CHUNK);
                        bytes = CHUNK;
                    }
                }
            }
        }
    }

    /// Scans `bytes` bytes, and then what is on the stack, as long as that is objects of at most
    /// [`CHUNK`] bytes and there is room for what they refer to. Returns the entry that is neither,
    /// which is off the stack.
    ///
    /// This loop is what a collection spends its time in. It calls nothing, so that all it needs is
    /// in registers, and each branch is where the optimiser for size would not have put it.
    #[inline(never)]
    fn scan_stack(&mut self, at: Addr, bytes: u32) -> u32 {
        let (lo, span) = (self.stack.lo, self.stack.span);
        let ahead = self.mem.regions().mark_stack;
        let (mut at, mut bytes) = (at, bytes);
        let mut top = self.stack.top;
        let mut waiting = 0;
        let left = loop {
            if bytes != 0 {
                let end = at.plus(bytes);
                loop {
                    let mut pair = self.mem.load64(at, 0);
                    if pair != 0 {
                        loop {
                            let word = Addr::new(pair as u32);
                            if word.since(lo) < span {
                                top = self.mark_word(word, top);
                            }
                            pair >>= 32;
                            if pair == 0 {
                                break;
                            }
                        }
                    }
                    at = at.plus(8);
                    if at == end {
                        break;
                    }
                }
            }
            let next;
            if waiting != 0 {
                waiting -= ENTRY;
                next = self.mem.load32(ahead.plus(waiting), 0);
            } else {
                top = top.minus(ENTRY);
                next = self.mem.load32(top, 0);
                if (next ^ at.get()) & FAR != 0 {
                    if next & TAG != 0 {
                        break next;
                    }
                    while waiting != AHEAD {
                        let other = self.mem.load32(top.minus(ENTRY), 0);
                        if other & TAG != 0 {
                            break;
                        }
                        top = top.minus(ENTRY);
                        self.mem.touch(Addr::new(other));
                        self.mem.store32(ahead.plus(waiting), 0, other);
                        waiting += ENTRY;
                    }
                }
            }
            at = Addr::new(next);
            bytes = self.kind(at.block()).class().cell_size();
            if bytes > CHUNK || top > self.stack.limit {
                // What was looked at ahead goes back.
                while waiting != 0 {
                    waiting -= ENTRY;
                    let other = self.mem.load32(ahead.plus(waiting), 0);
                    self.mem.store32(top, 0, other);
                    top = top.plus(ENTRY);
                }
                break next;
            }
        };
        self.stack.top = top;
        left
    }

    /// Marks the cell that a word in the range of the heap points to, and puts it on the stack,
    /// whose top it takes and returns.
    #[inline(always)]
    fn mark_word(&mut self, word: Addr, top: Addr) -> Addr {
        let block = word.block();
        let kind = self.kind(block);
        match self.classes.cell_starting_at(kind, word.block_offset()) {
            Some(cell) => {
                let bit = Bit::of(cell);
                if !self.record_inline(block).try_mark(&mut self.mem, bit) || kind.is_atomic() {
                    return top;
                }
                self.mem.store32(top, 0, word.get());
                top.plus(ENTRY)
            }
            None if (kind.index() as u32) < self.stack.strays => {
                self.mem.store32(top, 0, word.get());
                self.mem.store32(top, 4, ODD);
                top.plus(2 * ENTRY)
            }
            None => top,
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> u32 {
        self.stack.top = self.stack.top.minus(ENTRY);
        self.mem.load32(self.stack.top, 0)
    }

    /// Puts words to scan on the stack, in which there is room.
    #[inline(never)]
    fn put(&mut self, base: Addr, bytes: u32) {
        self.mem.store32(self.stack.top, 0, bytes);
        self.mem.store32(self.stack.top, 4, base.get() | SIZED);
        self.stack.top = self.stack.top.plus(2 * ENTRY);
    }

    /// Goes on in a new segment; `false` if there is no memory for it.
    #[cold]
    fn next_segment(&mut self) -> bool {
        if self.stack.segments >= self.option(GcOption::MarkStackLimit) / BLOCK_SIZE {
            return false;
        }
        let next = self.take_internal(1);
        if next.is_none() {
            return false;
        }
        self.stack.segments += 1;
        self.mem.store32(next.start(), 0, self.stack.segment.index());
        self.mem.store32(next.start(), 4, self.stack.top.get());
        self.enter_segment(next);
        self.stack.top = self.stack.bottom;
        true
    }

    /// Goes back to the segment below, and gives this one back; `false` at the built-in part.
    #[cold]
    fn previous_segment(&mut self) -> bool {
        let segment = self.stack.segment;
        if segment.is_none() {
            self.stack.top = self.stack.bottom;
            return false;
        }
        self.enter_segment(Block::new(self.mem.load32(segment.start(), 0)));
        self.stack.top = Addr::new(self.mem.load32(segment.start(), 4));
        self.stack.segments -= 1;
        self.free_internal(segment, 1);
        true
    }

    #[inline(never)]
    fn enter_segment(&mut self, segment: Block) {
        self.stack.segment = segment;
        let (start, end) = if segment.is_none() {
            let start = self.mem.regions().mark_stack;
            (start.plus(AHEAD), start.plus(MARK_STACK_BYTES))
        } else {
            (segment.start().plus(LINKS), segment.start().plus(BLOCK_SIZE))
        };
        // A piece that is scanned needs at most two words for each of its own; and what was looked
        // at ahead may have to go back.
        self.stack.limit = end.minus(2 * CHUNK + AHEAD);
        self.mem.store32(start, 0, BOTTOM);
        self.stack.bottom = start.plus(ENTRY);
    }

    /// Notes that a block holds an object of which `size` bytes were not scanned.
    #[cold]
    fn note_dirty(&mut self, block: Block, size: u32) {
        let block = if self.kind(block) == Kind::TAIL { self.head_of(block) } else { block };
        self.record(block).set_dirty(&mut self.mem, true);
        self.stack.words = self.stack.words.wrapping_sub(u64::from(size >> 2));
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
            let (cells, size) = self.cells_of(block, kind);
            let mut pair = 0;
            while pair * 64 < cells {
                let mut marks = self.record(block).mark_word(&self.mem, pair);
                while marks != 0 {
                    let cell = pair * 64 + marks.trailing_zeros();
                    marks &= marks - 1;
                    self.scan_again(block.start().plus(cell * size), size);
                }
                pair += 1;
            }
        }
    }

    fn scan_again(&mut self, base: Addr, size: u32) {
        self.stack.words = self.stack.words.wrapping_add(u64::from(size >> 2));
        self.push(base, size);
        self.drain_stack();
    }
}
