#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! A conservative collector forgives much: a value that is in no slot of the shadow stack lives on until a collection
//! happens to come at the wrong moment, and then something else is found in its memory, much later, far away. The doctor
//! makes each of these steps visible.
//!
//! * It **collects itself**, at every safepoint if that can be afforded (`pace`), by the rule of the ABI (`collect`),
//!   with a book of its own about all objects (`objects`). The runtime below is the one that is always used; its own
//!   collections are put off until the doctor wants them, and where it has one all the same the book follows.
//! * Memory of the dead is filled with poison and kept in **quarantine** (`quarantine`): for as long as its limit
//!   allows it is not handed out again, so that a stale pointer points to nothing else.
//! * Programs are **instrumented** (`instrument`): they ask before they reach into memory ([`checks.wat`](self)), and
//!   keep a call stack, so that each allocation, each collection and each access has a backtrace (`trace`).
//! * The runtime's exports are **watched** (`watch`): they say what is allocated, rooted and registered, and a freed
//!   object is no longer taken by them.
//!
//! The result is a [`Diagnosis`]: the object, who allocated it, which collection freed it and who called that, who
//! touched it afterwards, and the function that all this has in common: it held the object across the collection.
//!
//! The alternative was to let the runtime collect (EAGER), and to ask afterwards what is gone. But it reuses a dead cell in
//! the very call that freed it, so there would be no quarantine; and an object that is still allocated and must not be
//! touched is nothing that the runtime knows of.

#![deny(clippy::missing_errors_doc)]

mod access;
mod blame;
mod collect;
mod diagnosis;
mod instrument;
mod objects;
mod origin;
mod pace;
mod place;
mod quarantine;
mod shape;
mod stacks;
mod state;
mod trace;
mod watch;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rootstock_host::wasmtime;
use rootstock_host::wasmtime::{Global, GlobalType, Module, Mutability, Val, ValType};
use rootstock_host::{Error, Frame, InputError, Instance, Linked, Program};
use runtime::options::GcOption;

pub use diagnosis::{Diagnosis, Remedy, Suspect, Touch};
use instrument::{MODULE, instrument};
use objects::{Call, Objects};
use origin::Origin;
use pace::{Pace, Window};
use quarantine::Quarantine;
use stacks::Stacks;
use state::{Checks, Hidden, LOG_BYTES, Shared, State};
use trace::{CALL_BYTES, STACK_CALLS, Traces};
pub use window::eager_window;

/// The settings of the doctor.
///
/// ```
/// use rootstock_doctor::Settings;
///
/// let mut settings = Settings::default();
/// // A collection at every safepoint, from the hundredth allocation on.
/// (settings.every, settings.from) = (Some(1), 100);
/// assert_eq!(settings.until, u64::MAX);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Collect at every Nth safepoint; `None` is as often as can be afforded.
    pub every: Option<u32>,
    /// Collect from this allocation on; the first is 1.
    pub from: u64,
    /// Collect up to this allocation.
    pub until: u64,
    /// Bytes of dead objects that are kept from being used again.
    pub quarantine: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { every: None, from: 0, until: u64::MAX, quarantine: 64 << 20 }
    }
}

/// The outcome of a run, apart from faults.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Allocations.
    pub allocations: u64,
    /// The doctor's collections.
    pub collections: u64,
    /// Calls of functions that may collect, in the programs' text.
    pub safepoints: u64,
    /// Of these, the ones that there was a collection at.
    pub visited: u64,
}

/// A doctor who watches the programs of one instance.
///
/// ```
/// use rootstock_doctor::{Doctor, Settings};
/// use rootstock_host::{Config, Instance, Program};
///
/// let text = br#"(module
///     (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
///     (func (export "main") (drop (call $alloc (i32.const 8)))))"#;
/// let mut instance = Instance::new(&Config::default())?;
/// let doctor = Doctor::attach(&mut instance, Settings::default())?;
/// let program = doctor.instantiate(&mut instance, &Program::from_bytes("well.wat", text)?)?;
/// doctor.call(&mut instance, &program, "main", &[])?;
/// doctor.finish(&mut instance)?;
/// assert!(doctor.diagnosis().is_none());
/// assert_eq!(doctor.summary().allocations, 1);
/// # Ok::<(), rootstock_host::Error>(())
/// ```
pub struct Doctor {
    shared: Shared,
}

impl Doctor {
    /// Watches what programs that are instantiated from now on do with this instance. Nothing may have been allocated
    /// yet; the host itself must not allocate, and its callback must leave the runtime alone.
    ///
    /// # Errors
    ///
    /// If the runtime cannot be watched: there is no memory for the checks, or it refuses an option.
    pub fn attach(instance: &mut Instance, settings: Settings) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| Error::engine("the doctor cannot be set up", &error);
        let interior = instance.configure(GcOption::Interior, 0)?;
        instance.configure(GcOption::Interior, interior)?;
        let mut believed = BTreeMap::new();
        for (option, value) in [
            (GcOption::Eager, 0),
            (GcOption::GrowthPercent, 10_000),
            (GcOption::MinHeap, i32::MAX.cast_unsigned()),
        ] {
            believed.insert(option as u32, instance.configure(option, value)?);
        }
        let shared = Shared::default();
        let (linker, store) = instance.linker_and_store();
        watch::wrap(linker, store, &shared).map_err(failed)?;
        let checks = link_checks(instance).map_err(failed)?;
        let window = Window { every: settings.every, from: settings.from, until: settings.until };
        shared.fill(State {
            exports: instance.exports(),
            checks,
            traces: Traces::default(),
            objects: Objects::default(),
            pace: Pace::new(window),
            quarantine: Quarantine::new(settings.quarantine),
            ranges: Vec::new(),
            pins: BTreeMap::new(),
            stacks: Stacks::new(&instance.exports()),
            interior: interior != 0,
            believed,
            allocations: 0,
            collections: 0,
            registered: 0,
            seen: 0,
            hidden: Hidden::default(),
            safepoints: 0,
            thrown: HashMap::new(),
            left_out: Vec::new(),
            found: None,
            suspects: Vec::new(),
        });
        Ok(Self { shared })
    }

    /// Instruments a program, instantiates it, and runs its start function.
    ///
    /// # Errors
    ///
    /// As [`Instance::instantiate`]; and if the program cannot be instrumented.
    pub fn instantiate(&self, instance: &mut Instance, program: &Program) -> Result<Linked, Error> {
        instance.validate(program)?;
        let first = self.shared.lock().traces.next_site();
        let made = instrument(program.wasm(), first).map_err(|cause| {
            InputError::new(program.name(), format!("cannot be instrumented: {cause}"))
        })?;
        let Some(mut made) = made else {
            return instance.instantiate(program);
        };
        let origin = Arc::new(Origin::new(program, &mut made));
        {
            let mut state = self.shared.lock();
            state.safepoints += made.safepoints;
            let left_out = made.left_out.iter().map(|&function| origin.frame(function, None));
            state.left_out.extend(left_out);
            state.traces.add(Arc::clone(&origin), made.places);
            state.checks.enter(instance.store_mut());
        }
        instance.instantiate_as(program, &made.wasm, Some(origin))
    }

    /// Calls an exported function of a program.
    ///
    /// # Errors
    ///
    /// As [`Linked::call`]. Where that is a missing root, [`diagnosis`](Self::diagnosis) knows more.
    pub fn call(
        &self,
        instance: &mut Instance,
        linked: &Linked,
        name: &str,
        args: &[Val],
    ) -> Result<Vec<Val>, Error> {
        self.shared.lock().checks.enter(instance.store_mut());
        linked.call(instance, name, args)
    }

    /// After a run that went well: one more collection, which looks at what roots are left.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps, or the shadow stack was overrun.
    pub fn finish(&self, instance: &mut Instance) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.checks.enter(instance.store_mut());
        let begun = instance.exports().begin(instance.store_mut());
        let outcome = if state.stack_is_sound(instance.store_mut()) {
            state.collect(&mut instance.store_mut(), Call::AtEnd, None, true)
        } else {
            Ok(())
        };
        drop(state);
        match outcome {
            Ok(()) => instance.exports().ended(instance.store_mut(), begun),
            Err(error) => Err(instance.exports().failed(instance.store_mut(), begun, error)),
        }
    }

    /// The missing root that stopped the program.
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        self.shared.lock().found.as_deref().cloned()
    }

    /// Roots that may have been pushed too late.
    pub fn suspects(&self) -> Vec<Suspect> {
        self.shared.lock().suspects.clone()
    }

    /// Functions that are too large to be watched: with the doctor's checks they would be beyond what engines take.
    pub fn left_out(&self) -> Vec<Frame> {
        self.shared.lock().left_out.clone()
    }

    /// The outcome of the run.
    pub fn summary(&self) -> Summary {
        let state = self.shared.lock();
        Summary {
            allocations: state.allocations,
            collections: state.collections,
            safepoints: state.safepoints,
            visited: state.pace.visited,
        }
    }
}

/// Instantiates `checks.wat`, with its memory laid out, and offers it to programs.
fn link_checks(instance: &mut Instance) -> wasmtime::Result<Checks> {
    let slots = STACK_CALLS * CALL_BYTES;
    let logs = (instance.stack_limit() - instance.stack_base()) / 4 * LOG_BYTES;
    let shadow = (slots + logs).next_multiple_of(1 << 16);
    // What is made here is not the program's to pay for.
    let extra = u64::from(shadow);
    if let Some(max) = instance.max_memory() {
        instance.set_max_memory(Some(max.saturating_add(max / 4 + extra)));
    }
    let wasm = wat::parse_str(include_str!("checks.wat")).map_err(wasmtime::Error::new)?;
    let module = Module::new(instance.store_mut().engine(), wasm)?;
    let (linker, store) = instance.linker_and_store();
    for (name, address) in [("slots", slots), ("shadow", shadow)] {
        let ty = GlobalType::new(ValType::I32, Mutability::Const);
        let global = Global::new(&mut *store, ty, Val::I32(address.cast_signed()))?;
        linker.define(&mut *store, MODULE, name, global)?;
    }
    let made = linker.instantiate(&mut *store, &module)?;
    let missing = || wasmtime::format_err!("checks.wat lacks an export");
    let memory = made.get_memory(&mut *store, "memory").ok_or_else(missing)?;
    let depth = made.get_global(&mut *store, "depth").ok_or_else(missing)?;
    let high = made.get_global(&mut *store, "high").ok_or_else(missing)?;
    let pages = u64::from(shadow >> 16) - memory.size(&*store);
    memory.grow(&mut *store, pages)?;
    let allocations = made.get_global(&mut *store, "made").ok_or_else(missing)?;
    linker.instance(&mut *store, MODULE, made)?;
    Ok(Checks { memory, depth, high, made: allocations, slots, shadow })
}
