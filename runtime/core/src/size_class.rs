//! Size classes: which cell size serves a request, and which cell an address falls in.
//!
//! Up to 8 KiB there are 31 cell sizes, spaced so that at most a quarter of a cell above 64 bytes
//! is lost to rounding (a third from 5,457 bytes on, as a block has three cells or two) and the
//! cells of a block leave little at its end. All but the first are
//! multiples of 16, so that a cell of 16 bytes or more is 16-byte aligned in its 16-byte aligned
//! block. Larger objects take whole blocks.

use crate::addr::BLOCK_SIZE;
use crate::block::Kind;

/// The number of the first size class. A class and its number are two views of the byte in the
/// block table (see [`crate::block::Kind`]), where lower numbers mean other things.
pub const FIRST_CLASS: usize = 4;
/// One more than the number of the last size class.
pub const END_CLASS: usize = FIRST_CLASS + 31;
/// The largest request that a size class serves, in bytes.
pub const MAX_SMALL: u32 = 8192;
/// The largest request whose class is looked up in a table.
pub const MAX_TABLE: u32 = 1024;

/// Cell sizes in bytes, by class number. That of large objects, 3, has one cell at the start of a block, of a size that is
/// in the block's record: here it only says that it is large. Padded to a power of two so that a masked index
/// needs no bounds check.
pub static CELL_SIZE: [u16; 64] = [
    0, 0, 0, 65535, 8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
    640, 768, 896, 1024, 1168, 1360, 1632, 2048, 2336, 2720, 3264, 4096, 5456, 8192, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// The most cells a block may have: 30 words of 64 bits. The bitmap record of a block keeps its
/// last two pairs of words for other fields (see `block.rs`), which costs the 8-byte class 128
/// cells and no other class anything.
pub const MAX_CELLS: u32 = 1920;

/// The number of a size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u32);

impl Class {
    /// The class with this number, from [`FIRST_CLASS`] on and below [`END_CLASS`].
    #[inline(always)]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The smallest class that holds `size` bytes; above [`MAX_SMALL`] it is [`END_CLASS`].
    pub const fn of(size: u32) -> Self {
        let mut class = FIRST_CLASS;
        while class < END_CLASS && (CELL_SIZE[class] as u32) < size {
            class += 1;
        }
        Self(class as u32)
    }

    /// Its number.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.0
    }

    /// Bytes in a cell.
    #[inline(always)]
    pub const fn cell_size(self) -> u32 {
        CELL_SIZE[self.0 as usize & 63] as u32
    }

    /// `ceil(2^32 / cell size)`: division of an offset by a cell size, as a multiplication. The
    /// upper half of the 64-bit product is the quotient; the lower half is below the reciprocal
    /// itself exactly if there is no remainder (Lemire, Kaser and Kurz, "Faster remainder by direct
    /// computation", 2019).
    const fn reciprocal(self) -> u32 {
        // Not `/`, whose panic no other code of the module has.
        match u32::MAX.checked_div(self.cell_size()) {
            Some(quotient) => quotient + 1,
            None => 0,
        }
    }
}

/// The tables in which allocation and marking look up all the time. It is computed at the first use, which takes
/// less of the wasm file than the tables would.
#[derive(Debug)]
pub struct Lookup {
    /// Twice the class of a request of `size` bytes, at index `(size + 7) / 8`.
    twice: [u8; MAX_TABLE as usize / 8 + 1],
    /// By kind, as marking has just looked it up: two for each class. 0 for what is no class, where
    /// no offset then passes for divisible; 1 for large objects, where only the offset 0 does.
    reciprocal: [u32; 256],
}

impl Lookup {
    /// Tables of zeros.
    pub const EMPTY: Self = Self { twice: [0; MAX_TABLE as usize / 8 + 1], reciprocal: [0; 256] };

    /// Computes the tables.
    pub fn fill(&mut self) {
        self.reciprocal[Kind::LARGE.index()] = 1;
        self.reciprocal[Kind::LARGE_ATOMIC.index()] = 1;
        let mut slot = 0;
        let mut kind = Kind::FIRST_SMALL;
        while kind != Kind::END {
            let class = kind.class();
            self.reciprocal[kind.index()] = class.reciprocal();
            // The first of the two kinds of a class has them all.
            while slot * 8 <= class.cell_size() as usize
                && let Some(entry) = self.twice.get_mut(slot)
            {
                *entry = kind.byte();
                slot += 1;
            }
            kind = kind.next();
        }
    }

    /// [`Kind::of_size`], looked up for a size of at most [`MAX_TABLE`].
    #[inline(always)]
    pub fn kind_of(&self, size: u32, atomic: bool) -> Kind {
        if size > MAX_TABLE {
            return Kind::of_size(size, atomic);
        }
        Kind::from_byte(self.twice[(size.wrapping_add(7) >> 3) as usize] | u8::from(atomic))
    }

    /// The number of the cell that holds the byte at `offset` of a block of a kind; also, how many
    /// cells make up `offset` bytes. It may be past the last cell, for an offset in the unused end of
    /// the block.
    #[inline(never)]
    pub fn cell_at(&self, kind: Kind, offset: u32) -> u32 {
        ((u64::from(offset) * u64::from(self.reciprocal[kind.index()])) >> 32) as u32
    }

    /// Cells in a block of a kind.
    pub fn cells(&self, kind: Kind) -> u32 {
        self.cell_at(kind, BLOCK_SIZE).min(MAX_CELLS)
    }

    /// The number of the cell that starts at `offset` of a block of a kind; `None` if none does, or
    /// if it is no kind of cells at all.
    #[inline(always)]
    pub fn cell_starting_at(&self, kind: Kind, offset: u32) -> Option<u32> {
        let reciprocal = self.reciprocal[kind.index()];
        let product = u64::from(offset) * u64::from(reciprocal);
        ((product as u32) < reciprocal).then_some((product >> 32) as u32)
    }
}

const _: () = {
    let mut class = FIRST_CLASS;
    while class < END_CLASS {
        let size = CELL_SIZE[class] as u32;
        let is_first = class == FIRST_CLASS;
        assert!(is_first || size > CELL_SIZE[class - 1] as u32, "sizes ascend");
        assert!(size.is_multiple_of(if is_first { 8 } else { 16 }), "cells are aligned");
        assert!(is_first || BLOCK_SIZE / size <= MAX_CELLS, "only the first class is cut short");
        // The division is exact for each offset in a block: it suffices to look at the offsets
        // where the quotient changes. The remainder is seen to be 0 there and nowhere else.
        let reciprocal = Class::new(class as u32).reciprocal();
        let mut offset = 0;
        while offset <= BLOCK_SIZE {
            let product = offset as u64 * reciprocal as u64;
            assert!((product >> 32) as u32 == offset / size && (product as u32) < reciprocal);
            let last = (offset + size - 1) as u64 * reciprocal as u64;
            assert!((last >> 32) as u32 == offset / size);
            // Between the two, the lower half of the product only grows.
            assert!((product + reciprocal as u64) as u32 >= reciprocal);
            offset += size;
        }
        class += 1;
    }
    assert!(CELL_SIZE[END_CLASS - 1] as u32 == MAX_SMALL);
};
