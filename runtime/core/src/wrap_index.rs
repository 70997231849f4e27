//! From a wrapper to its entry in the wrap-table: for `release_wrapper`.
//!
//! A hash table (`probe`) of entry numbers plus one; 0 is an empty slot. It is built when the first release after a collection
//! needs it, and dropped by the next collection, which moves entries. Nothing is ever deleted from it: each number found is
//! checked against the entry itself. Without memory for it the wrap-table is searched from its end.

use crate::addr::Addr;
use crate::memory::Memory;
use crate::probe::probe;
use crate::runtime::Runtime;

/// The number in an empty slot.
const NO_ENTRY: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct WrapIndex {
    at: Addr,
    capacity: u32,
    /// Slots in use; 0 if the index is not valid.
    used: u32,
}

impl WrapIndex {
    pub(crate) const EMPTY: Self = Self { at: Addr::NULL, capacity: 0, used: 0 };

    /// Tells whether all entries are in it.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        self.used != 0
    }

    /// Forgets all entries, as they are about to move.
    pub(crate) fn invalidate(&mut self) {
        self.used = 0;
    }
}

impl<M: Memory> Runtime<M> {
    /// The number of a wrapper's entry, which there is.
    pub(crate) fn find_wrapper(&mut self, ptr: Addr) -> u32 {
        if !self.wraps.index.is_valid() && !self.build_index() {
            let mut entry = self.wraps.live - 1;
            while self.wrap_ptr(entry) != ptr {
                entry -= 1;
            }
            return entry;
        }
        let is_entry_of = |entry: u32| entry < self.wraps.live && self.wrap_ptr(entry) == ptr;
        let slot = self.probe_index(ptr, is_entry_of);
        self.index_slot(slot)
    }

    /// Notes a new entry, if the index is valid.
    #[inline(never)]
    pub(crate) fn index_wrapper(&mut self, ptr: Addr, entry: u32) {
        if !self.wraps.index.is_valid() {
            return;
        }
        if (self.wraps.index.used + 1) * 4 > self.wraps.index.capacity * 3 {
            self.wraps.index.used = 0;
            return;
        }
        self.put_in_index(ptr, entry);
    }

    fn put_in_index(&mut self, ptr: Addr, entry: u32) {
        let slot = self.probe_index(ptr, |held| held == NO_ENTRY);
        self.mem.store32(self.wraps.index.at, slot * 4, entry + 1);
        self.wraps.index.used += 1;
    }

    /// The first slot for an object at whose entry number the search ends.
    #[inline(always)]
    fn probe_index(&self, ptr: Addr, ends: impl Fn(u32) -> bool) -> u32 {
        let key = u64::from(ptr.get());
        probe(self.wraps.index.capacity, key, |slot| ends(self.index_slot(slot)))
    }

    /// The number of the entry that a slot holds, or [`NO_ENTRY`].
    #[inline(always)]
    fn index_slot(&self, slot: u32) -> u32 {
        self.mem.load32(self.wraps.index.at, slot * 4).wrapping_sub(1)
    }

    fn build_index(&mut self) -> bool {
        // Half full at most after building, so that as many registrations again fit.
        let wanted = (self.wraps.live.max(64) * 2).next_power_of_two();
        if self.wraps.index.capacity < wanted {
            let table = self.table_alloc(wanted * 4);
            if table.is_null() {
                return false;
            }
            if self.wraps.index.capacity != 0 {
                self.table_free(self.wraps.index.at);
            }
            self.wraps.index = WrapIndex { at: table, capacity: wanted, used: 0 };
        }
        self.mem.fill(self.wraps.index.at, self.wraps.index.capacity * 4, 0);
        let mut next = 0;
        while next < self.wraps.live {
            let entry = next;
            next += 1;
            let ptr = self.wrap_ptr(entry);
            self.put_in_index(ptr, entry);
        }
        true
    }
}
