//! The checks of `tests/engines/` in the engines that are libraries of Rust: `engines ENGINE FOLDER` prints the outcomes as JSON.
//!
//! `rootstock` is wasmtime as `rootstock-host` embeds it, with its handle store and its audit; `wasmi` is wasmi, with
//! a host of a few lines.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Instance, Linked, Program};
use serde_json::{Value, json};

/// What a step answers with, as text.
type Answer = Result<String, String>;

/// A program in an engine, which can be called, and whose host counts the handles that it was notified of.
trait Machine: Sized {
    fn start(check: &Value, wasm: &[u8]) -> Result<Self, String>;
    fn call(&mut self, name: &str, args: &[i32]) -> Answer;
    fn notified(&self) -> Answer;
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [engine, folder] = args.as_slice() else {
        panic!("usage: engines rootstock|wasmi FOLDER");
    };
    let outcomes = match engine.as_str() {
        "rootstock" => outcomes::<InHost>(Path::new(folder)),
        "wasmi" => outcomes::<InWasmi>(Path::new(folder)),
        other => panic!("there is no engine `{other}` here"),
    };
    println!("{}", Value::from(outcomes));
}

/// Runs each check of a folder: its results, or its error.
fn outcomes<M: Machine>(folder: &Path) -> Vec<Value> {
    let checks = fs::read(folder.join("checks.json")).expect("tests/engines/run writes it");
    let checks: Vec<Value> = serde_json::from_slice(&checks).expect("it is JSON");
    let outcome = |check: &Value| match run::<M>(folder, check) {
        Ok(results) => json!({ "name": check["name"], "results": results }),
        Err(error) => json!({ "name": check["name"], "error": error }),
    };
    checks.iter().map(outcome).collect()
}

fn run<M: Machine>(folder: &Path, check: &Value) -> Result<Vec<String>, String> {
    let file = folder.join(format!("{}.wasm", text(&check["name"])));
    let wasm = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut machine = M::start(check, &wasm)?;
    let step = |step: &Value| {
        let args: Vec<i32> = step[1].as_array().into_iter().flatten().map(number).collect();
        match text(&step[0]) {
            "notified" => machine.notified(),
            name => machine.call(name, &args),
        }
    };
    check["steps"].as_array().expect("a check has steps").iter().map(step).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}

fn number(value: &Value) -> i32 {
    i32::try_from(value.as_i64().expect("it is a number")).expect("of 32 bits")
}

fn failed(error: impl ToString) -> String {
    error.to_string()
}

/// wasmtime, as `rootstock run` has it.
struct InHost {
    instance: Instance,
    program: Linked,
}

impl Machine for InHost {
    fn start(_: &Value, wasm: &[u8]) -> Result<Self, String> {
        let program = Program::from_bytes("program.wasm", wasm).map_err(failed)?;
        let mut instance = Instance::for_program(&program, &Config::default()).map_err(failed)?;
        let program = instance.instantiate(&program).map_err(failed)?;
        Ok(Self { instance, program })
    }

    fn call(&mut self, name: &str, args: &[i32]) -> Answer {
        let args: Vec<Val> = args.iter().copied().map(Val::I32).collect();
        let results = self.program.call(&mut self.instance, name, &args).map_err(failed)?;
        Ok(match results.as_slice() {
            [] => String::new(),
            [Val::I32(value)] => value.to_string(),
            [Val::I64(value)] => value.to_string(),
            other => return Err(format!("{other:?}")),
        })
    }

    fn notified(&self) -> Answer {
        let audit = self.instance.handles().audit();
        if audit.is_clean() { Ok(audit.told_once.to_string()) } else { Err(format!("{audit:?}")) }
    }
}

/// The host of wasmi: the values of live handles, and counters.
#[derive(Default)]
struct Host {
    values: HashMap<i32, i64>,
    made: i32,
    notified: i32,
}

/// wasmi.
struct InWasmi {
    store: wasmi::Store<Host>,
    instance: wasmi::Instance,
}

impl Machine for InWasmi {
    fn start(check: &Value, wasm: &[u8]) -> Result<Self, String> {
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, wasm).map_err(failed)?;
        let mut store = wasmi::Store::new(&engine, Host::default());
        let mut linker = wasmi::Linker::new(&engine);
        if check["host"] == true {
            define(&mut linker).map_err(failed)?;
        }
        let instance = linker.instantiate_and_start(&mut store, &module).map_err(failed)?;
        Ok(Self { store, instance })
    }

    fn call(&mut self, name: &str, args: &[i32]) -> Answer {
        let function = self.instance.get_func(&self.store, name);
        let function = function.ok_or_else(|| format!("no function `{name}` is exported"))?;
        let args: Vec<wasmi::Val> = args.iter().copied().map(wasmi::Val::I32).collect();
        let mut results = vec![wasmi::Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &args, &mut results).map_err(failed)?;
        Ok(match results.as_slice() {
            [] => String::new(),
            [wasmi::Val::I32(value)] => value.to_string(),
            [wasmi::Val::I64(value)] => value.to_string(),
            other => return Err(format!("{other:?}")),
        })
    }

    fn notified(&self) -> Answer {
        Ok(self.store.data().notified.to_string())
    }
}

/// The functions of module `host` that the programs import.
fn define(linker: &mut wasmi::Linker<Host>) -> Result<(), wasmi::Error> {
    type Caller<'a> = wasmi::Caller<'a, Host>;
    let dead = |handle: i32| wasmi::Error::new(format!("{handle} is no live handle"));
    linker.func_wrap("host", "handle_new", |mut caller: Caller<'_>, _: i32, value: i64| {
        let host = caller.data_mut();
        host.made += 1;
        host.values.insert(host.made, value);
        host.made
    })?;
    linker.func_wrap("host", "handle_value", move |caller: Caller<'_>, handle: i32| {
        caller.data().values.get(&handle).copied().ok_or_else(|| dead(handle))
    })?;
    linker.func_wrap(
        "host",
        "host_decref_handle",
        move |mut caller: Caller<'_>, _: i32, handle: i32| {
            let host = caller.data_mut();
            host.values.remove(&handle).ok_or_else(|| dead(handle))?;
            host.notified += 1;
            Ok::<(), wasmi::Error>(())
        },
    )?;
    Ok(())
}
