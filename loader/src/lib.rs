//! Runs programs against Rootstock's runtime in wasmtime.
//!
//! The modules, in the order in which a program travels through them:
//!
//! * [`program`] reads and checks a `.wasm` or `.wat` file;
//! * [`config`] is what an instance is made with, and [`engine`] compiles the runtime, once for each set of settings
//!   that the code depends on;
//! * [`instance`] is one instance of the runtime with its host, and what a host can do with it;
//! * [`exports`] is the one place that knows the runtime's exports by name;
//! * [`host`] is the other side: what module `host` gives to the runtime and to programs;
//! * [`link`] makes one module of a program and the runtime instead;
//! * [`wasi`] is the other thing that programs may import: arguments, files, clocks;
//! * [`handles`] is the host's handle store, whose audit says what became of each handle;
//! * [`scope`] holds roots for as long as a Rust scope lasts;
//! * [`limits`] bounds memory, time and stack;
//! * [`sdk`] writes what `wasm-ld` needs to link object files with the runtime;
//! * [`error`] and [`report`] say what went wrong, the second in words for a person;
//! * [`doctor`] watches a program until a missing root shows itself;
//! * [`hostile`] makes programs that mean harm, for the loader to survive;
//! * [`cli`] is the command `loader`, and [`stress`] its scenarios;
//! * [`oracle`] runs programs on the runtime and on an independent model of it.
//!
//! ```
//! use loader::{Config, Instance};
//!
//! let mut instance = Instance::new(&Config::default())?;
//! let mut scope = instance.scope();
//! let pair = scope.alloc(8)?;
//! scope.push(pair)?;
//! let text = scope.alloc_atomic(100)?;
//! scope.write_u32(pair.0, text.0)?;
//! scope.collect()?;
//! assert_eq!(scope.base(text.0), Some(text));
//! # Ok::<(), loader::Error>(())
//! ```

mod calls;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod exports;
mod features;
pub mod handles;
pub mod host;
pub mod hostile;
mod imports;
pub mod instance;
pub mod limits;
pub mod link;
mod locate;
mod merged;
pub mod oracle;
pub mod program;
pub mod report;
pub mod scope;
pub mod sdk;
pub mod stress;
pub mod wasi;

pub use config::Config;
pub use engine::RuntimeModule;
pub use error::{Error, Frame, InputError, TrapReport};
pub use exports::Ptr;
pub use handles::{Audit, Fault, FaultKind, Handle, HandleStore, Status};
pub use host::{Callback, CallbackCx, HostState};
pub use instance::Instance;
pub use limits::with_stack;
pub use program::{Linked, Program};
pub use scope::RootScope;
pub use wasi::Wasi;

pub use runtime::error::{ErrorCode, ErrorInfo};
pub use runtime::options::GcOption;
pub use runtime::stats::Stat;
/// The engine, in the version that this crate's types come from.
pub use wasmtime;

/// The runtime that is built with this crate.
pub const RUNTIME_WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));
/// The same runtime as a static library, for object files.
pub static RUNTIME_LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libruntime.a"));
