//! The runtime's core as a library inside a wasm module that has an allocator of its own.
//!
//! Both grow the module's one memory, in turns that neither knows of. The tests are in `tests/`; here are the memory
//! and the host that they need. On other targets than wasm the crate is empty.
#![cfg(target_arch = "wasm32")]

mod host;
mod memory;

pub use host::Heap;
pub use memory::SharedMemory;
