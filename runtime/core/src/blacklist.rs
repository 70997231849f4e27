//! Option BLACKLIST: free blocks that stray words point into are not used while there is a choice.
//!
//! A stray word looks like an address without being one: it keeps alive whatever is put there. Marking meets such words while
//! nothing is there yet, and notes the block: a free one, or one that the heap may grow into. Until the next collection objects
//! that may hold pointers, and large objects, go to blocks that are not noted, or to memory that grows for them. Small
//! objects without pointers, which keep nothing else alive, go to the lowest free block as ever, and so take what the
//! others leave. (The method is that of the Boehm-Demers-Weiser collector, whose unit is a page.)
//!
//! Notes are the bits of a table that is a block itself, in the order of the blocks. Where the bits end, after 2 GiB, they
//! begin again: a note is then one for two blocks, which costs a choice, never an object.

use crate::addr::{Addr, BLOCK_SIZE, Block};
use crate::block::Kind;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;

/// All cells but the smallest start on multiples of this.
const CELL_ALIGN: u32 = 16;

#[derive(Debug)]
pub(crate) struct Blacklist {
    /// The table; null until the first collection with BLACKLIST.
    table: Addr,
    /// The table, if the last collection took notes; else null.
    notes: Addr,
    /// The block from which the next search goes on: for one block, and for several in a row. Blocks are freed by
    /// collections, which begin from below again.
    hints: [Block; 2],
}

impl Blacklist {
    pub(crate) const EMPTY: Self =
        Self { table: Addr::NULL, notes: Addr::NULL, hints: [Block::NONE; 2] };
}

impl<M: Memory> Runtime<M> {
    /// Prepares a marking: forgets the notes of the last, and has words looked at that point beyond the heap, as far as
    /// it may grow before the next. Returns `true` if words in unused blocks are to be noted.
    pub(crate) fn start_noting(&mut self) -> bool {
        self.blacklist.notes = Addr::NULL;
        if self.option(GcOption::Blacklist) == 0 {
            return false;
        }
        if self.blacklist.table.is_null() {
            self.blacklist.table = self.table_alloc(BLOCK_SIZE);
        }
        let table = self.blacklist.table;
        if table.is_null() {
            return false;
        }
        self.blacklist.notes = table;
        self.mem.fill(table, BLOCK_SIZE, 0);
        self.blacklist.hints = [self.heap.lo; 2];
        self.stack.span = self.stack.span.saturating_mul(2);
        true
    }

    /// Notes the block that a stray word points to, if it is unused.
    pub(crate) fn note_stray(&mut self, word: Addr) {
        let block = word.block();
        let may_be_kept = word.is_aligned(CELL_ALIGN) || self.option(GcOption::Interior) != 0;
        let is_noting = !self.blacklist.notes.is_null();
        if is_noting && may_be_kept && self.kind(block) < Kind::INTERNAL {
            let at = self.note_of(block);
            let word = self.mem.load32(at, 0);
            self.mem.store32(at, 0, word | bit_of(block));
        }
    }

    /// The body of `Phase::Clean`: finds blocks where there is a choice, within HEAP_LIMIT, which is seen to before.
    pub(crate) fn find_clean(&mut self, count: u32, atomic: bool) -> Block {
        if self.blacklist.notes.is_null() || (atomic && count == 1) {
            return Block::NONE;
        }
        loop {
            let found = self.search(count);
            // The blocks that are free now are set aside. They are at most a third of the heap; with a limit, which counts
            // the records of further blocks, there are none.
            let free = self.heap.hi.since(self.heap.lo) - self.heap.used;
            let may_grow = self.option(GcOption::HeapLimit) == 0 && 2 * free <= self.heap.used;
            if !found.is_none() || !may_grow || !self.grow_heap(count) {
                return found;
            }
        }
    }

    /// The first of `count` free blocks in a row: one that is not noted, and with INTERIOR the others neither.
    fn search(&mut self, count: u32) -> Block {
        let hint = usize::from(count != 1);
        let all = self.option(GcOption::Interior) != 0;
        let mut run = 0;
        let mut block = self.blacklist.hints[hint];
        while block < self.heap.hi && run < count {
            let fits = (run != 0 && !all) || !self.is_noted(block);
            run = if fits && self.kind(block).is_free() { run + 1 } else { 0 };
            block = block.plus(1);
        }
        self.blacklist.hints[hint] = block;
        if run == count { Block::new(block.index() - count) } else { Block::NONE }
    }

    fn is_noted(&self, block: Block) -> bool {
        self.mem.load32(self.note_of(block), 0) & bit_of(block) != 0
    }

    /// The address of the word that has a block's note.
    fn note_of(&self, block: Block) -> Addr {
        self.blacklist.notes.plus(block.index() >> 3 & (BLOCK_SIZE - 4))
    }
}

/// The bit in that word.
const fn bit_of(block: Block) -> u32 {
    1_u32.wrapping_shl(block.index())
}
