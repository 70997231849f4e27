//! Roots: the shadow stack, ranges of words, and pins.

use crate::addr::{Addr, PAGE_SIZE};
use crate::error::ErrorCode;
use crate::memory::Memory;
use crate::phases::{Phase, WrapperStep};
use crate::runtime::{Failed, Runtime};

/// What stands at `gc_stack_limit`: found changed, the program pushed too much.
const GUARD: u32 = 0x6AAD_5AFE;

/// Bytes of an entry: a range is (start, end), a pin is (pointer, count).
const ENTRY: u32 = 8;
const MIN_CAPACITY: u32 = 32;

#[derive(Debug)]
pub(crate) struct Roots {
    /// An array of (start, end).
    ranges: Table,
    /// An open-addressing hash table of (pointer, count), with linear probing and a power of two
    /// as its capacity; pointer 0 is an empty slot. An entry whose count is 0 stays until the
    /// table is next rebuilt.
    pins: Table,
    /// Entries whose count is not 0.
    pinned: u32,
}

#[derive(Clone, Copy, Debug)]
struct Table {
    at: Addr,
    len: u32,
    capacity: u32,
}

impl Table {
    const EMPTY: Self = Self { at: Addr::NULL, len: 0, capacity: 0 };

    #[inline(always)]
    fn entry(self, index: u32) -> Addr {
        self.at.plus(index * ENTRY)
    }

    /// Where a pointer would be in a hash table of this capacity.
    #[inline(always)]
    fn home(self, ptr: Addr) -> u32 {
        crate::wrap_index::hash(ptr) & (self.capacity - 1)
    }
}

impl Roots {
    pub(crate) const EMPTY: Self = Self { ranges: Table::EMPTY, pins: Table::EMPTY, pinned: 0 };

    pub(crate) fn ranges(&self) -> u32 {
        self.ranges.len
    }

    pub(crate) fn pinned(&self) -> u32 {
        self.pinned
    }
}

impl<M: Memory> Runtime<M> {
    /// Writes the guard word: called before the first object exists.
    pub(crate) fn set_guard(&mut self) {
        let limit = self.mem.regions().stack_limit;
        self.mem.store32(limit, 0, GUARD);
    }

    /// Whether `gc_sp` is in range and aligned, and the guard word is in place.
    #[inline(never)]
    pub(crate) fn shadow_stack_is_sound(&self) -> bool {
        let regions = self.mem.regions();
        let sp = self.mem.sp();
        sp >= regions.stack_base
            && sp <= regions.stack_limit
            && sp.is_aligned(4)
            && self.mem.load32(regions.stack_limit, 0) == GUARD
    }

    /// Checks `gc_sp` and the guard word.
    ///
    /// # Errors
    ///
    /// `SHADOW_STACK_OVERFLOW`, with `gc_sp` as its argument.
    pub(crate) fn check_shadow_stack(&mut self) -> Result<(), Failed> {
        if self.shadow_stack_is_sound() {
            return Ok(());
        }
        // Said once: the host that reads the error may go on.
        self.set_guard();
        Err(self.fail(ErrorCode::ShadowStackOverflow, self.mem.sp().get()))
    }

    /// Marks from all roots but those that the collection itself knows of.
    pub(crate) fn mark_roots(&mut self) {
        let (base, sp) = (self.mem.regions().stack_base, self.mem.sp());
        let mut end = sp;
        if !end.is_aligned(8) {
            // The slot above the stack is free; as 0 it fills the last pair of words.
            self.mem.store32(end, 0, 0);
            end = end.plus(4);
        }
        self.scan_pairs(base, end);
        M::phase(self, Phase::Ranges, 0);
        M::phase(self, Phase::Pins, 0);
        self.wrappers(WrapperStep::Roots);
        self.drain();
    }

    /// Marks from the root ranges.
    #[inline(always)]
    pub(crate) fn mark_ranges(&mut self) {
        let mut index = 0;
        while index < self.roots.ranges.len {
            let entry = self.roots.ranges.entry(index);
            let start = Addr::new(self.mem.load32(entry, 0));
            let end = Addr::new(self.mem.load32(entry, 4));
            self.scan_range(start, end);
            index += 1;
        }
    }

    /// Marks the pinned objects.
    #[inline(always)]
    pub(crate) fn mark_pins(&mut self) {
        let mut slot = 0;
        while slot < self.roots.pins.capacity {
            let entry = self.roots.pins.entry(slot);
            if self.mem.load32(entry, 4) != 0 {
                self.visit_any(Addr::new(self.mem.load32(entry, 0)));
            }
            slot += 1;
        }
    }

    /// Marks the objects on their way to callers of the runtime, and into the wrap-table.
    #[inline(always)]
    pub(crate) fn mark_in_transit(&mut self) {
        let mut level = 0;
        while level < self.telling.level() {
            self.visit_any(self.telling.root(level));
            level += 1;
        }
        self.visit_any(self.wraps.in_flight);
    }

    /// Adds a range of words that holds roots.
    ///
    /// # Errors
    ///
    /// `BAD_RANGE` if it is empty, misaligned or outside memory; `HEAP_EXHAUSTED` if there is no
    /// memory to note it.
    pub fn add_roots(&mut self, start: u32, end: u32) -> Result<(), Failed> {
        let pages = end.div_ceil(PAGE_SIZE);
        if start >= end || (start | end) & 3 != 0 || pages > self.mem.pages() {
            return Err(self.fail(ErrorCode::BadRange, start));
        }
        self.enter_or_fail()?;
        let mut ranges = self.roots.ranges;
        if ranges.len == ranges.capacity {
            let old = ranges;
            ranges.capacity = (old.capacity * 2).max(MIN_CAPACITY);
            ranges.at = self.new_table(ranges.capacity);
            if ranges.at.is_null() {
                return Err(Failed::stored());
            }
            self.mem.copy(ranges.at, old.at, old.len * ENTRY);
            self.free_table(old);
        }
        let entry = ranges.entry(ranges.len);
        self.mem.store32(entry, 0, start);
        self.mem.store32(entry, 4, end);
        ranges.len += 1;
        self.roots.ranges = ranges;
        Ok(())
    }

    /// Removes a range that was added.
    ///
    /// # Errors
    ///
    /// `BAD_RANGE` if there is no such range.
    pub fn remove_roots(&mut self, start: u32, end: u32) -> Result<(), Failed> {
        let ranges = self.roots.ranges;
        let mut index = ranges.len;
        while index != 0 {
            index -= 1;
            let entry = ranges.entry(index);
            if self.mem.load32(entry, 0) == start && self.mem.load32(entry, 4) == end {
                let last = self.mem.load64(ranges.entry(ranges.len - 1), 0);
                self.mem.store64(entry, 0, last);
                self.roots.ranges.len -= 1;
                return Ok(());
            }
        }
        Err(self.fail(ErrorCode::BadRange, start))
    }

    /// Keeps an object alive until it is unpinned as often as it was pinned.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`; `HEAP_EXHAUSTED` if there is no memory to note it.
    pub fn pin(&mut self, ptr: u32) -> Result<(), Failed> {
        let ptr = Addr::new(ptr);
        self.enter_or_fail()?;
        self.expect_place(ptr)?;
        if (self.roots.pins.len + 1) * 2 > self.roots.pins.capacity {
            self.rebuild_pins()?;
        }
        let entry = self.find_pin(ptr);
        let count = self.mem.load32(entry, 4);
        self.roots.pins.len += u32::from(self.mem.load32(entry, 0) == 0);
        self.roots.pinned += u32::from(count == 0);
        self.mem.store32(entry, 0, ptr.get());
        self.mem.store32(entry, 4, count.saturating_add(1));
        Ok(())
    }

    /// Takes one pin back.
    ///
    /// # Errors
    ///
    /// `UNPIN_UNDERFLOW` if the object has no pin; `NOT_AN_OBJECT` if it is none.
    pub fn unpin(&mut self, ptr: u32) -> Result<(), Failed> {
        let ptr = Addr::new(ptr);
        self.enter_or_fail()?;
        self.expect_place(ptr)?;
        if self.roots.pins.capacity != 0 {
            let entry = self.find_pin(ptr);
            let count = self.mem.load32(entry, 4);
            if count != 0 {
                self.mem.store32(entry, 4, count - 1);
                self.roots.pinned -= u32::from(count == 1);
                return Ok(());
            }
        }
        Err(self.fail(ErrorCode::UnpinUnderflow, ptr.get()))
    }

    /// The slot of a pointer, or the empty one, all zeros, where it would go.
    fn find_pin(&self, ptr: Addr) -> Addr {
        let pins = self.roots.pins;
        let mut slot = pins.home(ptr);
        loop {
            let entry = pins.entry(slot);
            let held = self.mem.load32(entry, 0);
            if held == 0 || held == ptr.get() {
                return entry;
            }
            slot = (slot + 1) & (pins.capacity - 1);
        }
    }

    /// Whether every pinned object is one.
    pub(crate) fn pins_are_objects(&self) -> bool {
        let pins = self.roots.pins;
        let mut slot = 0;
        while slot < pins.capacity {
            let ptr = Addr::new(self.mem.load32(pins.entry(slot), 0));
            if self.mem.load32(pins.entry(slot), 4) != 0 && !self.is_object(ptr) {
                return false;
            }
            slot += 1;
        }
        true
    }

    /// Makes room: the table is at most a quarter full of pinned objects afterwards.
    fn rebuild_pins(&mut self) -> Result<(), Failed> {
        let old = self.roots.pins;
        let capacity = (self.roots.pinned.next_power_of_two() * 4).max(MIN_CAPACITY);
        let pins = Table { at: self.new_table(capacity), len: 0, capacity };
        if pins.at.is_null() {
            return Err(Failed::stored());
        }
        self.mem.fill(pins.at, pins.capacity * ENTRY, 0);
        self.roots.pins = pins;
        let mut slot = 0;
        while slot < old.capacity {
            let held = self.mem.load64(old.entry(slot), 0);
            if held >> 32 != 0 {
                let entry = self.find_pin(Addr::new(held as u32));
                self.mem.store64(entry, 0, held);
                self.roots.pins.len += 1;
            }
            slot += 1;
        }
        self.free_table(old);
        Ok(())
    }

    /// Memory for a table; null, with the reason stored, if there is none.
    fn new_table(&mut self, capacity: u32) -> Addr {
        let at = self.table_alloc(capacity * ENTRY);
        if at.is_null() {
            self.fail(ErrorCode::HeapExhausted, capacity * ENTRY);
        }
        at
    }

    #[inline(always)]
    fn free_table(&mut self, table: Table) {
        if table.capacity != 0 {
            self.table_free(table.at);
        }
    }
}
