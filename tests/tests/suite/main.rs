//! Tests of the built runtime from outside: through its ABI, in a real engine, by a real host.

mod abi;
mod acceptance;
mod doctor;
mod errors;
mod guests;
mod marking;
mod memory;
mod model;
mod options;
mod pacing;
mod stats;
mod telling;
