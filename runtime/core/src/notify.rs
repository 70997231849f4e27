//! Notifying the host: re-entry, and what a trap in the host's callback leaves behind.
//!
//! While the host is notified of dead handles it may call back into the runtime. Such nested calls
//! may allocate and register; a nested `gc_collect` is refused. The runtime can be several levels
//! deep in notifying, as a nested call may notify in its turn; each level keeps the object that is on
//! its way to the caller alive.
//!
//! A trap in the callback unwinds the runtime without its notice: it must not take the next call
//! for a nested one for ever. So each level leaves a *marker* on the shadow stack, an address that is never handed out.
//! After a trap a host resets `gc_sp` to what it was before its call, which is at or below the
//! marker, or the program that runs next has overwritten it; a nested call finds it in place and
//! `gc_sp` above. (Where the callback has switched to another shadow stack, the top that the marker's
//! was left at stands for `gc_sp`; a callback that returns on another stack is brought back.) A host that does not reset `gc_sp` is recognised later: when it asks for a
//! collection again, having allocated a number of objects since without a notification; or when it
//! allocates twice the budget. Taking a nested call for an outer one by mistake is harmless
//! inside the runtime: collections may nest between any two calls of the host, and the objects on
//! their way to callers outside stay roots.

use crate::addr::Addr;
use crate::memory::Memory;
use crate::phases::Phase;
use crate::runtime::Runtime;
use crate::stacks::StackStep;
use crate::stats::Stat;

/// Levels of notifying at most; at the last, nothing collects.
const LEVELS: usize = 8;
/// Objects allocated after a refusal that make the next request believable.
const MUCH: u64 = 16;
/// An odd address in the linear stack, which is no root of any program.
const MARKER: u32 = 0x0ACD;

#[derive(Debug)]
pub(crate) struct Notifying {
    level: u32,
    /// For each level, the object on its way to the caller.
    roots: [Addr; LEVELS],
    /// For each level, the `gc_sp` at its start, at which its marker is unless the stack was full; null if
    /// `gc_sp` was out of range.
    markers: [Addr; LEVELS],
    /// True if a collection has left work for the boundary.
    pub(crate) pending: bool,
    /// The objects that had been allocated when a `gc_collect` was last refused, plus one; 0 if the
    /// host was notified of a handle since.
    refused: u64,
    /// The handle of which the host is notified.
    pub(crate) kind: u32,
    pub(crate) handle: u32,
}

impl Notifying {
    pub(crate) const EMPTY: Self = Self {
        level: 0,
        roots: [Addr::NULL; LEVELS],
        markers: [Addr::NULL; LEVELS],
        pending: false,
        refused: 0,
        kind: 0,
        handle: 0,
    };

    pub(crate) fn level(&self) -> u32 {
        self.level
    }

    pub(crate) fn root(&self, level: u32) -> Addr {
        self.roots[level as usize & (LEVELS - 1)]
    }
}

impl<M: Memory> Runtime<M> {
    /// The body of `Phase::Nested`: tells whether the host is being notified, so that this is a nested call. Levels
    /// that a trap has unwound are forgotten.
    #[inline(always)]
    pub(crate) fn is_notifying(&mut self) -> bool {
        if self.notifying.level != 0 {
            M::phase(self, Phase::Stacks, StackStep::SETTLE);
        }
        while self.notifying.level != 0 {
            let marker = self.notifying.markers[(self.notifying.level - 1) as usize & (LEVELS - 1)];
            if marker.is_null() || self.stands(marker) {
                return true;
            }
            self.notifying.level -= 1;
        }
        false
    }

    /// Tells whether a marker is in the used part of its stack, which need not be the current one.
    fn stands(&self, marker: Addr) -> bool {
        let (top, limit) = self.stack_around(marker);
        let pushed = marker != limit;
        top >= marker && (!pushed || (top != marker && self.mem.load32(marker, 0) == MARKER))
    }

    /// Tells whether a collection may run at all.
    pub(crate) fn may_collect(&mut self) -> bool {
        self.is_nested();
        self.notifying.level < LEVELS as u32
    }

    /// Enters a level of notifying; `root` is kept alive meanwhile. Returns the level, or 0 if there
    /// are too many.
    pub(crate) fn begin_notifying(&mut self, root: Addr) -> u32 {
        self.is_nested();
        let level = self.notifying.level;
        if level == LEVELS as u32 {
            return 0;
        }
        let sp = self.mem.sp();
        let slot = level as usize & (LEVELS - 1);
        self.notifying.markers[slot] = Addr::NULL;
        if self.shadow_stack_is_sound() {
            self.notifying.markers[slot] = sp;
            if sp != self.stacks.limit {
                self.mem.store32(sp, 0, MARKER);
                self.mem.set_sp(sp.plus(4));
            }
        }
        self.notifying.roots[slot] = root;
        self.notifying.level = level + 1;
        level + 1
    }

    /// Leaves a level of notifying, on the stack that it was entered on. A host that left roots of its own
    /// above the marker keeps them.
    pub(crate) fn end_notifying(&mut self, level: u32) {
        let marker = self.notifying.markers[(level - 1) as usize & (LEVELS - 1)];
        M::phase(self, Phase::Stacks, marker.get());
        if self.mem.sp() == marker.plus(4) {
            self.mem.set_sp(marker);
        }
        self.notifying.level = level - 1;
    }

    /// The next dead wrapper, if there is one, becomes the one that the host is notified of.
    #[inline(always)]
    pub(crate) fn next_dead(&mut self) -> bool {
        self.notifying.refused = 0;
        self.pop_dead()
    }

    /// Tells whether an explicit collection is to be refused, which counts.
    pub(crate) fn refuse_nested(&mut self) -> bool {
        if !self.is_nested() {
            return false;
        }
        if self.notifying.refused != 0 && self.allocated() >= self.notifying.refused + MUCH {
            // It may be nested after all: what is on its way to the callers outside stays alive. But
            // if that many levels are left over, no other call would end them.
            if self.notifying.level == LEVELS as u32 {
                self.notifying.level = 0;
            }
            return false;
        }
        self.counters[Stat::NestedRefused] += 1;
        self.notifying.pending = true;
        true
    }

    /// Notes a refusal, after the host was notified of the queued handles.
    pub(crate) fn note_refusal(&mut self) {
        self.notifying.refused = self.allocated();
    }

    fn allocated(&mut self) -> u64 {
        self.count_runs();
        self.counters[Stat::AllocatedObjects] + 1
    }
}
