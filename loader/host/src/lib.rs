#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! In the order in which a program travels through them:
//!
//! * [`config`] is what an instance is made with, and [`engine`] compiles the runtime, once for each set of settings
//!   that the code depends on;
//! * [`instance`] is one instance of the runtime with its host, and what a host can do with it;
//! * [`Linked`] is a program in it; `compile` makes the engine's code of it, and `merged` knows those that were linked
//!   with the runtime;
//! * [`exports`] is the one place that knows the runtime's exports by name, and `calls` how each call ends;
//! * [`host`] is the other side: what module `host` gives to the runtime and to programs, and [`HostState`] what it works on;
//! * [`wasi`] is the other thing that programs may import: arguments, files, clocks;
//! * [`handles`] is the host's handle store, whose audit says what became of each handle;
//! * [`scope`] holds roots for as long as a Rust scope lasts;
//! * [`limits`] bounds time and stack, and `HostState` memory;
//! * [`error`] and [`report`] say what went wrong, the second in words for a person; `frames` and `cause` have the words for backtraces and for the engine's reasons.

#![deny(clippy::missing_errors_doc)]

mod calls;
mod cause;
mod code;
mod compile;
pub mod config;
pub mod engine;
pub mod error;
pub mod exports;
mod frames;
pub mod handles;
pub mod host;
mod imports;
pub mod instance;
pub mod limits;
mod linked;
mod merged;
pub mod report;
pub mod scope;
mod state;
pub mod wasi;

pub use rootstock_built::RUNTIME_WASM;
pub use rootstock_program::{InputError, Program};
pub use runtime::error::{ErrorCode, ErrorInfo};
pub use runtime::options::GcOption;
pub use runtime::stats::Stat;

pub use calls::Begun;
pub use compile::silence_compiler;
pub use config::Config;
pub use engine::RuntimeModule;
pub use error::{Error, Frame, TrapReport};
pub use exports::Ptr;
pub use frames::{SourceFrames, function_name};
pub use handles::{Audit, Fault, FaultKind, Handle, HandleStore, Status};
pub use host::{Callback, CallbackCx};
pub use imports::signature;
pub use instance::Instance;
pub use limits::with_stack;
pub use linked::Linked;
pub use scope::RootScope;
pub use state::HostState;
pub use wasi::Wasi;

/// The engine, in the version that this crate's types come from.
pub use wasmtime;
