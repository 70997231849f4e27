//! The runtime's core over a native memory: the code of `runtime.wasm`, against a model of
//! it and part by part.

mod blacklist;
mod blocks;
mod bounds;
mod checker;
mod growth;
mod host;
mod interior;
mod interrupted;
mod large;
mod layers;
mod marking;
mod memory;
mod model;
mod notifying;
mod pacing;
mod ranges;
mod roots;
mod spare;
mod stacks;
mod sweeping;
mod telling;
mod traps;
mod wrappers;
