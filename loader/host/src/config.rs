//! The settings of an instance.

use std::time::Duration;

use runtime::options::GcOption;

use crate::host::Callback;
use crate::wasi::Wasi;

/// The settings of an instance, field by field, from [`Config::default`] on, which bounds nothing but the wasm stack.
///
/// ```
/// use rootstock_host::{Config, GcOption, Instance};
///
/// let mut config = Config::default();
/// config.options.push((GcOption::HeapLimit, 1 << 20));
/// let mut instance = Instance::new(&config)?;
/// assert!(instance.alloc(2 << 20).is_err());
/// # Ok::<(), rootstock_host::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Options of the runtime, set in this order before anything else runs.
    pub options: Vec<(GcOption, u32)>,
    /// Bytes that all memories together may grow to. With a bound here, tables have one too.
    pub max_memory: Option<u64>,
    /// The action of the host when it is notified of a dead handle.
    pub callback: Callback,
    /// Time from now on after which a running call is stopped, and compiling a program given up. Code that can be stopped is a few percent slower.
    pub timeout: Option<Duration>,
    /// Fuel (about one unit an instruction) after which a running call is stopped, at the same place each time.
    pub fuel: Option<u64>,
    /// Bytes of native stack that wasm may use; the calling thread must have that much and some more. The default of
    /// 1 MiB fits threads as the standard library makes them. [`with_stack`](crate::with_stack) makes larger ones.
    pub wasm_stack: usize,
    /// Handles that programs may have alive at once.
    pub max_handles: Option<u64>,
    /// Bytes that programs may print.
    pub max_output: Option<u64>,
    /// The part of WASI that programs that import it are shown; without it they are refused.
    pub wasi: Option<Wasi>,
    /// Keep what programs print for [`Instance::take_output`](crate::Instance::take_output), instead of printing it.
    pub capture_output: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            options: Vec::new(),
            max_memory: None,
            callback: Callback::Plain,
            timeout: None,
            fuel: None,
            wasm_stack: 1 << 20,
            max_handles: None,
            max_output: None,
            wasi: None,
            capture_output: false,
        }
    }
}
