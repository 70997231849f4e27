//! Measures Rootstock beside what it is to be measured by, in one process.
//!
//! The modules, in the order in which a measurement goes through them:
//!
//! * [`workload`] is the table of what is measured: a guest, its size, the result it must have, the targets;
//! * [`rival`] is the table of who is measured, and [`tools`] what builds them;
//! * [`template`] makes of a guest the module that a compiler would emit for one allocator, and [`guest`] joins the two;
//! * [`engine`] runs them and takes one sample, with [`memory`] and [`pause`] at its side; [`node`] does so in V8;
//! * [`rounds`] takes samples in turns, so that whatever else the machine does falls on all alike;
//! * [`stats`] makes of samples medians, intervals and ratios, and [`report`] shows them;
//! * [`compare`] says what moved between two builds, and [`golden`] holds instruction counts to what they were;
//! * [`cli`] is the command `bench`.

pub mod cli;
pub mod compare;
pub mod engine;
pub mod golden;
pub mod guest;
pub mod memory;
pub mod node;
pub mod pause;
pub mod report;
pub mod rival;
pub mod rounds;
pub mod stats;
pub mod template;
pub mod tools;
pub mod workload;
