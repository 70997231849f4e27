//! The object files by which a program that is linked by `wasm-ld` gets the phases that it needs, and no others.
//!
//! `rootstock sdk` makes each phase of the runtime's own file a weak symbol for a function that does nothing, and gives its
//! body, and each export that needs one, the name with [`REAL`] behind it. A file here defines such exports under their
//! names, and the phases for good: a reference to one of the exports brings the file along.
//!
//! ```text
//! program ── gc_pin ──→ gc_pins.o: gc_pin         ──→ gc_pin.real      in the runtime's file
//!                                  __phase_pins   ──→ __phase_pins.real
//! ```

use wasm_encoder::ValType;

use crate::object::{Body, EXPLICIT_NAME, Object, Signature, WEAK};

/// The end of a symbol's name in the runtime's file.
const REAL: &str = ".real";

const I32: &[ValType] = &[ValType::I32];
const I64: &[ValType] = &[ValType::I64];

/// A file, its phases, and its exports with their types: the groups of `src/phases.rs`.
type Group = (&'static str, &'static [&'static str], &'static [(&'static str, Signature)]);

const GROUPS: [Group; 6] = [
    (
        "gc_wrappers.o",
        &["__phase_wrappers", "__phase_nested", "__phase_notify"],
        &[
            ("register_wrapper", (3, &[])),
            ("register_wrapper_sized", (4, &[])),
            ("try_register_wrapper", (3, I32)),
        ],
    ),
    ("gc_pins.o", &["__phase_pins"], &[("gc_pin", (1, &[]))]),
    ("gc_ranges.o", &["__phase_ranges"], &[("gc_add_roots", (2, &[]))]),
    ("gc_stacks.o", &["__phase_stacks"], &[("gc_stack_new", (1, I32))]),
    ("gc_stats.o", &["__phase_statistics"], &[("gc_stat", (1, I64))]),
    (
        "gc_options.o",
        &["__phase_eager", "__phase_poison", "__phase_verify", "__phase_stray", "__phase_clean"],
        &[("gc_configure", (2, I32))],
    ),
];

/// The files with their names.
pub(crate) fn files() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    GROUPS.into_iter().map(|(file, phases, exports)| (file, group(phases, exports)))
}

fn group(phases: &[&str], exports: &[(&str, Signature)]) -> Vec<u8> {
    const PHASE: Signature = (2, I32);
    let mut object = Object::default();
    let phases = phases.iter().map(|phase| (*phase, PHASE));
    let functions: Vec<_> = phases
        .chain(exports.iter().copied())
        .map(|(name, signature)| {
            let real = format!("{name}{REAL}");
            (name, signature, object.undefined_function(&real, signature, EXPLICIT_NAME))
        })
        .collect();
    for (name, signature, real) in functions {
        let arguments = 0..u8::try_from(signature.0).expect("functions have few parameters");
        let body = arguments.fold(Body::new(), Body::local_get).call(real).end();
        if signature == PHASE && name.starts_with("__") {
            object.function(name, 0, signature, body);
        } else {
            let own = format!("rootstock_{}", name.strip_prefix("gc_").unwrap_or(name));
            object.function(&own, 0, signature, body);
            object.another_name(name, WEAK);
        }
    }
    object.finish()
}
