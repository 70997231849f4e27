#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! In the order in which a file travels through them:
//!
//! * [`Program`] reads and checks a `.wasm` or `.wat` file: its outline is read, and the lines of a text are put right;
//! * [`Marker`] is what a program says of itself that was linked with the runtime;
//! * [`features`] names the proposals that a module needs;
//! * [`locate`] finds the line of the source for a place in a module;
//! * [`address`] and [`dwarf`] rewrite debug information for code that has moved;
//! * [`text`] makes names fit for messages.

#![deny(clippy::missing_errors_doc)]

pub mod address;
pub mod dwarf;
mod error;
pub mod features;
mod lines;
pub mod locate;
mod marker;
mod outline;
mod program;
pub mod text;

pub use error::{AbiMismatch, Error, InputError};
pub use locate::Cause;
pub use marker::{Decref, Marker};
pub use program::Program;
