//! `rootstock replay`: runs programs of the oracle again, as `rootstock fuzz` has written them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rootstock_host::Error;
use rootstock_trials::oracle::{self, Program, Subject};

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
}

/// The runtime to put to the test: a file, or the one that is built with this crate.
pub(super) fn subject(runtime: Option<&PathBuf>) -> Result<Subject, Error> {
    match runtime {
        None => Subject::embedded(),
        Some(path) => {
            let build = rootstock_program::Program::open(path)?;
            Subject::new(build.name(), build.wasm())
        }
    }
}

/// Runs `rootstock replay`. The exit code is 1 if the runtime and the model differ in one of the programs.
pub(super) fn main(args: &ReplayArgs) -> Result<ExitCode, Error> {
    let subject = subject(args.runtime.as_ref())?;
    let mut programs = Vec::new();
    for path in &args.files {
        programs.push((path, Program::open(path)?));
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
