//! The host's side: what module `host` gives to the runtime and to programs.
//!
//! | import | for | meaning |
//! | --- | --- | --- |
//! | `host_decref_handle(kind, handle)` | the runtime | the object that stood for `handle` is dead |
//! | `handle_new(kind: i32, value: i64) -> i32` | programs | makes a handle; traps when the store is full |
//! | `handle_value(handle: i32) -> i64` | programs | the value behind a live handle; traps for any other number |
//! | `handle_kind(handle: i32) -> i32` | programs | its kind, or -1 for a number that is no live handle |
//! | `handle_count() -> i32` | programs | how many handles are alive |
//! | `print_i32(i32)`, `print_i64(i64)`, `print_f64(f64)` | programs | prints a number and a newline |
//! | `print_str(ptr: i32, len: i32)` | programs | prints bytes of memory as they are, and no newline |

use std::sync::Arc;

use rootstock_built::names::{DECREF, HOST};
use runtime::stats::Stat;
use wasmtime::{AsContextMut, Caller, Linker, StoreContextMut, format_err};

use crate::error::Error;
use crate::exports::{Exports, Ptr};
use crate::handles::{HandleStore, StoreFull};
use crate::report;
use crate::state::HostState;

/// The action of the host when it is notified of a dead handle. The handle store is always notified first.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use rootstock_host::{Callback, Config, Instance};
///
/// let dead = Arc::new(AtomicU32::new(0));
/// let mut config = Config::default();
/// config.callback = Callback::custom({
///     let dead = Arc::clone(&dead);
///     move |_, _kind, handle| {
///         dead.store(handle, Ordering::Relaxed);
///         Ok(())
///     }
/// });
/// let mut instance = Instance::new(&config)?;
/// let handle = instance.handles_mut().insert(1, 0);
/// let wrapper = instance.alloc_atomic(4)?;
/// instance.register_wrapper(wrapper, 1, handle)?;
/// instance.collect()?;
/// assert_eq!(dead.load(Ordering::Relaxed), handle);
/// # Ok::<(), rootstock_host::Error>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Callback {
    /// Nothing more.
    #[default]
    Plain,
    /// Calls this function. An error it returns stops the runtime like a trap.
    Custom(Arc<CustomCallback>),
}

/// A host's own callback: the kind and the handle are the ones that were registered.
pub type CustomCallback =
    dyn Fn(&mut CallbackCx<'_>, u32, u32) -> wasmtime::Result<()> + Send + Sync;

impl Callback {
    /// Wraps a function.
    pub fn custom(
        f: impl Fn(&mut CallbackCx<'_>, u32, u32) -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(Arc::new(f))
    }
}

/// The means of a host inside a call that wasm made: the callback, or a function of its own.
pub struct CallbackCx<'a> {
    caller: Caller<'a, HostState>,
    exports: Arc<Exports>,
}

impl<'a> CallbackCx<'a> {
    /// Gets at the runtime from inside any host function of a store that an [`Instance`](crate::Instance) owns.
    ///
    /// # Errors
    ///
    /// If the runtime is not instantiated yet.
    pub fn new(caller: Caller<'a, HostState>) -> wasmtime::Result<Self> {
        let exports = caller
            .data()
            .exports
            .clone()
            .ok_or_else(|| format_err!("the runtime is not instantiated yet"))?;
        Ok(Self { caller, exports })
    }

    /// The runtime's exports and the store, for calls that this type does not offer.
    pub fn parts(&mut self) -> (Arc<Exports>, StoreContextMut<'_, HostState>) {
        (Arc::clone(&self.exports), self.caller.as_context_mut())
    }

    /// Allocates zeroed, scanned memory.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if there is no memory.
    pub fn alloc(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc(&mut self.caller, size)
    }

    /// Allocates memory that holds no pointers.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if there is no memory.
    pub fn alloc_atomic(&mut self, size: u32) -> Result<Ptr, Error> {
        self.exports.alloc_atomic(&mut self.caller, size)
    }

    /// Allocates, or says that there is no memory.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if a callback of the host's traps on the way.
    pub fn try_alloc(&mut self, size: u32) -> Result<Option<Ptr>, Error> {
        self.exports.try_alloc(&mut self.caller, size)
    }

    /// Makes `p` stand for a handle.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if `p` is no object or has an entry already, or if the table is full.
    pub fn register_wrapper(&mut self, p: Ptr, kind: u32, handle: u32) -> Result<(), Error> {
        self.exports.register_wrapper(&mut self.caller, p, kind, handle)
    }

    /// Disposes of a wrapper now; false if `p` has none.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps.
    pub fn release_wrapper(&mut self, p: Ptr) -> Result<bool, Error> {
        self.exports.release_wrapper(&mut self.caller, p)
    }

    /// The kind and the handle that `p` stands for.
    pub fn wrapper(&mut self, p: Ptr) -> Option<(u32, u32)> {
        self.exports.wrapper(&mut self.caller, p)
    }

    /// Notifies the host of at most `max` of the dead handles that are queued; returns how many are left.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the host's callback traps.
    pub fn notify(&mut self, max: u32) -> Result<u32, Error> {
        self.exports.notify(&mut self.caller, max)
    }

    /// Asks for a collection. From inside the callback the runtime refuses and counts it.
    ///
    /// # Errors
    ///
    /// [`Error::Trap`] if the runtime finds its tables spoilt.
    pub fn collect(&mut self) -> Result<(), Error> {
        let exports = &self.exports;
        exports.call(&mut self.caller, &exports.gc_collect, ())
    }

    /// Pushes a root on the shadow stack.
    ///
    /// # Errors
    ///
    /// [`Error::ShadowStackFull`] if no slot is free.
    pub fn push_root(&mut self, p: Ptr) -> Result<(), Error> {
        self.exports.push_root(&mut self.caller, p)
    }

    /// The next free slot of the shadow stack.
    pub fn sp(&mut self) -> u32 {
        self.exports.sp(&mut self.caller)
    }

    /// Sets the next free slot of the shadow stack.
    pub fn set_sp(&mut self, sp: u32) {
        self.exports.set_sp(&mut self.caller, sp);
    }

    /// A statistic.
    pub fn stat(&mut self, stat: Stat) -> i64 {
        self.exports.stat(&mut self.caller, stat)
    }

    /// Copies memory out.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn read(&self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        self.exports.read(&self.caller, address, into)
    }

    /// Copies into memory.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if not all of it lies in memory.
    pub fn write(&mut self, address: u32, from: &[u8]) -> Result<(), Error> {
        self.exports.write(&mut self.caller, address, from)
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if it does not lie in memory.
    pub fn read_u32(&self, address: u32) -> Result<u32, Error> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Writes a word.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] if it does not lie in memory.
    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.write(address, &value.to_le_bytes())
    }

    /// The host's handles.
    pub fn handles(&self) -> &HandleStore {
        &self.caller.data().handles
    }

    /// The host's handles.
    pub fn handles_mut(&mut self) -> &mut HandleStore {
        &mut self.caller.data_mut().handles
    }
}

fn told(mut caller: Caller<'_, HostState>, kind: u32, handle: u32) -> wasmtime::Result<()> {
    let state = caller.data_mut();
    state.serves()?;
    // A breach stays in the store for the audit: stopping here would hide what comes after it.
    let _ = state.handles.tell(kind, handle);
    match &state.callback {
        Callback::Plain => Ok(()),
        Callback::Custom(callback) => {
            let callback = Arc::clone(callback);
            callback(&mut CallbackCx::new(caller)?, kind, handle)
        }
    }
}

fn handle_new(mut caller: Caller<'_, HostState>, kind: u32, value: i64) -> wasmtime::Result<u32> {
    caller.data().serves()?;
    let made: Result<u32, StoreFull> = caller.data_mut().handles.try_insert(kind, value);
    Ok(made?)
}

fn handle_value(caller: Caller<'_, HostState>, handle: u32) -> wasmtime::Result<i64> {
    match caller.data().handles.get(handle) {
        Some(found) => Ok(found.value),
        None => Err(format_err!(
            "host.handle_value was given {handle}, which is not a live handle ({})",
            report::status(caller.data().handles.status(handle))
        )),
    }
}

fn handle_kind(caller: Caller<'_, HostState>, handle: u32) -> u32 {
    caller.data().handles.get(handle).map_or(u32::MAX, |found| found.kind)
}

fn handle_count(caller: Caller<'_, HostState>) -> u32 {
    u32::try_from(caller.data().handles.live_count()).unwrap_or(u32::MAX)
}

fn print_line(
    mut caller: Caller<'_, HostState>,
    value: impl std::fmt::Display,
) -> wasmtime::Result<()> {
    caller.data_mut().print(format!("{value}\n").as_bytes())
}

fn print_str(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> wasmtime::Result<()> {
    let exports = caller.data().exports.clone();
    let exports = exports.ok_or_else(|| format_err!("the runtime is not instantiated yet"))?;
    let (memory, state) = exports.memory.data_and_store_mut(&mut caller);
    let start = ptr as usize;
    let bytes = start.checked_add(len as usize).and_then(|end| memory.get(start..end));
    match bytes {
        Some(bytes) => state.print(bytes),
        None => Err(format_err!(
            "host.print_str was given {len} bytes at {ptr:#x}, which do not lie in memory"
        )),
    }
}

/// Defines everything of module `host`.
pub(crate) fn define(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker
        .func_wrap(HOST, DECREF, told)?
        .func_wrap(HOST, "handle_new", handle_new)?
        .func_wrap(HOST, "handle_value", handle_value)?
        .func_wrap(HOST, "handle_kind", handle_kind)?
        .func_wrap(HOST, "handle_count", handle_count)?
        .func_wrap(HOST, "print_i32", |caller: Caller<'_, HostState>, value: i32| {
            print_line(caller, value)
        })?
        .func_wrap(HOST, "print_i64", |caller: Caller<'_, HostState>, value: i64| {
            print_line(caller, value)
        })?
        .func_wrap(HOST, "print_f64", |caller: Caller<'_, HostState>, value: f64| {
            print_line(caller, value)
        })?
        .func_wrap(HOST, "print_str", print_str)?;
    Ok(())
}
