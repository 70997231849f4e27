//! Proposals that a module needs, by name.
//!
//! A module that uses what an engine lacks is not invalid: it is told so by the proposal's name.

use wasmparser::{Validator, WasmFeatures};

/// What the linker takes: wasm 3.0, threads, and what toolchains still emit from before it.
pub(crate) const LINKER: WasmFeatures = WasmFeatures::WASM3.union(WasmFeatures::LEGACY_EXCEPTIONS);

/// What the engine takes, as it is built and set up here.
pub(crate) const ENGINE: WasmFeatures = WasmFeatures::WASM3.difference(WasmFeatures::THREADS);

/// What a module may use beyond wasm 2.0, in words.
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
pub(crate) fn objection(wasm: &[u8], supported: WasmFeatures, by: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, RuntimeModule};

    const USES: &[(&str, &str)] = &[
        ("(module (tag $t) (func try throw $t catch $t end))", "legacy exceptions"),
        ("(module (func try nop delegate 0))", "legacy exceptions"),
        ("(module (func try nop catch_all rethrow 0 end))", "legacy exceptions"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (memory 1 (pagesize 1)))", "custom page sizes"),
        ("(module (type $f (func)) (type $c (cont $f)))", "stack switching"),
        (
            "(module (func (param i64 i64 i64 i64) (result i64 i64)
                local.get 0 local.get 1 local.get 2 local.get 3 i64.add128))",
            "wide arithmetic",
        ),
        ("(module (global (shared i32) (i32.const 0)))", "shared-everything threads"),
    ];

    #[test]
    fn what_is_not_supported_is_named() {
        let engine = RuntimeModule::embedded(&Config::default()).unwrap();
        for (text, name) in USES {
            let wasm = wat::parse_str(text).expect(text);
            assert!(wasmtime::Module::validate(engine.engine(), &wasm).is_err(), "{text}");
            let objection = objection(&wasm, ENGINE, "the engine").expect(text);
            assert!(
                objection.starts_with(&format!("it uses {name}"))
                    && objection.ends_with(", which the engine does not support"),
                "{text}: {objection}"
            );
        }
    }

    #[test]
    fn what_the_engine_takes_is_no_objection() {
        let engine = RuntimeModule::embedded(&Config::default()).unwrap();
        for text in [
            "(module (memory i64 1) (memory 1))",
            "(module (type (struct (field i32))) (tag) (func (result (ref null 0)) ref.null 0))",
            "(module (func return_call 0))",
            "(module (tag $t) (func (block $b (try_table (catch $t $b) (throw $t)))))",
        ] {
            let wasm = wat::parse_str(text).unwrap();
            wasmtime::Module::validate(engine.engine(), &wasm).expect(text);
            assert_eq!(objection(&wasm, ENGINE, "the engine"), None, "{text}");
        }
        // What is wrong is no matter of proposals.
        let wrong = wat::parse_str("(module (func (result i32)))").unwrap();
        assert_eq!(objection(&wrong, ENGINE, "the engine"), None);
    }
}
