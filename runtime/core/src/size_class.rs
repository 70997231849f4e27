//! Size classes: which cell size serves a request, and which cell an address falls in.
//!
//! Up to 8 KiB there are 31 cell sizes, spaced so that at most a quarter of a cell above 64 bytes
//! is lost to rounding and the cells of a block leave little at its end. All but the first are
//! multiples of 16, so that a cell of 16 bytes or more is 16-byte aligned in its 16-byte aligned
//! block. Larger objects take whole blocks.

use crate::addr::BLOCK_SIZE;

/// The number of the first size class. A class and its number are two views of the byte in the
/// block table (see [`crate::block::Kind`]), where lower numbers mean other things.
pub const FIRST_CLASS: usize = 4;
/// One more than the number of the last size class.
pub const END_CLASS: usize = FIRST_CLASS + 31;
/// The largest request that a size class serves, in bytes.
pub const MAX_SMALL: u32 = 8192;
/// The largest request whose class is looked up in a table.
pub const MAX_TABLE: u32 = 1024;

/// Cell sizes in bytes, by class number. This and the tables below are padded to a power of two so
/// that a masked index needs no bounds check.
pub static CELL_SIZE: [u16; 64] = [
    0, 0, 0, 0, 8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640,
    768, 896, 1024, 1168, 1360, 1632, 2048, 2336, 2720, 3264, 4096, 5456, 8192, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// The most cells a block may have: 30 words of 64 bits. The bitmap record of a block keeps its
/// last two pairs of words for other fields (see `block.rs`), which costs the 8-byte class 128
/// cells and no other class anything.
pub const MAX_CELLS: u32 = 1920;

const RECIP_SHIFT: u32 = 21;

/// `ceil(2^21 / (cell size / 8))`: division of an offset by a cell size, as a multiplication.
static RECIP: [u32; 64] = {
    let mut table = [0; 64];
    let mut class = FIRST_CLASS;
    while class < END_CLASS {
        table[class] = (1u32 << RECIP_SHIFT).div_ceil(CELL_SIZE[class] as u32 / 8);
        class += 1;
    }
    table
};

/// Cells in a block.
static CELLS: [u16; 64] = {
    let mut table = [0; 64];
    let mut class = FIRST_CLASS;
    while class < END_CLASS {
        let cells = BLOCK_SIZE / CELL_SIZE[class] as u32;
        table[class] = if cells > MAX_CELLS { MAX_CELLS } else { cells } as u16;
        class += 1;
    }
    table
};

/// The class of a request of `size` bytes, at index `(size + 7) / 8`.
static CLASS_TABLE: [u8; 256] = {
    let mut table = [0; 256];
    let mut slot = 0;
    while slot <= MAX_TABLE as usize / 8 {
        table[slot] = search(slot as u32 * 8);
        slot += 1;
    }
    table
};

const fn search(size: u32) -> u8 {
    let mut class = FIRST_CLASS;
    while (CELL_SIZE[class] as u32) < size {
        class += 1;
    }
    class as u8
}

/// The number of a size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u32);

impl Class {
    /// The class with this number, from [`FIRST_CLASS`] on and below [`END_CLASS`].
    #[inline(always)]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The smallest class that holds `size` bytes, at most [`MAX_TABLE`].
    #[inline(always)]
    pub fn of_table(size: u32) -> Self {
        Self(CLASS_TABLE[((size + 7) >> 3) as usize & 255] as u32)
    }

    /// The smallest class that holds `size` bytes, at most [`MAX_SMALL`].
    #[inline]
    pub fn of(size: u32) -> Self {
        if size <= MAX_TABLE {
            return Self::of_table(size);
        }
        let mut class = Self::of_table(MAX_TABLE);
        while class.cell_size() < size {
            class.0 += 1;
        }
        class
    }

    /// Its number.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.0
    }

    /// Bytes in a cell.
    #[inline(always)]
    pub fn cell_size(self) -> u32 {
        CELL_SIZE[self.0 as usize & 63] as u32
    }

    /// Cells in a block.
    #[inline(always)]
    pub fn cells(self) -> u32 {
        u32::from(CELLS[self.0 as usize & 63])
    }

    /// The number of the cell that holds the byte at `offset` of a block; also, how many cells make
    /// up `offset` bytes. It may be past the last cell, for an offset in the unused end of the block.
    #[inline(always)]
    pub fn cell_at(self, offset: u32) -> u32 {
        ((offset >> 3) * RECIP[self.0 as usize & 63]) >> RECIP_SHIFT
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
        // The division is exact for each multiple of 8 in a block: it suffices to look at the
        // offsets where the quotient changes.
        let mut offset = 0;
        while offset <= BLOCK_SIZE && offset <= CELLS[class] as u32 * size {
            let first = ((offset >> 3) * RECIP[class]) >> RECIP_SHIFT;
            assert!(first == offset / size);
            let last = offset + size - 8;
            if last < BLOCK_SIZE {
                assert!(((last >> 3) * RECIP[class]) >> RECIP_SHIFT == last / size);
            }
            offset += size;
        }
        class += 1;
    }
    assert!(CELL_SIZE[END_CLASS - 1] as u32 == MAX_SMALL);
};
