//! The oracle (`rootstock-oracle`) over the built runtime, in the engine.
//!
//! [`case`] makes up and runs the random program of a seed and a number; [`run`] runs a given one; [`shrink`] makes a
//! failing one short. `rootstock fuzz` and `rootstock replay` are these on the command line.

#[cfg(test)]
mod tests;
mod wasm;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rootstock_host::wasmtime::AsContextMut;
use rootstock_host::{Callback, Config, Error, Instance, RuntimeModule};
pub use rootstock_oracle::{Coverage, Fault, How, Name, Op, Program, Rules, Script, Verdict, Word};
use rootstock_oracle::{Generator, Runner, execute, native};
use rootstock_program::InputError;

use wasm::WasmMachine;

/// Instructions that an operation may take; one that takes more has hung. Time would be no measure: a case is to have the
/// same end on any machine, however busy it is.
const FUEL: u64 = 5_000_000_000;

/// The runtime that is put to the test, and the rules by which it is judged.
#[derive(Clone)]
pub struct Subject {
    machine: On,
    rules: Rules,
}

/// The machine that programs run on.
#[derive(Clone)]
enum On {
    /// A build of the runtime, in the engine.
    Built(Box<RuntimeModule>),
    /// The core over a memory of this process.
    Core,
}

impl Subject {
    /// The runtime that is built with this crate.
    ///
    /// # Errors
    ///
    /// If the engine cannot be set up.
    pub fn embedded() -> Result<Self, Error> {
        let runtime = RuntimeModule::embedded(&Self::config())?;
        Ok(Self { machine: On::Built(Box::new(runtime)), rules: Rules::default() })
    }

    /// Another build of it.
    ///
    /// # Errors
    ///
    /// If the bytes are no build of the runtime, or one of another version of the ABI.
    pub fn new(name: &str, wasm: &[u8]) -> Result<Self, Error> {
        let config = Self::config();
        let runtime = RuntimeModule::new(name, wasm, &config)?;
        // It may be no build of the runtime at all, or one of another version of the ABI.
        Instance::from_module(&runtime, &config)?;
        Ok(Self { machine: On::Built(Box::new(runtime)), rules: Rules::default() })
    }

    /// The core over a memory of this process: faster, and without an engine between a fault and a debugger.
    pub fn native() -> Self {
        Self { machine: On::Core, rules: Rules::default() }
    }

    /// Believes other rules than the ABI's, to see that the difference is found.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn config() -> Config {
        let mut config = Config::default();
        config.fuel = Some(FUEL);
        config
    }
}

/// Reads a program from a file.
///
/// # Errors
///
/// If the file cannot be read, or has a line that is no operation.
pub fn open(path: &Path) -> Result<Program, InputError> {
    let subject = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| InputError::new(&subject, error.to_string()))?;
    Program::parse(&text)
        .map_err(|(line, cause)| InputError::new(subject, format!("line {line}: {cause}")))
}

/// Runs a program.
///
/// # Errors
///
/// If no instance can be made for it. That the runtime and the model differ is no error: the verdict says so.
pub fn run(subject: &Subject, program: &Program) -> Result<Verdict, Error> {
    start(subject, program.clone(), None, program.ops.len())
}

/// Makes up the random program number `number` of a seed, of `ops` operations, and runs it.
///
/// # Errors
///
/// As [`run`].
pub fn case(subject: &Subject, seed: u64, number: u64, ops: usize) -> Result<Verdict, Error> {
    let (generator, program) = Generator::new(seed, number);
    start(subject, program, Some(generator), ops)
}

/// Makes a failing program short. The result fails too, though perhaps for another reason.
pub fn shrink(subject: &Subject, program: &Program, time: Duration) -> Program {
    rootstock_oracle::shrink(program, time, |candidate| {
        run(subject, candidate).is_ok_and(|verdict| verdict.fault.is_some())
    })
}

fn start(
    subject: &Subject,
    program: Program,
    generator: Option<Generator>,
    ops: usize,
) -> Result<Verdict, Error> {
    let On::Built(runtime) = &subject.machine else {
        return Ok(native::start(program, generator, &subject.rules, ops));
    };
    let mut config = Subject::config();
    config.max_memory = Some(u64::from(program.pages) << 16);
    let mut instance = Instance::from_module(runtime, &config)?;
    let exports = instance.exports();
    let machine = &mut WasmMachine::new(&exports, instance.store_mut().as_context_mut());
    let rules = subject.rules.clone();
    let runner = match Runner::new(machine, program.clone(), generator, rules) {
        Ok(runner) => Arc::new(runner),
        Err(stop) => return Ok(Verdict::unstarted(program, stop)),
    };
    let told = Arc::clone(&runner);
    instance.set_callback(Callback::custom(move |cx, kind, handle| {
        let (exports, store) = cx.parts();
        told.told(&mut WasmMachine::new(&exports, store), kind, handle).map_err(wasm::stopped)
    }));
    let machine = &mut WasmMachine::new(&exports, instance.store_mut().as_context_mut());
    let verdict = execute(&runner, machine, ops);
    instance.set_callback(Callback::Plain);
    Ok(verdict)
}
