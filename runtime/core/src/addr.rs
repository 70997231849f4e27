//! Places in linear memory: byte addresses and block numbers.
//!
//! A bare `u32` in this crate is a number; a place is one of these.

/// Bytes in a block, the unit in which the heap is handed out.
pub const BLOCK_SIZE: u32 = 1 << BLOCK_SHIFT;
/// log2 of [`BLOCK_SIZE`].
pub const BLOCK_SHIFT: u32 = 14;
/// Blocks in a wasm page.
pub const BLOCKS_PER_PAGE: u32 = PAGE_SIZE / BLOCK_SIZE;
/// Bytes in a wasm page.
pub const PAGE_SIZE: u32 = 65_536;
/// Blocks in a 32-bit address space.
pub const MAX_BLOCKS: u32 = 1 << (32 - BLOCK_SHIFT);

/// A byte address in linear memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Addr(u32);

impl Addr {
    /// Address 0, which is never handed out.
    pub const NULL: Self = Self(0);

    /// The address with this number.
    #[inline(always)]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, as the ABI passes it.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The address `bytes` further up, modulo 2^32.
    #[inline(always)]
    pub const fn plus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The address `bytes` further down, modulo 2^32.
    #[inline(always)]
    pub const fn minus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }

    /// The bytes from `lower` up to this address.
    #[inline(always)]
    pub const fn since(self, lower: Self) -> u32 {
        self.0.wrapping_sub(lower.0)
    }

    /// Tells whether this is address 0.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Tells whether the address is a multiple of `align`, a power of two.
    #[inline(always)]
    pub const fn is_aligned(self, align: u32) -> bool {
        self.0 & (align - 1) == 0
    }

    /// The block that the address lies in.
    #[inline(always)]
    pub const fn block(self) -> Block {
        Block(self.0 >> BLOCK_SHIFT)
    }

    /// The offset of the address in its block.
    #[inline(always)]
    pub const fn block_offset(self) -> u32 {
        self.0 & (BLOCK_SIZE - 1)
    }
}

/// The number of a block: its address divided by [`BLOCK_SIZE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Block(u32);

impl Block {
    /// The block with this number; 0 stands for "none", as block 0 is never in the heap.
    pub const NONE: Self = Self(0);

    /// The block with this number.
    #[inline(always)]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.0
    }

    /// Tells whether this is [`Block::NONE`].
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Its first byte.
    #[inline(always)]
    pub const fn start(self) -> Addr {
        Addr(self.0 << BLOCK_SHIFT)
    }

    /// The number of blocks from `lower` up to this one.
    #[inline(always)]
    pub const fn since(self, lower: Self) -> u32 {
        self.0.wrapping_sub(lower.0)
    }

    /// The block `count` blocks further up.
    #[inline(always)]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

/// The number of blocks that hold `bytes` bytes, which is not 0.
#[inline(always)]
pub const fn blocks_for(bytes: u32) -> u32 {
    ((bytes - 1) >> BLOCK_SHIFT) + 1
}
