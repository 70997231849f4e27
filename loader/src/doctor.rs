//! `rootstock doctor`: a program, run under watch until a missing root shows itself.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rootstock_doctor::{Doctor, Settings};
use rootstock_host::report::Report;
use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Error, Instance, Linked, RuntimeModule};
use rootstock_program::text::harmless;
use rootstock_program::{InputError, Program};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use serde_json::{Value, json};

use crate::limits::Limits;
use crate::run::{ended, entry, exit_code, on_stack};
use crate::wasi::WasiArgs;
use crate::{bad_input, finish, options, values};

/// Arguments of `rootstock doctor`.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// The program: a .wasm or .wat file
    program: PathBuf,

    /// Call this export with these arguments, instead of `_start` or `main`; numbers, by the function's type
    #[arg(long, num_args = 1.., value_names = ["NAME", "ARGS"], allow_negative_numbers = true)]
    invoke: Vec<String>,

    /// Instantiate this program first, and let later ones import its exports from module NAME (default: the file's stem)
    #[arg(long, value_name = "[NAME=]FILE")]
    with: Vec<String>,

    /// Print the diagnosis as JSON
    #[arg(long)]
    json: bool,

    /// Collect at every Nth allocation or registration; without N, at each. The default is as often as can be afforded
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1",
          value_parser = clap::value_parser!(u32).range(1..))]
    eager: Option<u32>,

    /// Collect from this allocation on; the first is 1
    #[arg(long, value_name = "A")]
    eager_from: Option<u64>,

    /// Collect up to this allocation
    #[arg(long, value_name = "B")]
    eager_until: Option<u64>,

    /// Keep this many bytes of dead objects from being used again
    #[arg(long, value_name = "SIZE", value_parser = options::size, default_value = "64MiB")]
    quarantine: u64,

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

    /// Seconds that the program may run; 0 is no limit
    #[arg(long, value_name = "SECS", value_parser = options::Timeout::parse, default_value = "600")]
    timeout: options::Timeout,

    /// Native stack for the program's calls
    #[arg(long, value_name = "SIZE", value_parser = options::stack, default_value = "256MiB")]
    stack: u64,

    #[command(flatten)]
    wasi: WasiArgs,
}

impl DoctorArgs {
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
        let mut config = self.limits().config();
        config.options = self.options.clone();
        config.capture_output = self.json;
        config.wasi = Some(self.wasi.wasi(&self.program));
        config
    }

    fn settings(&self) -> Result<Settings, InputError> {
        let mut settings = Settings::default();
        settings.every = self.eager;
        settings.quarantine = self.quarantine;
        if let Some(window) = options::window(self.eager_from, self.eager_until)? {
            (settings.from, settings.until) = window.into_inner();
        }
        Ok(settings)
    }
}

/// Runs the command.
pub(super) fn main(args: &DoctorArgs) -> ExitCode {
    on_stack(args.stack, || run(args))
}

fn run(args: &DoctorArgs) -> ExitCode {
    match Visit::prepare(args) {
        Ok(mut visit) => {
            let (result, exit) = visit.examine(args);
            let failed = result.is_err();
            let code = match result {
                Err(error) if error.is_bad_input() && visit.doctor.diagnosis().is_none() => {
                    let _ = visit.instance.flush_output();
                    bad_input(&error)
                }
                result => visit.print(args, result),
            };
            exit.filter(|_| !failed).map_or(code, exit_code)
        }
        Err(error) => bad_input(&error),
    }
}

/// Tells whether the run ended with an overrun of the shadow stack.
fn is_overrun(result: &Result<Vec<Val>, Error>) -> bool {
    matches!(result, Err(error) if error.code() == Some(ErrorCode::ShadowStackOverflow))
}

/// A program and its doctor.
struct Visit {
    instance: Instance,
    doctor: Doctor,
    libraries: Vec<(String, Program)>,
    program: Program,
}

impl Visit {
    fn prepare(args: &DoctorArgs) -> Result<Self, Error> {
        let program = Program::open(&args.program)?;
        if program.is_linked() {
            let cause =
                "it is linked already, so it cannot be watched: give the program as it was before";
            return Err(InputError::new(program.name(), cause).into());
        }
        let libraries: Vec<(String, Program)> = args
            .with
            .iter()
            .map(|with| options::library(with))
            .collect::<Result<_, InputError>>()?;
        options::check_sizes(&program, &libraries, args.max_module)?;
        let config = args.config();
        let mut instance = Instance::from_module(&RuntimeModule::embedded(&config)?, &config)?;
        let doctor = Doctor::attach(&mut instance, args.settings()?)?;
        Ok(Self { instance, doctor, libraries, program })
    }

    /// The outcome, and the program's exit code if it ended itself with another one than 0.
    fn examine(&mut self, args: &DoctorArgs) -> (Result<Vec<Val>, Error>, Option<i32>) {
        let (result, exit) = ended(self.run(args), Vec::new());
        let last = result.and_then(|results| {
            self.doctor.finish(&mut self.instance)?;
            Ok(results)
        });
        (last, exit)
    }

    fn run(&mut self, args: &DoctorArgs) -> Result<Vec<Val>, Error> {
        for (name, program) in &self.libraries {
            let linked = self.doctor.instantiate(&mut self.instance, program)?;
            self.instance.publish(name, &linked)?;
        }
        let linked = self.doctor.instantiate(&mut self.instance, &self.program)?;
        let mut results = Vec::new();
        if let Some((entry, texts)) = entry(&linked, &mut self.instance, &args.invoke)? {
            results = self.call(&linked, entry, texts)?;
        }
        Ok(results)
    }

    fn call(&mut self, linked: &Linked, entry: &str, texts: &[String]) -> Result<Vec<Val>, Error> {
        let ty = linked.signature(&mut self.instance, entry)?;
        let arguments = values::parse(entry, &ty, texts)
            .map_err(|cause| InputError::new(linked.name(), cause))?;
        self.doctor.call(&mut self.instance, linked, entry, &arguments)
    }

    fn print(&mut self, args: &DoctorArgs, result: Result<Vec<Val>, Error>) -> ExitCode {
        if args.json {
            let output = String::from_utf8_lossy(&self.instance.take_output()).into_owned();
            let success = result.is_ok();
            return finish(&format!("{}\n", self.json(result, output)), success);
        }
        let flushed = self.instance.flush_output();
        let mut text = String::new();
        for result in result.iter().flatten() {
            text.push_str(&values::show(result));
            text.push('\n');
        }
        let mut stderr = io::stderr().lock();
        for warning in self.warnings() {
            let _ = writeln!(stderr, "warning: {}", harmless(&warning));
        }
        let code = match flushed {
            Ok(()) => finish(&text, result.is_ok()),
            failed => crate::exit_code(failed, result.is_ok()),
        };
        // An overrun of the shadow stack spoils memory, and any object may seem to be missing then.
        let overrun = is_overrun(&result);
        let _ = match (self.doctor.diagnosis().filter(|_| !overrun), result) {
            (Some(found), _) => writeln!(stderr, "error: {}", harmless(&found.to_string())),
            (None, Err(Error::Trap(trap))) => {
                let hints = args.limits().hints(&trap);
                let handles = self.instance.handles();
                let report = Report { trap: &trap, handles, hints };
                writeln!(stderr, "error: {}", harmless(&report.to_string()))
            }
            (None, Err(error)) => writeln!(stderr, "error: {}", harmless(&error.to_string())),
            (None, Ok(_)) => writeln!(stderr, "{}", self.clean()),
        };
        code
    }

    fn warnings(&self) -> Vec<String> {
        let left_out = self.doctor.left_out().into_iter().map(|frame| {
            format!(
                "{frame} is too large to be watched: with checks it is beyond what engines take. The rest of the program is \
                 watched"
            )
        });
        let suspects = self.doctor.suspects().into_iter().map(|suspect| suspect.to_string());
        left_out.chain(suspects).collect()
    }

    /// The report on a program in which nothing was found.
    fn clean(&self) -> String {
        let sum = self.doctor.summary();
        format!(
            "no missing root was found: {} allocations, {} collections; {} of the {} calls that may collect had one",
            sum.allocations,
            sum.collections,
            sum.visited.min(sum.safepoints),
            sum.safepoints
        )
    }

    fn json(&self, result: Result<Vec<Val>, Error>, output: String) -> Value {
        let sum = self.doctor.summary();
        let overrun = is_overrun(&result);
        let (results, error) = match &result {
            Ok(results) => (results.iter().map(values::json).collect(), Value::Null),
            Err(error) => (Value::Null, error.to_string().into()),
        };
        json!({
            "diagnosis": self.doctor.diagnosis().filter(|_| !overrun).map_or(Value::Null, |found| found.json()),
            "error": error,
            "results": results,
            "output": output,
            "warnings": self.warnings(),
            "allocations": sum.allocations,
            "collections": sum.collections,
            "safepoints": sum.safepoints,
            "safepoints_visited": sum.visited,
        })
    }
}
