//! Calls of the host into wasm: how each ends, and what is asked after one that failed.
//!
//! | kind | of what | at its end |
//! | --- | --- | --- |
//! | a *call* | a function of the runtime, or of a program | `gc_sp` is put back where it failed, the shadow stack is looked at |
//! | a *question* | a function of the runtime that only looks | nothing is asked: a failure of it is final |
//!
//! Both kinds run code that may be anybody's, since a program can say that it was linked with the runtime. A question
//! therefore has time of its own, gets no memory, and cannot call the host.

use std::time::Instant;

use runtime::error::{ErrorCode, error_info};
use runtime::stats::Stat;
use runtime::verify::Invariant;
use wasmtime::{StoreContextMut, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults};
use wasmtime_wasi::I32Exit;

use crate::cause::cause;
use crate::error::{Error, TrapReport};
use crate::exports::{Context, Exports, LeftOut};
use crate::frames;
use crate::limits::LOOK;
use crate::state::HostState;

/// Fuel of a question: some 20 seconds, where fuel is counted.
const LOOK_FUEL: u64 = 20_000_000_000;

/// The state before a call.
#[derive(Clone, Copy, Debug)]
#[must_use = "a call that has begun has an end"]
pub struct Begun {
    sp: u32,
}

impl Exports {
    /// Calls a function of the runtime; a trap becomes a report.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if it traps.
    pub fn call<P: WasmParams, R: WasmResults>(
        &self,
        mut cx: impl Context,
        func: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Error> {
        let begun = self.begin(&mut cx);
        match func.call(&mut cx, params) {
            Ok(results) => {
                cx.as_context_mut().data_mut().calls -= 1;
                Ok(results)
            }
            Err(error) => Err(self.failed(cx, begun, error)),
        }
    }

    /// Notes what has to be as it was after a call that fails. [`ended`](Self::ended) or [`failed`](Self::failed) follows.
    pub fn begin(&self, mut cx: impl Context) -> Begun {
        cx.as_context_mut().data_mut().calls += 1;
        Begun { sp: self.sp(cx) }
    }

    /// After a call of a program's code that returned: an error if it has overrun the shadow stack meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the shadow stack was overrun meanwhile.
    pub fn ended(&self, mut cx: impl Context, begun: Begun) -> Result<(), Error> {
        cx.as_context_mut().data_mut().calls -= 1;
        let Some(sp) = self.overrun(&mut cx) else { return Ok(()) };
        self.set_sp(cx, begun.sp);
        let mut found =
            TrapReport { message: "the call returned".to_owned(), ..TrapReport::default() };
        found.set_overrun(sp);
        Err(Error::Trap(Box::new(found)))
    }

    /// After a call that failed: puts `gc_sp` back, and finds out all that is known about it.
    #[cold]
    pub fn failed(&self, mut cx: impl Context, begun: Begun, error: wasmtime::Error) -> Error {
        let mut cx = cx.as_context_mut();
        let mut found = self.explained(&mut cx, &error);
        let exit = error.downcast_ref::<I32Exit>().map(|exit| exit.0);
        if let Some(code) = exit {
            found.message = Error::Exit(code).to_string();
        }
        let is_known = found.code.is_some_and(|row| row.code == ErrorCode::ShadowStackOverflow);
        if let Some(sp) = self.overrun(&mut cx)
            && !is_known
        {
            found.set_overrun(sp);
        }
        self.set_sp(&mut cx, begun.sp);
        cx.data_mut().calls -= 1;
        match exit {
            Some(code) if !found.overrun => Error::Exit(code),
            _ => Error::Trap(Box::new(found)),
        }
    }

    /// The value of `gc_sp` if the shadow stack was overrun, or `gc_sp` is none of its slots: what the runtime says at its next
    /// collection, which may never come. As with the runtime, it is said once.
    fn overrun(&self, mut cx: impl Context) -> Option<u32> {
        if self.gc_stack_limit == 0 {
            // A program that was linked without the runtime's exports does not say where the shadow stack lies.
            return None;
        }
        let sp = self.sp(&mut cx);
        let mut word = [0; 4];
        self.read(&cx, self.gc_stack_limit, &mut word).ok()?;
        let word = u32::from_le_bytes(word);
        let guard = cx.as_context_mut().data().guard;
        let is_unset = word == guard.unset && self.stat(&mut cx, Stat::HeapBytes) <= 0;
        if word != guard.set && !is_unset {
            if guard.set == runtime::SHADOW_STACK_GUARD
                && self.names_overrun(&mut cx) == Some(false)
            {
                cx.as_context_mut().data_mut().guard.set = word;
            } else {
                let _ = self.write(&mut cx, self.gc_stack_limit, &guard.set.to_le_bytes());
                return Some(sp);
            }
        }
        let is_slot =
            (self.gc_stack_base..=self.gc_stack_limit).contains(&sp) && sp.is_multiple_of(4);
        // Before the heap is used the runtime finds the stack in order.
        let is_overrun = !is_slot && (is_unset || self.names_overrun(&mut cx) != Some(false));
        if is_overrun && is_unset && self.names_overrun(&mut cx) == Some(true) {
            // The runtime is in use, so a null was pushed over the word.
            let _ = self.write(&mut cx, self.gc_stack_limit, &guard.set.to_le_bytes());
        }
        is_overrun.then_some(sp)
    }

    /// Tells whether the runtime finds its shadow stack overrun; `None` if something else is broken too.
    fn names_overrun(&self, cx: impl Context) -> Option<bool> {
        match self.verify(cx) {
            Ok(0) => Some(false),
            Ok(code) if code == Invariant::ShadowStack as u32 => Some(true),
            _ => None,
        }
    }

    /// Calls a function that only looks, whatever limits of time are in force: what it says is needed after an
    /// interruption too. It has limits of its own, and nothing is asked again once they were used up.
    pub(crate) fn look<P: WasmParams, R: WasmResults>(
        &self,
        mut cx: impl Context,
        func: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Error> {
        let mut cx = cx.as_context_mut();
        if cx.data().blind || cx.data().looking {
            let message = "the runtime failed to answer before, and is not asked again".to_owned();
            return Err(Error::Trap(Box::new(TrapReport { message, ..TrapReport::default() })));
        }
        let fuel = if cx.data().counts_fuel { cx.get_fuel().ok() } else { None };
        if fuel.is_some() {
            // Fails only where no fuel is counted.
            let _ = cx.set_fuel(LOOK_FUEL);
        }
        let deadline = cx.data().deadline;
        if let Some(deadline) = deadline {
            cx.data_mut().deadline = Some(deadline.max(Instant::now() + LOOK));
        }
        cx.data_mut().looking = true;
        let result = func.call(&mut cx, params);
        cx.data_mut().looking = false;
        if deadline.is_some() {
            cx.data_mut().deadline = deadline;
            // It may have passed meanwhile, and its watchdog calls once: let the next call see for itself.
            cx.set_epoch_deadline(0);
        }
        if let Some(fuel) = fuel {
            let _ = cx.set_fuel(fuel);
        }
        result.map_err(|error| {
            // A trap costs nothing, and the next question may be answered: the heap checker traps on a table that it
            // cannot follow, and there may be no room on the native stack for now.
            let is_trap = error
                .downcast_ref::<Trap>()
                .is_some_and(|trap| !matches!(trap, Trap::Interrupt | Trap::OutOfFuel));
            // A runtime that uses up its time is none of ours.
            cx.data_mut().blind |= !is_trap && !error.is::<LeftOut>();
            Error::Trap(Box::new(described(&mut cx, &error)))
        })
    }

    /// Finds out all that is known about a failed call, with what the runtime has stored.
    fn explained(
        &self,
        cx: &mut StoreContextMut<'_, HostState>,
        error: &wasmtime::Error,
    ) -> TrapReport {
        let mut found = described(cx, error);
        let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
        // The runtime stores its error and executes `unreachable`: only then is the stored error this one's cause. An
        // older one stays readable for as long as the instance lives.
        let own = error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached)
            && frames.and_then(<[_]>::first).is_some_and(|frame| self.code.has(frame));
        if own && let Some((code, arg)) = self.last_error(cx) {
            found.code = error_info(code as u32);
            found.arg = arg;
        }
        found
    }
}

impl TrapReport {
    fn set_overrun(&mut self, sp: u32) {
        self.code = error_info(ErrorCode::ShadowStackOverflow as u32);
        self.arg = sp;
        self.overrun = true;
    }
}

/// The report of an error by itself. Nothing is asked.
fn described(cx: &mut StoreContextMut<'_, HostState>, error: &wasmtime::Error) -> TrapReport {
    let state = cx.data_mut();
    let refused_growth = state.refused_growth.take();
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
    let frames = frames.unwrap_or_default().iter();
    let backtrace = frames.map(|frame| frames::frame(frame, &state.modules)).collect();
    // A call that a function of the host's made has failed, and the host has passed that on.
    if let Some(Error::Trap(inner)) = error.downcast_ref::<Error>() {
        let inner = (**inner).clone();
        let backtrace = if inner.backtrace.is_empty() { backtrace } else { inner.backtrace };
        let refused_growth = refused_growth.or(inner.refused_growth);
        return TrapReport { backtrace, refused_growth, ..inner };
    }
    TrapReport {
        trap: error.downcast_ref::<Trap>().copied(),
        message: cause(error),
        backtrace,
        refused_growth,
        ..TrapReport::default()
    }
}
