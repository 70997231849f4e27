//! `rootstock fuzz-modules`: hostile programs, one after the other, on the path of `rootstock run`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use rootstock_doctor::{Doctor, Settings};
use rootstock_host::{Error, Instance, RuntimeModule, with_stack};
use rootstock_link::Linker;
use rootstock_program::{InputError, Program};
use rootstock_trials::hostile::generate;

use crate::limits::{HOST_STACK, Limits, wasm_stack};
use crate::options::Timeout;
use crate::trial::Trial;
use crate::{bad_input, finish};

/// Arguments of `rootstock fuzz-modules`.
#[derive(Args, Debug)]
pub(super) struct FuzzModulesArgs {
    /// Seconds to go on for
    #[arg(long, value_name = "SECS", value_parser = Timeout::parse, default_value = "10")]
    time: Timeout,

    /// The first seed; each module has the next
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Stop after this many modules
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,

    /// Write the modules that are found here
    #[arg(long, value_name = "DIR", default_value = ".")]
    keep: PathBuf,
}

/// The limits of a program.
const LIMITS: Limits = Limits {
    max_memory: 128 << 20,
    max_module: 64 << 20,
    max_output: 1 << 30,
    max_handles: 100_000,
    timeout: Timeout(Some(Duration::from_millis(250))),
    stack: 1 << 20,
};

/// A program that is not done so long after its time was up hangs. The machine may have other things to do.
const SLACK: Duration = Duration::from_secs(10);

/// Runs the command.
pub(super) fn main(args: &FuzzModulesArgs) -> ExitCode {
    if !args.keep.is_dir() {
        return bad_input(&InputError::new(args.keep.display().to_string(), "is no folder"));
    }
    match with_stack(wasm_stack(LIMITS.stack) + HOST_STACK, || fuzz(args)) {
        Ok(code) => code,
        Err(error) => {
            bad_input(&InputError::new("there is no memory for the stack", error.to_string()))
        }
    }
}

fn fuzz(args: &FuzzModulesArgs) -> ExitCode {
    let started = Instant::now();
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut slowest = (Duration::ZERO, args.seed);
    let mut found = 0;
    let mut seed = args.seed;
    while seed - args.seed < args.count && args.time.0.is_none_or(|time| started.elapsed() < time) {
        let (kind, module) = generate::module(seed);
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| examine(&LIMITS, &module)));
        let took = began.elapsed();
        slowest = slowest.max((took, seed));
        let fault = match &outcome {
            Err(_) => Some("the host panicked"),
            Ok(_) if took > SLACK => Some("it ran past its time limit"),
            Ok(_) => None,
        };
        if let Some(fault) = fault {
            found += 1;
            keep(&args.keep, seed, &module, fault);
        }
        let key = format!("{kind:?}: {}", outcome.as_deref().unwrap_or("panicked"));
        *outcomes.entry(key).or_insert(0) += 1;
        seed += 1;
    }
    let mut text = String::new();
    for (outcome, count) in &outcomes {
        let _ = writeln!(text, "{count:>9} {outcome}");
    }
    let _ = writeln!(
        text,
        "{} modules in {:.0} s, seeds {} to {}; the slowest took {:.2} s (seed {}); {found} faults",
        seed - args.seed,
        started.elapsed().as_secs_f64(),
        args.seed,
        seed.saturating_sub(1),
        slowest.0.as_secs_f64(),
        slowest.1
    );
    finish(&text, found == 0)
}

fn keep(folder: &Path, seed: u64, module: &[u8], fault: &str) {
    let path = folder.join(format!("hostile-{seed}.bin"));
    let written = std::fs::write(&path, module);
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: seed {seed}: {fault}; the module is {}", path.display());
    if let Err(error) = written {
        let _ = writeln!(stderr, "error: {} cannot be written: {error}", path.display());
    }
}

/// All that is done with one module. Returns what came of it, in a word.
fn examine(limits: &Limits, module: &[u8]) -> String {
    let word = match Trial::run(limits, module) {
        Ok(trial) => trial.word,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error without words");
            if error.is_bad_input() { "refused" } else { "failed to start" }.to_owned()
        }
    };
    let Ok(program) = Program::from_bytes("hostile.wasm", module) else { return word };
    if program.is_linked() {
        return word;
    }
    // What can be linked is valid; `link` looks.
    let _ = Linker::new().link(&program);
    // The doctor takes what the host takes, as far as there is time.
    if let Err(Error::Input(error)) = visit(limits, &program) {
        let in_time = word != "Interrupt" && !error.cause.contains("in the time");
        let refused = word != "refused" && in_time;
        assert!(!refused, "the doctor refuses what the host takes: {error}");
    }
    word
}

/// The same under the doctor.
fn visit(limits: &Limits, program: &Program) -> Result<(), Error> {
    let config = Trial::config(limits);
    let mut instance = Instance::from_module(&RuntimeModule::embedded(&config)?, &config)?;
    let doctor = Doctor::attach(&mut instance, Settings::default())?;
    let linked = doctor.instantiate(&mut instance, program)?;
    for name in linked.functions(&mut instance).into_iter().take(Trial::CALLS) {
        let values = Trial::arguments(&linked.signature(&mut instance, &name)?);
        if let Some(values) = values
            && doctor.call(&mut instance, &linked, &name, &values).is_err()
            && let Some(found) = doctor.diagnosis()
        {
            assert!(!found.to_string().is_empty() && found.json().is_object());
            return Ok(());
        }
    }
    let _ = doctor.finish(&mut instance);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootstock_trials::hostile::lying::{self, LIES, Lie};

    /// The exports that the host looks at, or calls by itself.
    const ASKED: [&str; 12] = [
        "memory",
        "gc_sp",
        "gc_stack_base",
        "gc_stack_limit",
        "gc_program_base",
        "gc_abi_version",
        "gc_configure",
        "gc_stat",
        "gc_verify",
        "gc_last_error",
        "gc_last_error_arg",
        "gc_shutdown",
    ];

    /// Time enough to compile without optimisation, on a machine that has other things to do.
    fn patient(seconds: u64) -> Limits {
        Limits {
            max_memory: 64 << 20,
            max_handles: 16_777_216,
            timeout: Timeout(Some(Duration::from_secs(seconds))),
            ..LIMITS
        }
    }

    fn linked() -> Vec<u8> {
        let wat = r#"(module
            (import "runtime" "memory" (memory 1))
            (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
            (import "host" "print_i32" (func $print (param i32)))
            (func (export "main") (param i32) (result i32) (call $print (local.get 0)) (call $alloc (i32.const 8)))
            (func (export "refused") (result i32) (call $alloc (i32.const -1))))"#;
        let program = Program::from_bytes("true.wat", wat.as_bytes()).unwrap();
        Linker::new().export_runtime("").link(&program).unwrap().into_wasm()
    }

    /// Each export of the runtime, in each way to be something else than it should, alone.
    #[test]
    fn no_export_of_a_linked_program_can_harm_the_host() {
        let linked = linked();
        let mut names = Vec::new();
        lying::module(&linked, |name| {
            names.push(name.to_owned());
            Lie::Truth
        });
        assert!(names.len() >= 26, "{names:?}");
        let limits = patient(10);
        let mut words = BTreeMap::new();
        let visited = with_stack((1 << 20) + HOST_STACK, || {
            for name in &names {
                for lie in LIES {
                    // What the host never asks is missing, or is something else: that is enough.
                    let is_asked = ASKED.iter().any(|asked| name.ends_with(asked));
                    if !is_asked && !matches!(lie, Lie::Absent | Lie::OtherType) {
                        continue;
                    }
                    // Those that take time take all that they are given, so a few of them have to do: see the next test.
                    if lie == Lie::Endless {
                        continue;
                    }
                    let tell = |export: &str| if export == name { lie } else { Lie::Truth };
                    let module = lying::module(&linked, tell).unwrap();
                    let began = Instant::now();
                    *words.entry(examine(&limits, &module)).or_insert(0) += 1;
                    let patience = Duration::from_secs(60);
                    assert!(began.elapsed() < patience, "{name} {lie:?}: {:?}", began.elapsed());
                }
            }
        });
        visited.unwrap();
        for word in ["ended", "failed to start", "refused"] {
            assert!(words.contains_key(word), "{word} is missing: {words:?}");
        }
    }

    /// Questions of the host before, during and after a run, which do not end.
    #[test]
    fn no_question_of_the_hosts_goes_on_for_ever() {
        let linked = linked();
        let limits = patient(3);
        let asked = [
            "gc_abi_version",
            "gc_configure",
            "gc_stat",
            "gc_verify",
            "gc_last_error",
            "gc_shutdown",
        ];
        let visited = with_stack((1 << 20) + HOST_STACK, || {
            for name in asked {
                let tell = |export: &str| {
                    if export.ends_with(name) { Lie::Endless } else { Lie::Truth }
                };
                let module = lying::module(&linked, tell).unwrap();
                let began = Instant::now();
                examine(&limits, &module);
                assert!(began.elapsed() < Duration::from_secs(60), "{name}: {:?}", began.elapsed());
            }
        });
        visited.unwrap();
    }
}
