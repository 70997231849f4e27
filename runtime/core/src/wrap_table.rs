//! The wrap-table: which objects stand for which host handles.
//!
//! ```text
//! entry (16 bytes):  +0 ptr | +4 kind | +8 handle | +12 external bytes
//!
//! 0                live                used            capacity
//! +----------------+-------------------+---------------+
//! | registered     | dead, queued      | unused        |
//! +----------------+-------------------+---------------+
//! ```
//!
//! A collection moves the entries whose objects died behind those that live (in place, and the
//! survivors keep their order); the host is notified from the end, and each entry is gone before the
//! call, so that no handle is reported twice whatever the host does. Between collections an object's
//! mark bit says that it has an entry.

use crate::addr::Addr;
use crate::block::{Bit, Place};
use crate::memory::{Memory, WRAP_ENTRY_BYTES, WRAP_TABLE_ENTRIES};
use crate::options::GcOption;
use crate::runtime::Runtime;
use crate::stats::Stat;
use crate::wrap_index::WrapIndex;

/// A table of this many entries does not double: its size would not be a 32-bit number.
const MAX_ENTRIES: u32 = u32::MAX / (2 * WRAP_ENTRY_BYTES);

#[derive(Debug)]
pub(crate) struct WrapTable {
    /// The address of the table: from the first use on its built-in place, until it grows out of it.
    at: Addr,
    /// Entries that there is room for.
    pub(crate) capacity: u32,
    pub(crate) live: u32,
    pub(crate) used: u32,
    /// Below this many entries a registration is only its entry: none is dead, there is room, no
    /// collection is due, and nothing else is to be kept up to date. 0 where that is not known.
    pub(crate) plain: u32,
    /// The object that is being registered: a root of a collection on the way.
    pub(crate) in_flight: Addr,
    pub(crate) index: WrapIndex,
}

impl WrapTable {
    pub(crate) const EMPTY: Self = Self {
        at: Addr::NULL,
        capacity: WRAP_TABLE_ENTRIES,
        live: 0,
        used: 0,
        plain: 0,
        in_flight: Addr::NULL,
        index: WrapIndex::EMPTY,
    };
}

impl<M: Memory> Runtime<M> {
    #[inline(always)]
    pub(crate) fn wrap_entry(&self, entry: u32) -> Addr {
        self.wraps.at.plus(entry * WRAP_ENTRY_BYTES)
    }

    /// Entries that the table may have without growing.
    #[inline(always)]
    pub(crate) fn wrap_room(&self) -> u32 {
        self.wraps.capacity.min(self.option(GcOption::WrapLimit))
    }

    /// Starts with the built-in table.
    pub(crate) fn start_wrap_table(&mut self) {
        self.wraps.at = self.mem.regions().wrap_table;
    }

    /// The object of an entry.
    pub(crate) fn wrap_ptr(&self, entry: u32) -> Addr {
        Addr::new(self.mem.load32(self.wrap_entry(entry), 0))
    }

    #[inline(never)]
    pub(crate) fn copy_entry(&mut self, to: u32, from: u32) {
        let (to, from) = (self.wrap_entry(to), self.wrap_entry(from));
        let (low, high) = (self.mem.load64(from, 0), self.mem.load64(from, 8));
        self.mem.store64(to, 0, low);
        self.mem.store64(to, 8, high);
    }

    fn swap_entries(&mut self, a: u32, b: u32) {
        let at = self.wrap_entry(b);
        let (low, high) = (self.mem.load64(at, 0), self.mem.load64(at, 8));
        self.copy_entry(b, a);
        let at = self.wrap_entry(a);
        self.mem.store64(at, 0, low);
        self.mem.store64(at, 8, high);
    }

    /// Sets a mark bit, where speed does not count: not inlined.
    #[inline(never)]
    pub(crate) fn flag(&mut self, place: Place) {
        place.set_mark(&mut self.mem);
    }

    /// Sets the mark bits that say "has an entry".
    pub(crate) fn flag_wrappers(&mut self) {
        let mut entry = 0;
        while entry < self.wraps.live {
            self.flag(self.place_of(self.wrap_ptr(entry)));
            entry += 1;
        }
        self.set_registrations();
    }

    /// Clears the mark bits that say "has an entry": all there are.
    pub(crate) fn unflag_wrappers(&mut self) {
        self.wraps.plain = 0;
        let mut block = self.heap.lo;
        while block < self.heap.hi {
            if self.kind(block).has_objects() {
                self.record(block).clear_marks(&mut self.mem);
            }
            block = block.plus(1);
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn grow_wrap_table(&mut self, limit: u32) -> bool {
        let old = self.wraps.capacity;
        if old >= MAX_ENTRIES {
            return false;
        }
        let capacity = (old * 2).min(limit);
        let table = self.table_alloc(capacity * WRAP_ENTRY_BYTES);
        if table.is_null() {
            return false;
        }
        self.mem.copy(table, self.wraps.at, self.wraps.used * WRAP_ENTRY_BYTES);
        if self.wraps.at != self.mem.regions().wrap_table {
            self.table_free(self.wraps.at);
        }
        self.wraps.at = table;
        self.wraps.capacity = capacity;
        true
    }

    /// Notes how many wrappers there are: called before there are fewer.
    pub(crate) fn note_wrappers(&mut self) {
        self.counters.raise(Stat::WrappersPeak, u64::from(self.wraps.live));
    }

    /// Takes the entry of a living wrapper out, and makes it the one that the host is notified of.
    #[inline(always)]
    pub(crate) fn remove_entry(&mut self, entry: u32) {
        self.note_wrappers();
        self.set_notified_entry(entry);
        let external = self.mem.load32(self.wrap_entry(entry), 12);
        self.counters[Stat::ExternalBytes] -= u64::from(external);
        // The last of the living fills the gap, and the last of the dead fills that one's.
        let (last_live, last) = (self.wraps.live - 1, self.wraps.used - 1);
        if entry != last_live {
            self.copy_entry(entry, last_live);
            self.index_wrapper(self.wrap_ptr(entry), entry);
        }
        if last_live != last {
            self.copy_entry(last_live, last);
        }
        self.wraps.live = last_live;
        self.wraps.used = last;
    }

    #[inline(always)]
    fn set_notified_entry(&mut self, entry: u32) {
        let at = self.wrap_entry(entry);
        self.notifying.kind = self.mem.load32(at, 4);
        self.notifying.handle = self.mem.load32(at, 8);
        self.counters[Stat::WrappersTold] += 1;
    }

    /// Takes the next dead entry out and makes it the one that the host is notified of; `false` if there is none.
    #[inline(always)]
    pub(crate) fn pop_dead(&mut self) -> bool {
        if self.wraps.used == self.wraps.live {
            return false;
        }
        let entry = self.wraps.used - 1;
        self.set_notified_entry(entry);
        self.wraps.used = entry;
        true
    }

    /// The number of dead handles of which the host has not been notified yet.
    pub(crate) fn dead(&self) -> u32 {
        self.wraps.used - self.wraps.live
    }

    /// Declares every wrapper dead, for `gc_shutdown`.
    pub(crate) fn kill_wrappers(&mut self) {
        self.note_wrappers();
        self.unflag_wrappers();
        self.wraps.live = 0;
        self.wraps.index.invalidate();
        self.counters[Stat::ExternalBytes] = 0;
    }

    /// Moves the entries whose objects are not marked behind the others.
    pub(crate) fn sort_out_dead_wrappers(&mut self) {
        self.note_wrappers();
        let mut live = 0;
        let mut next = 0;
        while next < self.wraps.live {
            let entry = next;
            next += 1;
            // An object for sure: `place_of` would look whether it is one, a nanosecond for each.
            let ptr = self.wrap_ptr(entry);
            let kind = self.kind(ptr.block());
            let cell = self.classes.cell_starting_at(kind, ptr.block_offset()).unwrap_or(0);
            if self.record_inline(ptr.block()).is_marked(&self.mem, Bit::of(cell)) {
                if live != entry {
                    self.swap_entries(live, entry);
                }
                live += 1;
            } else {
                let external = self.mem.load32(self.wrap_entry(entry), 12);
                self.counters[Stat::ExternalBytes] -= u64::from(external);
            }
        }
        self.wraps.live = live;
        self.wraps.index.invalidate();
    }
}
