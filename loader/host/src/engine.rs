//! The runtime, compiled: once for each set of engine settings, however many instances there are.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rootstock_built::RUNTIME_WASM;
use rootstock_program::{Decref, InputError, Program};
use wasmtime::{Engine, InstancePre, Linker, Module, Store, WasmBacktraceDetails};

use crate::compile;
use crate::config::Config;
use crate::error::Error;
use crate::frames::BACKTRACE_FRAMES;
use crate::host;
use crate::imports;
use crate::limits;
use crate::state::HostState;
use crate::wasi;

/// The part of a [`Config`] that is compiled into the code, and so decides which engine it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EngineKey {
    /// Code looks at the epoch, so that a timeout can stop it: a few percent slower.
    interruptible: bool,
    /// Code counts fuel: about a third slower.
    fuel: bool,
    /// Bytes of native stack.
    stack: usize,
}

impl EngineKey {
    fn of(config: &Config) -> Self {
        Self {
            interruptible: config.timeout.is_some(),
            fuel: config.fuel.is_some(),
            stack: config.wasm_stack,
        }
    }

    /// Tells whether code for this key does all that `config` asks for.
    pub(crate) fn serves(self, config: &Config) -> bool {
        let wanted = Self::of(config);
        self.interruptible >= wanted.interruptible
            && self.fuel >= wanted.fuel
            && self.stack == wanted.stack
    }

    pub(crate) fn is_interruptible(self) -> bool {
        self.interruptible
    }

    pub(crate) fn counts_fuel(self) -> bool {
        self.fuel
    }

    fn engine(self) -> Result<Engine, Error> {
        let mut settings = wasmtime::Config::new();
        settings
            .epoch_interruption(self.interruptible)
            .consume_fuel(self.fuel)
            .max_wasm_stack(self.stack)
            // Nothing here is asynchronous, but the engine holds the bound above to this one.
            .async_stack_size(self.stack)
            // Lines of the source, where a program carries DWARF.
            .wasm_backtrace_details(WasmBacktraceDetails::Enable)
            .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));
        Engine::new(&settings).map_err(|error| Error::engine("the engine cannot be set up", &error))
    }
}

/// A build of the runtime, compiled.
///
/// ```
/// use rootstock_host::{Config, Instance, RUNTIME_WASM, RuntimeModule};
///
/// let config = Config::default();
/// let build = RuntimeModule::new("runtime.wasm", RUNTIME_WASM, &config)?;
/// let mut instance = Instance::from_module(&build, &config)?;
/// assert!(!instance.alloc(8)?.is_null());
/// # Ok::<(), rootstock_host::Error>(())
/// ```
#[derive(Clone)]
pub struct RuntimeModule {
    pub(crate) name: Arc<str>,
    pub(crate) engine: Engine,
    pub(crate) module: Module,
    pub(crate) key: EngineKey,
    /// Module `host`, to which each instance adds its own.
    pub(crate) linker: Linker<HostState>,
    pub(crate) pre: InstancePre<HostState>,
    /// Names of exported functions by number, of a linked program.
    pub(crate) function_exports: BTreeMap<u32, String>,
}

static EMBEDDED: LazyLock<Mutex<HashMap<EngineKey, RuntimeModule>>> = LazyLock::new(Mutex::default);

impl RuntimeModule {
    /// The runtime that is built with this crate, for the engine that `config` needs. Compiled once a process.
    ///
    /// # Errors
    ///
    /// If the engine cannot be set up.
    pub fn embedded(config: &Config) -> Result<Self, Error> {
        let key = EngineKey::of(config);
        let mut known = EMBEDDED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let compiled = Self::compile(key, "runtime", RUNTIME_WASM)?;
        known.insert(key, compiled.clone());
        Ok(compiled)
    }

    /// Another build of the runtime, from the bytes of a module; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If the bytes are no module, or one that imports what the host does not have.
    pub fn new(name: &str, wasm: &[u8], config: &Config) -> Result<Self, Error> {
        Self::compile(EngineKey::of(config), name, wasm)
    }

    fn compile(key: EngineKey, name: &str, wasm: &[u8]) -> Result<Self, Error> {
        let engine = key.engine()?;
        let module = compile::compile(&engine, wasm)
            .map_err(|error| InputError::new(name, format!("not a wasm module: {error:#}")))?;
        let linker = host_linker(&engine)?;
        let pre = linker.instantiate_pre(&module).map_err(|error| {
            InputError::new(name, format!("not a build of the runtime: {error:#}"))
        })?;
        Ok(Self {
            name: name.into(),
            engine,
            module,
            key,
            linker,
            pre,
            function_exports: BTreeMap::new(),
        })
    }

    /// A program that was linked with the runtime takes its place.
    pub(crate) fn linked(
        program: &Program,
        decref: &Decref,
        config: &Config,
    ) -> Result<Self, Error> {
        let key = EngineKey::of(config);
        let engine = key.engine()?;
        compile::validate(program, &engine)?;
        let deadline = config.timeout.and_then(limits::deadline);
        let module = compile::by_deadline(program, &engine, program.wasm(), deadline)?;
        let mut linker = host_linker(&engine)?;
        if config.wasi.is_some() && wasi::is_imported(&module) {
            for name in wasi::MODULES {
                wasi::define(&mut linker, name)
                    .map_err(|error| Error::engine("WASI cannot be defined", &error))?;
            }
        }
        let mut store = Store::new(&engine, HostState::default());
        if let Decref::Import(from, name) = decref
            && linker.get(&mut store, from, name).is_err()
        {
            let cause = format!(
                "its runtime notifies {from}.{name} of dead handles, as --decref-import had it, and no such function is \
                 here: link it without, or bind it with --decref"
            );
            return Err(InputError::new(program.name(), cause).into());
        }
        imports::check(&module, &linker, store, true)
            .map_err(|cause| InputError::new(program.name(), cause))?;
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| InputError::new(program.name(), format!("{error:#}")))?;
        let function_exports = program.function_exports().clone();
        Ok(Self { name: program.name().into(), engine, module, key, linker, pre, function_exports })
    }

    /// The engine it was compiled for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The compiled module.
    pub fn module(&self) -> &Module {
        &self.module
    }
}

fn host_linker(engine: &Engine) -> Result<Linker<HostState>, Error> {
    let mut linker = Linker::new(engine);
    host::define(&mut linker)
        .map_err(|error| Error::engine("module `host` cannot be defined", &error))?;
    Ok(linker)
}
