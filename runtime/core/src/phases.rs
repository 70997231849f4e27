//! Phases on demand: the parts of a collection that serve only some programs.
//!
//! A program that registers no wrapper needs no pass over the wrap-table, and one that cannot set an option needs no
//! code for it. Each such part is a phase, and the core reaches it only through [`Memory::phase`]. Natively that is a
//! plain call. In the module each phase is a function of its own with one type for all of them, so that a linker can
//! replace the function by one that returns 0, which must mean "nothing to do" for every phase:
//!
//! | phase | argument | result |
//! | --- | --- | --- |
//! | [`Phase::Wrappers`] | a step of the collection, `WrapperStep` | 0 |
//! | [`Phase::Nested`] | 0 | 1 while the host is being notified, so that this is a nested call |
//! | [`Phase::Pins`], [`Phase::Ranges`] | 0 | 0 |
//! | [`Phase::Stacks`] | what to do with the other shadow stacks | 0 |
//! | [`Phase::Statistics`] | 0 | 0 |
//! | [`Phase::Eager`] | 0 | 1 if a collection is due |
//! | [`Phase::Poison`] | the number of the block | 0 |
//! | [`Phase::Verify`] | 0 | 1 if an invariant is broken; the reason is stored |
//! | [`Phase::Stray`] | a word that points into the heap and to no cell's base; 0 when marking starts | at the start one more than the greatest kind of block in which such words are of interest |
//! | [`Phase::Clean`] | twice the number of blocks that an object needs, plus 1 if it has no pointers | the first of the blocks, if it matters which |
//!
//! The notification of the host is a phase too; it runs while the runtime is not borrowed, and so belongs to
//! [`Host::notify_pending`](crate::host::Host::notify_pending).

use crate::addr::{Addr, Block};
use crate::error::Failed;
use crate::memory::Memory;
use crate::runtime::Runtime;

/// A part of a collection or allocation that a linked program can lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The wrap-table's part of a collection, in steps.
    Wrappers,
    /// The test for a call from inside the host's callback.
    Nested,
    /// Pinned objects are roots.
    Pins,
    /// The words of root ranges are roots.
    Ranges,
    /// Shadow stacks other than the first.
    Stacks,
    /// The additions of a collection to the statistics.
    Statistics,
    /// Option EAGER.
    Eager,
    /// Option POISON.
    Poison,
    /// Option VERIFY.
    Verify,
    /// Words that point to no object's base: options INTERIOR and BLACKLIST.
    Stray,
    /// Blocks for objects: option BLACKLIST.
    Clean,
}

/// A step of [`Phase::Wrappers`], in the order of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum WrapperStep {
    /// The mark bits that say "has an entry" are cleared.
    Unflag,
    /// Objects on their way to a caller or into the table are roots.
    Roots,
    /// Dead entries move behind the others.
    Sort,
    /// The mark bits that say "has an entry" are set.
    Flag,
}

impl<M: Memory> Runtime<M> {
    /// Runs a phase: the body of [`Memory::phase`].
    #[inline(always)]
    pub fn run_phase(&mut self, phase: Phase, argument: u32) -> u32 {
        match phase {
            Phase::Wrappers => self.wrapper_step(argument),
            Phase::Nested => return u32::from(self.is_notifying()),
            Phase::Pins => self.mark_pins(),
            Phase::Ranges => self.mark_ranges(),
            Phase::Stacks => self.stack_step(argument),
            Phase::Eager => return u32::from(self.eager_tick()),
            Phase::Poison => self.poison_dead(Block::new(argument)),
            Phase::Statistics => self.count_collection(),
            Phase::Verify => return u32::from(self.verify_if_asked().is_err()),
            Phase::Stray if argument == 0 => return self.start_strays(),
            Phase::Stray => self.visit_stray(Addr::new(argument)),
            Phase::Clean => return self.find_clean(argument >> 1, argument & 1 != 0).index(),
        }
        0
    }

    #[inline(always)]
    fn wrapper_step(&mut self, step: u32) {
        const UNFLAG: u32 = WrapperStep::Unflag as u32;
        const ROOTS: u32 = WrapperStep::Roots as u32;
        const SORT: u32 = WrapperStep::Sort as u32;
        match step {
            UNFLAG => self.unflag_wrappers(),
            ROOTS => self.mark_in_transit(),
            SORT => self.sort_out_dead_wrappers(),
            _ => self.flag_wrappers(),
        }
    }

    /// Runs a step of the wrap-table's phase.
    #[inline(always)]
    pub(crate) fn wrappers(&mut self, step: WrapperStep) {
        M::phase(self, Phase::Wrappers, step as u32);
    }

    /// Counts an allocation or registration for EAGER; `true` if a collection is due by it.
    #[inline(always)]
    pub(crate) fn is_eager_turn(&mut self) -> bool {
        M::phase(self, Phase::Eager, 0) != 0
    }

    /// Runs a phase that stores the reason where it fails.
    ///
    /// # Errors
    ///
    /// Those of the phase.
    #[inline(always)]
    pub(crate) fn fallible(&mut self, phase: Phase) -> Result<(), Failed> {
        if M::phase(self, phase, 0) != 0 { Err(Failed::stored()) } else { Ok(()) }
    }

    /// Tells a nested call, from inside the host's callback, from an outer one.
    #[inline(always)]
    pub(crate) fn is_nested(&mut self) -> bool {
        M::phase(self, Phase::Nested, 0) != 0
    }
}
