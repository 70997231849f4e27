//! Objects beyond a block: runs of whole blocks.
//!
//! The first block is `LARGE` (or `LARGE_ATOMIC`) and its record holds the number of blocks; the
//! others are `TAIL`, and hold how far down the first one is. The object is cell 0 of its first
//! block. What its last block has left is part of the object: `gc_size` says so.

use crate::addr::{Addr, BLOCK_SIZE, Block, blocks_for};
use crate::block::Kind;
use crate::memory::Memory;
use crate::runtime::Runtime;

impl<M: Memory> Runtime<M> {
    /// Allocates blocks for an object of `size` bytes; null if there are none.
    pub(crate) fn alloc_large(&mut self, size: u32, atomic: bool) -> Addr {
        let count = blocks_for(size);
        let first = self.find_blocks(count, atomic);
        if first.is_none() {
            return Addr::NULL;
        }
        // Neighbours that need zeroing are zeroed in one fill.
        let mut dirty = first;
        let mut distance = 0;
        while distance < count {
            let block = first.plus(distance);
            if self.kind(block) == Kind::FRESH {
                self.zero(dirty, block, atomic);
                dirty = block.plus(1);
            }
            self.record(block).set_length(&mut self.mem, distance);
            distance += 1;
        }
        self.zero(dirty, first.plus(count), atomic);
        let record = self.record(first);
        // From here on in one go.
        self.use_blocks(first, count, Kind::TAIL);
        self.set_kind(first, if atomic { Kind::LARGE_ATOMIC } else { Kind::LARGE });
        record.set_length(&mut self.mem, count);
        record.set_alloc_word(&mut self.mem, 0, 1);
        let bytes = count * BLOCK_SIZE;
        self.spend(bytes);
        self.count_allocated(bytes, 1);
        first.start()
    }

    #[inline(never)]
    fn zero(&mut self, from: Block, end: Block, atomic: bool) {
        if from < end && !atomic {
            self.mem.fill(from.start(), end.since(from) * BLOCK_SIZE, 0);
        }
    }
}
