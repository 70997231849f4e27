//! The runtime's exports, as a watched program sees them: each does what the doctor has to do, calls the runtime, and
//! enters in the book what came of it.

use rootstock_host::HostState;
use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{AsContextMut, Caller, Func, Linker, format_err};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

use crate::diagnosis::Touch;
use crate::instrument::MODULE;
use crate::objects::{Call, Carried, Object};
use crate::state::{Shared, State};
use crate::trace::Trace;

type Cx<'a> = Caller<'a, HostState>;

/// Options that decide when the runtime collects, which is the doctor's to decide.
const PACING: [GcOption; 3] = [GcOption::Eager, GcOption::GrowthPercent, GcOption::MinHeap];

/// The bits of a handle but 31, whose meaning is the program's affair.
const HANDLE_MASK: u32 = 0x7fff_ffff;

/// Puts the doctor's functions in the place of the runtime's.
pub(super) fn wrap(
    linker: &mut Linker<HostState>,
    mut store: impl AsContextMut<Data = HostState>,
    shared: &Shared,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let outcome = wrap_all(linker, &mut store, shared);
    linker.allow_shadowing(false);
    outcome
}

/// Defines a function that has the doctor at hand.
macro_rules! define {
    ($linker:ident, $shared:ident, $module:expr, $name:expr, |$state:ident, $cx:ident $(, $arg:ident: $ty:ty)*| -> $result:ty $body:block) => {{
        let shared = $shared.clone();
        $linker.func_wrap(
            $module,
            $name,
            #[allow(unused_mut, reason = "some only look")]
            move |mut $cx: Cx<'_> $(, $arg: $ty)*| -> wasmtime::Result<$result> {
                let mut guard = shared.lock();
                let $state = &mut *guard;
                $body
            },
        )?;
    }};
}

fn wrap_all(
    linker: &mut Linker<HostState>,
    store: &mut impl AsContextMut<Data = HostState>,
    shared: &Shared,
) -> wasmtime::Result<()> {
    // The doctor has to see each allocation: a run that is always empty, in the zeros at the foot of memory.
    define!(linker, shared, "runtime", "gc_run", |_state, _cx, _size: u32, _atomic: u32| -> u32 {
        Ok(0)
    });
    for call in [Call::Alloc, Call::AllocAtomic, Call::TryAlloc, Call::TryAllocAtomic] {
        define!(linker, shared, "runtime", call.name(), |state, cx, size: u32| -> u32 {
            state.allocate(&mut cx, call, size)
        });
    }
    define!(linker, shared, "runtime", "register_wrapper", |state,
                                                            cx,
                                                            p: u32,
                                                            kind: u32,
                                                            handle: u32|
     -> () {
        state.register(&mut cx, Call::Register, (p, kind, handle, 0)).map(drop)
    });
    define!(linker, shared, "runtime", "try_register_wrapper", |state,
                                                                cx,
                                                                p: u32,
                                                                kind: u32,
                                                                handle: u32|
     -> u32 {
        state.register(&mut cx, Call::TryRegister, (p, kind, handle, 0))
    });
    define!(linker, shared, "runtime", "register_wrapper_sized", |state,
                                                                  cx,
                                                                  p: u32,
                                                                  kind: u32,
                                                                  handle: u32,
                                                                  bytes: u32|
     -> () {
        state.register(&mut cx, Call::RegisterSized, (p, kind, handle, bytes)).map(drop)
    });
    define!(linker, shared, "runtime", "release_wrapper", |state, cx, p: u32| -> u32 {
        state.check_object(&mut cx, p, "runtime.release_wrapper")?;
        let released = state.exports.release_wrapper.call(&mut cx, p)?;
        if let Some(id) = state.objects.alive_at(p) {
            state.objects.get_mut(id).handle = None;
        }
        Ok(released)
    });
    define!(linker, shared, "runtime", "gc_collect", |state, cx| -> () {
        state.before(&mut cx, Call::Collect, None)?;
        state.exports.gc_collect.call(&mut cx, ())?;
        state.after(&mut cx, Call::Collect, None, true)
    });
    define!(linker, shared, "runtime", "gc_shutdown", |state, cx| -> () {
        state.exports.gc_shutdown.call(&mut cx, ())?;
        state.forget_wrappers();
        Ok(())
    });
    wrap_roots(linker, shared)?;
    wrap_questions(linker, shared)?;
    wrap_checks(linker, shared)?;
    wrap_host(linker, store, shared)
}

fn wrap_roots(linker: &mut Linker<HostState>, shared: &Shared) -> wasmtime::Result<()> {
    define!(linker, shared, "runtime", "gc_add_roots", |state, cx, start: u32, end: u32| -> () {
        state.exports.gc_add_roots.call(&mut cx, (start, end))?;
        state.ranges.push((start, end));
        Ok(())
    });
    define!(linker, shared, "runtime", "gc_remove_roots", |state,
                                                           cx,
                                                           start: u32,
                                                           end: u32|
     -> () {
        state.exports.gc_remove_roots.call(&mut cx, (start, end))?;
        if let Some(at) = state.ranges.iter().position(|&range| range == (start, end)) {
            state.ranges.swap_remove(at);
        }
        Ok(())
    });
    define!(linker, shared, "runtime", "gc_pin", |state, cx, p: u32| -> () {
        state.check_object(&mut cx, p, "runtime.gc_pin")?;
        state.exports.gc_pin.call(&mut cx, p)?;
        *state.pins.entry(p).or_insert(0) += 1;
        Ok(())
    });
    define!(linker, shared, "runtime", "gc_unpin", |state, cx, p: u32| -> () {
        state.check_object(&mut cx, p, "runtime.gc_unpin")?;
        state.exports.gc_unpin.call(&mut cx, p)?;
        if let Some(count) = state.pins.get_mut(&p) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&p);
            }
        }
        Ok(())
    });
    define!(linker, shared, "runtime", "gc_stack_new", |state, cx, slots: u32| -> u32 {
        state.new_stack(&mut cx, slots)
    });
    define!(linker, shared, "runtime", "gc_stack_switch", |state, cx, stack: u32| -> u32 {
        state.switch_stack(&mut cx, stack)
    });
    define!(linker, shared, "runtime", "gc_stack_free", |state, cx, stack: u32| -> () {
        state.free_stack(&mut cx, stack)
    });
    Ok(())
}

/// Answers the program's questions as if there were no doctor, as far as that is possible.
fn wrap_questions(linker: &mut Linker<HostState>, shared: &Shared) -> wasmtime::Result<()> {
    define!(linker, shared, "runtime", "gc_configure", |state,
                                                        cx,
                                                        option: u32,
                                                        value: u32|
     -> i32 {
        state.configure(&mut cx, option, value)
    });
    define!(linker, shared, "runtime", "gc_stat", |state, cx, id: u32| -> i64 {
        let value = state.exports.gc_stat.call(&mut cx, id)?;
        let hidden = &state.hidden;
        let is = |stat: Stat| id == stat as u32;
        Ok(value
            - match () {
                () if is(Stat::Collections) => hidden.collections,
                () if is(Stat::LiveObjects) => hidden.objects,
                () if is(Stat::LiveBytes) => hidden.bytes,
                () if is(Stat::RootRanges) => i64::from(state.quarantine.has_range()),
                () => 0,
            })
    });
    define!(linker, shared, "runtime", "gc_wrapper", |state, cx, p: u32| -> u32 {
        if state.objects.dead_at(p).is_some() {
            Ok(0)
        } else {
            state.exports.gc_wrapper.call(&mut cx, p)
        }
    });
    define!(linker, shared, "runtime", "gc_base", |state, cx, p: u32| -> u32 {
        if state.objects.dead_at(p).is_some() {
            Ok(0)
        } else {
            state.exports.gc_base.call(&mut cx, p)
        }
    });
    define!(linker, shared, "runtime", "gc_size", |state, cx, p: u32| -> u32 {
        if state.objects.dead_at(p).is_some() {
            Ok(0)
        } else {
            state.exports.gc_size.call(&mut cx, p)
        }
    });
    Ok(())
}

/// The functions that `checks.wat` and instrumented programs call.
fn wrap_checks(linker: &mut Linker<HostState>, shared: &Shared) -> wasmtime::Result<()> {
    define!(linker, shared, MODULE, "fault", |state, cx, at: u64, what: u64, depth: u32| -> () {
        state.accessed(&mut cx, at, u64::from(what as u8), what, depth)
    });
    define!(linker, shared, MODULE, "carried", |state,
                                                cx,
                                                value: u32,
                                                at: u64,
                                                what: u64,
                                                depth: u32|
     -> () {
        state.carried(&mut cx, value, at as u32, what, depth);
        Ok(())
    });
    define!(linker, shared, MODULE, "throwing", |state, _cx, site: u32| -> () {
        state.thrown.insert(site, state.allocations);
        Ok(())
    });
    define!(linker, shared, MODULE, "range", |state,
                                              cx,
                                              at: u32,
                                              bytes: u32,
                                              what: u64,
                                              depth: u32|
     -> () {
        state.accessed(&mut cx, at.into(), bytes.into(), what, depth)
    });
    Ok(())
}

/// Functions of the host that take addresses or handles.
fn wrap_host(
    linker: &mut Linker<HostState>,
    store: &mut impl AsContextMut<Data = HostState>,
    shared: &Shared,
) -> wasmtime::Result<()> {
    let mut known = |name: &str| -> wasmtime::Result<Func> {
        let found = linker.get(&mut *store, "host", name)?.into_func();
        found.ok_or_else(|| format_err!("the host has no function `{name}`"))
    };
    let (value, print) = (known("handle_value")?, known("print_str")?);
    let value = value.typed::<u32, i64>(&*store)?;
    let print = print.typed::<(u32, u32), ()>(&*store)?;
    define!(linker, shared, "host", "handle_value", |state, cx, handle: u32| -> i64 {
        state.check_handle(&mut cx, handle, "host.handle_value")?;
        value.call(&mut cx, handle)
    });
    define!(linker, shared, "host", "print_str", |state, cx, start: u32, bytes: u32| -> () {
        if let Some((address, _)) = state.objects.dead_in(start, bytes) {
            state.check_object(&mut cx, address, "host.print_str")?;
        }
        print.call(&mut cx, (start, bytes))
    });
    Ok(())
}

impl State {
    fn allocate(&mut self, cx: &mut Cx<'_>, call: Call, size: u32) -> wasmtime::Result<u32> {
        let collected = self.before(cx, call, None)?;
        let exports = self.exports.clone();
        let function = match call {
            Call::AllocAtomic => &exports.alloc_atomic,
            Call::TryAlloc => &exports.try_alloc,
            Call::TryAllocAtomic => &exports.try_alloc_atomic,
            _ => &exports.alloc,
        };
        let mut result = function.call(&mut *cx, size);
        if !matches!(result, Ok(1..)) {
            self.after(cx, call, None, collected)?;
            let error = self.exports.last_error(&mut *cx).map(|(code, _)| code);
            // What is in quarantine the program could have had.
            if error == Some(ErrorCode::HeapExhausted) && self.make_room(cx, call)? {
                cx.data_mut().forget_refusal();
                result = function.call(&mut *cx, size);
            }
        }
        let base = result?;
        self.after(cx, call, None, collected)?;
        if base != 0 {
            self.enter(cx, call, base)?;
        }
        Ok(base)
    }

    fn register(
        &mut self,
        cx: &mut Cx<'_>,
        call: Call,
        params: (u32, u32, u32, u32),
    ) -> wasmtime::Result<u32> {
        let (p, kind, handle, _) = params;
        self.check_object(cx, p, &format!("runtime.{}", call.name()))?;
        let collected = self.before(cx, call, Some(p))?;
        self.registered += 1;
        let code = if call == Call::TryRegister {
            self.exports.try_register_wrapper.call(&mut *cx, (p, kind, handle))?
        } else {
            self.exports.register_wrapper_sized.call(&mut *cx, params)?;
            0
        };
        self.after(cx, call, Some(p), collected)?;
        if let Some(id) = self.objects.alive_at(p).filter(|_| code == 0) {
            self.objects.get_mut(id).handle = Some((kind, handle & HANDLE_MASK));
        }
        Ok(code)
    }

    fn forget_wrappers(&mut self) {
        for at in 0..self.objects.alive.len() {
            let id = self.objects.alive[at];
            self.objects.get_mut(id).handle = None;
        }
    }

    fn configure(&mut self, cx: &mut Cx<'_>, option: u32, value: u32) -> wasmtime::Result<i32> {
        let old = self.exports.gc_configure.call(&mut *cx, (option, value))?;
        if old < 0 {
            return Ok(old);
        }
        if option == GcOption::Interior as u32 {
            self.interior = value != 0;
        }
        if PACING.iter().any(|&pacing| pacing as u32 == option) {
            // The program is told what it would have been told, and the doctor's value stays in force.
            self.exports.gc_configure.call(&mut *cx, (option, old.cast_unsigned()))?;
            let believed = self.believed.insert(option, value);
            return Ok(believed.map_or(old, u32::cast_signed));
        }
        Ok(old)
    }

    /// The call stack of a function of the host's: its caller's call is on top.
    fn here(&self, cx: &mut Cx<'_>) -> Trace {
        let depth = self.checks.depth(&mut *cx);
        self.full_trace(cx, depth)
    }

    fn check_object(&mut self, cx: &mut Cx<'_>, address: u32, to: &str) -> wasmtime::Result<()> {
        let Some(id) = self.objects.dead_at(address) else { return Ok(()) };
        let object: Object = self.objects.get(id).clone();
        let trace = self.here(cx);
        Err(self.fault(Touch::Passed { to: to.to_owned(), address }, &object, &trace))
    }

    fn check_handle(&mut self, cx: &mut Cx<'_>, handle: u32, to: &str) -> wasmtime::Result<()> {
        if cx.data().handles().get(handle).is_some() {
            return Ok(());
        }
        let Some(id) = self.objects.dead_with_handle(handle & HANDLE_MASK) else { return Ok(()) };
        let object: Object = self.objects.get(id).clone();
        let trace = self.here(cx);
        Err(self.fault(Touch::Handle { to: to.to_owned(), handle }, &object, &trace))
    }

    /// An instruction reaches `bytes` bytes from `at` on. The shadow is only a hint; the book decides.
    fn accessed(
        &mut self,
        cx: &mut Cx<'_>,
        at: u64,
        bytes: u64,
        what: u64,
        depth: u32,
    ) -> wasmtime::Result<()> {
        let (Ok(start), Ok(count)) = (u32::try_from(at), u32::try_from(bytes)) else {
            return Ok(());
        };
        let Some((address, id)) = self.objects.dead_in(start, count) else { return Ok(()) };
        let object: Object = self.objects.get(id).clone();
        let site = (what >> 8) as u32;
        let trace = self.full_trace(cx, depth).with(site);
        let instruction = self.traces.instruction(site).unwrap_or_default();
        let writes = ["store", "rmw", "fill", "init"].iter().any(|part| instruction.contains(part));
        let touch = Touch::Access { writes, bytes: count, address, instruction };
        Err(self.fault(touch, &object, &trace))
    }

    /// An i32 is being stored that lies in a dead object: if it is its address, that says who still believes in it.
    fn carried(&mut self, cx: &mut Cx<'_>, value: u32, at: u32, what: u64, depth: u32) {
        let Some(id) = self.objects.dead_at(value).filter(|&id| self.objects.get(id).base == value)
        else {
            return;
        };
        let trace = self.full_trace(cx, depth).with((what >> 8) as u32);
        self.checks.mark_carried(&mut *cx, value);
        let exports = &self.exports;
        if (exports.gc_stack_base..exports.gc_stack_limit).contains(&at) {
            self.suspect(at, id, &trace);
        }
        if let Some(death) = &mut self.objects.get_mut(id).death {
            death.carried.get_or_insert(Carried { at, trace });
        }
    }
}
