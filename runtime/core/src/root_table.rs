//! One hash table for three kinds of roots: pins, root ranges and shadow stacks.
//!
//! ```text
//! entry (16 bytes):  +0 key, two words | +8 value | +12 more
//!
//! pin:    (object, 0)      how often it was pinned
//! range:  (start, end)     how often it was added
//! stack:  (base, 0)        where it was left                limit
//! ```
//!
//! The table has open addressing (`probe`). A first word of 0 is an empty slot. An entry whose value is 0 holds nothing, and stays until the table is next rebuilt, so
//! that each operation is a matter of a few slots whatever the order of the others.

use crate::addr::Addr;
use crate::error::{ErrorCode, Failed};
use crate::memory::Memory;
use crate::probe::probe;
use crate::runtime::Runtime;

const ENTRY: u32 = 16;
const MIN_CAPACITY: u32 = 32;

/// The offset of an entry's value.
pub(crate) const VALUE: u32 = 8;
/// The offset of an entry's last word.
pub(crate) const MORE: u32 = 12;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Pins,
    Ranges,
    Stacks,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RootTable {
    at: Addr,
    capacity: u32,
    /// Slots that are not empty.
    used: u32,
    /// Entries whose value is not 0.
    held: u32,
}

impl RootTable {
    pub(crate) const EMPTY: Self = Self { at: Addr::NULL, capacity: 0, used: 0, held: 0 };

    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    /// The slot of a key, or the empty one where it would go. There is an empty one.
    fn find<M: Memory>(self, mem: &M, key: u64) -> Addr {
        let entry = |slot: u32| self.at.plus(slot * ENTRY);
        entry(probe(self.capacity, key, |slot| {
            let found = mem.load64(entry(slot), 0);
            found == key || found as u32 == 0
        }))
    }
}

impl<M: Memory> Runtime<M> {
    #[inline(always)]
    fn root_table(&mut self, of: Of) -> &mut RootTable {
        &mut self.roots.tables[of as usize]
    }

    /// The entry that holds a key; null if none does.
    #[inline(never)]
    pub(crate) fn held_root(&self, of: Of, key: u64) -> Addr {
        let table = self.roots.tables[of as usize];
        if table.held == 0 {
            return Addr::NULL;
        }
        let entry = table.find(&self.mem, key);
        if self.mem.load32(entry, VALUE) == 0 { Addr::NULL } else { entry }
    }

    /// The entry after another that holds something, the first one after null; null if there is none.
    #[inline(never)]
    pub(crate) fn next_root(&self, of: Of, after: Addr) -> Addr {
        let table = self.roots.tables[of as usize];
        let end = table.at.plus(table.capacity * ENTRY);
        let mut entry = if after.is_null() { table.at } else { after.plus(ENTRY) };
        while entry != end {
            if self.mem.load32(entry, VALUE) != 0 {
                return entry;
            }
            entry = entry.plus(ENTRY);
        }
        Addr::NULL
    }

    /// The entry of a key, which may be a new one with the value 0.
    ///
    /// # Errors
    ///
    /// `HEAP_EXHAUSTED` if there is no memory for a larger table.
    #[inline(never)]
    pub(crate) fn root_entry(&mut self, of: Of, key: u64) -> Result<Addr, Failed> {
        let table = *self.root_table(of);
        if (table.used + 1) * 2 > table.capacity {
            // At most a quarter full afterwards.
            let capacity = (table.held.next_power_of_two() * 4).max(MIN_CAPACITY);
            // A table that cannot grow is filled up to the one empty slot that ends a search.
            if !self.rebuild(of, capacity) && table.used + 2 > table.capacity {
                return Err(self.fail(ErrorCode::HeapExhausted, capacity * ENTRY));
            }
        }
        let entry = self.root_table(of).find(&self.mem, key);
        if self.mem.load32(entry, 0) == 0 {
            self.mem.store64(entry, 0, key);
            self.root_table(of).used += 1;
        }
        Ok(entry)
    }

    /// Sets the value of an entry, which was `old`. The table may become smaller: the entry is not to be
    /// used after it.
    #[inline(never)]
    pub(crate) fn set_root(&mut self, of: Of, entry: Addr, old: u32, value: u32) {
        self.mem.store32(entry, VALUE, value);
        let table = self.root_table(of);
        table.held = table.held + u32::from(value != 0) - u32::from(old != 0);
        let capacity = table.capacity / 4;
        // A collection looks at each slot. Without memory for a smaller table the large one is as good.
        if table.held < capacity / 4 && capacity >= MIN_CAPACITY {
            self.rebuild(of, capacity);
        }
    }

    /// Moves what is held to a table of another capacity; `false` if there is no memory for it.
    fn rebuild(&mut self, of: Of, capacity: u32) -> bool {
        let at = self.table_alloc(capacity * ENTRY);
        if at.is_null() {
            return false;
        }
        self.mem.fill(at, capacity * ENTRY, 0);
        let held = self.root_table(of).held;
        let table = RootTable { at, capacity, used: held, held };
        let mut entry = self.next_root(of, Addr::NULL);
        while !entry.is_null() {
            let to = table.find(&self.mem, self.mem.load64(entry, 0));
            self.mem.copy(to, entry, ENTRY);
            entry = self.next_root(of, entry);
        }
        let old = core::mem::replace(self.root_table(of), table);
        if old.capacity != 0 {
            self.table_free(old.at);
        }
        true
    }
}
