//! From an address to the object there: its base, its bits, its size.

use crate::addr::{Addr, BLOCK_SIZE, Block};
use crate::block::{Bit, Kind, Place};
use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::runtime::Runtime;

impl<M: Memory> Runtime<M> {
    /// The base of the object that an address lies in; null if there is none.
    pub fn base(&self, ptr: Addr) -> Addr {
        self.base_of(ptr)
    }

    /// The usable size of the object that an address lies in, in bytes; 0 if there is none.
    pub fn size(&self, ptr: Addr) -> u32 {
        let base = self.base(ptr);
        if base.is_null() { 0 } else { self.size_of(base) }
    }

    /// The base of the allocated object whose cell holds the byte at `at`; null if there is none.
    pub(crate) fn base_of(&self, at: Addr) -> Addr {
        let block = at.block();
        let kind = self.kind(block);
        let mut base = block.start();
        if kind.is_small() {
            let cell = self.classes.cell_at(kind, at.block_offset());
            base = base.plus(cell * kind.class().cell_size());
        } else if kind == Kind::TAIL {
            base = self.head_of(block).start();
        }
        if self.is_object(base) { base } else { Addr::NULL }
    }

    /// The place of the bits of the object with this base; `NONE` if there is no such object. Between
    /// collections the mark bit says whether it has an entry in the wrap-table.
    #[inline(never)]
    pub(crate) fn place_of(&self, ptr: Addr) -> Place {
        self.place_of_inline(ptr)
    }

    #[inline(always)]
    pub(crate) fn place_of_inline(&self, ptr: Addr) -> Place {
        // Any address has an entry in the block table.
        let block = ptr.block();
        let kind = self.kind(block);
        let Some(cell) = self.classes.cell_starting_at(kind, ptr.block_offset()) else {
            return Place::NONE;
        };
        let record = self.record_inline(block);
        if record.is_allocated(&self.mem, Bit::of(cell)) && self.is_handed_out(kind, ptr) {
            Place::new(record, cell)
        } else {
            Place::NONE
        }
    }

    /// Tells whether `ptr` is the base of an allocated object.
    pub(crate) fn is_object(&self, ptr: Addr) -> bool {
        self.place_of(ptr) != Place::NONE
    }

    /// The place of the bits of the object with this base; fails with `NOT_AN_OBJECT` if there is none.
    #[inline(always)]
    pub(crate) fn expect_place(&mut self, ptr: Addr) -> Result<Place, Failed> {
        let place = self.place_or_note(ptr);
        if place == Place::NONE { Err(Failed::stored()) } else { Ok(place) }
    }

    #[inline(never)]
    fn place_or_note(&mut self, ptr: Addr) -> Place {
        let place = self.place_of(ptr);
        if place == Place::NONE {
            self.fail(ErrorCode::NotAnObject, ptr.get());
        }
        place
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

    /// The first block of the large object that a `TAIL` block belongs to.
    pub(crate) fn head_of(&self, tail: Block) -> Block {
        Block::new(tail.index() - self.record(tail).length(&self.mem))
    }

    /// The number of cells in a block with objects, and their size in bytes: a large object is one.
    pub(crate) fn cells_of(&self, block: Block, kind: Kind) -> (u32, u32) {
        if kind.is_small() {
            (self.classes.cells(kind), kind.class().cell_size())
        } else {
            (1, self.record(block).length(&self.mem) * BLOCK_SIZE)
        }
    }
}
