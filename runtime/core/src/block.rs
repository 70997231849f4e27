//! One block: its kind, and its record of bitmaps.
//!
//! A block is 16 KiB of cells of one size class, or a part of a larger object. What it is stands
//! in one byte of the block table; which of its cells are allocated, and which are marked, in a
//! record of 512 bytes. Nothing is stored in the block itself: it is all cells.
//!
//! Records lie 32 to a *metadata block*, one such block for each group of 32 neighbours (512 KiB
//! of address space). The directory holds the address of each group's metadata block.
//!
//! ```text
//! record (512 bytes) = 32 pairs of 64-bit words, pair i for the cells 64 i to 64 i + 63
//!
//!  +0       +8       +16      +24            +480     +488     +496     +504
//! +--------+--------+--------+--------+-----+--------+--------+--------+--------+
//! | alloc  | mark   | alloc  | mark   | ... | zero   | link   | zero   | dirty  |
//! | pair 0 |        | pair 1 |        |     |        | length |        | marked |
//! +--------+--------+--------+--------+-----+--------+--------+--------+--------+
//! ```
//!
//! The two bits of a cell share a cache line, so that testing one and setting the other is one
//! miss. The alloc words of the pairs 30 and 31 are always zero: the offset of a byte in the
//! unused end of a block is never taken for an allocated cell.
//!
//! The record of a free block is left as it was, so that a collection need not look at the bitmaps
//! of a block in which nothing is marked: it is cleared when the block is used for cells again.

use crate::addr::{Addr, BLOCK_SIZE};
use crate::memory::Memory;
use crate::size_class::{Class, MAX_CELLS};

/// log2 of the bytes in a record.
pub const RECORD_SHIFT: u32 = 9;
/// log2 of [`GROUP_BLOCKS`].
pub const GROUP_SHIFT: u32 = 5;
/// Blocks whose records share a metadata block.
pub const GROUP_BLOCKS: u32 = 1 << GROUP_SHIFT;

const _: () = assert!(GROUP_BLOCKS << RECORD_SHIFT == BLOCK_SIZE);

/// The kind of a block: the byte in the block table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Kind(u32);

impl Kind {
    /// Not in the heap: static data, tables, or memory that someone else grew.
    pub const FOREIGN: Self = Self(0);
    /// In the heap, unused, of any content.
    pub const FREE: Self = Self(1);
    /// In the heap, never used: all zeros.
    pub const FRESH: Self = Self(2);
    /// A table of the collector.
    pub const INTERNAL: Self = Self(3);
    /// A block of a large object, but not its first.
    pub const TAIL: Self = Self(5);
    /// The first block of a large object.
    pub const LARGE: Self = Self(6);
    /// The first block of a large object without pointers.
    pub const LARGE_ATOMIC: Self = Self(7);
    /// The least kind of a block of small cells: twice the number of the size class, and one more
    /// for cells without pointers.
    pub const FIRST_SMALL: Self = Self(2 * crate::size_class::FIRST_CLASS as u32);
    /// One more than the greatest kind.
    pub const END: Self = Self(2 * crate::size_class::END_CLASS as u32);

    /// The kind of a block of small cells.
    #[inline(always)]
    pub const fn small(class: Class, atomic: bool) -> Self {
        Self(2 * class.index() + atomic as u32)
    }

    /// The kind of the cells that serve a request of `size` bytes; for one above `MAX_SMALL` it is [`Self::END`], or one more.
    #[inline]
    pub const fn of_size(size: u32, atomic: bool) -> Self {
        Self::small(Class::of(size), atomic)
    }

    /// The kind with this number.
    #[inline(always)]
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte as u32)
    }

    /// Its number.
    #[inline(always)]
    pub const fn byte(self) -> u8 {
        self.0 as u8
    }

    /// Tells whether the block may be handed out.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        self.0 == Self::FREE.0 || self.0 == Self::FRESH.0
    }

    /// Tells whether an object starts in the block.
    #[inline(always)]
    pub const fn has_objects(self) -> bool {
        self.0 >= Self::LARGE.0
    }

    /// Tells whether the block holds small cells.
    #[inline(always)]
    pub const fn is_small(self) -> bool {
        self.0 >= Self::FIRST_SMALL.0
    }

    /// Tells whether the objects in the block hold no pointers (where `has_objects`).
    #[inline(always)]
    pub const fn is_atomic(self) -> bool {
        self.0 & 1 != 0
    }

    /// The size class (where `is_small`).
    #[inline(always)]
    pub const fn class(self) -> Class {
        Class::new(self.0 / 2)
    }

    /// Its index in tables by kind, of 256 entries.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self.0 as usize & 255
    }

    /// The index of its sweep list, below 128.
    #[inline(always)]
    pub const fn list(self) -> usize {
        self.0 as usize & 127
    }

    /// The next kind.
    #[inline(always)]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The record of a block: its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Record(Addr);

/// One cell's bit: the word it is in, as an offset in the record, and its mask.
#[derive(Clone, Copy, Debug)]
pub struct Bit {
    word: u32,
    mask: u64,
}

impl Bit {
    /// The alloc bit of a cell; its mark bit is in the next word.
    #[inline(always)]
    pub const fn of(cell: u32) -> Self {
        Self { word: (cell >> 6) << 4, mask: 1 << (cell & 63) }
    }
}

/// The place of an object's bits: the address of its pair of words, and in the upper half the
/// number of its cell. (In one number, as two would be returned through the linear stack.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Place {
    /// That of no object.
    pub(crate) const NONE: Self = Self(0);

    /// The place of a cell's bits.
    #[inline(always)]
    pub(crate) const fn new(record: Record, cell: u32) -> Self {
        Self(record.0.plus(cell >> 6 << 4).get() as u64 | (cell as u64) << 32)
    }

    #[inline(always)]
    const fn pair(self) -> Addr {
        Addr::new(self.0 as u32)
    }

    #[inline(always)]
    const fn mask(self) -> u64 {
        1 << (self.0 >> 32 & 63)
    }

    /// Tells whether the mark bit is set.
    #[inline(always)]
    pub(crate) fn is_marked<M: Memory>(self, mem: &M) -> bool {
        mem.load64(self.pair(), MARK) & self.mask() != 0
    }

    /// Sets the mark bit, and says so for the block.
    #[inline(always)]
    pub(crate) fn set_mark<M: Memory>(self, mem: &mut M) {
        let word = mem.load64(self.pair(), MARK);
        mem.store64(self.pair(), MARK, word | self.mask());
        let record = self.pair().get() & !((1 << RECORD_SHIFT) - 1);
        Record(Addr::new(record)).set_marked(mem, true);
    }

    /// Clears the mark bit; the block may have others.
    #[inline(always)]
    pub(crate) fn clear_mark<M: Memory>(self, mem: &mut M) {
        let word = mem.load64(self.pair(), MARK);
        mem.store64(self.pair(), MARK, word & !self.mask());
    }
}

/// Pairs of words that have bits of cells; the other fields are in the words behind them.
pub const PAIRS: u32 = MAX_CELLS / 64;
const MARK: u32 = 8;
const LINK: u32 = PAIRS * 16 + MARK;
const LENGTH: u32 = LINK + 4;
const DIRTY: u32 = LINK + 16;
const MARKED: u32 = DIRTY + 4;

impl Record {
    /// The record at this address.
    #[inline(always)]
    pub const fn at(addr: Addr) -> Self {
        Self(addr)
    }

    /// The alloc word of 64 cells.
    #[inline]
    pub fn alloc_word<M: Memory>(self, mem: &M, pair: u32) -> u64 {
        mem.load64(self.0, pair << 4)
    }

    /// Sets the alloc word of 64 cells.
    #[inline]
    pub fn set_alloc_word<M: Memory>(self, mem: &mut M, pair: u32, word: u64) {
        mem.store64(self.0, pair << 4, word);
    }

    /// The mark word of 64 cells.
    #[inline]
    pub fn mark_word<M: Memory>(self, mem: &M, pair: u32) -> u64 {
        mem.load64(self.0.plus(pair << 4), MARK)
    }

    /// Sets the mark word of 64 cells.
    #[inline]
    pub fn set_mark_word<M: Memory>(self, mem: &mut M, pair: u32, word: u64) {
        mem.store64(self.0.plus(pair << 4), MARK, word);
    }

    /// Tells whether a cell's alloc bit is set.
    #[inline]
    pub fn is_allocated<M: Memory>(self, mem: &M, bit: Bit) -> bool {
        mem.load64(self.0, bit.word) & bit.mask != 0
    }

    /// Tells whether a cell's mark bit is set.
    #[inline(always)]
    pub fn is_marked<M: Memory>(self, mem: &M, bit: Bit) -> bool {
        mem.load64(self.0.plus(bit.word), MARK) & bit.mask != 0
    }

    /// Sets or clears a cell's mark bit, and whether the block may have marks.
    #[inline]
    pub fn set_mark<M: Memory>(self, mem: &mut M, bit: Bit, set: bool) {
        self.set_marked(mem, set);
        let at = self.0.plus(bit.word);
        let word = mem.load64(at, MARK) & !bit.mask;
        mem.store64(at, MARK, if set { word | bit.mask } else { word });
    }

    /// Clears all of it.
    #[inline]
    pub fn clear<M: Memory>(self, mem: &mut M) {
        mem.fill(self.0, 1 << RECORD_SHIFT, 0);
    }

    /// Clears all mark bits, if there may be any.
    #[inline]
    pub fn clear_marks<M: Memory>(self, mem: &mut M) {
        let mut pair = if self.may_be_marked(mem) { 0 } else { PAIRS };
        self.set_marked(mem, false);
        while pair < PAIRS {
            self.set_mark_word(mem, pair, 0);
            pair += 1;
        }
    }

    /// Tells whether the block may have marks: not, if none was set since the last collection.
    #[inline]
    pub fn may_be_marked<M: Memory>(self, mem: &M) -> bool {
        mem.load32(self.0, MARKED) != 0
    }

    /// Sets whether the block may have marks.
    #[inline]
    pub fn set_marked<M: Memory>(self, mem: &mut M, marked: bool) {
        mem.store32(self.0, MARKED, marked as u32);
    }

    /// Marks an allocated cell; `false` if it is not allocated or marked already.
    #[inline(always)]
    pub fn try_mark<M: Memory>(self, mem: &mut M, bit: Bit) -> bool {
        let at = self.0.plus(bit.word);
        let marks = mem.load64(at, MARK);
        if mem.load64(at, 0) & !marks & bit.mask == 0 {
            return false;
        }
        mem.store64(at, MARK, marks | bit.mask);
        self.set_marked(mem, true);
        true
    }

    /// The first cell in `from..end` whose alloc bit is `set`, or `end`.
    pub fn find<M: Memory>(self, mem: &M, from: u32, end: u32, set: bool) -> u32 {
        let mut cell = from;
        while cell < end {
            let word = self.alloc_word(mem, cell >> 6);
            let wanted = if set { word } else { !word } >> (cell & 63);
            if wanted != 0 {
                let found = cell + wanted.trailing_zeros();
                return if found < end { found } else { end };
            }
            cell = (cell | 63) + 1;
        }
        end
    }

    /// Sets or clears the alloc bits of the cells `from..end`.
    pub fn set_alloc<M: Memory>(self, mem: &mut M, from: u32, end: u32, set: bool) {
        let mut cell = from;
        while cell < end {
            let next = (cell | 63) + 1;
            let mut mask = u64::MAX << (cell & 63);
            if next > end {
                mask &= u64::MAX >> (next - end);
            }
            let at = self.0.plus((cell >> 6) << 4);
            let word = mem.load64(at, 0);
            mem.store64(at, 0, if set { word | mask } else { word & !mask });
            cell = next;
        }
    }

    /// The next block in the list of blocks to sweep.
    #[inline]
    pub fn link<M: Memory>(self, mem: &M) -> u32 {
        mem.load32(self.0, LINK)
    }

    /// Sets the next block in the list of blocks to sweep.
    #[inline]
    pub fn set_link<M: Memory>(self, mem: &mut M, link: u32) {
        mem.store32(self.0, LINK, link);
    }

    /// Of the first block of a large object: how many blocks it has. Of another: how many blocks
    /// further down the first one is.
    #[inline]
    pub fn length<M: Memory>(self, mem: &M) -> u32 {
        mem.load32(self.0, LENGTH)
    }

    /// Sets the length, or the distance to the first block.
    #[inline]
    pub fn set_length<M: Memory>(self, mem: &mut M, blocks: u32) {
        mem.store32(self.0, LENGTH, blocks);
    }

    /// Tells whether the block holds objects that are marked but were not scanned.
    #[inline]
    pub fn is_dirty<M: Memory>(self, mem: &M) -> bool {
        mem.load32(self.0, DIRTY) != 0
    }

    /// Sets whether the block holds objects that are marked but were not scanned.
    #[inline]
    pub fn set_dirty<M: Memory>(self, mem: &mut M, dirty: bool) {
        mem.store32(self.0, DIRTY, dirty as u32);
    }
}
