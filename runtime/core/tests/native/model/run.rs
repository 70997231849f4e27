//! Runs a program on the runtime and on the model, and compares them after each step.
//!
//! The host's callback runs steps of its own, which may lead to more callbacks; so this code is
//! re-entered, and holds no borrow of the model while the runtime runs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;
use crate::memory::trap;
use crate::model::ops::{Op, Program, Script, Word};
use crate::model::state::{Dead, HandleState, InFlight, Model};

/// Callbacks deeper than this do nothing.
const MAX_DEPTH: u32 = 3;
/// Words of static data that programs write to.
pub(crate) const STATIC_WORDS: usize = 64;
/// Bytes of static data; the rest of them must stay as they are.
pub(crate) const STATIC_BYTES: u32 = 5000;

/// A call of the runtime in progress.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Where the runtime's marker on the shadow stack is, once the host has been told something.
    marker: Option<usize>,
    /// Whether the call allocates an object, and if so, whether without pointers.
    allocates: Option<bool>,
    /// The handle that the call releases.
    releases: Option<u32>,
    /// Whether the call may tell the host of others.
    notifies: bool,
}

/// What is known of a call that is over.
pub(crate) struct Outcome<T> {
    pub(crate) result: T,
    /// What its collections freed, but for those inside callbacks.
    pub(crate) dead: Vec<Dead>,
    pub(crate) collections: u64,
    pub(crate) callbacks: bool,
    /// Whether the allocation is in the model already.
    pub(crate) in_flight: InFlight,
}

pub(crate) struct Runner {
    pub(crate) host: TestHost,
    pub(crate) model: RefCell<Model>,
    pub(crate) static_base: u32,
    pub(crate) max_pages: u32,
    /// Pages before the first use of the heap, which are not the heap's.
    first_pages: Cell<u32>,
    pub(crate) refusing: Cell<bool>,
    /// Pages that somebody else grew: (first, count).
    pub(crate) foreign: RefCell<Vec<(u32, u32)>>,
    scripts: RefCell<VecDeque<Script>>,
    frames: RefCell<Vec<Frame>>,
    /// The stack's height at the start of each callback in progress.
    floors: RefCell<Vec<usize>>,
    /// Whether some script traps, so that in-flight objects must be found.
    traps: bool,
}

impl Runner {
    fn new(program: &Program) -> Rc<Self> {
        let host = TestHost::with_pages(program.max_pages);
        let static_base = host.regions().program_base.get();
        Rc::new_cyclic(|this: &Weak<Self>| {
            let this = this.clone();
            host.on_decref(move |_, kind, handle| {
                this.upgrade().expect("a running program").told(kind, handle);
            });
            Self {
                host,
                model: RefCell::new(Model::new(STATIC_WORDS)),
                static_base,
                max_pages: program.max_pages,
                first_pages: Cell::new(0),
                refusing: Cell::new(false),
                foreign: RefCell::new(Vec::new()),
                scripts: RefCell::new(program.scripts.clone().into()),
                frames: RefCell::new(Vec::new()),
                floors: RefCell::new(Vec::new()),
                traps: program.scripts.iter().any(|script| script.traps),
            }
        })
    }

    /// Runs a program to its end, and shuts down.
    pub(crate) fn run(program: &Program) {
        let runner = Self::new(program);
        let static_end = runner.static_base + STATIC_BYTES;
        runner.host.init(static_end).expect("the first init");
        runner.first_pages.set(runner.host.pages());
        runner.host.fill(runner.static_base, STATIC_BYTES, 0x5A);
        runner.host.fill(runner.static_base, 4 * STATIC_WORDS as u32, 0);
        for &(option, value) in &program.options {
            runner.step(&Op::Configure(option, value));
        }
        for op in &program.ops {
            runner.guarded(op);
            runner.check();
        }
        runner.scripts.borrow_mut().clear();
        for op in [Op::Collect, Op::Shutdown, Op::Pop(u8::MAX), Op::Collect] {
            runner.step(&op);
            runner.check();
        }
        let told = runner.model.borrow().handles_in(HandleState::Told);
        assert_eq!(told as usize, runner.model.borrow().handles.len(), "all handles are told");
    }

    /// Runs a step; a trap in it ends the step, and `gc_sp` is what it was.
    fn guarded(&self, op: &Op) {
        let (frames, floors) = (self.frames.borrow().len(), self.floors.borrow().len());
        let (calls, stack) = {
            let model = self.model.borrow();
            (model.calls.len(), model.stack.len())
        };
        if self.host.catch(|_| self.step(op)).is_err() {
            self.frames.borrow_mut().truncate(frames);
            self.floors.borrow_mut().truncate(floors);
            let mut model = self.model.borrow_mut();
            model.calls.truncate(calls);
            model.stack.truncate(stack);
        }
    }

    /// The host is told of a handle.
    fn told(&self, kind: u32, handle: u32) {
        self.sync();
        {
            let frames = self.frames.borrow();
            let frame = frames.last().expect("a call");
            let may = frame.notifies || frame.marker.is_some() || frame.releases == Some(handle);
            assert!(may, "told of handle {handle}, which NOTIFY leaves queued");
        }
        self.enter_level();
        self.note_in_flight();
        {
            let mut model = self.model.borrow_mut();
            let frames = self.frames.borrow();
            let released = frames.last().expect("a call").releases == Some(handle);
            let entry = model.handles.get_mut(handle as usize).expect("a handle that exists");
            assert_eq!(entry.kind, kind, "the kind of handle {handle}");
            assert!(
                entry.state == HandleState::Dead || released,
                "told of handle {handle}, which is {:?}",
                entry.state
            );
            entry.state = HandleState::Told;
        }
        self.check();
        if self.host.depth() > MAX_DEPTH {
            return;
        }
        let script = self.scripts.borrow_mut().pop_front();
        if let Some(script) = script {
            self.run_script(&script);
        }
    }

    fn run_script(&self, script: &Script) {
        let floor = self.model.borrow().stack.len();
        self.floors.borrow_mut().push(floor);
        for op in &script.ops {
            if script.catches {
                self.guarded(op)
            } else {
                self.step(op)
            }
            self.check();
        }
        if script.traps {
            trap();
        }
        self.floors.borrow_mut().pop();
    }

    /// The first callback of a call finds a null root above the roots that were there.
    fn enter_level(&self) {
        let mut frames = self.frames.borrow_mut();
        let frame = frames.last_mut().expect("a call");
        if frame.marker.is_none() {
            let mut model = self.model.borrow_mut();
            frame.marker = Some(model.stack.len());
            let marker = self.host.read(self.host.sp() - 4);
            model.stack.push(marker);
        }
    }

    /// The object that the current call has allocated, and not returned yet, is counted.
    fn note_in_flight(&self) {
        let frames = self.frames.borrow();
        let mut model = self.model.borrow_mut();
        let noted = *model.calls.last().expect("a call") != InFlight::Nothing;
        let cell = (self.host.stat(Stat::AllocatedBytes) - model.counts.allocated_bytes) as u32;
        if noted || cell == 0 {
            return;
        }
        let atomic = frames.last().expect("a call").allocates.expect("an allocation");
        model.count_allocated(cell);
        *model.calls.last_mut().expect("a call") = InFlight::Unknown(cell);
        if self.traps {
            // It will never be returned if the host traps, and a word may point to it.
            let base = self.find_unknown(&model, cell);
            model.add_object(base, self.host.bytes(base, cell), atomic);
            model.hidden.insert(base);
            *model.calls.last_mut().expect("a call") = InFlight::Known(base);
        }
    }

    /// The one object of this size that the model has not heard of.
    fn find_unknown(&self, model: &Model, cell: u32) -> u32 {
        let (first, end) = (self.static_base >> 14, self.host.pages() * 4);
        let starts = (first..end).flat_map(|block| {
            let cells = (16_384 / cell).max(1);
            (0..cells).map(move |index| (block << 14) + index * cell)
        });
        let is_unknown = |&at: &u32| !model.objects.contains_key(&at) && self.host.is_object(at);
        let mut found = starts.filter(is_unknown).filter(|&at| self.host.size(at) == cell);
        let base = found.next().expect("the object in flight");
        assert_eq!(found.next(), None, "one object in flight");
        base
    }

    /// If there was a collection since the last look, does the same in the model.
    fn sync(&self) -> Vec<Dead> {
        let collections = self.host.stat(Stat::Collections);
        let mut model = self.model.borrow_mut();
        if collections == model.counts.collections {
            return Vec::new();
        }
        model.counts.collections = collections;
        model.collect()
    }

    /// Calls the runtime.
    pub(crate) fn call<T>(
        &self,
        in_flight: InFlight,
        allocates: Option<bool>,
        releases: Option<u32>,
        call: impl FnOnce(&TestHost) -> T,
    ) -> Outcome<T> {
        let notifies = self.model.borrow().option(GcOption::Notify) == 1;
        let frame = Frame { marker: None, allocates, releases, notifies };
        self.call_in(frame, in_flight, call)
    }

    /// Calls the runtime to notify the host.
    pub(crate) fn call_notifying<T>(&self, call: impl FnOnce(&TestHost) -> T) -> Outcome<T> {
        self.call_in(Frame { notifies: true, ..Frame::default() }, InFlight::Nothing, call)
    }

    fn call_in<T>(
        &self,
        frame: Frame,
        in_flight: InFlight,
        call: impl FnOnce(&TestHost) -> T,
    ) -> Outcome<T> {
        let before = self.model.borrow().counts.collections;
        self.model.borrow_mut().calls.push(in_flight);
        self.frames.borrow_mut().push(frame);
        let result = call(&self.host);
        let dead = self.sync();
        let frame = self.frames.borrow_mut().pop().expect("this call");
        let mut model = self.model.borrow_mut();
        if let Some(marker) = frame.marker
            && model.stack.len() == marker + 1
        {
            model.stack.pop();
        }
        let in_flight = model.calls.pop().expect("this call");
        let collections = model.counts.collections - before;
        Outcome { result, dead, collections, callbacks: frame.marker.is_some(), in_flight }
    }

    /// The lowest slot that the current callback may pop.
    pub(crate) fn floor(&self) -> usize {
        self.floors.borrow().last().copied().unwrap_or(0)
    }

    /// The slots of the shadow stack that are not markers.
    pub(crate) fn slots(&self) -> Vec<usize> {
        let markers: Vec<_> = self.frames.borrow().iter().filter_map(|f| f.marker).collect();
        let slots = 0..self.model.borrow().stack.len();
        slots.filter(|slot| !markers.contains(slot)).collect()
    }

    /// What a word is now.
    pub(crate) fn resolve(&self, word: Word) -> u32 {
        let model = self.model.borrow();
        let base = |index: u16| {
            let count = (model.objects.len() - model.hidden.len()).max(1);
            let mut known = model.objects.iter().filter(|&(base, _)| !model.hidden.contains(base));
            known.nth(usize::from(index) % count)
        };
        match word {
            // Far above the heap, or the null guard.
            Word::Number(number) if number % 2 == 0 => 0x8000_0000 | u32::from(number),
            Word::Number(number) => u32::from(number),
            Word::Base(index) => base(index).map_or(0, |(&base, _)| base),
            Word::Inside(index, at) => {
                base(index).map_or(0, |(&base, object)| base + u32::from(at) % object.cell())
            }
            Word::Grave(index) => {
                let graves = model.graves.len().max(1);
                let grave = model.graves.get(usize::from(index) % graves).copied().unwrap_or(0);
                // An object that nobody has heard of is nobody's business.
                let known = model.base_of(grave).is_some_and(|base| !model.hidden.contains(&base));
                if !known && self.host.base(grave) != 0 { 0 } else { grave }
            }
        }
    }

    /// Whether the heap can't have `count` more blocks in a row.
    pub(crate) fn is_full(&self, count: u32) -> bool {
        let model = self.model.borrow();
        let used = (self.host.stat(Stat::HeapBytes) >> 14) as u32;
        let limit = model.option(GcOption::HeapLimit);
        if limit != 0 && used + count > limit >> 14 {
            return true;
        }
        let pages = self.host.pages();
        let foreign: u32 = self.foreign.borrow().iter().map(|&(_, count)| count).sum();
        let free = (pages - foreign - self.first_pages.get()) * 4 - used;
        let most = self.max_pages.min(model.option(GcOption::MaxPages));
        let needed = (count + count / 31 + 2).div_ceil(4);
        let stuck = self.refusing.get() || pages + needed > most;
        // Several blocks in a row may be missing where that many are free.
        stuck && (free < count || count > 1)
    }
}
