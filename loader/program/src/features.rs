//! Proposals that a module needs, by name.
//!
//! A module that uses what an engine lacks is not invalid: it is told so by the proposal's name.

use wasmparser::{Validator, WasmFeatures};

/// The proposals that a module may use beyond wasm 2.0, in words.
const NAMES: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exceptions (`try`, `catch`)"),
    (WasmFeatures::THREADS, "threads (shared memory, atomic instructions)"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::MEMORY64, "64-bit memories or tables"),
    (WasmFeatures::MULTI_MEMORY, "several memories"),
    (WasmFeatures::GC, "GC types"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::TAIL_CALL, "tail calls"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::EXTENDED_CONST, "extended constant expressions"),
];

/// The sentence for a module that is valid but needs what is not `supported`; `None` if it is invalid, or needs nothing.
pub fn objection(wasm: &[u8], supported: WasmFeatures, by: &str) -> Option<String> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(wasm).is_ok();
    let all = WasmFeatures::all();
    if is_valid(supported) || !is_valid(all) {
        return None;
    }
    let lacks = |feature: WasmFeatures| !supported.intersects(feature);
    let needed: Vec<&str> = NAMES
        .iter()
        .filter(|(feature, _)| lacks(*feature) && !is_valid(all.difference(*feature)))
        .map(|(_, name)| *name)
        .collect();
    let needed = match needed.as_slice() {
        [] => "a proposal of wasm".to_owned(),
        names => names.join(" and "),
    };
    Some(format!("it uses {needed}, which {by} does not support"))
}
