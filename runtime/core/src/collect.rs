//! A collection, phase by phase.

use crate::addr::Addr;
use crate::error::ErrorCode;
use crate::memory::Memory;
use crate::options::GcOption;
use crate::phases::{Phase, WrapperStep};
use crate::runtime::{Failed, Runtime};
use crate::stats::Stat;
use crate::verify::Invariant;

impl<M: Memory> Runtime<M> {
    /// Finds what can be reached and frees the rest. The host is told of dead wrappers afterwards,
    /// at the boundary: `Telling::pending` says so. With `keep`, runs in use go on afterwards, and so
    /// hold their blocks: right for a collection among many, but not for one that needs the memory.
    ///
    /// # Errors
    ///
    /// `SHADOW_STACK_OVERFLOW`, and nothing has been collected; with VERIFY, `HEAP_CORRUPT` after
    /// the collection.
    pub(crate) fn collect(&mut self, keep: bool) -> Result<(), Failed> {
        self.check_shadow_stack()?;
        self.collecting = true;

        // Prepare: the bitmaps say exactly what is allocated, and no mark is set.
        self.wrappers(WrapperStep::Unflag);
        self.suspend_runs(keep);

        // Mark.
        self.start_marking();
        self.mark_roots();

        // Wrappers, while the marks are there.
        self.wrappers(WrapperStep::Sort);

        // Reclaim.
        self.reclaim();
        self.resume_runs();

        self.start_period();
        self.wrappers(WrapperStep::Flag);

        self.collecting = false;
        M::phase(self, Phase::Statistics, 0);
        self.telling.pending = true;
        self.fallible(Phase::Verify)
    }

    /// The body of `Phase::Statistics`: counts the collection, for `gc_stat` alone.
    #[inline(always)]
    pub(crate) fn count_collection(&mut self) {
        let found = self.found;
        let depth = self.mem.sp().since(self.stacks.base);
        self.counters.raise(Stat::StackHighWater, u64::from(depth));
        let words = found.words.wrapping_add(self.stack.words) + u64::from(depth >> 2);
        let work = words + found.objects + u64::from(found.blocks);
        self.counters[Stat::Collections] += 1;
        self.pace.dead_bytes = self.counters[Stat::AllocatedBytes] - found.bytes;
        self.pace.dead_objects = self.counters[Stat::AllocatedObjects] - found.objects;
        self.counters[Stat::LastWork] = work;
        self.counters.raise(Stat::MaxWork, work);
    }

    /// Checks the heap, with VERIFY.
    ///
    /// # Errors
    ///
    /// `HEAP_CORRUPT`.
    #[inline(always)]
    pub(crate) fn verify_if_asked(&mut self) -> Result<(), Failed> {
        if self.option(GcOption::Verify) == 0 {
            return Ok(());
        }
        match self.verify() {
            0 => Ok(()),
            code => Err(self.fail(ErrorCode::HeapCorrupt, code)),
        }
    }

    /// Sets the heap up at the first use. `false`, with `HEAP_CORRUPT` stored, if a collection was
    /// interrupted in the middle (by a host that ran out of fuel, say): the bitmaps are then
    /// half-way between two states, and the instance is of no more use.
    #[cold]
    #[inline(never)]
    pub(crate) fn enter_slow(&mut self) -> bool {
        if self.heap.lo.is_none() {
            self.classes.fill();
            self.start_stack();
            self.start_wrap_table();
            self.start_mark_stack();
            self.start_heap();
            self.set_budget();
        }
        if self.collecting {
            self.fail(ErrorCode::HeapCorrupt, Invariant::Interrupted as u32);
        }
        !self.collecting
    }

    /// The same as a result, out of line.
    pub(crate) fn enter_or_fail(&mut self) -> Result<(), Failed> {
        if self.enter_slow() { Ok(()) } else { Err(Failed::stored()) }
    }

    /// The base of the object that an address lies in; null if there is none.
    pub fn base(&self, ptr: u32) -> Addr {
        self.base_of(Addr::new(ptr))
    }

    /// The usable size of the object that an address lies in, in bytes; 0 if there is none.
    pub fn size(&self, ptr: u32) -> u32 {
        let base = self.base(ptr);
        if base.is_null() { 0 } else { self.size_of(base) }
    }
}
