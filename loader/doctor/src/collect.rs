//! The doctor's own collection: finds what is dead, by the rule of the ABI, and sees to it that nobody touches it unseen.
//!
//! It runs before the runtime does what the program has called it for, as a collection inside that call would. Roots are
//! the words of the shadow stacks up to where each stands and of root ranges, pins, and the object that is being registered; then the
//! words of every object reached but for atomic ones. What is not reached is dead: its wrapper is released, so that the
//! host is told; its memory is filled with poison and marked in the shadow; and the quarantine keeps the runtime from
//! handing it out again.

use rootstock_host::exports::Context;
use rootstock_host::report::POISON_BYTE;
use rootstock_host::wasmtime;
use runtime::stats::Stat;

use crate::objects::{Call, Death, Holder, Id, Loss, Objects};
use crate::stacks::FIRST;
use crate::state::{LOG_BYTES, State};
use crate::trace::{Trace, TraceId};

/// No object lies in the first page, which holds data of the runtime's own.
const LEAST_OBJECT: u32 = 1 << 16;

/// The marking that is under way.
struct Marking<'a> {
    memory: &'a [u8],
    objects: &'a mut Objects,
    collection: u64,
    interior: bool,
    pending: Vec<Id>,
    /// Words looked at.
    words: u64,
}

impl Marking<'_> {
    fn candidate(&mut self, word: u32, holder: Holder) {
        let Some(id) = self.objects.at(word) else { return };
        let object = self.objects.get_mut(id);
        let is_meant = object.base == word || self.interior;
        if is_meant && object.death.is_none() && object.marked != self.collection {
            object.marked = self.collection;
            object.holder = holder;
            if object.is_scanned() {
                self.pending.push(id);
            }
        }
    }

    fn range(&mut self, start: u32, end: u32, holder: impl Fn(u32) -> Holder) {
        let memory = self.memory;
        let end = memory.len().min(end as usize);
        let Some(words) = memory.get(start as usize..end) else { return };
        let mut address = start;
        for word in words.chunks_exact(4) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            // Most words are no addresses of objects; the look-up is for the others.
            if word >= LEAST_OBJECT && (word.is_multiple_of(8) || self.interior) {
                self.candidate(word, holder(address));
            }
            address += 4;
        }
        self.words += words.len() as u64 / 4;
    }

    fn drain(&mut self) {
        while let Some(id) = self.pending.pop() {
            let object = self.objects.get(id);
            let (base, size, number) = (object.base, object.size, object.number);
            self.range(base, base + size, |at| Holder::Object(number, at - base));
        }
    }
}

impl State {
    /// Before a safepoint: collects if it is time. `number` is the allocation that is going on, or the last.
    pub(super) fn before(
        &mut self,
        cx: &mut impl Context,
        during: Call,
        in_flight: Option<u32>,
    ) -> wasmtime::Result<bool> {
        if !self.stack_is_sound(&mut *cx) {
            // The runtime says so in its own words.
            self.exports.gc_collect.call(&mut *cx, ())?;
        }
        let site = self.checks.innermost(&mut *cx);
        let registers = matches!(during, Call::Register | Call::RegisterSized | Call::TryRegister);
        let number = self.allocations + u64::from(!registers);
        let crowded = registers && self.wrappers_are_due(&mut *cx);
        let due = self.pace.is_due(number, site) || crowded || during == Call::Collect;
        if due {
            self.collect(cx, during, in_flight, true)?;
            if crowded || self.quarantine.is_full() {
                self.quarantine.release(&mut *cx, &self.exports, false);
                self.collect_for_real(cx, in_flight)?;
            }
        }
        Ok(due)
    }

    /// Tells whether the runtime may collect in the next registration: its rule is in `ABI.md`.
    fn wrappers_are_due(&mut self, cx: &mut impl Context) -> bool {
        let entries = self.stat(&mut *cx, Stat::Wrappers) + self.stat(&mut *cx, Stat::DeadQueued);
        self.registered + 1 >= entries.max(512)
            || entries >= self.stat(&mut *cx, Stat::WrapCapacity)
    }

    /// After a call of the runtime: if it has collected of its own accord, and not just after we had, then what is dead
    /// now has been freed.
    pub(super) fn after(
        &mut self,
        cx: &mut impl Context,
        during: Call,
        in_flight: Option<u32>,
        collected: bool,
    ) -> wasmtime::Result<()> {
        let seen = self.stat(&mut *cx, Stat::Collections);
        if seen == self.seen {
            return Ok(());
        }
        self.note_real_collection(&mut *cx);
        if collected { Ok(()) } else { self.collect(cx, during, in_flight, false) }
    }

    fn note_real_collection(&mut self, cx: &mut impl Context) {
        self.seen = self.stat(cx, Stat::Collections);
        self.registered = 0;
        (self.hidden.objects, self.hidden.bytes) = self.quarantine.contents();
    }

    /// Lets the runtime collect when the program has not asked for it. Only just after a collection of ours.
    pub(super) fn collect_for_real(
        &mut self,
        cx: &mut impl Context,
        in_flight: Option<u32>,
    ) -> wasmtime::Result<()> {
        let in_flight = in_flight.filter(|&object| self.objects.alive_at(object).is_some());
        if let Some(object) = in_flight {
            self.exports.gc_pin.call(&mut *cx, object)?;
        }
        let outcome = self.exports.gc_collect.call(&mut *cx, ());
        if let Some(object) = in_flight {
            self.exports.gc_unpin.call(&mut *cx, object)?;
        }
        self.hidden.collections += 1;
        self.note_real_collection(cx);
        outcome
    }

    /// Frees all that can be freed, because memory has run out; false if there was nothing.
    pub(super) fn make_room(
        &mut self,
        cx: &mut impl Context,
        during: Call,
    ) -> wasmtime::Result<bool> {
        self.collect(cx, during, None, true)?;
        let released = self.quarantine.release(&mut *cx, &self.exports, true);
        if released {
            self.collect_for_real(cx, None)?;
        }
        Ok(released)
    }

    /// A collection of ours. `quarantined` says whether the dead are still allocated, as far as the runtime knows.
    pub(super) fn collect(
        &mut self,
        cx: &mut impl Context,
        during: Call,
        in_flight: Option<u32>,
        quarantined: bool,
    ) -> wasmtime::Result<()> {
        self.collections += 1;
        let sp = self.exports.sp(&mut *cx);
        let mut cost = self.mark(&*cx, sp, in_flight);
        let dead = self.take_dead();
        cost += (self.objects.alive.len() + dead.len()) as u64;
        let high = self.checks.take_high(&mut *cx, self.stacks.first_top(sp));
        let high = high.clamp(self.exports.gc_stack_base, self.exports.gc_stack_limit);
        cost += u64::from(high - self.exports.gc_stack_base) / 4;
        if !dead.is_empty() {
            let trace = self.keep_trace(&mut *cx);
            self.bury(&*cx, &dead, high, during, trace);
            for id in dead {
                cost += self.free(cx, id, quarantined)?;
            }
        }
        self.clear_logs(cx, high);
        let site = self.checks.innermost(&mut *cx);
        self.pace.collected(site, cost);
        Ok(())
    }

    fn mark(&mut self, cx: &impl Context, sp: u32, in_flight: Option<u32>) -> u64 {
        let mut marking = Marking {
            memory: self.exports.memory.data(cx),
            objects: &mut self.objects,
            collection: self.collections,
            interior: self.interior,
            pending: Vec::new(),
            words: 0,
        };
        for (stack, base, top) in self.stacks.used(sp) {
            marking.range(base, top, |at| match stack {
                FIRST => Holder::Slot(at),
                _ => Holder::Stack(stack, at),
            });
        }
        for &(start, end) in &self.ranges {
            marking.range(start, end, Holder::Range);
        }
        for &pinned in self.pins.keys() {
            marking.candidate(pinned, Holder::Pin);
        }
        if let Some(object) = in_flight {
            marking.candidate(object, Holder::InFlight);
        }
        marking.drain();
        marking.words
    }

    fn take_dead(&mut self) -> Vec<Id> {
        let mut alive = std::mem::take(&mut self.objects.alive);
        let collection = self.collections;
        let dead =
            alive.extract_if(.., |&mut id| self.objects.get(id).marked != collection).collect();
        self.objects.alive = alive;
        dead
    }

    /// Notes of the dead what is known of their end.
    fn bury(&mut self, cx: &impl Context, dead: &[Id], high: u32, during: Call, trace: TraceId) {
        let depth = self.traces.get(trace).depth;
        let stack = self.checks.memory.data(cx);
        for &id in dead {
            let object = self.objects.get(id);
            let loss = Loss::Held { by: object.holder, collection: object.marked };
            let death = Death {
                collection: self.collections,
                allocations: self.allocations,
                during,
                trace,
                loss,
                begun_before: Trace::begun_before(stack, depth, object.number),
                carried: None,
            };
            self.objects.bury(id, death);
        }
        // What the program did to the shadow stack since the last collection says more.
        let logs = self.checks.memory.data(cx);
        let word = |at: usize| {
            logs.get(at..at + 4)
                .map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap_or_default()))
        };
        for slot in (self.exports.gc_stack_base..high).step_by(4) {
            let log = (self.checks.slots + (slot - self.exports.gc_stack_base) * (LOG_BYTES / 4))
                as usize;
            let [popped, by_pop, overwritten, by_store] = [0, 4, 8, 12].map(|at| word(log + at));
            for (value, loss) in [
                (overwritten, Loss::Overwritten { slot, site: by_store }),
                (popped, Loss::Popped { slot, site: by_pop }),
            ] {
                let collection = self.collections;
                if let Some(id) = self.objects.dead_at(value)
                    && self.objects.get(id).base == value
                    && let Some(death) = &mut self.objects.get_mut(id).death
                    && death.collection == collection
                {
                    death.loss = loss;
                }
            }
        }
    }

    fn clear_logs(&mut self, cx: &mut impl Context, high: u32) {
        let bytes = (high - self.exports.gc_stack_base) * (LOG_BYTES / 4);
        let logs = self.checks.memory.data_mut(&mut *cx);
        let start = self.checks.slots as usize;
        if let Some(logs) = logs.get_mut(start..start + bytes as usize) {
            logs.fill(0);
        }
    }

    /// Makes a dead object's memory unusable. Returns what that cost.
    fn free(&mut self, cx: &mut impl Context, id: Id, quarantined: bool) -> wasmtime::Result<u64> {
        let object = self.objects.get(id);
        let (base, size, stands) = (object.base, object.size, object.handle.is_some());
        self.checks.mark(&mut *cx, base, size, true)?;
        if quarantined {
            if stands {
                self.exports.release_wrapper.call(&mut *cx, base)?;
            }
            let memory = self.exports.memory.data_mut(&mut *cx);
            if let Some(bytes) = memory.get_mut(base as usize..(base + size) as usize) {
                bytes.fill(POISON_BYTE);
            }
            self.quarantine.keep(&mut *cx, &self.exports, id, base, size);
        }
        Ok(u64::from(size / 4))
    }
}
