//! Runs a program on the runtime and on the model side by side.
//!
//! The host's callback runs operations of its own, which may lead to more callbacks. So this code is re-entered, and
//! never holds the state while the runtime may call back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::error::Failure;
use runtime::options::GcOption;
use runtime::stats::Stat;

use crate::coverage::Coverage;
use crate::generate::Generator;
use crate::machine::{Answer, Machine, Step, Stop, equal, fault};
use crate::model::{HandleState, InFlight, Model, Rules};
use crate::pace::Pace;
use crate::program::{Op, Program, STATIC_WORDS, Word};

/// Callbacks deeper than this do nothing.
const MAX_DEPTH: usize = 4;
/// The byte that fills static data where no program writes.
pub(crate) const UNTOUCHED: u8 = 0x5A;
/// The byte with which another allocator fills its pages.
pub(crate) const FOREIGN: u8 = 0xF0;

/// A call of the runtime in progress.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Set if the call allocates an object: `true` for one without pointers.
    pub(crate) allocates: Option<bool>,
    /// The call asks for the notification of dead handles.
    pub(crate) asks: bool,
    /// NOTIFY was 0 when the call began, and it asks for no notification.
    pub(crate) is_silent: bool,
    /// The handle that the call releases.
    pub(crate) releases: Option<u32>,
    /// The slot that the runtime has pushed, once the host has been told something.
    pub(crate) marker: Option<usize>,
    /// Collections, but for those inside callbacks.
    pub(crate) collections: u64,
}

/// The facts about a call that is over.
pub(crate) struct Outcome<T> {
    pub(crate) result: Answer<T>,
    /// Collections, but for those inside callbacks.
    pub(crate) collections: u64,
    pub(crate) callbacks: bool,
    /// The model's knowledge of the object that the call allocates.
    pub(crate) in_flight: InFlight,
    /// The objects that its last collection freed: address and bytes.
    pub(crate) dead: Vec<(u32, u32)>,
}

impl<T> Outcome<T> {
    /// Of what is done without a call.
    pub(crate) fn of(result: Answer<T>) -> Self {
        let (in_flight, dead) = (InFlight::Nothing, Vec::new());
        Self { result, collections: 0, callbacks: false, in_flight, dead }
    }
}

pub(crate) struct State {
    pub(crate) model: Model,
    pub(crate) pace: Pace,
    /// The program as far as it is known: all of it, or what has been made up so far.
    pub(crate) program: Program,
    pub(crate) generator: Option<Generator>,
    pub(crate) coverage: Coverage,
    pub(crate) frames: Vec<Frame>,
    /// The stack's height at the start of each callback in progress.
    floors: Vec<usize>,
    /// Pages that another allocator grew: the first and their number.
    pub(crate) foreign: Vec<(u32, u32)>,
    /// Pages that were there before the heap.
    pub(crate) first_pages: u32,
    /// Pages that the host lets memory grow to now.
    pub(crate) most_pages: u32,
    /// The end of static data as told to `gc_init`.
    pub(crate) static_end: Option<u32>,
    /// The objects allocated when a collection was last refused, if the host was not notified since.
    pub(crate) refused_at: Option<u64>,
    /// True if the host has trapped and there was no collection since.
    pub(crate) stale: bool,
    last_error: Option<Failure>,
    overflows: u64,
    /// The value of LAST_WORK, where it can be known.
    pub(crate) last_work: Option<u64>,
    /// True if the program has ended, so that the host does nothing more when it is told.
    pub(crate) is_over: bool,
    /// HEAP_BYTES at the last check.
    pub(crate) heap_bytes: u64,
    /// Checks since the last thorough one, and collections at that.
    pub(crate) checks: u32,
    pub(crate) checked_at: u64,
}

/// A program in the middle of its run, on a machine and on the model.
pub struct Runner(Mutex<State>);

impl Runner {
    /// Sets a machine up as the program wants it, which says what operations there are, or has a generator make them up.
    ///
    /// # Errors
    ///
    /// A fault if the machine refuses what it has to do.
    pub fn new(
        m: &mut dyn Machine,
        program: Program,
        generator: Option<Generator>,
        rules: Rules,
    ) -> Step<Self> {
        let base = m.program_base();
        let mut state = State {
            model: Model::new(rules, base),
            pace: Pace::default(),
            generator,
            coverage: Coverage::default(),
            frames: Vec::new(),
            floors: Vec::new(),
            foreign: Vec::new(),
            first_pages: 0,
            most_pages: program.pages,
            static_end: None,
            refused_at: None,
            stale: false,
            last_error: None,
            overflows: 0,
            last_work: None,
            is_over: false,
            heap_bytes: 0,
            checks: 0,
            checked_at: 0,
            program,
        };
        if state.program.statics != 0 {
            let bytes = state.program.statics;
            match m.init(base + bytes)? {
                Ok(()) => state.static_end = Some(base + bytes),
                Err(why) => return fault(format!("gc_init({bytes} bytes): {why:?}")),
            }
            m.fill(base, bytes, UNTOUCHED)?;
            for word in 0..STATIC_WORDS.min(bytes / 4) {
                m.write(base + 4 * word, 0)?;
            }
        }
        state.pace.configured(GcOption::MinHeap as u32, &state.model);
        state.first_pages = m.pages();
        Ok(Self(Mutex::new(state)))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation; a trap of the host in it ends it, and the host resets `gc_sp`, as a host must.
    pub(crate) fn guarded(&self, m: &mut dyn Machine, op: &Op) -> Step<()> {
        let (frames, floors, calls, height) = {
            let state = self.state();
            let (calls, height) = (state.model.calls.len(), state.model.stack.len());
            (state.frames.len(), state.floors.len(), calls, height)
        };
        match self.step(m, op) {
            Err(Stop::HostTrap) => {}
            done => return done,
        }
        // What was on its way to a caller is lost to everybody but words that look like it.
        self.find_in_flight(m)?;
        let mut state = self.state();
        state.frames.truncate(frames);
        state.floors.truncate(floors);
        state.model.calls.truncate(calls);
        state.model.stack.truncate(height);
        state.last_error = m.last_error()?;
        state.stale |= floors == 0;
        state.coverage.host_traps += 1;
        let sp = m.stack_base() + 4 * slots(height);
        drop(state);
        m.set_sp(sp);
        Ok(())
    }

    /// The host is notified of a handle: a machine's callback.
    ///
    /// # Errors
    ///
    /// The stop of the callback, with which the call of the runtime has to end.
    pub fn told(&self, m: &mut dyn Machine, kind: u32, handle: u32) -> Step<()> {
        self.sync(m)?;
        self.enter_level(m)?;
        self.note_in_flight(m)?;
        let depth = {
            let mut state = self.state();
            let state = &mut *state;
            state.last_error = m.last_error()?;
            state.coverage.told += 1;
            let released = state.frames.last().is_some_and(|call| call.releases == Some(handle));
            if state.frames.last().is_some_and(|call| call.is_silent) {
                return fault(format!("the host is notified of handle {handle}, and NOTIFY is 0"));
            }
            if !released {
                state.refused_at = None;
            }
            let handles = &mut state.model.handles;
            let known = handles.state(handle);
            equal(format_args!("the kind of handle {handle}"), Some(kind), handles.kind(handle))?;
            if known != Some(HandleState::Dead) && !(released && known.is_some()) {
                return fault(format!("the host is told of handle {handle}, which is {known:?}"));
            }
            handles.set(handle, HandleState::Told);
            let floor = state.model.stack.len();
            state.floors.push(floor);
            state.floors.len()
        };
        self.check(m)?;
        if depth <= MAX_DEPTH {
            self.run_script(m, handle)?;
        }
        self.state().floors.pop();
        Ok(())
    }

    fn run_script(&self, m: &mut dyn Machine, handle: u32) -> Step<()> {
        let mut index = 0;
        loop {
            let (op, catches) = {
                let mut state = self.state();
                if !state.next_of_host(handle, index) {
                    return Ok(());
                }
                let script = &state.program.told[&handle];
                (script.ops[index].clone(), script.catches)
            };
            index += 1;
            if catches && op != Op::Trap {
                self.guarded(m, &op)?;
            } else {
                self.step(m, &op)?;
            }
            self.check(m)?;
        }
    }

    /// The first callback of a call finds a slot above the roots that were there.
    fn enter_level(&self, m: &mut dyn Machine) -> Step<()> {
        let mut state = self.state();
        let height = state.model.stack.len();
        let Some(frame) = state.frames.last_mut() else {
            return fault("the host is told something, and nobody has called the runtime");
        };
        if frame.marker.is_some() {
            return Ok(());
        }
        frame.marker = Some(height);
        let end = m.stack_base() + 4 * slots(height);
        if m.sp() != end {
            equal("gc_sp in a callback", m.sp(), end + 4)?;
            let marker = m.word(end)?;
            state.model.stack.push(marker);
        }
        Ok(())
    }

    /// If there was a collection since the last look, does the same in the model.
    fn sync(&self, m: &mut dyn Machine) -> Step<Vec<(u32, u32)>> {
        let collections = m.stat(Stat::Collections)?;
        let overflows = m.stat(Stat::MarkOverflows)?;
        let mut state = self.state();
        let State { model, frames, pace, .. } = &mut *state;
        let Some(new) = collections.checked_sub(model.counts.collections) else {
            return fault("COLLECTIONS has shrunk");
        };
        if new == 0 {
            return Ok(Vec::new());
        }
        model.counts.collections = collections;
        let collected = model.collect();
        pace.collected(model);
        if let Some(frame) = frames.last_mut() {
            frame.collections += new;
        }
        state.last_work = collected.work.filter(|_| new == 1 && overflows == state.overflows);
        state.coverage.overflows += overflows - state.overflows;
        state.overflows = overflows;
        state.stale = false;
        state.coverage.collections += new;
        Ok(collected.dead)
    }

    /// Calls the runtime.
    pub(crate) fn call<T>(
        &self,
        m: &mut dyn Machine,
        in_flight: InFlight,
        frame: Frame,
        call: impl FnOnce(&mut dyn Machine) -> Step<Answer<T>>,
    ) -> Step<Outcome<T>> {
        if frame.allocates.is_some() {
            // So that there is one at most that nobody has heard of.
            self.find_in_flight(m)?;
        }
        let error = {
            let mut state = self.state();
            let queues = state.model.option(GcOption::Notify) == 0;
            let is_silent = queues && !frame.asks && frame.releases.is_none();
            state.model.calls.push(in_flight);
            state.frames.push(Frame { is_silent, ..frame });
            state.last_error
        };
        let result = call(m)?;
        let dead = self.sync(m)?;
        let mut state = self.state();
        let (frame, in_flight) = match (state.frames.pop(), state.model.calls.pop()) {
            (Some(frame), Some(in_flight)) => (frame, in_flight),
            _ => return fault("a call that returns twice"),
        };
        let callbacks = frame.marker.is_some();
        if callbacks && frame.releases.is_none() {
            // The runtime has looked for one more to tell.
            state.refused_at = None;
        }
        // The runtime takes its slot back if it is the topmost.
        if frame.marker.is_some_and(|marker| state.model.stack.len() == marker + 1) {
            state.model.stack.pop();
        }
        state.last_error = m.last_error()?;
        match &result {
            Ok(_) if callbacks && frame.releases.is_some() => {}
            Ok(_) => equal("gc_last_error after a success", state.last_error, error)?,
            Err(failure) => {
                equal("gc_last_error", state.last_error, Some(*failure))?;
                state.coverage.error(failure.code);
            }
        }
        let collections = frame.collections;
        Ok(Outcome { result, collections, callbacks, in_flight, dead })
    }

    /// The value of a word now.
    pub(crate) fn resolve(&self, word: Word) -> Option<u32> {
        match word {
            Word::Number(number) => Some(number),
            Word::Object(name, offset) => {
                self.state().model.names.get(&name).map(|base| base.wrapping_add(offset))
            }
        }
    }

    /// The number of callbacks that are running.
    pub(crate) fn depth(&self) -> usize {
        self.state().floors.len()
    }
}

impl State {
    /// Tells whether no callback is running.
    pub(crate) fn is_outside(&self) -> bool {
        self.floors.is_empty()
    }

    /// The lowest slot that the current callback may pop.
    pub(crate) fn floor(&self) -> usize {
        self.floors.last().copied().unwrap_or(0)
    }

    /// Tells whether a slot is the runtime's own while a call is in progress.
    pub(crate) fn is_marker(&self, slot: usize) -> bool {
        self.frames.iter().any(|frame| frame.marker == Some(slot))
    }

    /// Tells whether the host has something to do as its `index`th thing when told of a handle; makes it up if need be.
    fn next_of_host(&mut self, handle: u32, index: usize) -> bool {
        if self.is_over {
            return false;
        }
        if let Some(generator) = &mut self.generator
            && let Some(op) = generator.next_of_host(&self.model, self.floors.len(), index)
        {
            let script = self.program.told.entry(handle).or_default();
            script.catches = generator.catches();
            script.ops.push(op);
        }
        self.program.told.get(&handle).is_some_and(|script| index < script.ops.len())
    }
}

/// A height of the shadow stack as a number of the machine.
pub(crate) fn slots(height: usize) -> u32 {
    u32::try_from(height).expect("a stack in memory")
}
