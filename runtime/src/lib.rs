//! Rootstock's runtime: a garbage-collected heap in linear memory, for the output of any
//! WebAssembly compiler.
//!
//! The crate builds to `runtime.wasm` and `libruntime.a`, whose exports the ABI page (`ABI.md`)
//! describes, and to a library: the same core over any [`memory::Memory`], for tests, fuzzers and
//! profilers.
//!
//! The modules, in the order in which a request travels through them:
//!
//! | module | what it knows |
//! | --- | --- |
//! | `abi` | every export; the one instance (wasm only) |
//! | [`host`] | operations that may tell the host something, in order |
//! | `alloc`, `large` | the fast path, the slow path, objects beyond a block |
//! | `pace` | when to collect |
//! | `heap` | which block is what; free blocks; growth |
//! | [`block`] | one block's kind and bitmaps |
//! | [`size_class`], [`addr`] | cell sizes; addresses and blocks as types |
//! | [`memory`] | loads, stores, growth, and the fixed regions |
//! | `collect` | the phases of a collection |
//! | `roots`, `mark` | where it starts; what it reaches |
//! | `wrap_table`, `wrap_index`, `tell` | wrappers, and how the host hears of their death |
//! | [`sweep`] | what becomes of the rest |
//! | `tables` | memory for the collector's own tables |
//! | [`verify`] | every invariant, checked |
//! | [`runtime`] | the state of all these |
//! | [`error`], [`options`], [`stats`] | the three tables of the ABI |
#![no_std]

// Everywhere but in runtime.wasm the crate is a library of a program that has std, and with it the panic handler that
// cargo needs to link also the crate's other kinds of library.
#[cfg(not(all(feature = "exports", target_arch = "wasm32")))]
extern crate std;

#[cfg(all(feature = "exports", target_arch = "wasm32"))]
mod abi;
pub mod addr;
mod alloc;
pub mod block;
mod collect;
pub mod error;
mod heap;
pub mod host;
mod large;
mod mark;
pub mod memory;
#[cfg(not(target_family = "wasm"))]
pub mod native;
pub mod options;
mod pace;
mod roots;
pub mod runtime;
pub mod size_class;
pub mod stats;
pub mod sweep;
mod tables;
mod tell;
pub mod verify;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
mod wrap_index;
mod wrap_table;

/// The version of the ABI, which `gc_abi_version` returns.
pub const ABI_VERSION: u32 = 1;
