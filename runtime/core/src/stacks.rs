//! Shadow stacks: the one that a program starts on, and those that it makes for fibers and the like.
//!
//! A stack's number is the address of its first slot, or 0 for the first stack, whose place is in the memory
//! map; the others lie in memory of the tables. One of them is current, and `gc_sp` is its top; each of the
//! others was left at a top, up to which a collection scans it. The table of stacks is empty until a program
//! makes a second one.
//!
//! ```text
//! base            left or gc_sp     limit
//! +---------------+-----------------+------------+---------------------+
//! | roots         | free slots      | guard word | rest of the margin  |
//! +---------------+-----------------+------------+---------------------+
//! ```
//!
//! A host that catches a trap puts `gc_sp` back to what it was before its call, and need not know on which
//! stack that was: a `gc_sp` outside the current stack that lies in the used part of another one says that
//! this one is current again ([`Runtime::settle_stack`]).

use crate::addr::Addr;
use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::root_table::{MORE, Of, VALUE};
use crate::roots::{GUARD, Roots};
use crate::runtime::Runtime;
use crate::stats::Stat;

/// Bytes above a stack's limit that belong to it: pushes that are found out there have overwritten
/// nothing of the collector's.
const MARGIN: u32 = 256;

/// A task of `Phase::Stacks`; any other number is an address to whose stack it goes back.
pub(crate) struct StackStep;

impl StackStep {
    /// Mark from the stacks that are not current.
    pub(crate) const MARK: u32 = 0;
    /// Find out which one is current.
    pub(crate) const SETTLE: u32 = 1;
}

/// The current stack; null before the heap is used.
#[derive(Debug)]
pub(crate) struct Stacks {
    pub(crate) base: Addr,
    pub(crate) limit: Addr,
}

impl Stacks {
    pub(crate) const EMPTY: Self = Self { base: Addr::NULL, limit: Addr::NULL };
}

impl Roots {
    /// Stacks that were made and not freed.
    pub(crate) fn stacks(&self) -> u32 {
        self.tables[Of::Stacks as usize].held().saturating_sub(1)
    }
}

impl<M: Memory> Runtime<M> {
    /// The body of `Phase::Stacks`.
    #[inline(always)]
    pub(crate) fn stack_step(&mut self, step: u32) {
        match step {
            StackStep::MARK => self.mark_stacks(),
            StackStep::SETTLE => self.settle_stack(),
            at => self.return_to_stack(Addr::new(at)),
        }
    }

    /// Starts on the first stack: called before the first object exists.
    pub(crate) fn start_stack(&mut self) {
        let regions = self.mem.regions();
        self.stacks = Stacks { base: regions.stack_base, limit: regions.stack_limit };
        self.set_guard();
    }

    /// One past the last slot of the current stack.
    pub fn stack_end(&mut self) -> Addr {
        if self.stacks.limit.is_null() {
            return self.mem.regions().stack_limit;
        }
        self.settle_stack();
        self.stacks.limit
    }

    /// Makes a stack of `slots` slots, rounded up to an even number; returns its number.
    ///
    /// # Errors
    ///
    /// `HEAP_EXHAUSTED` if there is no memory for it.
    pub fn stack_new(&mut self, slots: u32) -> Result<u32, Failed> {
        self.enter_or_fail()?;
        let regions = self.mem.regions();
        self.note_stack(regions.stack_base, regions.stack_limit)?;
        let slots = slots.saturating_add(1) & !1;
        let bytes = slots.saturating_mul(4).saturating_add(MARGIN);
        let base = self.table_alloc(bytes);
        if base.is_null() {
            return Err(self.fail(ErrorCode::HeapExhausted, bytes));
        }
        let limit = base.plus(slots * 4);
        if let Err(failed) = self.note_stack(base, limit) {
            self.table_free(base);
            return Err(failed);
        }
        self.mem.store32(limit, 0, GUARD);
        Ok(base.get())
    }

    /// Goes on on another stack, where that was left; returns the one that was current.
    ///
    /// # Errors
    ///
    /// `SHADOW_STACK_OVERFLOW` if the stack that is left is not sound; `BAD_RANGE` if there is no such
    /// stack.
    pub fn stack_switch(&mut self, stack: u32) -> Result<u32, Failed> {
        self.enter_or_fail()?;
        self.check_shadow_stack()?;
        let first = self.mem.regions().stack_base;
        let old = self.stacks.base;
        let base = if stack == 0 { first } else { Addr::new(stack) };
        if base != old {
            let entry = self.stack_entry(base);
            if entry.is_null() {
                return Err(self.fail(ErrorCode::BadRange, stack));
            }
            self.resume_stack(entry);
        }
        Ok(if old == first { 0 } else { old.get() })
    }

    /// Frees a stack with all roots on it.
    ///
    /// # Errors
    ///
    /// `BAD_RANGE` if there is no such stack, or if it is the first or the current one.
    pub fn stack_free(&mut self, stack: u32) -> Result<(), Failed> {
        self.enter_or_fail()?;
        self.settle_stack();
        let base = Addr::new(stack);
        let entry = self.stack_entry(base);
        if entry.is_null() || base == self.stacks.base || base == self.mem.regions().stack_base {
            return Err(self.fail(ErrorCode::BadRange, stack));
        }
        let left = self.mem.load32(entry, VALUE);
        self.set_root(Of::Stacks, entry, left, 0);
        self.table_free(base);
        Ok(())
    }

    /// Marks from the stacks that are not current, each up to where it was left.
    fn mark_stacks(&mut self) {
        let mut entry = self.next_root(Of::Stacks, Addr::NULL);
        while !entry.is_null() {
            let base = self.word(entry, 0);
            if base != self.stacks.base {
                let left = self.word(entry, VALUE);
                self.counters.raise(Stat::StackHighWater, u64::from(left.since(base)));
                self.scan_range(base, left);
            }
            entry = self.next_root(Of::Stacks, entry);
        }
    }

    /// Tells whether all guard words are in place, and `gc_sp` is the top of a stack.
    pub(crate) fn stacks_are_sound(&self) -> bool {
        let mut entry = self.next_root(Of::Stacks, Addr::NULL);
        while !entry.is_null() {
            if self.mem.load32(self.word(entry, MORE), 0) != GUARD {
                return false;
            }
            entry = self.next_root(Of::Stacks, entry);
        }
        self.shadow_stack_is_sound() || !self.stack_of_sp().is_null()
    }

    /// Makes the stack current that `gc_sp` lies in, after a host has put that back.
    #[inline(never)]
    pub(crate) fn settle_stack(&mut self) {
        let entry = self.stack_of_sp();
        if !entry.is_null() {
            self.set_current_stack(entry);
        }
    }

    /// Top and limit of the stack that an address lies in; null if that is none.
    pub(crate) fn stack_around(&self, at: Addr) -> (Addr, Addr) {
        if at >= self.stacks.base && at <= self.stacks.limit {
            return (self.mem.sp(), self.stacks.limit);
        }
        match self.other_stack(at) {
            Addr::NULL => (Addr::NULL, Addr::NULL),
            entry => (self.word(entry, VALUE), self.word(entry, MORE)),
        }
    }

    /// Goes back to the stack that an address lies in, where another was left current.
    fn return_to_stack(&mut self, at: Addr) {
        let entry = self.other_stack(at);
        if !entry.is_null() {
            self.resume_stack(entry);
        }
    }

    /// The stack, not the current one, in whose used part `gc_sp` lies. While the current one's guard
    /// word is overwritten there is none: then something was pushed that does not belong there.
    fn stack_of_sp(&self) -> Addr {
        let sp = self.mem.sp();
        let entry = self.other_stack(sp);
        if !entry.is_null()
            && sp <= self.word(entry, VALUE)
            && sp.is_aligned(4)
            && self.mem.load32(self.stacks.limit, 0) == GUARD
        {
            return entry;
        }
        Addr::NULL
    }

    /// The stack, not the current one, that an address lies in; null if there is none.
    #[inline(never)]
    fn other_stack(&self, at: Addr) -> Addr {
        if at >= self.stacks.base && at <= self.stacks.limit {
            return Addr::NULL;
        }
        let mut entry = self.next_root(Of::Stacks, Addr::NULL);
        while !entry.is_null() && (at < self.word(entry, 0) || at > self.word(entry, MORE)) {
            entry = self.next_root(Of::Stacks, entry);
        }
        entry
    }

    fn word(&self, entry: Addr, offset: u32) -> Addr {
        Addr::new(self.mem.load32(entry, offset))
    }

    fn stack_entry(&self, base: Addr) -> Addr {
        self.held_root(Of::Stacks, u64::from(base.get()))
    }

    /// Enters a stack in the table, if it is not there yet: it is left at its base.
    #[inline(never)]
    fn note_stack(&mut self, base: Addr, limit: Addr) -> Result<(), Failed> {
        let entry = self.root_entry(Of::Stacks, u64::from(base.get()))?;
        if self.mem.load32(entry, VALUE) == 0 {
            self.mem.store32(entry, MORE, limit.get());
            self.set_root(Of::Stacks, entry, 0, base.get());
        }
        Ok(())
    }

    /// Leaves the current stack where it stands, and goes on on another where that was left.
    #[inline(never)]
    fn resume_stack(&mut self, entry: Addr) {
        let sp = self.mem.sp();
        let old = self.stack_entry(self.stacks.base);
        if sp >= self.stacks.base && sp <= self.stacks.limit {
            self.mem.store32(old, VALUE, sp.get());
        }
        self.set_current_stack(entry);
        self.mem.set_sp(self.word(entry, VALUE));
    }

    fn set_current_stack(&mut self, entry: Addr) {
        self.stacks = Stacks { base: self.word(entry, 0), limit: self.word(entry, MORE) };
    }
}
