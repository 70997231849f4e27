//! `rootstock run`: a program, instantiated against the runtime and run within limits.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Args;
use rootstock_built::names::INITIALIZE;
use rootstock_doctor::eager_window;
use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Error, Instance, Linked, RuntimeModule, with_stack};
use rootstock_program::{InputError, Program, text};
use runtime::options::GcOption;

use crate::limits::{HOST_STACK, Limits, wasm_stack};
use crate::outcome::{Outcome, Printer};
use crate::wasi::WasiArgs;
use crate::{bad_input, options, values};

/// Called if `--invoke` names no function.
const ENTRIES: [&str; 2] = ["_start", "main"];

/// Why a program has no statistics that was linked without the runtime's exports.
pub(super) const NO_STATISTICS: &str = "it was linked without the runtime's exports, so there are no statistics: link it with --export-runtime";

/// Arguments of `rootstock run`.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The program: a .wasm or .wat file
    program: PathBuf,

    /// Call this export with these arguments, instead of `_start` or `main`; numbers, by the function's type
    #[arg(long, num_args = 1.., value_names = ["NAME", "ARGS"], allow_negative_numbers = true)]
    invoke: Vec<String>,

    /// Instantiate this program first, and let later ones import its exports from module NAME (default: the file's stem)
    #[arg(long, value_name = "[NAME=]FILE")]
    with: Vec<String>,

    /// Print all statistics of the runtime, and what became of the handles
    #[arg(long)]
    stats: bool,

    /// Print the outcome as JSON, the program's output within it
    #[arg(long)]
    json: bool,

    /// Collect at every Nth allocation or registration; without N, at each
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    eager: Option<u32>,

    /// Collect so from this allocation on; the first is 1
    #[arg(long, value_name = "A")]
    eager_from: Option<u64>,

    /// Collect so up to this allocation
    #[arg(long, value_name = "B")]
    eager_until: Option<u64>,

    /// Fill freed objects with 0xDB
    #[arg(long)]
    poison: bool,

    /// Check the whole heap after each collection, and at the end
    #[arg(long)]
    verify: bool,

    /// Set an option of the runtime, such as WRAP_LIMIT=4096 or HEAP_LIMIT=64MiB
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = options::option)]
    options: Vec<(GcOption, u32)>,

    /// Memory that the program and the runtime may have
    #[arg(long, value_name = "SIZE", value_parser = options::size, default_value = "2GiB")]
    max_memory: u64,

    /// Bytes that a program's module may have
    #[arg(long, value_name = "SIZE", value_parser = options::size, default_value = "64MiB")]
    max_module: u64,

    /// Bytes that the program may print
    #[arg(long, value_name = "SIZE", value_parser = options::size, default_value = "1GiB")]
    max_output: u64,

    /// Handles that the program may have alive at once
    #[arg(long, value_name = "N", default_value_t = 16_777_216)]
    max_handles: u64,

    /// Seconds that the program may run; 0 is no limit, and a few percent faster
    #[arg(long, value_name = "SECS", value_parser = options::Timeout::parse, default_value = "60")]
    timeout: options::Timeout,

    /// Native stack for the program's calls
    #[arg(long, value_name = "SIZE", value_parser = options::stack, default_value = "128MiB")]
    stack: u64,

    /// Use another build of the runtime
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,

    #[command(flatten)]
    wasi: WasiArgs,
}

impl RunArgs {
    fn limits(&self) -> Limits {
        Limits {
            max_memory: self.max_memory,
            max_module: self.max_module,
            max_output: self.max_output,
            max_handles: self.max_handles,
            timeout: self.timeout,
            stack: self.stack,
        }
    }

    fn config(&self) -> Config {
        let mut options = Vec::new();
        if let Some(n) = self.eager
            && self.eager_from.is_none()
            && self.eager_until.is_none()
        {
            options.push((GcOption::Eager, n));
        }
        if self.poison {
            options.push((GcOption::Poison, 1));
        }
        if self.verify {
            options.push((GcOption::Verify, 1));
        }
        options.extend_from_slice(&self.options);
        let mut config = self.limits().config();
        config.options = options;
        config.capture_output = self.json;
        config.wasi = Some(self.wasi.wasi(&self.program));
        config
    }
}

/// Runs the command.
pub(super) fn main(args: &RunArgs) -> ExitCode {
    on_stack(args.stack, || run(args))
}

/// Runs a command on a thread with this many bytes of native stack for the program's calls.
pub(super) fn on_stack(bytes: u64, command: impl FnOnce() -> ExitCode + Send) -> ExitCode {
    let wanted = wasm_stack(bytes).saturating_add(HOST_STACK);
    with_stack(wanted, command).unwrap_or_else(|error| {
        let size = ByteSize(bytes).display().iec();
        let cause = format!("there is no memory for a stack of {size}: {error}");
        bad_input(&InputError::new("--stack", cause))
    })
}

fn run(args: &RunArgs) -> ExitCode {
    let mut session = match Session::prepare(args) {
        Ok(session) => session,
        Err(error) => return bad_input(&error),
    };
    let (result, exit) = ended(session.execute(args), None);
    if let Err(error) = &result
        && error.is_bad_input()
    {
        let _ = session.instance.flush_output();
        return bad_input(error);
    }
    let outcome =
        Outcome::new(&mut session.instance, args.verify, result, |trap| args.limits().hints(trap));
    let printer = Printer { json: args.json, stats: args.stats };
    let code = printer.print(&mut session.instance, &outcome);
    exit.filter(|_| outcome.is_success()).map_or(code, exit_code)
}

/// A result in which the program's ending itself is one of the ways to end well, and the code if it is not 0.
pub(super) fn ended<T>(result: Result<T, Error>, nothing: T) -> (Result<T, Error>, Option<i32>) {
    match result {
        Err(Error::Exit(0)) => (Ok(nothing), None),
        Err(Error::Exit(code)) => (Ok(nothing), Some(code)),
        other => (other, None),
    }
}

/// A program's exit code as that of this process, which has eight bits for it: no code becomes a success by that.
pub(super) fn exit_code(code: i32) -> ExitCode {
    ExitCode::from((code & 0xff).max(1) as u8)
}

/// Everything that was read and checked before anything ran.
struct Session {
    instance: Instance,
    /// The name of its module for later programs, and the program.
    libraries: Vec<(String, Program)>,
    program: Program,
}

impl Session {
    fn prepare(args: &RunArgs) -> Result<Self, Error> {
        let program = Program::open(&args.program)?;
        let libraries =
            args.with.iter().map(|with| options::library(with)).collect::<Result<Vec<_>, _>>()?;
        options::check_sizes(&program, &libraries, args.max_module)?;
        let config = args.config();
        if program.is_linked() {
            unlinked_only(args, &program)?;
            let instance = Instance::for_program(&program, &config)?;
            return Ok(Self { instance, libraries, program });
        }
        let runtime = match &args.runtime {
            None => RuntimeModule::embedded(&config)?,
            Some(path) => {
                let build = Program::open(path)?;
                RuntimeModule::new(build.name(), build.wasm(), &config)?
            }
        };
        let mut instance = Instance::from_module(&runtime, &config)?;
        if let Some(window) = options::window(args.eager_from, args.eager_until)? {
            eager_window(&mut instance, args.eager.unwrap_or(1), window)?;
        }
        Ok(Self { instance, libraries, program })
    }

    fn link(&mut self) -> Result<Linked, Error> {
        for (name, program) in &self.libraries {
            let linked = self.instance.instantiate(program)?;
            self.instance.publish(name, &linked)?;
        }
        self.instance.instantiate(&self.program)
    }

    /// The function that was called, if one was, and its results.
    fn execute(&mut self, args: &RunArgs) -> Result<Option<Vec<Val>>, Error> {
        let linked = self.link()?;
        let Some((entry, texts)) = entry(&linked, &mut self.instance, &args.invoke)? else {
            return Ok(None);
        };
        let ty = linked.signature(&mut self.instance, entry)?;
        let arguments = values::parse(entry, &ty, texts)
            .map_err(|cause| InputError::new(linked.name(), cause))?;
        linked.call(&mut self.instance, entry, &arguments).map(Some)
    }
}

/// The function to call, if there is one, and its arguments.
pub(super) fn entry<'a>(
    linked: &Linked,
    instance: &mut Instance,
    invoke: &'a [String],
) -> Result<Option<(&'a str, &'a [String])>, Error> {
    if let Some((name, arguments)) = invoke.split_first() {
        linked.function(instance, name)?;
        if name == INITIALIZE && arguments.is_empty() && linked.is_reactor(instance) {
            // It was called when the program was instantiated, and is to be called once.
            return Ok(None);
        }
        return Ok(Some((name, arguments)));
    }
    let functions = linked.functions(instance);
    let entry = ENTRIES.into_iter().find(|entry| functions.iter().any(|name| name == entry));
    if entry.is_none() && !functions.is_empty() {
        let _ = writeln!(
            io::stderr(),
            "note: {} exports neither `_start` nor `main`, so nothing was called; choose with --invoke: {}",
            linked.name(),
            text::list(&functions)
        );
    }
    Ok(entry.map(|entry| (entry, &[][..])))
}

/// The arguments that make no sense for a program that was linked by `rootstock link`.
fn unlinked_only(args: &RunArgs, program: &Program) -> Result<(), InputError> {
    let complete = program.marker()?.is_some_and(|marker| marker.complete);
    let cause = if !args.with.is_empty() {
        "it is linked already, so --with comes too late: give it to `rootstock link`"
    } else if args.runtime.is_some() {
        "it is linked already, and has a runtime of its own: give --runtime to `rootstock link`"
    } else if args.eager_from.is_some() || args.eager_until.is_some() {
        "it is linked already, so its allocations cannot be counted: give the program as it was before"
    } else if !complete && args.stats {
        NO_STATISTICS
    } else {
        return Ok(());
    };
    Err(InputError::new(program.name(), cause))
}
