//! Registration: an object comes to stand for a handle of the host, and is released from it.
//!
//! A registration is mostly one comparison and its entry (`register_fast`). Otherwise it has three parts, between which the
//! host may run: room is made, the table is ready, and the rest is brought up to date.

use crate::addr::Addr;
use crate::block::Place;
use crate::error::{ErrorCode, Failed};
use crate::memory::{Memory, WRAP_ENTRY_BYTES};
use crate::options::GcOption;
use crate::runtime::Runtime;
use crate::stats::Stat;

impl<M: Memory> Runtime<M> {
    /// Registers a wrapper if that is only a matter of its entry; `false` if it was not, and nothing
    /// has changed.
    #[inline(always)]
    pub fn register_fast(&mut self, ptr: Addr, kind: u32, handle: u32) -> bool {
        let entry = self.wraps.live;
        if entry >= self.wraps.plain {
            return false;
        }
        let place = self.place_of_inline(ptr);
        if place == Place::NONE || place.is_marked(&self.mem) {
            return false;
        }
        let at = self.wrap_entry(entry);
        self.mem.store32(at, 0, ptr.get());
        self.mem.store32(at, 4, kind);
        self.mem.store32(at, 8, handle);
        self.mem.store32(at, 12, 0);
        place.set_mark(&mut self.mem);
        self.wraps.live += 1;
        self.wraps.used += 1;
        self.pace.registered += 1;
        true
    }

    /// First part of a registration: checks the object, and collects if it is time to, or if the
    /// table is full. The host is notified of the dead before the second part.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`, `ALREADY_REGISTERED`, and what a collection fails with.
    pub(crate) fn register_prepare(&mut self, ptr: Addr) -> Result<(), Failed> {
        self.enter_or_fail()?;
        self.expect_unregistered(ptr)?;
        self.make_room(ptr)
    }

    /// Fails if there is no object at `ptr`, or if it has an entry.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`, `ALREADY_REGISTERED`.
    #[inline(never)]
    fn expect_unregistered(&mut self, ptr: Addr) -> Result<(), Failed> {
        if self.expect_place(ptr)?.is_marked(&self.mem) {
            return Err(self.fail(ErrorCode::AlreadyRegistered, ptr.get()));
        }
        Ok(())
    }

    fn make_room(&mut self, ptr: Addr) -> Result<(), Failed> {
        let limit = self.option(GcOption::WrapLimit);
        let last_resort = self.wraps.live >= limit;
        // Entries that are queued for `gc_notify` are beyond the limit, and a collection does not change that.
        let queues = self.option(GcOption::Notify) == 0;
        let used = if queues { self.wraps.live } else { self.wraps.used };
        let full = used >= limit || self.wraps.used >= self.wraps.capacity;
        self.wraps.in_flight = ptr;
        let eager = self.is_eager_turn();
        // From inside the host's callback the table grows rather than collects, while it may.
        let wanted = if full {
            self.may_collect() && (!self.is_nested() || last_resort)
        } else {
            self.is_due()
        };
        let outcome = if eager || wanted { self.collect(!full && !eager) } else { Ok(()) };
        self.wraps.in_flight = Addr::NULL;
        outcome?;
        // A table that stays nearly full would have to collect again soon: better grow it now.
        // If that fails there is still room.
        let capacity = self.wraps.capacity;
        if full && self.wraps.live > capacity / 4 * 3 && capacity < limit {
            let _ = self.grow_wrap_table(limit);
        }
        Ok(())
    }

    /// Second part of a registration: makes sure that there is nothing left to do but the entry. The
    /// host may have run before.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`, `ALREADY_REGISTERED`; `WRAP_TABLE_FULL` if the table is at its limit and all
    /// entries are alive; `HEAP_EXHAUSTED` if there is no memory for a larger table.
    pub(crate) fn register_ready(&mut self, ptr: Addr) -> Result<(), Failed> {
        self.expect_unregistered(ptr)?;
        let limit = self.option(GcOption::WrapLimit);
        let entry = self.wraps.live;
        if entry >= limit {
            return Err(self.fail(ErrorCode::WrapTableFull, limit));
        }
        if self.wraps.used == self.wraps.capacity && !self.grow_wrap_table(u32::MAX) {
            let bytes = self.wraps.capacity.wrapping_mul(2 * WRAP_ENTRY_BYTES);
            return Err(self.fail(ErrorCode::HeapExhausted, bytes));
        }
        // The first of the dead makes room.
        self.copy_entry(self.wraps.used, entry);
        self.wraps.plain = entry + 1;
        Ok(())
    }

    /// Last part of a registration: what else there is to it than the entry, which is the last.
    pub(crate) fn register_finish(&mut self) {
        let entry = self.wraps.live - 1;
        self.index_wrapper(self.wrap_ptr(entry), entry);
        self.set_plain();
    }

    /// Notes what the host keeps behind the wrapper that was just registered, in bytes.
    pub fn set_external(&mut self, bytes: u32) {
        self.mem.store32(self.wrap_entry(self.wraps.live - 1), 12, bytes);
        self.spend(bytes);
        self.counters[Stat::ExternalBytes] += u64::from(bytes);
    }

    /// Finds out how many more registrations are only a matter of their entries.
    fn set_plain(&mut self) {
        let slow = self.wraps.used != self.wraps.live
            || self.wraps.index.is_valid()
            || self.pace.carved >= self.pace.budget
            || self.option(GcOption::Eager) != 0;
        let more = self.pace.registrations.saturating_sub(self.pace.registered);
        let most = self.wrap_room().min(self.wraps.live.saturating_add(more));
        self.wraps.plain = if slow { 0 } else { most };
    }

    /// Takes a wrapper's entry out, for the host to be notified at once; `Ok(false)` if it has none.
    ///
    /// # Errors
    ///
    /// `NOT_AN_OBJECT`.
    pub fn release(&mut self, ptr: Addr) -> Result<bool, Failed> {
        self.enter_or_fail()?;
        let place = self.expect_place(ptr)?;
        if !place.is_marked(&self.mem) {
            return Ok(false);
        }
        self.wraps.plain = 0;
        let entry = self.find_wrapper(ptr);
        place.clear_mark(&mut self.mem);
        self.remove_entry(entry);
        Ok(true)
    }

    /// The address of the kind and the handle in an object's entry; null if it has none.
    pub fn wrapper(&mut self, ptr: Addr) -> Addr {
        let place = self.place_of(ptr);
        if self.collecting || place == Place::NONE || !place.is_marked(&self.mem) {
            return Addr::NULL;
        }
        let entry = self.find_wrapper(ptr);
        // There may be an index now, which is to be kept up to date.
        self.wraps.plain = 0;
        self.wrap_entry(entry).plus(4)
    }
}
