//! `rootstock replay`: runs programs of the oracle again, as `rootstock fuzz` has written them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use rootstock_host::Error;
use rootstock_program::InputError;
use rootstock_trials::oracle::{self, Subject};

use crate::finish;

/// Arguments of `rootstock replay`.
#[derive(Args, Clone, Debug)]
pub(super) struct ReplayArgs {
    /// Programs of operations, one operation a line
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Put another build of the runtime to the test
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// The machine that they run on
    #[arg(long, value_enum, default_value_t = Machine::Wasm)]
    machine: Machine,
}

/// A machine of the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Machine {
    /// The built runtime, in the engine
    Wasm,
    /// The core over a memory of this process: faster, and easier to debug
    Native,
}

/// The runtime to put to the test: a file, the one that is built with this crate, or its core.
pub(super) fn subject(machine: Machine, runtime: Option<&PathBuf>) -> Result<Subject, Error> {
    match (machine, runtime) {
        (Machine::Native, None) => {
            // A panic of the core is a difference, which is reported.
            std::panic::set_hook(Box::new(|_| {}));
            Ok(Subject::native())
        }
        (Machine::Native, Some(path)) => Err(InputError::new(
            path.display().to_string(),
            "a build of the runtime runs on the machine `wasm`, not on `native`",
        )
        .into()),
        (Machine::Wasm, None) => Subject::embedded(),
        (Machine::Wasm, Some(path)) => {
            let build = rootstock_program::Program::open(path)?;
            Subject::new(build.name(), build.wasm())
        }
    }
}

/// Runs `rootstock replay`. The exit code is 1 if the runtime and the model differ in one of the programs.
pub(super) fn main(args: &ReplayArgs) -> Result<ExitCode, Error> {
    let subject = subject(args.machine, args.runtime.as_ref())?;
    let mut programs = Vec::new();
    for path in &args.files {
        programs.push((path, oracle::open(path)?));
    }
    let (mut text, mut success) = (String::new(), true);
    for (path, program) in programs {
        let verdict = oracle::run(&subject, &program)?;
        let path = path.display();
        // Writing to a string cannot fail.
        let _ = match &verdict.fault {
            None => writeln!(text, "{path}: passed, {} operations", program.len()),
            Some(fault) => writeln!(text, "{path}: FAILED: {fault}"),
        };
        success &= verdict.fault.is_none();
    }
    Ok(finish(&text, success))
}
