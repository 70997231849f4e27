#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! [`Linker`] is told how. The others, in the order in which a program travels through them:
//!
//! * `module` takes each input apart, `resolve` finds out where its imports come from, and `decref` where the runtime's
//!   goes;
//! * `reach` finds what of the runtime is needed, and `phases` which parts of a collection are not;
//! * `space` has the spaces in which modules number things, `numbers` and `types` give each its number in the merged module, and
//!   `remap` rewrites code with these numbers;
//! * `constant` finds the values of globals that never change;
//! * `layout` looks at data segments and decides how large memory is;
//! * `merge` writes the sections;
//! * `names`, `custom` and `debug` write what is said about it;
//! * `link` is all of that in its order, and [`sdk`] is the other way: what `wasm-ld` needs to link object files with the runtime;
//! * [`optimize`] hands it to Binaryen, and [`mod@file`] puts it on disk.

#![deny(clippy::missing_errors_doc)]

mod constant;
mod custom;
mod debug;
mod decref;
pub mod file;
mod layout;
mod link;
mod linker;
mod merge;
mod module;
mod names;
mod numbers;
pub mod optimize;
mod phases;
mod reach;
mod remap;
mod resolve;
pub mod sdk;
mod space;
mod types;

pub use rootstock_program::{Decref, Error, InputError, Program};
use wasmparser::WasmFeatures;

pub use linker::{LinkOutput, LinkReport, Linker};

/// The features that the linker takes: wasm 3.0, threads, and what toolchains still emit from before it.
const LINKER: WasmFeatures = WasmFeatures::WASM3.union(WasmFeatures::LEGACY_EXCEPTIONS);
