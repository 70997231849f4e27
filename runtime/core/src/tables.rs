//! Memory for the collector's own tables: whole blocks of the heap.
//!
//! There are few tables, and those that grow double: what the last block of one has left over is less than an
//! allocator for smaller pieces would cost in code. How many blocks a table has stands in the record of its first.

use crate::addr::{Addr, blocks_for};
use crate::memory::Memory;
use crate::runtime::Runtime;

impl<M: Memory> Runtime<M> {
    /// Allocates a table of `bytes` bytes, which is not 0, of any content; null if there is no memory.
    pub(crate) fn table_alloc(&mut self, bytes: u32) -> Addr {
        let count = blocks_for(bytes);
        let block = self.take_internal(count);
        if block.is_none() {
            return Addr::NULL;
        }
        self.record(block).set_length(&mut self.mem, count);
        block.start()
    }

    /// Frees a table that [`Self::table_alloc`] returned.
    pub(crate) fn table_free(&mut self, table: Addr) {
        let count = self.record(table.block()).length(&self.mem);
        self.free_internal(table.block(), count);
    }
}
