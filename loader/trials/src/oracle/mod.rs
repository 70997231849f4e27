//! The oracle: an independent model of the heap, and programs that are run on it and on the runtime side by side.
//!
//! A [`Program`] is what a compiled program and its host may do, in any order: allocations of every kind and size,
//! stores, roots, pins, ranges, wrappers, options, callbacks that do all of that and trap, memory that somebody else
//! grows, and calls that are wrong. The model (`model`) knows the content of every object, so what a collection keeps
//! is computed exactly, from the very words that the collector sees. After each operation the two are compared
//! (`check`): the content of every live object, that no cell was handed out twice, alignment, zeroing, what the host
//! was told, that nothing dead is kept but what a word explains, each statistic, each error, `gc_verify`.
//!
//! ```text
//! generate ─┐
//!           ├─→ runner ─→ steps, safepoints ─→ machine (the runtime in the engine)
//! text ─────┘      └────→ model, pace ─→ check ─→ Fault ─→ shrink ─→ text
//! ```
//!
//! [`case`] makes up and runs the random program of a seed and a number; [`run`] runs a given one; [`shrink`] makes a
//! failing one short. `rootstock fuzz` and `rootstock replay` are these on the command line.

mod check;
mod coverage;
mod generate;
mod in_flight;
mod machine;
mod model;
mod pace;
mod program;
mod runner;
mod safepoints;
mod shrink;
mod steps;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rootstock_host::wasmtime::AsContextMut;
use rootstock_host::{Callback, Config, Error, Instance, RuntimeModule};

pub use coverage::Coverage;
use generate::Generator;
use machine::{Machine, Step, Stop};
pub use model::Rules;
pub use program::{How, Name, Op, Program, Script, Word};
use runner::Runner;

/// Instructions that an operation may take; one that takes more has hung. Time would be no measure: a case is to be the
/// same on any machine, however busy it is.
const FUEL: u64 = 5_000_000_000;

/// A difference between the runtime and the model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The number of the operation of the program at which it was found, from 1 on, and the operation; none if it was
    /// found before the first or after the last.
    pub at: Option<(usize, Op)>,
    /// What differs.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some((number, op)) => write!(f, "operation {number}, `{op}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What became of a program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The program, as far as it ran.
    pub program: Program,
    /// The first difference between the runtime and the model.
    pub fault: Option<Fault>,
    /// What it has done.
    pub coverage: Coverage,
}

/// Which runtime is put to the test, and by what rules.
#[derive(Clone)]
pub struct Subject {
    runtime: RuntimeModule,
    rules: Rules,
}

impl Subject {
    /// The runtime that is built with this crate.
    ///
    /// # Errors
    ///
    /// If the engine cannot be set up.
    pub fn embedded() -> Result<Self, Error> {
        Ok(Self { runtime: RuntimeModule::embedded(&Self::config())?, rules: Rules::default() })
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
        Ok(Self { runtime, rules: Rules::default() })
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

/// Runs a program.
///
/// # Errors
///
/// If no instance can be made for it. That the runtime and the model differ is no error: the verdict says so.
pub fn run(subject: &Subject, program: &Program) -> Result<Verdict, Error> {
    execute(subject, program.clone(), None, program.ops.len())
}

/// Makes up the random program number `number` of a seed, of so many operations, and runs it.
///
/// # Errors
///
/// As [`run`].
pub fn case(subject: &Subject, seed: u64, number: u64, ops: usize) -> Result<Verdict, Error> {
    let (generator, program) = Generator::new(seed, number);
    execute(subject, program, Some(generator), ops)
}

/// Makes a failing program short. What is left fails too, though perhaps for another reason.
pub fn shrink(subject: &Subject, program: &Program, time: Duration) -> Program {
    shrink::shrink(program, time, |candidate| {
        run(subject, candidate).is_ok_and(|verdict| verdict.fault.is_some())
    })
}

fn execute(
    subject: &Subject,
    program: Program,
    generator: Option<Generator>,
    ops: usize,
) -> Result<Verdict, Error> {
    let mut config = Subject::config();
    config.max_memory = Some(u64::from(program.pages) << 16);
    let mut instance = Instance::from_module(&subject.runtime, &config)?;
    let exports = instance.exports();
    let machine = &mut Machine::new(&exports, instance.store_mut().as_context_mut());
    let unstarted = program.clone();
    let runner = match Runner::new(machine, program, generator, subject.rules.clone()) {
        Ok(runner) => Arc::new(runner),
        Err(stop) => {
            let fault = Some(Fault { at: None, message: message(stop) });
            return Ok(Verdict { program: unstarted, fault, coverage: Coverage::default() });
        }
    };
    let told = Arc::clone(&runner);
    instance.set_callback(Callback::custom(move |cx, kind, handle| {
        let (exports, store) = cx.parts();
        Ok(told.told(&mut Machine::new(&exports, store), kind, handle)?)
    }));
    let machine = &mut Machine::new(&exports, instance.store_mut().as_context_mut());
    let outcome = run_all(&runner, machine, ops);
    instance.set_callback(Callback::Plain);
    let mut state = runner.state();
    let coverage = std::mem::take(&mut state.coverage);
    let program = std::mem::replace(&mut state.program, Program::new(0, 0));
    Ok(Verdict { program, fault: outcome.err(), coverage })
}

/// Runs the operations, and at the end lets everything die.
fn run_all(runner: &Runner, machine: &mut Machine<'_>, ops: usize) -> Result<(), Fault> {
    let first = match &mut runner.state().generator {
        Some(generator) => generator.first(),
        None => Vec::new(),
    };
    let mut first = first.into_iter();
    for index in 0..ops {
        let op = {
            let mut state = runner.state();
            let state = &mut *state;
            if let Some(generator) = &mut state.generator {
                let op = first.next().unwrap_or_else(|| generator.next(&state.model));
                state.program.ops.push(op);
            }
            state.program.ops[index].clone()
        };
        machine.refuel();
        let done = runner.guarded(machine, &op).and_then(|()| runner.check(machine));
        done.map_err(|stop| Fault { at: Some((index + 1, op)), message: message(stop) })?;
    }
    finish(runner, machine).map_err(|stop| Fault {
        at: None,
        message: format!("after the last operation: {}", message(stop)),
    })
}

fn finish(runner: &Runner, machine: &mut Machine<'_>) -> Step<()> {
    runner.state().is_over = true;
    machine.refuel();
    runner.check_thoroughly(machine)?;
    for op in [Op::Collect, Op::Shutdown, Op::Pop(u32::MAX), Op::Collect] {
        runner.guarded(machine, &op)?;
        runner.check_thoroughly(machine)?;
    }
    Ok(())
}

fn message(stop: Stop) -> String {
    match stop {
        Stop::Fault(message) => message,
        Stop::HostTrap => "the host trapped outside any callback".to_owned(),
    }
}
