//! `rootstock sdk` from outside: object files of two compilers, linked with the runtime by `wasm-ld`, and run.
//!
//! The programs are in `tests/link/`. They do the same, so each result is worked out here, once, without them.

mod common;

mod object_link {
    mod kinds;
    mod linker;
    mod notified;
    mod phases;
    mod programs;
    mod running;
}
