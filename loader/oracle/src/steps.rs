//! The operations: each is done by the runtime and by the model, and the results are compared.

use runtime::addr::PAGE_SIZE;
use runtime::error::{ErrorCode, Failure};
use runtime::options::{GcOption, OPTIONS};

use crate::machine::{Machine, Step, Stop, equal, fault};
use crate::model::{HandleState, InFlight};
use crate::program::{How, Name, Op, STATIC_WORDS, Word};
use crate::runner::{FOREIGN, Frame, Runner, slots};

impl Runner {
    /// Does one operation.
    pub(crate) fn step(&self, m: &mut dyn Machine, op: &Op) -> Step<()> {
        self.state().coverage.op(op);
        match *op {
            Op::Alloc { name, how, size } => self.alloc(m, Some(name), how, size).map(drop),
            Op::Fan { name, count, size } => self.fan(m, name, count, size),
            Op::Comb { name, count, size } => self.comb(m, name, count, size),
            Op::Burst { count, size, kind, handle } => {
                let end = self.tired();
                for handle in (handle..).take(count as usize) {
                    if self.state().model.counts.collections > end {
                        break;
                    }
                    let Some(object) = self.alloc(m, None, How::Alloc, size)? else { break };
                    if !self.register(m, Word::Number(object), (kind, handle), None, false)? {
                        break;
                    }
                }
                Ok(())
            }
            Op::Push(value) => self.resolve(value).map_or(Ok(()), |value| self.push(m, value)),
            Op::Set { slot, value } => self.set(m, slot as usize, value),
            Op::Pop(count) => self.pop(m, count as usize),
            Op::Store { object, word, value } => self.store(m, object, word, value),
            Op::Static { word, value } => self.write_static(m, word, value),
            Op::AddRoots(start, end) => self.add_roots(m, start, end),
            Op::RemoveRoots(start, end) => self.remove_roots(m, start, end),
            Op::Pin(word) => self.pin(m, word),
            Op::Unpin(word) => self.unpin(m, word),
            Op::Register { object, kind, handle, external } => {
                self.register(m, object, (kind, handle), external, false).map(drop)
            }
            Op::TryRegister { object, kind, handle } => {
                self.register(m, object, (kind, handle), None, true).map(drop)
            }
            Op::Release(word) => self.release(m, word),
            Op::Collect => self.collect(m),
            Op::Notify(most) => self.notify(m, most),
            Op::Shutdown => self.shutdown(m),
            Op::Configure(option, value) => self.configure(m, option, value),
            Op::Init(bytes) => self.init(m, bytes),
            Op::Grow(pages) => self.grow(m, pages),
            Op::Limit(pages) => {
                m.limit(pages);
                self.state().most_pages = pages;
                Ok(())
            }
            Op::Ask(word) => self.ask(m, word),
            Op::CollectWithSp(sp) => self.collect_with_sp(m, sp),
            // The runtime sets it when the heap is first used.
            Op::CollectWithoutGuard if self.state().model.counts.allocated_objects == 0 => Ok(()),
            Op::CollectWithoutGuard => {
                let sp = m.sp();
                self.collect_unsound(m, sp, |m| m.write(m.stack_limit(), 0x1234_5678))
            }
            Op::Trap if self.depth() == 0 => Ok(()),
            Op::Trap => Err(Stop::HostTrap),
        }
    }

    /// The number of collections after which an operation that allocates many objects ends early: where each collects,
    /// all of them together take too long.
    fn tired(&self) -> u64 {
        self.state().model.counts.collections + 100
    }

    fn fan(&self, m: &mut dyn Machine, name: Name, count: u32, size: u32) -> Step<()> {
        let Some(holder) = self.alloc(m, Some(name), How::Alloc, count.saturating_mul(4))? else {
            return Ok(());
        };
        self.push(m, holder)?;
        let end = self.tired();
        for word in 0..count {
            if self.state().model.counts.collections > end {
                break;
            }
            let Some(object) = self.alloc(m, None, How::Alloc, size)? else { break };
            self.store(m, name, word, Word::Number(object))?;
        }
        Ok(())
    }

    fn comb(&self, m: &mut dyn Machine, name: Name, count: u32, size: u32) -> Step<()> {
        let slot = self.state().model.stack.len();
        self.push(m, 0)?;
        let end = self.tired();
        for _ in 0..count {
            if self.state().model.counts.collections > end {
                break;
            }
            let next = self.resolve(Word::Object(name, 0)).unwrap_or(0);
            let Some(node) = self.alloc(m, Some(name), How::Alloc, 8)? else { break };
            self.store(m, name, 1, Word::Number(next))?;
            self.set(m, slot, Word::Number(node))?;
            let Some(tooth) = self.alloc(m, None, How::Alloc, size)? else { break };
            self.store(m, name, 0, Word::Number(tooth))?;
        }
        Ok(())
    }

    fn push(&self, m: &mut dyn Machine, value: u32) -> Step<()> {
        let sp = m.sp();
        if sp == m.stack_limit() {
            return Ok(());
        }
        m.write(sp, value)?;
        m.set_sp(sp + 4);
        self.state().model.stack.push(value);
        Ok(())
    }

    fn set(&self, m: &mut dyn Machine, slot: usize, value: Word) -> Step<()> {
        let value = self.resolve(value).unwrap_or(0);
        let mut state = self.state();
        if state.is_marker(slot) {
            return Ok(());
        }
        let Some(held) = state.model.stack.get_mut(slot) else { return Ok(()) };
        *held = value;
        m.write(m.stack_base() + 4 * slots(slot), value)
    }

    fn pop(&self, m: &mut dyn Machine, count: usize) -> Step<()> {
        let mut state = self.state();
        let height = state.model.stack.len();
        let height = height.saturating_sub(count).max(state.floor());
        state.model.stack.truncate(height);
        m.set_sp(m.stack_base() + 4 * slots(height));
        Ok(())
    }

    fn store(&self, m: &mut dyn Machine, object: Name, word: u32, value: Word) -> Step<()> {
        let (Some(base), value) =
            (self.resolve(Word::Object(object, 0)), self.resolve(value).unwrap_or(0))
        else {
            return Ok(());
        };
        let mut state = self.state();
        // A name may have outlived its object. No program writes where nothing is, or to what nobody has been given.
        if state.model.hidden.contains(&base) {
            return Ok(());
        }
        let Some(object) = state.model.objects.get_mut(&base) else { return Ok(()) };
        let at = word % (object.bytes() / 4) * 4;
        object.content[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
        m.write(base + at, value)
    }

    fn write_static(&self, m: &mut dyn Machine, word: u32, value: Word) -> Step<()> {
        let value = self.resolve(value).unwrap_or(0);
        let mut state = self.state();
        let words = STATIC_WORDS.min(state.program.statics / 4);
        if words == 0 {
            return Ok(());
        }
        let word = word % words;
        state.model.statics[word as usize] = value;
        m.write(m.program_base() + 4 * word, value)
    }

    fn add_roots(&self, m: &mut dyn Machine, start: u32, end: u32) -> Step<()> {
        let base = m.program_base();
        let (start, end) = (base.wrapping_add(start), base.wrapping_add(end));
        let memory = u64::from(m.pages()) * u64::from(PAGE_SIZE);
        let bad = start >= end || (start | end) % 4 != 0 || u64::from(end) > memory;
        let words = STATIC_WORDS.min(self.state().program.statics / 4);
        if !bad && (start < base || end > base + 4 * words) {
            // The model does not know what is there.
            return Ok(());
        }
        let call =
            self.call(m, InFlight::Nothing, Frame::default(), |m| m.add_roots(start, end))?;
        self.no_safepoint("gc_add_roots", &call)?;
        match call.result {
            Ok(()) if !bad => {
                let mut state = self.state();
                state.model.ranges.push((start, end));
                Ok(())
            }
            Err(why) if !bad => self.expect_no_table(m, why),
            result => equal("gc_add_roots", result, Err(Failure::new(ErrorCode::BadRange, start))),
        }
    }

    fn remove_roots(&self, m: &mut dyn Machine, start: u32, end: u32) -> Step<()> {
        let base = m.program_base();
        let (start, end) = (base.wrapping_add(start), base.wrapping_add(end));
        let call =
            self.call(m, InFlight::Nothing, Frame::default(), |m| m.remove_roots(start, end))?;
        self.no_safepoint("gc_remove_roots", &call)?;
        let mut state = self.state();
        let ranges = &mut state.model.ranges;
        let expected = match ranges.iter().position(|&range| range == (start, end)) {
            Some(index) => {
                ranges.swap_remove(index);
                Ok(())
            }
            None => Err(Failure::new(ErrorCode::BadRange, start)),
        };
        equal("gc_remove_roots", call.result, expected)
    }

    /// What an operation takes an address for: an object that is known from now on if it is one.
    fn address(&self, m: &mut dyn Machine, word: Word) -> Step<Option<u32>> {
        self.find_in_flight(m)?;
        Ok(self.resolve(word))
    }

    fn pin(&self, m: &mut dyn Machine, word: Word) -> Step<()> {
        let Some(ptr) = self.address(m, word)? else { return Ok(()) };
        let call = self.call(m, InFlight::Nothing, Frame::default(), |m| m.pin(ptr))?;
        self.no_safepoint("gc_pin", &call)?;
        let known = self.state().model.objects.contains_key(&ptr);
        match call.result {
            Ok(()) if known => {
                *self.state().model.pins.entry(ptr).or_default() += 1;
                Ok(())
            }
            Err(why) if known => self.expect_no_table(m, why),
            result => equal("gc_pin", result, Err(Failure::new(ErrorCode::NotAnObject, ptr))),
        }
    }

    fn unpin(&self, m: &mut dyn Machine, word: Word) -> Step<()> {
        let Some(ptr) = self.address(m, word)? else { return Ok(()) };
        let call = self.call(m, InFlight::Nothing, Frame::default(), |m| m.unpin(ptr))?;
        self.no_safepoint("gc_unpin", &call)?;
        let mut state = self.state();
        let model = &mut state.model;
        let expected = match model.pins.get_mut(&ptr) {
            Some(count) => {
                *count -= 1;
                if *count == 0 {
                    model.pins.remove(&ptr);
                }
                Ok(())
            }
            None if model.objects.contains_key(&ptr) => {
                Err(Failure::new(ErrorCode::UnpinUnderflow, ptr))
            }
            None => Err(Failure::new(ErrorCode::NotAnObject, ptr)),
        };
        equal("gc_unpin", call.result, expected)
    }

    fn release(&self, m: &mut dyn Machine, word: Word) -> Step<()> {
        let Some(ptr) = self.address(m, word)? else { return Ok(()) };
        let known = {
            let mut state = self.state();
            let model = &mut state.model;
            let handle = model.objects.get_mut(&ptr).map(|object| object.handle.take());
            if let Some(handle) = handle.flatten() {
                model.handles.set(handle, HandleState::Dead);
            }
            handle
        };
        let in_flight = known.map_or(InFlight::Nothing, |_| InFlight::Known(ptr));
        let frame = Frame { releases: known.flatten(), ..Frame::default() };
        let call = self.call(m, in_flight, frame, |m| m.release(ptr))?;
        self.no_safepoint("release_wrapper", &call)?;
        let expected = match known {
            None => Err(Failure::new(ErrorCode::NotAnObject, ptr)),
            Some(handle) => Ok(u32::from(handle.is_some())),
        };
        equal("release_wrapper", call.result, expected)?;
        let state = self.state();
        match known.flatten().map(|handle| (handle, state.model.handles.state(handle))) {
            Some((handle, Some(HandleState::Dead))) => {
                fault(format!("release_wrapper has not told the host of handle {handle}"))
            }
            _ => Ok(()),
        }
    }

    /// Asks for the notification of dead handles, which waits for that with NOTIFY=0.
    fn notify(&self, m: &mut dyn Machine, most: u32) -> Step<()> {
        let frame = Frame { asks: true, ..Frame::default() };
        let call = self.call(m, InFlight::Nothing, frame, |m| m.notify(most))?;
        self.no_safepoint("gc_notify", &call)?;
        let left = u32::try_from(self.state().model.handles.dead).unwrap_or(u32::MAX);
        equal("what gc_notify leaves", call.result, Ok(left))?;
        if call.callbacks && most == 0 {
            return fault("gc_notify(0) notifies the host");
        }
        if self.depth() == 0 && most == u32::MAX {
            return equal("handles that gc_notify leaves, of all", left, 0);
        }
        Ok(())
    }

    fn shutdown(&self, m: &mut dyn Machine) -> Step<()> {
        self.state().model.kill_handles();
        let frame = Frame { asks: true, ..Frame::default() };
        let call = self.call(m, InFlight::Nothing, frame, |m| m.shutdown())?;
        self.no_safepoint("gc_shutdown", &call)?;
        equal("gc_shutdown", call.result, Ok(()))?;
        let left = self.state().model.handles.dead;
        equal("handles that gc_shutdown has not told", left, 0)
    }

    fn configure(&self, m: &mut dyn Machine, option: u32, value: u32) -> Step<()> {
        let mut state = self.state();
        let found = m.configure(option, value)?;
        let row = OPTIONS.get(option as usize);
        let expected = match row.filter(|row| (row.min..=row.max).contains(&value)) {
            None => -1,
            Some(row) => {
                let old = std::mem::replace(&mut state.model.options[row.option as usize], value);
                let state = &mut *state;
                state.pace.configured(option, &state.model);
                old.cast_signed()
            }
        };
        equal(format_args!("the old value of option {option}"), found, expected)
    }

    fn init(&self, m: &mut dyn Machine, bytes: u32) -> Step<()> {
        let base = m.program_base();
        let end = base.wrapping_add(bytes);
        let known = {
            let state = self.state();
            let in_use = state.model.counts.allocated_objects != 0;
            state.static_end.or(in_use.then_some(base))
        };
        // The first one is the program's own, before anything else.
        let Some(known) = known else { return Ok(()) };
        let call = self.call(m, InFlight::Nothing, Frame::default(), |m| m.init(end))?;
        self.no_safepoint("gc_init", &call)?;
        let expected = if end.max(base) == known {
            self.state().static_end = Some(known);
            Ok(())
        } else {
            Err(Failure::new(ErrorCode::InitTwice, known))
        };
        equal("gc_init", call.result, expected)
    }

    fn grow(&self, m: &mut dyn Machine, pages: u32) -> Step<()> {
        if let Some(first) = m.grow(pages)
            && pages != 0
        {
            m.fill(first << 16, pages << 16, FOREIGN)?;
            self.state().foreign.push((first, pages));
        }
        Ok(())
    }

    fn ask(&self, m: &mut dyn Machine, word: Word) -> Step<()> {
        let Some(at) = self.address(m, word)? else { return Ok(()) };
        let state = self.state();
        let base = state.model.base_of(at);
        let bytes = base.map_or(0, |base| state.model.objects[&base].bytes());
        equal(format_args!("gc_base({at:#x})"), m.base(at)?, base.unwrap_or(0))?;
        equal(format_args!("gc_size({at:#x})"), m.size(at)?, bytes)?;
        let object = state.model.objects.get(&at);
        let entry = object.and_then(|object| object.handle).and_then(|handle| {
            let kind = state.model.handles.kind(handle)?;
            Some((kind, handle))
        });
        equal(format_args!("gc_wrapper({at:#x})"), m.wrapper(at)?, entry)
    }

    fn collect_with_sp(&self, m: &mut dyn Machine, sp: u32) -> Step<()> {
        if sp >= m.stack_base() && sp <= m.stack_limit() && sp.is_multiple_of(4) {
            return Ok(());
        }
        self.collect_unsound(m, sp, |_| Ok(()))
    }

    /// Spoils the shadow stack and asks for a collection, which says so.
    fn collect_unsound(
        &self,
        m: &mut dyn Machine,
        sp: u32,
        spoil: impl FnOnce(&mut dyn Machine) -> Step<()>,
    ) -> Step<()> {
        // In a callback, and after one that trapped, gc_sp tells the runtime how deep it is.
        if self.depth() != 0 || self.state().stale {
            return Ok(());
        }
        let before = m.sp();
        spoil(m)?;
        m.set_sp(sp);
        let call = self.call(m, InFlight::Nothing, Frame::default(), |m| m.collect())?;
        m.set_sp(before);
        let expected = Err(Failure::new(ErrorCode::ShadowStackOverflow, sp));
        equal("gc_collect with a spoilt shadow stack", call.result, expected)?;
        equal("its collections", call.collections, 0)
    }

    /// Tells whether a word is the address of an object, and whether that stands for a handle.
    pub(crate) fn wrapper(&self, ptr: u32) -> (bool, Option<u32>) {
        let state = self.state();
        let object = state.model.objects.get(&ptr);
        (object.is_some(), object.and_then(|object| object.handle))
    }

    /// Tells whether EAGER makes the next allocation or registration collect.
    pub(crate) fn tick(&self) -> bool {
        let nested = self.depth() != 0;
        let mut state = self.state();
        let state = &mut *state;
        state.pace.tick(&state.model, nested)
    }

    /// The value of an option.
    pub(crate) fn option(&self, option: GcOption) -> u32 {
        self.state().model.option(option)
    }
}
