//! Measures Rootstock beside what it is to be measured by, in one process.
//!
//! The modules, in the order in which a measurement goes through them:
//!
//! * [`workload`] is the table of what is measured: a guest, its size, the targets; [`expected`] is the result
//!   that it must have;
//! * [`rival`] is the table of who is measured, and [`tools`] what builds them, in the versions
//!   that [`pins`] knows;
//! * [`template`] makes of a guest the module that a compiler would emit for one allocator, and [`guest`] joins the two;
//! * [`engine`] runs them and takes one sample, with [`memory`] and [`pause`] at its side; [`node`] does so in V8;
//! * [`rounds`] takes samples in turns, so that whatever else the machine does falls on all alike;
//! * [`instances`] measures what it takes to have many of them, and [`growth`] what one option does;
//! * [`stats`] makes of samples medians, intervals and ratios, [`report`] and [`chart`] show them, and [`page`] writes
//!   docs/performance.md;
//! * [`compare`] says what moved between two builds, and [`golden`] holds instruction counts to what they were;
//! * [`cli`] is the command `bench`.

pub mod about;
pub mod chart;
pub mod cli;
pub mod compare;
pub mod engine;
pub mod expected;
pub mod golden;
pub mod growth;
pub mod guest;
pub mod instances;
pub mod memory;
pub mod node;
pub mod page;
pub mod pause;
pub mod pins;
pub mod report;
pub mod rival;
pub mod rounds;
pub mod stats;
pub mod template;
pub mod tools;
pub mod workload;
