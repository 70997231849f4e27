//! From a program's bytes to the engine's code.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rootstock_program::{Cause, InputError, Program, features, locate, text};
use wasmparser::WasmFeatures;
use wasmtime::{Engine, Module};

use crate::error::Error;

/// The proposals that the engine takes, as it is built and set up here.
const ENGINE: WasmFeatures = WasmFeatures::WASM3.difference(WasmFeatures::THREADS);

/// Tells whether the engine takes the module. Validating on its own gives an error that knows its place; compiling wraps it
/// up.
pub(crate) fn validate(program: &Program, engine: &Engine) -> Result<(), Error> {
    Module::validate(engine, program.wasm()).map_err(|error| invalid(program, &error))
}

/// The engine's objection to the module, in words.
fn invalid(program: &Program, error: &wasmtime::Error) -> Error {
    if let Some(cause) = features::objection(program.wasm(), ENGINE, "the engine") {
        return InputError::new(program.name(), cause).into();
    }
    let cause = match error.downcast_ref::<wasmparser::BinaryReaderError>() {
        Some(invalid) => locate::in_source(program.wasm(), Cause::from(invalid)),
        // It was valid: what comes now are limits of the engine.
        None => {
            format!("the engine cannot compile it: {}", text::shown(&format!("{error:#}")))
        }
    };
    InputError::new(program.name(), cause).into()
}

/// Compiles `wasm`, which is the program or was made of it, by the deadline: compiling can take longer than
/// anything that the module does. It cannot be stopped, so where it takes too long, a thread goes on until it is done.
pub(crate) fn by_deadline(
    program: &Program,
    engine: &Engine,
    wasm: &[u8],
    deadline: Option<Instant>,
) -> Result<Module, Error> {
    let failed = |error: wasmtime::Error| invalid(program, &error);
    let Some(deadline) = deadline else {
        return compile(engine, wasm).map_err(failed);
    };
    let (sender, receiver) = mpsc::channel();
    let (engine, wasm) = (engine.clone(), wasm.to_vec());
    let started = thread::Builder::new().name("compiler".into()).spawn(move || {
        // Nobody listens any more where it has taken too long.
        let _ = sender.send(compile(&engine, &wasm));
    });
    started.map_err(|error| Error::Engine {
        what: "the thread that compiles cannot be started".into(),
        cause: error.to_string(),
    })?;
    let left = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(left) {
        Ok(compiled) => compiled.map_err(failed),
        Err(_) => {
            let cause = "it could not be compiled in the time that it may run";
            Err(InputError::new(program.name(), cause).into())
        }
    }
}

/// Compiles a module. Modules exist at which the engine panics, though they are valid; that is an error like any other.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    // The engine is only read, and a module that is not finished is dropped.
    let compiling = || Module::from_binary(engine, wasm);
    panic::catch_unwind(AssertUnwindSafe(compiling)).unwrap_or_else(|payload| {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words =
            words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(wasmtime::format_err!("a limit of the compiler was reached ({words})"))
    })
}

/// Keeps panics of the engine's compiler, which become errors, from being printed too.
pub fn silence_compiler() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let of_compiler =
            |file: &str| ["cranelift", "regalloc2"].iter().any(|name| file.contains(name));
        if !info.location().is_some_and(|place| of_compiler(place.file())) {
            others(info);
        }
    }));
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
            let objection = features::objection(&wasm, ENGINE, "the engine").expect(text);
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
            assert_eq!(features::objection(&wasm, ENGINE, "the engine"), None, "{text}");
        }
        // What is wrong is no matter of proposals.
        let wrong = wat::parse_str("(module (func (result i32)))").unwrap();
        assert_eq!(features::objection(&wrong, ENGINE, "the engine"), None);
    }
}
