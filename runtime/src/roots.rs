//! Roots: the shadow stack, ranges of words, and pins.

use crate::addr::{Addr, PAGE_SIZE};
use crate::error::ErrorCode;
use crate::memory::Memory;
use crate::runtime::{Failed, Runtime};

/// What stands at `gc_stack_limit`: found changed, the program pushed too much.
pub(crate) const GUARD: u32 = 0x6AAD_5AFE;

/// Bytes of an entry: a range is (start, end), a pin is (pointer, count).
const ENTRY: u32 = 8;
const MIN_CAPACITY: u32 = 32;

#[derive(Debug)]
pub(crate) struct Roots {
    /// An array of (start, end).
    ranges: Table,
    /// An open-addressing hash table of (pointer, count), with linear probing and a power of two
    /// as its capacity; pointer 0 is an empty slot. Deletion closes the gap (Knuth, The Art of
    /// Computer Programming, volume 3, 6.4, algorithm R), so there are no tombstones.
    pins: Table,
}

#[derive(Clone, Copy, Debug)]
struct Table {
    at: Addr,
    len: u32,
    capacity: u32,
}

impl Table {
    const EMPTY: Self = Self {
        at: Addr::NULL,
        len: 0,
        capacity: 0,
    };

    fn entry(self, index: u32) -> Addr {
        self.at.plus(index * ENTRY)
    }

    /// Where a pointer would be in a hash table of this capacity.
    fn home(self, ptr: Addr) -> u32 {
        crate::wrap_index::hash(ptr) & (self.capacity - 1)
    }
}

impl Roots {
    pub(crate) const EMPTY: Self = Self {
        ranges: Table::EMPTY,
        pins: Table::EMPTY,
    };

    pub(crate) fn ranges(&self) -> u32 {
        self.ranges.len
    }

    pub(crate) fn pinned(&self) -> u32 {
        self.pins.len
    }
}

impl<M: Memory> Runtime<M> {
    /// Writes the guard word: called before the first object exists.
    pub(crate) fn set_guard(&mut self) {
        let limit = self.mem.regions().stack_limit;
        self.mem.store32(limit, 0, GUARD);
    }

    /// Checks `gc_sp` and the guard word.
    ///
    /// # Errors
    ///
    /// `SHADOW_STACK_OVERFLOW`, with `gc_sp` as its argument.
    pub(crate) fn check_shadow_stack(&mut self) -> Result<(), Failed> {
        let regions = self.mem.regions();
        let sp = self.mem.sp();
        let in_range = sp >= regions.stack_base && sp <= regions.stack_limit && sp.is_aligned(4);
        if in_range && self.mem.load32(regions.stack_limit, 0) == GUARD {
            return Ok(());
        }
        // Said once: the host that reads the error may go on.
        self.set_guard();
        Err(self.fail(ErrorCode::ShadowStackOverflow, sp.get()))
    }

    /// Marks from all roots but those that the collection itself knows of.
    pub(crate) fn mark_roots(&mut self) {
        let base = self.mem.regions().stack_base;
        let used = self.mem.sp().since(base);
        self.counters.stack_high_water = self.counters.stack_high_water.max(used);
        self.scan(base, used);
        for index in 0..self.roots.ranges.len {
            let entry = self.roots.ranges.entry(index);
            let start = Addr::new(self.mem.load32(entry, 0));
            let end = Addr::new(self.mem.load32(entry, 4));
            self.scan(start, end.since(start));
        }
        for slot in 0..self.roots.pins.capacity {
            self.visit_any(Addr::new(self.mem.load32(self.roots.pins.entry(slot), 0)));
        }
        for level in 0..self.telling.level() {
            self.visit_any(self.telling.root(level));
        }
        self.visit_any(self.wraps.in_flight);
        self.drain();
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
            ranges = self.new_table((old.capacity * 2).max(MIN_CAPACITY))?;
            ranges.len = old.len;
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
        for index in (0..ranges.len).rev() {
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
        if !self.is_object(ptr) {
            return Err(self.fail(ErrorCode::NotAnObject, ptr.get()));
        }
        let mut pins = self.roots.pins;
        if (pins.len + 1) * 2 > pins.capacity {
            pins = self.grow_pins(pins)?;
            self.roots.pins = pins;
        }
        let (entry, found) = self.find_pin(ptr);
        if found {
            let count = self.mem.load32(entry, 4);
            self.mem.store32(entry, 4, count.saturating_add(1));
        } else {
            self.mem.store32(entry, 0, ptr.get());
            self.mem.store32(entry, 4, 1);
            self.roots.pins.len += 1;
        }
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
        if self.roots.pins.capacity != 0 {
            let (entry, found) = self.find_pin(ptr);
            if found {
                let count = self.mem.load32(entry, 4) - 1;
                self.mem.store32(entry, 4, count);
                if count == 0 {
                    self.remove_pin(entry);
                }
                return Ok(());
            }
        }
        let object = self.is_object(ptr);
        let code = if object {
            ErrorCode::UnpinUnderflow
        } else {
            ErrorCode::NotAnObject
        };
        Err(self.fail(code, ptr.get()))
    }

    /// The slot of a pointer, or the empty one where it would go. Null is never found.
    fn find_pin(&self, ptr: Addr) -> (Addr, bool) {
        let pins = self.roots.pins;
        let mut slot = pins.home(ptr);
        loop {
            let entry = pins.entry(slot);
            let held = self.mem.load32(entry, 0);
            if held == 0 || held == ptr.get() {
                return (entry, held != 0);
            }
            slot = (slot + 1) & (pins.capacity - 1);
        }
    }

    /// The pinned objects, with nulls between them.
    pub(crate) fn pin_pointers(&self) -> impl Iterator<Item = u32> {
        let pins = self.roots.pins;
        (0..pins.capacity).map(move |slot| self.mem.load32(pins.entry(slot), 0))
    }

    fn remove_pin(&mut self, entry: Addr) {
        let pins = self.roots.pins;
        let mut gap = entry.since(pins.at) / ENTRY;
        let mut slot = gap;
        loop {
            slot = (slot + 1) & (pins.capacity - 1);
            let held = self.mem.load64(pins.entry(slot), 0);
            if held as u32 == 0 {
                break;
            }
            // The entry may fill the gap if its home is not between the gap and itself.
            let home = pins.home(Addr::new(held as u32));
            let distance = slot.wrapping_sub(home) & (pins.capacity - 1);
            if distance >= slot.wrapping_sub(gap) & (pins.capacity - 1) {
                self.mem.store64(pins.entry(gap), 0, held);
                gap = slot;
            }
        }
        self.mem.store64(pins.entry(gap), 0, 0);
        self.roots.pins.len -= 1;
    }

    fn grow_pins(&mut self, old: Table) -> Result<Table, Failed> {
        let mut pins = self.new_table((old.capacity * 2).max(MIN_CAPACITY))?;
        pins.len = old.len;
        self.mem.fill(pins.at, pins.capacity * ENTRY, 0);
        for slot in 0..old.capacity {
            let held = self.mem.load64(old.entry(slot), 0);
            if held as u32 == 0 {
                continue;
            }
            let mut slot = pins.home(Addr::new(held as u32));
            while self.mem.load32(pins.entry(slot), 0) != 0 {
                slot = (slot + 1) & (pins.capacity - 1);
            }
            self.mem.store64(pins.entry(slot), 0, held);
        }
        self.free_table(old);
        Ok(pins)
    }

    fn new_table(&mut self, capacity: u32) -> Result<Table, Failed> {
        let at = self.table_alloc(capacity * ENTRY);
        if at.is_null() {
            return Err(self.fail(ErrorCode::HeapExhausted, capacity * ENTRY));
        }
        Ok(Table {
            at,
            len: 0,
            capacity,
        })
    }

    fn free_table(&mut self, table: Table) {
        if table.capacity != 0 {
            self.table_free(table.at);
        }
    }
}
