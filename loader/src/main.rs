//! The command `rootstock`.
//!
//! Exit codes: 0 all is well, 1 a program or the runtime failed while running, 2 a file or an argument is at fault.

mod completions;
mod doctor;
mod fuzz;
mod fuzz_modules;
mod limits;
mod link;
mod man;
mod options;
mod outcome;
mod replay;
mod run;
mod sdk;
mod stress;
mod trial;
mod values;
mod wasi;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rootstock_host::silence_compiler;
use rootstock_program::text::harmless;

use completions::CompletionsArgs;
use doctor::DoctorArgs;
use fuzz::FuzzArgs;
use fuzz_modules::FuzzModulesArgs;
use link::LinkArgs;
use man::ManArgs;
use replay::ReplayArgs;
use run::RunArgs;
use sdk::SdkArgs;
use stress::StressArgs;

/// Rootstock: a garbage-collected runtime for WebAssembly compilers
#[derive(Parser)]
#[command(name = "rootstock", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Instantiate a program against the runtime and run it
    Run(RunArgs),
    /// Write what wasm-ld needs to link object files with the runtime: library, header, response files
    Sdk(SdkArgs),
    /// Run a program under watch, and say where a root is missing
    Doctor(DoctorArgs),
    /// Link a program and the runtime into one self-contained module
    Link(LinkArgs),
    /// Run hostile programs, made from seeds, and see that the host keeps its limits
    FuzzModules(FuzzModulesArgs),
    /// Drive the runtime hard with seeded scenarios, and check every outcome
    Stress(StressArgs),
    /// Run random programs on the runtime and on a model of it until the time is up
    Fuzz(FuzzArgs),
    /// Run such programs again from files
    Replay(ReplayArgs),
    /// Print the script by which a shell completes this command
    Completions(CompletionsArgs),
    /// Write the manual pages of this command and its subcommands
    Man(ManArgs),
}

/// Bad input.
const BAD_INPUT: u8 = 2;

/// Runs the command that the process was started with. A fault of the arguments exits with 2, as clap does.
fn main() -> ExitCode {
    silence_compiler();
    match Cli::parse_from(values::attached(std::env::args_os())).command {
        Command::Run(args) => run::main(&args),
        Command::Sdk(args) => sdk::main(&args),
        Command::Completions(args) => completions::main(&args),
        Command::Man(args) => man::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Link(args) => link::main(&args),
        Command::FuzzModules(args) => fuzz_modules::main(&args),
        Command::Stress(args) => stress::main(&args).unwrap_or_else(|error| bad_input(&error)),
        Command::Fuzz(args) => fuzz::main(&args).unwrap_or_else(|error| bad_input(&error)),
        Command::Replay(args) => replay::main(&args).unwrap_or_else(|error| bad_input(&error)),
    }
}

/// Says what is wrong with a file or an argument.
fn bad_input(error: &dyn Display) -> ExitCode {
    // Where standard error is closed there is only the exit code left to say it.
    let _ = writeln!(io::stderr(), "error: {}", harmless(&error.to_string()));
    ExitCode::from(BAD_INPUT)
}

/// Prints the outcome of a command (`print!` would panic where a pipe was closed) and says how to exit.
fn finish(text: &str, success: bool) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    exit_code(written, success)
}

/// Output that cannot be printed is a failure, unless the reader has closed the pipe, having read enough.
fn exit_code(written: io::Result<()>, success: bool) -> ExitCode {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ if success => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
