//! The steps: each is done by the runtime and by the model, and the results are compared.

use rootstock_core::error::{ErrorCode, Failure};
use rootstock_core::options::GcOption;
use rootstock_core::sweep::POISON;

use crate::host::TestHost;
use crate::model::ops::{Op, Word};
use crate::model::run::{Outcome, Runner, STATIC_WORDS};
use crate::model::state::{Handle, HandleState, InFlight, cell_for};

impl Runner {
    pub(crate) fn step(&self, op: &Op) {
        match *op {
            Op::Alloc { size, atomic, rooted } => self.alloc(size, atomic, rooted),
            Op::AllocHuge(size) => {
                let why = self.call(InFlight::Nothing, None, None, |h| h.try_alloc(size, false));
                let known = [ErrorCode::SizeTooLarge, ErrorCode::HeapExhausted];
                let why = why.result.expect_err("half of the address space");
                assert!(known.contains(&why.code) && why.arg == size, "{why:?}");
            }
            Op::Push(value) => self.push(self.resolve(value)),
            Op::Overwrite { slot, value } => self.overwrite(slot, value),
            Op::Pop(slots) => self.pop(usize::from(slots)),
            Op::Write { object, word, value } => self.write(object, word, value),
            Op::WriteStatic { word, value } => {
                let (index, value) = (usize::from(word) % STATIC_WORDS, self.resolve(value));
                self.host.write(self.static_base + 4 * index as u32, value);
                self.model.borrow_mut().statics[index] = value;
            }
            Op::AddRange { start, words } => self.add_range(start, words),
            Op::RemoveRange(which) => self.remove_range(which),
            Op::RemoveNoRange => {
                let why = self.host.remove_roots(self.static_base, self.static_base + 4096);
                assert_eq!(why, Err(Failure::new(ErrorCode::BadRange, self.static_base)));
            }
            Op::Pin(word) => self.pin(word),
            Op::Unpin(word) => self.unpin(word),
            Op::Register { object, kind, external } => self.register(object, kind, external),
            Op::Release(word) => self.release(word),
            Op::Collect => self.collect(),
            Op::Shutdown => {
                self.model.borrow_mut().kill_handles();
                self.call_notifying(TestHost::shutdown);
                assert_eq!(self.model.borrow().handles_in(HandleState::Dead), 0);
            }
            Op::Notify(max) => {
                let queued = self.model.borrow().handles_in(HandleState::Dead);
                let call = self.call_notifying(|host| host.notify(max));
                let left = self.model.borrow().handles_in(HandleState::Dead);
                assert_eq!(u64::from(call.result), left, "how many are left");
                assert_eq!(call.callbacks, max != 0 && queued != 0);
                assert!(call.callbacks || left == queued);
            }
            Op::LookUp(word) => self.look_up(word),
            Op::Configure(option, value) => {
                let old = self.host.configure(option, value);
                let known = &mut self.model.borrow_mut().options[option as usize];
                assert_eq!(old, *known, "the old value of {option:?}");
                *known = value;
            }
            Op::ForeignGrow(pages) => self.foreign_grow(pages),
            Op::RefuseGrowth(refuse) => {
                self.host.memory(|memory| memory.refuse_growth(refuse));
                self.refusing.set(refuse);
            }
        }
    }

    fn alloc(&self, size: u32, atomic: bool, rooted: bool) {
        let call =
            self.call(InFlight::Nothing, Some(atomic), None, |host| host.try_alloc(size, atomic));
        if self.must_collect() {
            assert_ne!(call.collections, 0, "EAGER is 1");
        }
        let object = match call.result {
            Ok(object) => object,
            Err(why) => {
                assert_eq!(why, Failure::new(ErrorCode::HeapExhausted, size));
                return self.check_exhausted(&call, size, atomic);
            }
        };
        assert_ne!(object, 0);
        let align = if size >= 16 { 16 } else { 8 };
        assert!(object.is_multiple_of(align), "alloc({size}) = {object:#x} is misaligned");
        assert!(object >= self.static_base, "{object:#x} is below static data");
        // Rather than fail, an allocation takes a larger cell: after a collection that did not help.
        let cell = self.host.size(object);
        let last_resort = cell > cell_for(size) && call.collections != 0;
        assert!(cell == cell_for(size) || last_resort, "alloc({size}) took a cell of {cell} bytes");
        assert_eq!(self.host.base(object + cell - 1), object, "the base of the last byte");
        if atomic {
            // Not zeroed: give it a content of our own.
            self.host.fill(object, cell, object as u8 | 1);
        }
        let content = self.host.bytes(object, cell);
        assert!(atomic || content == vec![0; cell as usize], "alloc({size}) is not zeroed");
        {
            let mut model = self.model.borrow_mut();
            match call.in_flight {
                InFlight::Nothing => model.count_allocated(cell),
                InFlight::Unknown(_) => {}
                InFlight::Known(found) => {
                    assert_eq!(found, object, "the object in flight");
                    model.objects.remove(&object);
                    model.hidden.remove(&object);
                }
            }
            model.add_object(object, content, atomic);
        }
        if rooted {
            self.push(object);
        }
    }

    fn must_collect(&self) -> bool {
        self.host.depth() == 0 && self.model.borrow().option(GcOption::Eager) == 1
    }

    /// An allocation may fail only after a collection, and if there is no room.
    fn check_exhausted<T>(&self, call: &Outcome<T>, size: u32, atomic: bool) {
        let garbage = self.model.borrow().has_garbage();
        assert!(call.collections != 0 || !garbage, "alloc({size}) failed without a collection");
        if call.callbacks {
            // The host may have freed memory after the failure.
            return;
        }
        let cell = cell_for(size);
        assert!(self.is_full(cell.div_ceil(16_384)), "alloc({size}) failed with blocks free");
        if cell > 8192 {
            return;
        }
        let model = self.model.borrow();
        for block in model.blocks() {
            let inside = model.objects.range(block << 14..=(block << 14) + 16_383);
            let alike = inside.filter(|(_, o)| o.atomic == atomic && o.cell() <= 8192);
            let sizes: Vec<u32> = alike.map(|(_, object)| object.cell()).collect();
            if let Some(&cell) = sizes.first()
                && cell >= size
            {
                let cells = (16_384 / cell).min(1920);
                assert_eq!(sizes.len() as u32, cells, "alloc({size}) failed with cells free");
            }
        }
    }

    fn push(&self, root: u32) {
        self.host.push(root);
        self.model.borrow_mut().stack.push(root);
    }

    fn overwrite(&self, slot: u16, value: Word) {
        let slots = self.slots();
        if slots.is_empty() {
            return;
        }
        let (slot, value) = (slots[usize::from(slot) % slots.len()], self.resolve(value));
        self.host.write(self.host.regions().stack_base.get() + 4 * slot as u32, value);
        self.model.borrow_mut().stack[slot] = value;
    }

    fn pop(&self, slots: usize) {
        let mut model = self.model.borrow_mut();
        let slots = slots.min(model.stack.len() - self.floor());
        let height = model.stack.len() - slots;
        model.stack.truncate(height);
        self.host.pop(slots as u32);
    }

    fn write(&self, object: u16, word: u16, value: Word) {
        let base = self.resolve(Word::Base(object));
        if base == 0 {
            return;
        }
        let value = self.resolve(value);
        let mut model = self.model.borrow_mut();
        let content = &mut model.objects.get_mut(&base).expect("an object").content;
        let at = usize::from(word) % (content.len() / 4) * 4;
        content[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self.host.write(base + at as u32, value);
    }

    fn add_range(&self, start: u8, words: u8) {
        let start = usize::from(start) % STATIC_WORDS;
        let end = start + 1 + usize::from(words) % (STATIC_WORDS - start);
        let at = |word: usize| self.static_base + 4 * word as u32;
        match self.host.add_roots(at(start), at(end)) {
            Ok(()) => self.model.borrow_mut().ranges.push((start, end)),
            Err(why) => self.check_no_table(why),
        }
    }

    fn remove_range(&self, which: u8) {
        let count = self.model.borrow().ranges.len();
        if count != 0 {
            let (start, end) =
                self.model.borrow_mut().ranges.swap_remove(usize::from(which) % count);
            let at = |word: usize| self.static_base + 4 * word as u32;
            self.host.remove_roots(at(start), at(end)).expect("a range that was added");
        }
    }

    fn check_no_table(&self, why: Failure) {
        assert_eq!(why.code, ErrorCode::HeapExhausted);
        assert!(self.is_full(1), "no table with blocks free");
    }

    fn is_object(&self, word: u32) -> bool {
        self.model.borrow().objects.contains_key(&word)
    }

    fn pin(&self, word: Word) {
        let word = self.resolve(word);
        match self.host.pin(word) {
            Ok(()) => {
                assert!(self.is_object(word), "pinned {word:#x}");
                *self.model.borrow_mut().pins.entry(word).or_default() += 1;
            }
            Err(why) if self.is_object(word) => self.check_no_table(why),
            Err(why) => assert_eq!(why, Failure::new(ErrorCode::NotAnObject, word)),
        }
    }

    fn unpin(&self, word: Word) {
        let word = self.resolve(word);
        let result = self.host.unpin(word);
        let expected = if self.is_object(word) {
            let mut model = self.model.borrow_mut();
            match model.pins.get_mut(&word) {
                Some(1) => {
                    model.pins.remove(&word);
                    Ok(())
                }
                Some(count) => {
                    *count -= 1;
                    Ok(())
                }
                None => Err(Failure::new(ErrorCode::UnpinUnderflow, word)),
            }
        } else {
            Err(Failure::new(ErrorCode::NotAnObject, word))
        };
        assert_eq!(result, expected, "unpin {word:#x}");
    }

    fn register(&self, object: Word, kind: u32, external: u32) {
        let ptr = self.resolve(object);
        let known = self.is_object(ptr);
        let handle = self.model.borrow().handles.len() as u32;
        // The number is taken now: the host may register others on the way.
        self.model.borrow_mut().handles.push(Handle { kind, external, state: HandleState::Told });
        let taken = known && self.model.borrow().objects[&ptr].handle.is_some();
        let in_flight = if known { InFlight::Known(ptr) } else { InFlight::Nothing };
        let call = self.call(in_flight, None, None, |host| {
            host.try_register_sized(ptr, kind, handle, external)
        });
        let mut model = self.model.borrow_mut();
        let registered = model.handles_in(HandleState::Registered);
        let limit = model.option(GcOption::WrapLimit);
        let expected = if !known {
            Err(Failure::new(ErrorCode::NotAnObject, ptr))
        } else if model.objects[&ptr].handle.is_some() {
            Err(Failure::new(ErrorCode::AlreadyRegistered, ptr))
        } else if registered >= u64::from(limit) {
            assert_ne!(call.collections, 0, "the table is full, and nothing was collected");
            Err(Failure::new(ErrorCode::WrapTableFull, limit))
        } else {
            Ok(())
        };
        assert_eq!(call.result, expected, "register {ptr:#x}");
        if call.result.is_ok() {
            model.handles[handle as usize].state = HandleState::Registered;
            model.objects.get_mut(&ptr).expect("known").handle = Some(handle);
            model.counts.registered += 1;
            model.counts.peak = model.counts.peak.max(registered + 1);
        }
        drop(model);
        if known && !taken && self.must_collect() {
            assert_ne!(call.collections, 0, "EAGER is 1");
        }
    }

    fn release(&self, word: Word) {
        let ptr = self.resolve(word);
        let handle = self.model.borrow_mut().objects.get_mut(&ptr).map(|o| o.handle.take());
        if let Some(Some(handle)) = handle {
            self.model.borrow_mut().handles[handle as usize].state = HandleState::Dead;
        }
        let in_flight = handle.map_or(InFlight::Nothing, |_| InFlight::Known(ptr));
        let call = self.call(in_flight, None, handle.flatten(), |host| host.release(ptr));
        let expected = match handle {
            None => Err(Failure::new(ErrorCode::NotAnObject, ptr)),
            Some(handle) => Ok(handle.is_some()),
        };
        assert_eq!(call.result, expected, "release {ptr:#x}");
        if let Some(Some(handle)) = handle {
            let state = self.model.borrow().handles[handle as usize].state;
            assert_eq!(state, HandleState::Told, "release tells the host at once");
        }
    }

    fn look_up(&self, word: Word) {
        let ptr = self.resolve(word);
        let entry = self.host.wrapper_entry(ptr);
        let model = self.model.borrow();
        let known = model.objects.get(&ptr).and_then(|object| object.handle);
        let expected = known.map(|handle| (model.handles[handle as usize].kind, handle));
        assert_eq!(entry, expected, "the entry of {ptr:#x}");
    }

    fn collect(&self) {
        let notifies = self.model.borrow().option(GcOption::Notify) == 1;
        let nested = self.host.depth() != 0;
        if nested {
            // As in `notify.rs`, but that this one does not forget a refusal when the next wrapper's turn comes.
            const MUCH: u64 = 16;
            let counts = &mut self.model.borrow_mut().counts;
            let allocated = counts.allocated_objects;
            counts.nested += 1;
            let believable = counts.allocated_at_nested.is_some_and(|at| allocated >= at + MUCH);
            if believable {
                counts.believable += 1;
            } else {
                counts.allocated_at_nested = Some(allocated);
            }
        }
        let call = self.call(InFlight::Nothing, None, None, |host| host.collect());
        if nested {
            return;
        }
        assert_ne!(call.collections, 0, "gc_collect collects");
        let dead = self.model.borrow().handles_in(HandleState::Dead);
        assert!(dead == 0 || !notifies, "all are told");
        assert!(notifies || !call.callbacks, "none is told");
        if call.callbacks {
            return;
        }
        self.check_blocks();
        if self.model.borrow().option(GcOption::Poison) == 1 {
            for dead in &call.dead {
                let content = self.host.bytes(dead.base, dead.cell);
                assert!(content == vec![POISON; dead.cell as usize], "freed, and not poisoned");
            }
        }
    }

    fn foreign_grow(&self, pages: u32) {
        if let Some(first) = self.host.foreign_grow(pages) {
            self.host.fill(first << 16, pages << 16, 0xF0);
            self.foreign.borrow_mut().push((first, pages));
        }
    }
}
