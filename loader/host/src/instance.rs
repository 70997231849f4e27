//! One instance of the runtime with its host, and what a host can do with it.

mod bounds;
mod heap;
mod look;
mod stacks;
mod wasi;

use std::sync::Arc;

use rootstock_program::Marker;
use wasmtime::{IntoFunc, Linker, Store};

use crate::cause::cause;
use crate::code::RuntimeCode;
use crate::config::Config;
use crate::engine::{EngineKey, RuntimeModule};
use crate::error::Error;
use crate::exports::Exports;
use crate::frames::ModuleInfo;
use crate::handles::HandleStore;
use crate::host::Callback;
use crate::limits::{self, Watchdog};
use crate::merged::Merged;
use crate::state::{Guard, HostState, Output};

/// An instance of the runtime.
///
/// ```
/// use rootstock_host::{Config, Instance, Stat};
///
/// let mut instance = Instance::new(&Config::default())?;
/// let object = instance.alloc(24)?;
/// instance.pin(object)?;
/// instance.collect()?;
/// assert_eq!(instance.base(object.0 + 8), Some(object));
/// assert_eq!(instance.stat(Stat::LiveObjects), 1);
/// # Ok::<(), rootstock_host::Error>(())
/// ```
pub struct Instance {
    pub(crate) store: Store<HostState>,
    pub(crate) exports: Arc<Exports>,
    pub(crate) linker: Linker<HostState>,
    key: EngineKey,
    watchdog: Option<Watchdog>,
    /// The program, where it was linked with the runtime.
    pub(crate) merged: Option<Merged>,
}

impl Instance {
    /// Instantiates the runtime that is built with this crate.
    ///
    /// # Errors
    ///
    /// If the engine cannot be set up, or the configuration asks for an option that the runtime refuses.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::from_module(&RuntimeModule::embedded(config)?, config)
    }

    /// Instantiates another build of the runtime, if it speaks the same version of the ABI.
    ///
    /// # Errors
    ///
    /// If it speaks another version of the ABI, lacks an export, or was compiled for another configuration.
    pub fn from_module(runtime: &RuntimeModule, config: &Config) -> Result<Self, Error> {
        if !runtime.key.serves(config) {
            return Err(Error::EngineMismatch(format!(
                "{} was compiled for a configuration with another timeout, fuel or stack",
                runtime.name
            )));
        }
        let (mut instance, made) = Self::make(runtime, config, None)?;
        instance
            .linker
            .instance(&mut instance.store, "runtime", made)
            .map_err(|error| Error::engine("module `runtime` cannot be defined", &error))?;
        instance.configured(config)
    }

    /// Instantiates a module that is the runtime, or was linked with it: then it has a marker.
    pub(crate) fn make(
        runtime: &RuntimeModule,
        config: &Config,
        marker: Option<&Marker>,
    ) -> Result<(Self, wasmtime::Instance), Error> {
        let handles = config.max_handles.map_or_else(HandleStore::default, HandleStore::with_limit);
        let output = if config.capture_output {
            Output::Captured(Vec::new())
        } else {
            Output::Stdout(std::io::BufWriter::new(std::io::stdout()))
        };
        let max_memory = config.max_memory.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        let state = HostState::new(handles, config.callback.clone(), max_memory, output);
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| state);
        store.data_mut().max_output = config.max_output;
        store.data_mut().wasi_given = config.wasi.clone();
        store.data_mut().modules.push(ModuleInfo {
            module: runtime.module.clone(),
            name: runtime.name.clone(),
            exports: runtime.function_exports.clone(),
            origin: None,
        });
        let mut watchdog = None;
        if runtime.key.is_interruptible() {
            limits::obey_deadline(&mut store);
            // From here on: what says that it is a runtime may be anything.
            if let Some(timeout) = config.timeout {
                watchdog = limits::watch(&mut store, timeout)?;
            }
        }
        if runtime.key.counts_fuel() {
            store.data_mut().counts_fuel = true;
            // Making the instance is not what is measured.
            bounds::set_fuel(&mut store, u64::MAX);
        }

        let what = || format!("{} cannot be instantiated", runtime.name);
        let made =
            runtime.pre.instantiate(&mut store).map_err(|error| Error::engine(what(), &error))?;
        let code = match marker {
            None => {
                check_version(&mut store, &made, &runtime.name)?;
                RuntimeCode::Module(runtime.module.clone())
            }
            Some(marker) => {
                if marker.complete && marker.prefix.is_empty() {
                    check_version(&mut store, &made, &runtime.name)?;
                }
                RuntimeCode::Linked(runtime.module.clone(), marker.functions.clone())
            }
        };
        let exports = Exports::find(&mut store, code, &made, &runtime.name, marker)?;
        let exports = Arc::new(exports);
        let mut unset = [0; 4];
        let _ = exports.read(&store, exports.gc_stack_limit, &mut unset);
        let unset = u32::from_le_bytes(unset);
        store.data_mut().guard = Guard { unset, set: ::runtime::SHADOW_STACK_GUARD };
        store.data_mut().exports = Some(Arc::clone(&exports));
        let linker = runtime.linker.clone();
        let key = runtime.key;
        Ok((Self { store, exports, linker, key, watchdog, merged: None }, made))
    }

    /// Sets what has to be set before any of a program's code runs.
    pub(crate) fn configured(mut self, config: &Config) -> Result<Self, Error> {
        for &(option, value) in &config.options {
            self.configure(option, value)?;
        }
        if let Some(fuel) = config.fuel {
            self.set_fuel(fuel)?;
        }
        Ok(self)
    }

    /// Tells whether the runtime's exports are there: a program may have been linked without them, and then nothing can be
    /// asked of the runtime but what it stored before a trap.
    pub fn is_complete(&self) -> bool {
        self.merged.as_ref().is_none_or(Merged::is_complete)
    }

    /// Adds a function of the host that programs may import.
    ///
    /// # Errors
    ///
    /// If the engine takes no function of this type, or the name is taken.
    pub fn define<P, R>(
        &mut self,
        module: &str,
        name: &str,
        function: impl IntoFunc<HostState, P, R>,
    ) -> Result<(), Error> {
        self.linker
            .func_wrap(module, name, function)
            .map(drop)
            .map_err(|error| Error::engine(format!("{module}.{name} cannot be defined"), &error))
    }

    /// The host's handles.
    pub fn handles(&self) -> &HandleStore {
        self.store.data().handles()
    }

    /// The host's handles.
    pub fn handles_mut(&mut self) -> &mut HandleStore {
        self.store.data_mut().handles_mut()
    }

    /// Replaces what the host does when it is told.
    pub fn set_callback(&mut self, callback: Callback) {
        self.store.data_mut().callback = callback;
    }

    /// Takes what programs have printed, where it is captured.
    pub fn take_output(&mut self) -> Vec<u8> {
        match &mut self.store.data_mut().output {
            Output::Captured(bytes) => std::mem::take(bytes),
            Output::Stdout(_) => Vec::new(),
        }
    }

    /// Passes on what programs have printed, where it is not captured.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written to.
    pub fn flush_output(&mut self) -> std::io::Result<()> {
        match &mut self.store.data_mut().output {
            Output::Captured(_) => Ok(()),
            Output::Stdout(stdout) => std::io::Write::flush(stdout),
        }
    }

    /// The runtime's exports, for calls that this type does not offer.
    pub fn exports(&self) -> Arc<Exports> {
        Arc::clone(&self.exports)
    }

    /// The imports for programs that are instantiated later, and the store that they are in.
    pub fn linker_and_store(&mut self) -> (&mut Linker<HostState>, &mut Store<HostState>) {
        (&mut self.linker, &mut self.store)
    }

    /// The engine's store, for what this type does not offer.
    pub fn store_mut(&mut self) -> &mut Store<HostState> {
        &mut self.store
    }
}

/// The version comes first: what else a runtime of another version exports is anybody's guess.
fn check_version(
    store: &mut Store<HostState>,
    made: &wasmtime::Instance,
    name: &str,
) -> Result<(), Error> {
    const EXPORT: &str = "gc_abi_version";
    let wrong = |cause: String| Error::Export { module: name.to_owned(), export: EXPORT, cause };
    let Some(version) = made.get_func(&mut *store, EXPORT) else {
        return Err(wrong("no function of that name is exported".into()));
    };
    let Ok(version) = version.typed::<(), u32>(&*store) else {
        return Err(wrong(format!("it has the type {}", version.ty(&*store))));
    };
    let found = version.call(&mut *store, ()).map_err(|error| wrong(cause(&error)))?;
    if found == runtime::ABI_VERSION {
        Ok(())
    } else {
        Err(Error::AbiVersion { what: name.to_owned(), expected: runtime::ABI_VERSION, found })
    }
}

#[cfg(test)]
mod tests;
