//! A collection, phase by phase.

use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::options::GcOption;
use crate::phases::{Phase, WrapperStep};
use crate::runtime::Runtime;
use crate::stats::Stat;

impl<M: Memory> Runtime<M> {
    /// Finds what can be reached and frees the rest. The host is notified of dead wrappers afterwards,
    /// at the boundary: `Notifying::pending` says so. With `keep`, runs in use go on afterwards, and so
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
        self.notifying.pending = true;
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
}
