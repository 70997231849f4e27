#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! * [`oracle`] runs programs on the runtime and on an independent model of it;
//! * [`stress`] drives the runtime hard with seeded scenarios;
//! * [`hostile`] makes programs that mean harm, for the host to survive.

#![deny(clippy::missing_errors_doc)]

pub mod hostile;
pub mod oracle;
pub mod stress;
