#![doc = include_str!("../README.md")]
//!
//! # The modules
//!
//! ```text
//! generate ─┐
//!           ├─→ runner ─→ steps, safepoints ─→ machine (the runtime)
//! text ─────┘      └────→ model, pace ─→ check ─→ Fault ─→ shrink ─→ text
//! ```
//!
//! A [`Program`] is a sequence of what a compiled program and its host may do: allocations of every kind and size, stores,
//! roots, pins, ranges, wrappers, options, callbacks that do all of that and trap, memory that another allocator grows, and
//! calls that are wrong. The model (`model`) knows the content of every object, so what a collection keeps is computed
//! exactly, from the very words that the collector sees. After each operation the two are compared (`check`): the content
//! of every live object, that no cell was handed out twice, alignment, zeroing, the handles that the host was notified of,
//! that nothing dead is kept but what a word explains, each statistic, each error, `gc_verify`.
//!
//! [`Machine`] is the runtime that is driven. [`native`] is the core over a memory of this process, for tests, libFuzzer and
//! Miri; the crate `rootstock-trials` has the built runtime in an engine.

#![deny(clippy::missing_errors_doc)]

mod check;
mod coverage;
mod generate;
mod in_flight;
mod machine;
mod model;
pub mod native;
mod pace;
mod program;
mod runner;
mod safepoints;
mod shrink;
mod steps;
mod text;

use std::fmt;
use std::time::Duration;

pub use coverage::Coverage;
pub use generate::Generator;
pub use machine::{Answer, Machine, Step, Stop, fault};
pub use model::Rules;
pub use program::{How, Name, Op, Program, Script, Word};
pub use runner::Runner;

/// A difference between the runtime and the model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The number of the operation of the program at which it was found, from 1 on, and the operation; none if it was
    /// found before the first or after the last.
    pub at: Option<(usize, Op)>,
    /// The difference.
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

/// The outcome of a program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The program, as far as it ran.
    pub program: Program,
    /// The first difference between the runtime and the model.
    pub fault: Option<Fault>,
    /// The operations, errors and rare things that came up.
    pub coverage: Coverage,
}

impl Verdict {
    /// The verdict on a program for which a machine cannot be set up.
    pub fn unstarted(program: Program, stop: Stop) -> Self {
        let fault = Some(Fault { at: None, message: message(stop) });
        Self { program, fault, coverage: Coverage::default() }
    }
}

/// Makes a failing program short. The result fails too, as `fails` says, though perhaps for another reason.
pub fn shrink(program: &Program, time: Duration, fails: impl Fn(&Program) -> bool) -> Program {
    shrink::shrink(program, time, fails)
}

/// Runs `ops` operations of a program, or fewer where its generator has no more to choose from, and lets all objects die at
/// the end. `machine` is the one that the runner was made with.
pub fn execute(runner: &Runner, machine: &mut dyn Machine, ops: usize) -> Verdict {
    let outcome = run_all(runner, machine, ops);
    let mut state = runner.state();
    let coverage = std::mem::take(&mut state.coverage);
    let program = std::mem::replace(&mut state.program, Program::new(0, 0));
    Verdict { program, fault: outcome.err(), coverage }
}

/// Runs the operations, and at the end lets everything die.
fn run_all(runner: &Runner, machine: &mut dyn Machine, ops: usize) -> Result<(), Fault> {
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
                if generator.is_over() {
                    break;
                }
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

fn finish(runner: &Runner, machine: &mut dyn Machine) -> Step<()> {
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
