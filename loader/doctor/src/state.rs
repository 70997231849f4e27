//! The doctor's knowledge while a program runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rootstock_host::Frame;
use rootstock_host::HostState;
use rootstock_host::exports::{Context, Exports};
use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{AsContext, AsContextMut, Global, Memory, Val};
use runtime::stats::Stat;

use crate::diagnosis::{Diagnosis, Suspect};
use crate::objects::{Call, Object, Objects};
use crate::pace::Pace;
use crate::quarantine::Quarantine;
use crate::stacks::Stacks;
use crate::trace::{Site, Trace, TraceId, Traces};

/// Bytes of the log that `checks.wat` keeps of each slot of the shadow stack.
pub(super) const LOG_BYTES: u32 = 16;

/// The instance of `checks.wat`.
pub(super) struct Checks {
    pub(super) memory: Memory,
    pub(super) depth: Global,
    pub(super) high: Global,
    pub(super) made: Global,
    /// The address of the logs of the slots in its memory.
    pub(super) slots: u32,
    /// The address of the shadow of the program's memory: the last thing in the doctor's, and so as large as it has been needed.
    pub(super) shadow: u32,
}

/// Reads a global that is an i32.
fn i32_of(global: &Global, cx: impl AsContextMut) -> u32 {
    match global.get(cx) {
        Val::I32(value) => value.cast_unsigned(),
        // `checks.wat` has it so.
        _ => 0,
    }
}

impl Checks {
    pub(super) fn depth(&self, cx: impl AsContextMut) -> u32 {
        i32_of(&self.depth, cx)
    }

    /// The innermost call that is under way; 0 if there is none.
    pub(super) fn innermost(&self, mut cx: impl Context) -> Site {
        let depth = self.depth(&mut cx);
        Trace::read(self.memory.data(&cx), depth, 1).sites.first().copied().unwrap_or(0)
    }

    /// Starts a call of the host: no call is under way.
    pub(super) fn enter(&self, cx: impl Context) {
        // It is a mutable i32: `checks.wat` has it so.
        let _ = self.depth.set(cx, Val::I32(0));
    }

    /// Says how many allocations there have been.
    fn set_made(&self, cx: impl Context, allocations: u64) {
        let count = u32::try_from(allocations).unwrap_or(u32::MAX);
        // It is a mutable i32: `checks.wat` has it so.
        let _ = self.made.set(cx, Val::I32(count.cast_signed()));
    }

    /// The highest `gc_sp` that the program has had since this was last asked.
    pub(super) fn take_high(&self, mut cx: impl Context, sp: u32) -> u32 {
        let high = i32_of(&self.high, &mut cx).max(sp);
        let _ = self.high.set(cx, Val::I32(sp.cast_signed()));
        high
    }

    /// Marks memory of the program as freed, or as in use again.
    pub(super) fn mark(
        &self,
        mut cx: impl Context,
        start: u32,
        bytes: u32,
        freed: bool,
    ) -> wasmtime::Result<()> {
        const PAGE: u64 = 1 << 16;
        let first = u64::from(self.shadow) + u64::from(start / 8);
        let end = first + u64::from(bytes.div_ceil(8));
        let size = self.memory.data_size(&cx) as u64;
        if end > size {
            if !freed {
                return Ok(());
            }
            // In large steps: each takes the engine some time.
            let pages = (end - size).div_ceil(PAGE).max(size / PAGE / 4);
            self.memory.grow(&mut cx, pages)?;
        }
        let shadow = self.memory.data_mut(&mut cx);
        let end = shadow.len().min(end as usize);
        if let Some(shadow) = shadow.get_mut(first as usize..end) {
            shadow.fill(u8::from(freed));
        }
        Ok(())
    }

    /// Notes that the address of a freed object was seen to be stored.
    pub(super) fn mark_carried(&self, mut cx: impl Context, base: u32) {
        let at = self.shadow as usize + (base / 8) as usize;
        if let Some(mark) = self.memory.data_mut(&mut cx).get_mut(at) {
            *mark = 2;
        }
    }
}

/// The doctor's own use of the runtime, which a program is not to see in its statistics.
#[derive(Default)]
pub(super) struct Hidden {
    /// Collections that the program would not have had.
    pub(super) collections: i64,
    /// Quarantined objects that the last collection of the runtime counted as live, and their bytes.
    pub(super) objects: i64,
    pub(super) bytes: i64,
}

/// Everything.
pub(super) struct State {
    pub(super) exports: Arc<Exports>,
    pub(super) checks: Checks,
    pub(super) traces: Traces,
    pub(super) objects: Objects,
    pub(super) pace: Pace,
    pub(super) quarantine: Quarantine,
    /// Root ranges, and pins with their number.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) pins: BTreeMap<u32, u32>,
    pub(super) stacks: Stacks,
    /// True if the option INTERIOR is on.
    pub(super) interior: bool,
    /// The values that the program believes EAGER, GROWTH_PERCENT and MIN_HEAP to have.
    pub(super) believed: BTreeMap<u32, u32>,
    pub(super) allocations: u64,
    /// The doctor's collections.
    pub(super) collections: u64,
    /// Registrations since the runtime's last collection.
    pub(super) registered: i64,
    /// The runtime's collections, when they were last looked at.
    pub(super) seen: i64,
    pub(super) hidden: Hidden,
    /// Calls of safepoints that the programs have.
    pub(super) safepoints: u64,
    /// Places of `throw` that were come by, and how many allocations there had been then.
    pub(super) thrown: HashMap<Site, u64>,
    /// Functions without checks.
    pub(super) left_out: Vec<Frame>,
    pub(super) found: Option<Box<Diagnosis>>,
    pub(super) suspects: Vec<Suspect>,
}

/// The state, in the hands of each function that the program calls.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<OnceLock<Mutex<State>>>);

impl Shared {
    /// The functions exist before the state, which needs what imports them.
    pub(super) fn fill(&self, state: State) {
        let _ = self.0.set(Mutex::new(state));
    }

    /// No function of the doctor calls a program, so nobody waits here.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let Some(state) = self.0.get() else {
            unreachable!("`Doctor::attach` fills it before any program is instantiated");
        };
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The call stack as it is, to be kept.
    pub(super) fn keep_trace(&mut self, mut cx: impl Context) -> TraceId {
        let depth = self.checks.depth(&mut cx);
        self.traces.keep(self.checks.memory.data(&cx), depth)
    }

    /// The call stack at its full depth.
    pub(super) fn full_trace(&self, cx: &impl AsContext<Data = HostState>, depth: u32) -> Trace {
        Trace::read(self.checks.memory.data(cx), depth, usize::MAX)
    }

    pub(super) fn stat(&self, cx: impl Context, stat: Stat) -> i64 {
        self.exports.stat(cx, stat)
    }

    /// Tells whether `gc_sp` and the guard word are what they may be. Before the heap is used there is no guard word.
    pub(super) fn stack_is_sound(&self, mut cx: impl Context) -> bool {
        let mut word = [0; 4];
        let read = self.exports.read(&cx, self.exports.gc_stack_limit, &mut word);
        let is_guard = cx.as_context_mut().data().is_stack_guard(u32::from_le_bytes(word));
        let is_guarded = self.allocations == 0 || read.is_ok() && is_guard;
        is_guarded && self.stacks.may_have(self.exports.sp(cx))
    }

    /// Enters an object that the runtime has just handed out.
    pub(super) fn enter(
        &mut self,
        mut cx: impl Context,
        made_by: Call,
        base: u32,
    ) -> wasmtime::Result<()> {
        let size = self.exports.gc_size.call(&mut cx, base)?;
        let trace = self.keep_trace(&mut cx);
        self.allocations += 1;
        self.checks.set_made(&mut cx, self.allocations);
        let object = Object {
            base,
            size,
            number: self.allocations,
            made_by,
            trace,
            handle: None,
            marked: self.collections,
            holder: crate::objects::Holder::Nobody,
            death: None,
        };
        match self.objects.enter(object) {
            Ok(replaced) => {
                for old in replaced {
                    self.checks.mark(&mut cx, old.base, old.size, false)?;
                }
                Ok(())
            }
            Err(alive) => Err(wasmtime::format_err!(
                "the runtime handed out {size} bytes at {base:#010x}, where allocation {} ({} bytes at {:#010x}) is \
                 still reachable: a fault of the collector, or of this doctor",
                alive.number,
                alive.size,
                alive.base
            )),
        }
    }
}
