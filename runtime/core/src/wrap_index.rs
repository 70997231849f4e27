//! From a wrapper to its entry in the wrap-table: for `release_wrapper`.
//!
//! A hash table of entry numbers plus one (0 is an empty slot), with linear probing. It is built
//! when the first release after a collection needs it, and dropped by the next collection, which
//! moves entries. Nothing is ever deleted from it: each find is checked against the entry itself. Without memory for it the wrap-table is searched from its end.

use crate::addr::Addr;
use crate::memory::Memory;
use crate::runtime::Runtime;

#[derive(Debug)]
pub(crate) struct WrapIndex {
    at: Addr,
    capacity: u32,
    /// Slots in use; 0 if the index is not valid.
    used: u32,
}

impl WrapIndex {
    pub(crate) const EMPTY: Self = Self { at: Addr::NULL, capacity: 0, used: 0 };

    /// Whether all entries are in it.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        self.used != 0
    }

    /// Forgets everything, as entries are about to move.
    pub(crate) fn invalidate(&mut self) {
        self.used = 0;
    }
}

/// Spreads an address over 32 bits: Fibonacci hashing (Knuth, volume 3, 6.4), whose good bits are
/// the upper ones.
pub(crate) const fn hash(ptr: Addr) -> u32 {
    let product = (ptr.get() >> 3).wrapping_mul(0x9E37_79B1);
    product ^ (product >> 15)
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
        let mask = self.wraps.index.capacity - 1;
        let mut slot = hash(ptr) & mask;
        loop {
            let entry = self.mem.load32(self.wraps.index.at, slot * 4).wrapping_sub(1);
            if entry < self.wraps.live && self.wrap_ptr(entry) == ptr {
                return entry;
            }
            slot = (slot + 1) & mask;
        }
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
        let mask = self.wraps.index.capacity - 1;
        let mut slot = hash(ptr) & mask;
        loop {
            let at = self.wraps.index.at.plus(slot * 4);
            if self.mem.load32(at, 0) == 0 {
                self.mem.store32(at, 0, entry + 1);
                self.wraps.index.used += 1;
                return;
            }
            slot = (slot + 1) & mask;
        }
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
