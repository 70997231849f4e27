//! One instance of the runtime with its host, and what a host can do with it.

mod bounds;

use std::sync::Arc;

use rootstock_program::Marker;
use runtime::error::{ErrorCode, error_info};
use runtime::options::GcOption;
use runtime::stats::Stat;
use wasmtime::{IntoFunc, Linker, Store};

use crate::calls::Guard;
use crate::config::Config;
use crate::engine::{EngineKey, RuntimeModule};
use crate::error::Error;
use crate::exports::{Exports, Ptr};
use crate::frames::{self, ModuleInfo};
use crate::handles::HandleStore;
use crate::host::Callback;
use crate::limits::{self, Watchdog};
use crate::merged::{Merged, RuntimeCode};
use crate::scope::RootScope;
use crate::state::{HostState, Output};

/// An instance of the runtime.
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
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::from_module(&RuntimeModule::embedded(config)?, config)
    }

    /// Instantiates another build of the runtime, if it speaks the same version of the ABI.
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

    /// What has to be set before any of a program's code runs.
    pub(crate) fn configured(mut self, config: &Config) -> Result<Self, Error> {
        for &(option, value) in &config.options {
            self.configure(option, value)?;
        }
        if let Some(fuel) = config.fuel {
            self.set_fuel(fuel)?;
        }
        Ok(self)
    }

    /// Whether the runtime's exports are there: a program may have been linked without them, and then nothing can be
    /// asked of the runtime but what it stored before a trap.
    pub fn is_complete(&self) -> bool {
        self.merged.as_ref().is_none_or(Merged::is_complete)
    }

    /// Adds a function of the host that programs may import.
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

    // Memory, from the program's side.

    /// Allocates `size` zeroed bytes that are scanned for pointers.
    pub fn alloc(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc(&mut self.store, size)
    }

    /// Allocates `size` bytes that hold no pointers; they are not zeroed.
    pub fn alloc_atomic(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc_atomic(&mut self.store, size)
    }

    /// Allocates as [`alloc`](Self::alloc), or says that there is no memory.
    pub fn try_alloc(&mut self, size: u32) -> Result<Option<Ptr>, Error> {
        self.exports.try_alloc(&mut self.store, size)
    }

    /// The same for an object that holds no pointers.
    pub fn try_alloc_atomic(&mut self, size: u32) -> Result<Option<Ptr>, Error> {
        self.exports.try_alloc_atomic(&mut self.store, size)
    }

    /// Makes `p` stand for a handle: the host is notified when `p` is dead.
    ///
    /// An object that holds its handle comes from [`alloc_atomic`](Self::alloc_atomic): a handle may look like an address.
    pub fn register_wrapper(&mut self, p: Ptr, kind: u32, handle: u32) -> Result<(), Error> {
        self.exports.register_wrapper(&mut self.store, p, kind, handle)
    }

    /// The same, with the size of the host memory behind the handle.
    pub fn register_wrapper_sized(
        &mut self,
        p: Ptr,
        kind: u32,
        handle: u32,
        external_bytes: u32,
    ) -> Result<(), Error> {
        let params = (p.0, kind, handle, external_bytes);
        self.exports.call(&mut self.store, &self.exports.register_wrapper_sized, params)
    }

    /// Makes `p` stand for a handle, or says why not: the error of the runtime's, which has not trapped.
    ///
    /// # Errors
    ///
    /// If the host's own callback traps on the way.
    pub fn try_register_wrapper(
        &mut self,
        p: Ptr,
        kind: u32,
        handle: u32,
    ) -> Result<Option<ErrorCode>, Error> {
        let function = &self.exports.try_register_wrapper;
        let code = self.exports.call(&mut self.store, function, (p.0, kind, handle))?;
        let row = error_info(code);
        Ok(row.map(|row| row.code).filter(|&code| code != ErrorCode::None))
    }

    /// The kind and the handle that `p` stands for; nothing if it stands for none, or is no object. For a host that keeps
    /// addresses of wrappers, and looks whether they still are some.
    pub fn wrapper(&mut self, p: Ptr) -> Option<(u32, u32)> {
        self.exports.wrapper(&mut self.store, p)
    }

    /// Notifies the host of at most `max` of the dead handles that are queued; returns how many are left. For a host that
    /// has set the option NOTIFY to 0.
    ///
    /// # Errors
    ///
    /// If the host's callback traps.
    pub fn notify(&mut self, max: u32) -> Result<u32, Error> {
        self.exports.notify(&mut self.store, max)
    }

    /// Disposes of a wrapper now; false if `p` has none.
    pub fn release_wrapper(&mut self, p: Ptr) -> Result<bool, Error> {
        self.exports.release_wrapper(&mut self.store, p)
    }

    /// Runs a full collection.
    pub fn collect(&mut self) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_collect, ())
    }

    /// Tells the host about every wrapper that is left. The handle store's audit counts a handle that is alive after
    /// that as never told. A program that was linked without the runtime's exports cannot be told to.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        if !self.is_complete() {
            return Ok(());
        }
        self.exports.call(&mut self.store, &self.exports.gc_shutdown, ())?;
        if self.merged.as_ref().is_none_or(Merged::notifies_host) {
            self.handles_mut().expect_all_told();
        }
        Ok(())
    }

    /// Says where static data end.
    pub fn init(&mut self, static_end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_init, static_end)
    }

    /// Registers a range of words that hold roots.
    pub fn add_roots(&mut self, start: u32, end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_add_roots, (start, end))
    }

    /// Forgets a range of roots.
    pub fn remove_roots(&mut self, start: u32, end: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_remove_roots, (start, end))
    }

    /// Keeps an object alive until it is unpinned as often as it was pinned.
    pub fn pin(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_pin, p.0)
    }

    /// Takes one pin back.
    pub fn unpin(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_unpin, p.0)
    }

    /// Sets an option and returns its old value.
    pub fn configure(&mut self, option: GcOption, value: u32) -> Result<u32, Error> {
        self.exports.configure(&mut self.store, option, value)
    }

    // Looking at it. These work after an interruption too.

    /// A statistic; -1 if the runtime does not know it.
    pub fn stat(&mut self, stat: Stat) -> i64 {
        self.exports.stat(&mut self.store, stat)
    }

    /// The object that an address lies in.
    pub fn base(&mut self, address: u32) -> Option<Ptr> {
        self.exports.base(&mut self.store, address)
    }

    /// The usable size of the object that an address lies in.
    pub fn size(&mut self, address: u32) -> Option<u32> {
        self.exports.size(&mut self.store, address)
    }

    /// Walks the heap and every table: 0, or the code of the first broken invariant.
    pub fn verify(&mut self) -> Result<u32, Error> {
        self.exports.verify(&mut self.store)
    }

    /// The last error the runtime stored, and its argument.
    pub fn last_error(&mut self) -> Option<(ErrorCode, u32)> {
        self.exports.last_error(&mut self.store)
    }

    // The shadow stack.

    /// The value of `gc_sp`: the next free slot.
    pub fn sp(&mut self) -> u32 {
        self.exports.sp(&mut self.store)
    }

    /// Sets `gc_sp`. Nothing is checked before the next collection.
    pub fn set_sp(&mut self, sp: u32) {
        self.exports.set_sp(&mut self.store, sp);
    }

    /// Where the first shadow stack begins.
    pub fn stack_base(&self) -> u32 {
        self.exports.gc_stack_base
    }

    /// Where the first shadow stack ends.
    pub fn stack_limit(&self) -> u32 {
        self.exports.gc_stack_limit
    }

    /// Where the current shadow stack ends.
    pub fn stack_end(&mut self) -> u32 {
        self.exports.stack_end(&mut self.store)
    }

    /// Makes a shadow stack of `slots` slots, for a fiber, a coroutine or a suspended call; returns its number. The stack
    /// that a program starts on is number 0.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn stack_new(&mut self, slots: u32) -> Result<u32, Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_new, slots)
    }

    /// Goes on on another shadow stack, where that was left: `gc_sp` is its top from now on. Returns the one that was
    /// current. A [`RootScope`] ends on the stack on which it began.
    ///
    /// # Errors
    ///
    /// If there is no such stack, or if too much was pushed on the one that is left.
    pub fn stack_switch(&mut self, stack: u32) -> Result<u32, Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_switch, stack)
    }

    /// Frees a shadow stack, and the roots on it.
    ///
    /// # Errors
    ///
    /// If there is no such stack, or if it is the current one or number 0.
    pub fn stack_free(&mut self, stack: u32) -> Result<(), Error> {
        self.exports.call(&mut self.store, &self.exports.gc_stack_free, stack)
    }

    /// Where a program's static data begin.
    pub fn program_base(&self) -> u32 {
        self.exports.gc_program_base
    }

    /// Pushes a root; an error when no slot is free.
    pub fn push_root(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.push_root(&mut self.store, p)
    }

    /// A scope: what is rooted through it stays rooted until it is dropped.
    pub fn scope(&mut self) -> RootScope<'_> {
        RootScope::new(self)
    }

    // Memory, from the host's side.

    /// Bytes of linear memory.
    pub fn memory_size(&self) -> usize {
        self.exports.memory.data_size(&self.store)
    }

    /// Copies memory out.
    pub fn read(&self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        self.exports.read(&self.store, address, into)
    }

    /// Copies into memory.
    pub fn write(&mut self, address: u32, from: &[u8]) -> Result<(), Error> {
        self.exports.write(&mut self.store, address, from)
    }

    /// Reads a word.
    pub fn read_u32(&self, address: u32) -> Result<u32, Error> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Writes a word.
    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.write(address, &value.to_le_bytes())
    }

    // The host itself.

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

    /// What programs that are instantiated later may import, and the store that it is in.
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
    let found = version.call(&mut *store, ()).map_err(|error| wrong(frames::cause(&error)))?;
    if found == runtime::ABI_VERSION {
        Ok(())
    } else {
        Err(Error::AbiVersion { what: name.to_owned(), expected: runtime::ABI_VERSION, found })
    }
}

#[cfg(test)]
mod tests;
