//! Roots: the shadow stack, ranges of words, and pins.

use crate::addr::{Addr, PAGE_SIZE};
use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::phases::{Phase, WrapperStep};
use crate::root_table::{Of, RootTable, VALUE};
use crate::runtime::Runtime;
use crate::stacks::StackStep;

/// The word kept at the limit of a shadow stack from the first use of the heap on. If it has changed, the program pushed past
/// the end.
pub const GUARD: u32 = crate::memory::GUARD_WORD;

#[derive(Debug)]
pub(crate) struct Roots {
    pub(crate) tables: [RootTable; 3],
    /// Ranges that were added and not removed.
    added: u32,
}

impl Roots {
    pub(crate) const EMPTY: Self = Self { tables: [RootTable::EMPTY; 3], added: 0 };

    pub(crate) fn ranges(&self) -> u32 {
        self.added
    }

    pub(crate) fn pinned(&self) -> u32 {
        self.tables[Of::Pins as usize].held()
    }
}

fn range(start: Addr, end: Addr) -> u64 {
    u64::from(end.get()) << 32 | u64::from(start.get())
}

impl<M: Memory> Runtime<M> {
    /// Writes the guard word of the current stack.
    pub(crate) fn set_guard(&mut self) {
        self.mem.store32(self.stacks.limit, 0, GUARD);
    }

    /// Tells whether `gc_sp` is in range of the current stack and aligned, and its guard word is in place.
    #[inline(never)]
    pub(crate) fn shadow_stack_is_sound(&self) -> bool {
        let sp = self.mem.sp();
        sp >= self.stacks.base
            && sp <= self.stacks.limit
            && sp.is_aligned(4)
            && self.mem.load32(self.stacks.limit, 0) == GUARD
    }

    /// Checks `gc_sp` and the guard word.
    ///
    /// # Errors
    ///
    /// `SHADOW_STACK_OVERFLOW`, with `gc_sp` as its argument.
    pub(crate) fn check_shadow_stack(&mut self) -> Result<(), Failed> {
        M::phase(self, Phase::Stacks, StackStep::SETTLE);
        if self.shadow_stack_is_sound() {
            return Ok(());
        }
        // Said once: the host that reads the error may go on.
        self.set_guard();
        Err(self.fail(ErrorCode::ShadowStackOverflow, self.mem.sp().get()))
    }

    /// Marks from all roots but those that the collection itself knows of.
    pub(crate) fn mark_roots(&mut self) {
        let (base, mut end) = (self.stacks.base, self.mem.sp());
        if !end.is_aligned(8) {
            // The slot above the stack is free, as the number of slots is even; as 0 it fills the last pair of words.
            self.mem.store32(end, 0, 0);
            end = end.plus(4);
        }
        self.scan_pairs(base, end);
        M::phase(self, Phase::Stacks, StackStep::MARK);
        M::phase(self, Phase::Ranges, 0);
        M::phase(self, Phase::Pins, 0);
        self.wrappers(WrapperStep::Roots);
        self.drain();
    }

    /// Marks the objects on their way to callers of the runtime, and into the wrap-table.
    #[inline(always)]
    pub(crate) fn mark_in_transit(&mut self) {
        let mut level = 0;
        while level < self.notifying.level() {
            self.visit_any(self.notifying.root(level));
            level += 1;
        }
        self.visit_any(self.wraps.in_flight);
    }

    /// Marks from the root ranges.
    #[inline(always)]
    pub(crate) fn mark_ranges(&mut self) {
        let mut entry = self.next_root(Of::Ranges, Addr::NULL);
        while !entry.is_null() {
            let start = Addr::new(self.mem.load32(entry, 0));
            let end = Addr::new(self.mem.load32(entry, 4));
            self.scan_range(start, end);
            entry = self.next_root(Of::Ranges, entry);
        }
    }

    /// Marks the pinned objects.
    #[inline(always)]
    pub(crate) fn mark_pins(&mut self) {
        let mut entry = self.next_root(Of::Pins, Addr::NULL);
        while !entry.is_null() {
            self.visit_any(Addr::new(self.mem.load32(entry, 0)));
            entry = self.next_root(Of::Pins, entry);
        }
    }

    /// Adds a range of words that holds roots.
    ///
    /// # Errors
    ///
    /// `BAD_RANGE` if it is empty, misaligned or outside memory; `HEAP_EXHAUSTED` if there is no
    /// memory to note it.
    pub fn add_roots(&mut self, start: Addr, end: Addr) -> Result<(), Failed> {
        let pages = end.get().div_ceil(PAGE_SIZE);
        let aligned = start.is_aligned(4) && end.is_aligned(4);
        if start >= end || !aligned || pages > self.mem.pages() {
            return Err(self.fail(ErrorCode::BadRange, start.get()));
        }
        self.enter_or_fail()?;
        let entry = self.root_entry(Of::Ranges, range(start, end))?;
        let count = self.mem.load32(entry, VALUE);
        self.set_root(Of::Ranges, entry, count, count + 1);
        self.roots.added += 1;
        Ok(())
    }

    /// Removes a range that was added.
    ///
    /// # Errors
    ///
    /// `BAD_RANGE` if there is no such range.
    pub fn remove_roots(&mut self, start: Addr, end: Addr) -> Result<(), Failed> {
        let entry = self.held_root(Of::Ranges, range(start, end));
        if entry.is_null() {
            return Err(self.fail(ErrorCode::BadRange, start.get()));
        }
        let count = self.mem.load32(entry, VALUE);
        self.set_root(Of::Ranges, entry, count, count - 1);
        self.roots.added -= 1;
        Ok(())
    }

    /// Keeps an object alive until it is unpinned as often as it was pinned.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`; `HEAP_EXHAUSTED` if there is no memory to note it.
    pub fn pin(&mut self, ptr: Addr) -> Result<(), Failed> {
        self.enter_or_fail()?;
        self.expect_place(ptr)?;
        let entry = self.root_entry(Of::Pins, u64::from(ptr.get()))?;
        let count = self.mem.load32(entry, VALUE);
        self.set_root(Of::Pins, entry, count, count.saturating_add(1));
        Ok(())
    }

    /// Takes one pin back.
    ///
    /// # Errors
    ///
    /// `UNPIN_UNDERFLOW` if the object has no pin; `NOT_AN_OBJECT` if there is no object.
    pub fn unpin(&mut self, ptr: Addr) -> Result<(), Failed> {
        self.enter_or_fail()?;
        self.expect_place(ptr)?;
        let entry = self.held_root(Of::Pins, u64::from(ptr.get()));
        if entry.is_null() {
            return Err(self.fail(ErrorCode::UnpinUnderflow, ptr.get()));
        }
        let count = self.mem.load32(entry, VALUE);
        self.set_root(Of::Pins, entry, count, count - 1);
        Ok(())
    }

    /// Tells whether every pinned object is one.
    pub(crate) fn pins_are_objects(&self) -> bool {
        let mut entry = self.next_root(Of::Pins, Addr::NULL);
        while !entry.is_null() {
            if !self.is_object(Addr::new(self.mem.load32(entry, 0))) {
                return false;
            }
            entry = self.next_root(Of::Pins, entry);
        }
        true
    }
}
