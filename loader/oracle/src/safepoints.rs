//! The operations that may collect: allocation, registration, and collections that are asked for.

use runtime::addr::{BLOCK_SIZE, BLOCKS_PER_PAGE, blocks_for};
use runtime::error::{ErrorCode, Failure};
use runtime::options::GcOption;
use runtime::size_class::{MAX_CELLS, MAX_SMALL};
use runtime::stats::Stat;

use crate::machine::{Machine, Step, Stop, equal, fault};
use crate::model::{Handle, HandleState, InFlight};
use crate::program::{How, Name, Word};
use crate::runner::{Frame, Outcome, Runner};

/// Objects allocated after a refusal that make the runtime believe the next request: it may have missed a trap.
const BELIEVED_AFTER: u64 = 16;

impl Runner {
    /// A call that is no safepoint has not collected.
    pub(crate) fn no_safepoint<T>(&self, what: &str, call: &Outcome<T>) -> Step<()> {
        equal(format_args!("collections in {what}"), call.collections, 0)
    }

    /// Allocates an object; nothing if there is no memory.
    pub(crate) fn alloc(
        &self,
        m: &mut dyn Machine,
        name: Option<Name>,
        how: How,
        size: u32,
    ) -> Step<Option<u32>> {
        let atomic = how.is_atomic();
        if let Some(base) = self.take_inline(m, how, size)? {
            let call = Outcome::of(Ok(base));
            return self.note_new(m, &call, name, base, (size, atomic)).map(Some);
        }
        let eager = self.tick();
        // These look at the budget each time; others only now and then.
        let looks =
            self.depth() == 0 && (matches!(how, How::Try | How::TryAtomic) || size > MAX_SMALL);
        let (overdue, may_be_due) = self.due();
        // As things are before the call: the host's callback may change them.
        let code = self.code_without_memory(m, size);
        let is_roomy = self.is_roomy(m, size);
        let frame = Frame { allocates: Some(atomic), ..Frame::default() };
        let call = self.call(m, InFlight::Nothing, frame, |m| match how {
            How::Alloc | How::Inline => m.alloc(size),
            How::Atomic | How::InlineAtomic => m.alloc_atomic(size),
            How::Try | How::TryAtomic => m.try_alloc(size, atomic),
        })?;
        if call.collections == 0 && (eager || (looks && overdue)) {
            return fault(format!("a collection is due, and alloc({size}) does not collect"));
        }
        let base = match call.result {
            Ok(base) => base,
            Err(why) => {
                return self.expect_no_memory(m, &call, why, (code, size, atomic)).map(|()| None);
            }
        };
        if call.collections != 0 && !eager && !may_be_due && is_roomy {
            return fault(format!("alloc({size}) collects for no reason"));
        }
        self.note_new(m, &call, name, base, (size, atomic)).map(Some)
    }

    /// Takes a cell from the run that serves a size, as a program may without a call; nothing if the run is empty.
    fn take_inline(&self, m: &mut dyn Machine, how: How, size: u32) -> Step<Option<u32>> {
        if !matches!(how, How::Inline | How::InlineAtomic) {
            return Ok(None);
        }
        self.find_in_flight(m)?;
        let run = m.run(size, how.is_atomic())?;
        if run == 0 {
            return Ok(None);
        }
        let (next, end) = (m.word(run)?, m.word(run + 4)?);
        if next == end {
            return Ok(None);
        }
        if size > MAX_SMALL || self.option(GcOption::Eager) != 0 {
            return fault(format!("the run for {size} bytes is not empty"));
        }
        m.write(run, next.wrapping_add(m.word(run + 12)?))?;
        Ok(Some(next))
    }

    /// A new object: all that is promised of it, and the model has it too.
    fn note_new(
        &self,
        m: &mut dyn Machine,
        call: &Outcome<u32>,
        name: Option<Name>,
        base: u32,
        (size, atomic): (u32, bool),
    ) -> Step<u32> {
        self.check_new(m, call, base, size)?;
        let bytes = m.size(base)?;
        if atomic {
            // Not zeroed: give it a content of our own.
            m.fill(base, bytes, base.to_le_bytes()[1] | 1)?;
        }
        let content = m.bytes(base, bytes)?.to_vec();
        let mut state = self.state();
        let state = &mut *state;
        let fresh = state.model.rules.fresh;
        if !atomic && content.iter().any(|&byte| byte != fresh) {
            return fault(format!("alloc({size}) = {base:#x} is not filled with {fresh}"));
        }
        if call.in_flight == InFlight::Nothing {
            state.model.count_allocated(bytes);
            state.pace.allocated(bytes, atomic);
        }
        if let InFlight::Known(found) = call.in_flight {
            equal("the object that was in flight", base, found)?;
            state.model.hidden.remove(&base);
            if let Some(object) = state.model.objects.get_mut(&base) {
                object.content = content;
            }
        } else {
            state.model.add_object(base, content, atomic).map_err(Stop::Fault)?;
        }
        if let Some(name) = name {
            state.model.names.insert(name, base);
        }
        Ok(base)
    }

    /// The error of an allocation that fails.
    fn code_without_memory(&self, m: &dyn Machine, size: u32) -> ErrorCode {
        let state = self.state();
        let start = blocks_for(state.static_end.unwrap_or(0).max(m.program_base()));
        let most = state.model.option(GcOption::MaxPages) * BLOCKS_PER_PAGE;
        if size > MAX_SMALL && blocks_for(size) > most.saturating_sub(start) {
            ErrorCode::SizeTooLarge
        } else {
            ErrorCode::HeapExhausted
        }
    }

    /// Tells whether a collection must come now, and whether it may.
    fn due(&self) -> (bool, bool) {
        let state = self.state();
        let nested = !state.is_outside();
        (state.pace.is_overdue(&state.model), nested || state.pace.may_be_due(&state.model))
    }

    /// Checks the promises of an allocation, but for its content.
    fn check_new(
        &self,
        m: &mut dyn Machine,
        call: &Outcome<u32>,
        base: u32,
        size: u32,
    ) -> Step<()> {
        let what = format!("alloc({size}) = {base:#x}");
        let align = if size >= 16 { 16 } else { 8 };
        if base == 0 || !base.is_multiple_of(align) {
            return fault(format!("{what} is misaligned"));
        }
        let bytes = m.size(base)?;
        let end = u64::from(base) + u64::from(bytes);
        if bytes < size.max(1) || end > u64::from(m.pages()) << 16 {
            return fault(format!("{what} has {bytes} bytes"));
        }
        equal(
            format_args!("{what}: the base of its last byte"),
            m.base(base + (bytes - 1))?,
            base,
        )?;
        // Rather than fail, an allocation takes a larger cell, after a collection that did not help.
        let fair = match size {
            0..=64 => bytes <= size.next_multiple_of(16).max(8),
            65..=MAX_SMALL => (bytes - size) * 5 <= bytes * 2,
            _ => bytes == size.next_multiple_of(BLOCK_SIZE),
        };
        if !fair && call.collections == 0 {
            return fault(format!("{what} takes {bytes} bytes"));
        }
        let state = self.state();
        if base >> 16 < state.first_pages {
            return fault(format!("{what} is in pages that the runtime did not grow"));
        }
        let foreign = |&&(first, pages): &&(u32, u32)| {
            u64::from(base) < u64::from(first + pages) << 16 && end > u64::from(first) << 16
        };
        match state.foreign.iter().find(foreign) {
            Some(&(first, _)) => fault(format!("{what} is in page {first}, which is foreign")),
            None => Ok(()),
        }
    }

    /// An allocation may fail only after a collection, and if there is no room.
    fn expect_no_memory<T>(
        &self,
        m: &mut dyn Machine,
        call: &Outcome<T>,
        why: Failure,
        (code, size, atomic): (ErrorCode, u32, bool),
    ) -> Step<()> {
        if call.in_flight != InFlight::Nothing {
            return fault(format!("alloc({size}) fails, and has allocated something"));
        }
        equal("alloc", why, Failure::new(code, size))?;
        if code == ErrorCode::SizeTooLarge {
            return Ok(());
        }
        let state = self.state();
        if call.collections == 0 && state.model.has_garbage() {
            return fault(format!("alloc({size}) fails without a collection"));
        }
        drop(state);
        if call.callbacks {
            // The host may have freed memory after the failure.
            return Ok(());
        }
        if !self.is_full(m, blocks_for(size.max(1)))? {
            return fault(format!("alloc({size}) fails with blocks free"));
        }
        self.expect_no_cells(size, atomic)
    }

    /// Every block with cells that would do is full.
    fn expect_no_cells(&self, size: u32, atomic: bool) -> Step<()> {
        let state = self.state();
        let model = &state.model;
        let unknown = model.calls.iter().any(|call| matches!(call, InFlight::Unknown(_)));
        if size > MAX_SMALL || unknown {
            return Ok(());
        }
        for block in model.blocks() {
            let start = block * BLOCK_SIZE;
            let inside = model.objects.range(start..=start + (BLOCK_SIZE - 1));
            let alike = inside.filter(|(_, o)| o.atomic == atomic && o.bytes() <= MAX_SMALL);
            let cells: Vec<u32> = alike.map(|(_, object)| object.bytes()).collect();
            if let Some(&cell) = cells.first()
                && cell >= size
                && cells.len() < (BLOCK_SIZE / cell).min(MAX_CELLS) as usize
            {
                return fault(format!("alloc({size}) fails with cells of {cell} bytes free"));
            }
        }
        Ok(())
    }

    /// Blocks that the heap has and does not use, blocks in use, and pages of memory.
    fn room(&self, m: &mut dyn Machine) -> Step<(u32, u32, u32)> {
        let heap = m.stat(Stat::HeapBytes)? / u64::from(BLOCK_SIZE);
        let used = u32::try_from(heap).unwrap_or(u32::MAX);
        let state = self.state();
        let foreign: u32 = state.foreign.iter().map(|&(_, pages)| pages).sum();
        let pages = m.pages();
        let own = (pages - foreign - state.first_pages) * BLOCKS_PER_PAGE;
        match own.checked_sub(used) {
            Some(free) => Ok((free, used, pages)),
            None => fault(format!("HEAP_BYTES is {used} blocks; the heap has {own}")),
        }
    }

    /// Pages that memory can have.
    fn most_pages(&self) -> u32 {
        let state = self.state();
        state.most_pages.min(state.model.option(GcOption::MaxPages))
    }

    /// Tells whether the heap can't have `count` more blocks in a row.
    fn is_full(&self, m: &mut dyn Machine, count: u32) -> Step<bool> {
        let (free, used, pages) = self.room(m)?;
        let limit = self.option(GcOption::HeapLimit);
        if limit != 0 && used.saturating_add(count) > limit / BLOCK_SIZE {
            return Ok(true);
        }
        let most = self.most_pages();
        let needed = (count + count / 31 + 2).div_ceil(BLOCKS_PER_PAGE);
        // Several blocks in a row may be missing where that many are free.
        Ok(pages.saturating_add(needed) > most && (free < count || count > 1))
    }

    /// Tells whether memory is far from being used up, so that it is no reason to collect.
    fn is_roomy(&self, m: &dyn Machine, size: u32) -> bool {
        let wanted = blocks_for(size.max(1)) / 2 + 16;
        let pages = m.pages().saturating_add(wanted);
        self.option(GcOption::HeapLimit) == 0 && pages < self.most_pages()
    }

    /// A table could not be had.
    pub(crate) fn expect_no_table(&self, m: &mut dyn Machine, why: Failure) -> Step<()> {
        equal("a call that needs a table", why.code, ErrorCode::HeapExhausted)?;
        if self.is_full(m, 1)? { Ok(()) } else { fault("no table, with blocks free") }
    }

    /// Registers a wrapper; whether that was done.
    pub(crate) fn register(
        &self,
        m: &mut dyn Machine,
        object: Word,
        (kind, handle): (u32, u32),
        external: Option<u32>,
        tries: bool,
    ) -> Step<bool> {
        self.find_in_flight(m)?;
        let Some(ptr) = self.resolve(object) else { return Ok(false) };
        let (known, taken) = self.wrapper(ptr);
        let tried = known && taken.is_none();
        let must = tried && (self.tick() || (self.depth() == 0 && self.due().0));
        let in_flight = if known { InFlight::Known(ptr) } else { InFlight::Nothing };
        let call = self.call(m, in_flight, Frame::default(), |m| match external {
            None if tries => m.try_register(ptr, kind, handle),
            None => m.register(ptr, kind, handle),
            Some(bytes) => m.register_sized(ptr, kind, handle, bytes),
        })?;
        if must && call.collections == 0 {
            return fault("a collection is due, and register_wrapper does not collect");
        }
        if !tried && call.collections != 0 {
            return fault("register_wrapper collects before it has looked at the object");
        }
        let (_, taken) = self.wrapper(ptr);
        let registered = self.state().model.handles.registered;
        let limit = self.option(GcOption::WrapLimit);
        let most = u64::from(limit) + u64::from(self.state().model.rules.wrap_slack);
        let expected = if !known {
            Err(Failure::new(ErrorCode::NotAnObject, ptr))
        } else if taken.is_some() {
            Err(Failure::new(ErrorCode::AlreadyRegistered, ptr))
        } else if registered >= most {
            if call.collections == 0 && !call.callbacks {
                return fault("the wrap-table is full, and register_wrapper does not collect");
            }
            Err(Failure::new(ErrorCode::WrapTableFull, limit))
        } else if let Err(Failure { code: ErrorCode::HeapExhausted, arg }) = call.result {
            return self.expect_no_larger_table(m, arg).map(|()| false);
        } else {
            Ok(())
        };
        equal(format_args!("register_wrapper({ptr:#x})"), call.result, expected)?;
        if expected.is_ok() {
            let external = external.unwrap_or(0);
            let entry = Handle { kind, external, state: HandleState::Registered };
            let mut state = self.state();
            state.pace.registered(external);
            let model = &mut state.model;
            model.handles.insert(handle, entry);
            if let Some(object) = model.objects.get_mut(&ptr) {
                object.handle = Some(handle);
            }
            model.counts.registered += 1;
            model.counts.peak = model.counts.peak.max(registered + 1);
        }
        Ok(expected.is_ok())
    }

    fn expect_no_larger_table(&self, m: &mut dyn Machine, arg: u32) -> Step<()> {
        let capacity = m.stat(Stat::WrapCapacity)?;
        let entries = {
            let handles = &self.state().model.handles;
            handles.registered + handles.dead
        };
        equal("entries of a wrap-table that has to grow", capacity, entries)?;
        equal("the bytes it has to grow to", u64::from(arg), capacity * 32)?;
        if self.is_full(m, blocks_for(arg.max(1)))? {
            Ok(())
        } else {
            fault("the wrap-table does not grow, with blocks free")
        }
    }

    pub(crate) fn collect(&self, m: &mut dyn Machine) -> Step<()> {
        let nested = self.depth() != 0;
        let refused = {
            let mut state = self.state();
            let allocated = state.model.counts.allocated_objects;
            let believed = state.refused_at.is_some_and(|at| allocated >= at + BELIEVED_AFTER);
            let refused = nested && !believed;
            // It counts before it tells what is queued.
            state.model.counts.refused += u64::from(refused);
            refused
        };
        let queues = self.option(GcOption::Notify) == 0;
        let call = self.call(m, InFlight::Nothing, Frame::default(), |m| m.collect())?;
        equal("gc_collect", call.result, Ok(()))?;
        equal("collections in gc_collect", call.collections, u64::from(!refused))?;
        let mut state = self.state();
        if refused {
            state.refused_at = Some(state.model.counts.allocated_objects);
        }
        if !queues {
            equal("handles left to tell", state.model.handles.dead, 0)?;
        }
        if call.callbacks || refused {
            return Ok(());
        }
        drop(state);
        self.check_blocks(m)?;
        if self.option(GcOption::Poison) == 1 {
            let poison = self.state().model.rules.poison;
            for (base, bytes) in call.dead {
                if m.bytes(base, bytes)?.iter().any(|&byte| byte != poison) {
                    return fault(format!("{base:#x} is freed, and not poisoned"));
                }
            }
        }
        Ok(())
    }
}
