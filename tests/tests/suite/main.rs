//! Tests of the built runtime from outside: through its ABI, in a real engine, by a real host.

mod abi;
mod acceptance;
mod doctor;
mod errors;
mod faults;
mod guests;
#[path = "guests.rs"]
#[expect(clippy::duplicate_mod, reason = "the same programs, linked in another way")]
mod guests_merged;
mod marking;
mod memory;
mod model;
mod options;
mod pacing;
mod stacks;
mod stats;
mod telling;
