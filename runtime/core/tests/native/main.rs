//! The runtime's core over a native memory: the same code as in `runtime.wasm`, against a model of
//! it and part by part.

mod host;
mod memory;
mod model;
