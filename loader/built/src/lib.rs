#![doc = include_str!("../README.md")]
//!
//! # What there is
//!
//! * [`RUNTIME_WASM`] is the module that programs are linked or instantiated with, and [`RUNTIME_LIBRARY`] the static library
//!   for object files;
//! * [`HEADER`] is the ABI in C, and [`COMPONENT`] is what programs add that are to be components;
//! * [`names`] are the names of the ABI that the layers above have in common;
//! * [`Exports`] is the list of what the runtime exports, by its own account.

#![deny(clippy::missing_errors_doc)]

mod exports;
pub mod names;

pub use runtime::ABI_VERSION;

pub use exports::{Exports, runtime_exports};

/// The runtime that is built with this crate.
pub const RUNTIME_WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.wasm"));

/// The same runtime as a static library, for object files.
pub static RUNTIME_LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libruntime.a"));

/// The ABI in C.
pub const HEADER: &str = include_str!(concat!(env!("OUT_DIR"), "/rootstock.h"));

/// The files that components need, for `rootstock link` and in C: their names and their contents.
pub const COMPONENT: [(&str, &str); 3] = [
    ("component.wat", include_str!(concat!(env!("OUT_DIR"), "/component.wat"))),
    ("component.h", include_str!(concat!(env!("OUT_DIR"), "/component.h"))),
    ("component.c", include_str!(concat!(env!("OUT_DIR"), "/component.c"))),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes come from any folder, so no path of the builder may be in them.
    #[test]
    fn no_path_of_the_builder_is_in_what_is_built() {
        let folder = env!("CARGO_MANIFEST_DIR").trim_end_matches("loader/built");
        let home = std::env::var("HOME").unwrap_or_default();
        for bytes in [RUNTIME_WASM, RUNTIME_LIBRARY] {
            let text = String::from_utf8_lossy(bytes);
            for path in [folder, "/.cargo/", "registry/src", home.as_str()] {
                assert!(path.len() < 3 || !text.contains(path), "{path}");
            }
        }
    }
}
