//! Allocation: the fast path, the slow path.
//!
//! ```text
//! run used up → next run of free cells in the block → next block in the kind's sweep list
//!             → a free block → more memory → a collection, and all that again → HEAP_EXHAUSTED
//! ```

use crate::addr::{Addr, BLOCKS_PER_PAGE, blocks_for};
use crate::error::ErrorCode;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::runtime::Runtime;
use crate::size_class::{Class, MAX_SMALL, MAX_TABLE};

impl<M: Memory> Runtime<M> {
    /// Allocates from the current run; `None` if it is used up, or `size` is above [`MAX_TABLE`].
    #[inline(always)]
    pub fn alloc_fast(&mut self, size: u32, atomic: bool) -> Option<Addr> {
        if size > MAX_TABLE {
            return None;
        }
        self.runs[self.classes.kind_of(size, atomic).index()].take()
    }

    /// Allocates, whatever it takes; null, with the reason stored, if it cannot be done.
    pub fn alloc_slow(&mut self, size: u32, atomic: bool) -> Addr {
        if !self.enter_slow() {
            return Addr::NULL;
        }
        let eager = self.is_eager_turn();
        if (eager || self.is_due()) && self.collect(!eager).is_err() {
            return Addr::NULL;
        }
        let cell = self.alloc_here(size, atomic);
        if !cell.is_null() {
            return cell;
        }
        let most = self.option(GcOption::MaxPages) * BLOCKS_PER_PAGE;
        let most = most.saturating_sub(self.heap.lo.index());
        if size > MAX_SMALL && blocks_for(size) > most {
            self.fail(ErrorCode::SizeTooLarge, size);
            return Addr::NULL;
        }
        // Whatever the pacer says: rather collect than fail. And rather use a larger cell.
        if self.may_collect() && self.collect(false).is_err() {
            return Addr::NULL;
        }
        let mut cell_size = size;
        loop {
            let cell = self.alloc_here(cell_size, atomic);
            if !cell.is_null() {
                return cell;
            }
            if cell_size > MAX_SMALL {
                self.fail(ErrorCode::HeapExhausted, size);
                return cell;
            }
            cell_size = Class::of(cell_size).cell_size() + 1;
        }
    }

    /// Allocates without a collection; null if there is no memory.
    fn alloc_here(&mut self, size: u32, atomic: bool) -> Addr {
        if size > MAX_SMALL {
            return self.alloc_large(size, atomic);
        }
        let kind = self.classes.kind_of(size, atomic);
        if let Some(cell) = self.runs[kind.index()].take() {
            return cell;
        }
        if !self.refill(kind) {
            return Addr::NULL;
        }
        self.runs[kind.index()].take().unwrap_or(Addr::NULL)
    }

    /// Starts again to count for EAGER; called when the option changes.
    pub(crate) fn restart_eager(&mut self) {
        self.pace.eager = 0;
        if !self.collecting {
            self.close_runs();
        }
    }
}
