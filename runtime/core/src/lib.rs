//! The core of Rootstock's runtime: a garbage-collected heap in a linear memory, for the output of
//! any WebAssembly compiler.
//!
//! The crate `runtime` makes `runtime.wasm` and `libruntime.a` of it, whose exports the ABI page
//! (`ABI.md`) describes. Here it is a library over any [`memory::Memory`] and [`host::Host`], for
//! tests, fuzzers and profilers too.
//!
//! The modules, in the order in which a request travels through them:
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`host`] | operations that may notify the host, in order |
//! | `alloc`, `register` | the fast path and the slow path of allocation, and of registration |
//! | `runs`, `large` | the cells that small objects are taken from; objects beyond a block |
//! | `lookup` | from an address to its object |
//! | `pace` | when to collect |
//! | `heap` | which block is what; free blocks; growth |
//! | `blacklist` | free blocks that stray words point into |
//! | [`block`] | one block's kind and bitmaps |
//! | [`size_class`], [`addr`] | cell sizes; addresses and blocks as types |
//! | [`memory`] | loads, stores, growth, and the fixed regions |
//! | `collect` | the phases of a collection |
//! | [`phases`] | those that a linked program can lack |
//! | `roots`, `stacks`, `root_table`, `mark` | where it starts; what it reaches |
//! | `wrap_table`, `wrap_index`, `notify` | wrappers, and how the host hears of their death |
//! | [`sweep`] | what becomes of the rest |
//! | `tables`, `probe` | memory for the collector's own tables; the search in those that hash |
//! | [`verify`] | every invariant, checked |
//! | `entry` | the first use, and an interrupted collection |
//! | [`runtime`] | the state of all these |
//! | [`error`], [`options`], [`stats`] | the three tables of the ABI |
#![no_std]

#[cfg(not(target_family = "wasm"))]
extern crate std;

pub mod addr;
mod alloc;
mod blacklist;
pub mod block;
mod collect;
mod entry;
pub mod error;
mod heap;
pub mod host;
mod large;
mod lookup;
mod mark;
pub mod memory;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod notify;
pub mod options;
mod pace;
pub mod phases;
mod probe;
mod register;
mod root_table;
mod roots;
mod runs;
pub mod runtime;
pub mod size_class;
mod stacks;
pub mod stats;
pub mod sweep;
mod tables;
pub mod verify;
mod wrap_index;
mod wrap_table;

/// The version of the ABI, which `gc_abi_version` returns.
pub const ABI_VERSION: u32 = 1;

pub use roots::GUARD as SHADOW_STACK_GUARD;
