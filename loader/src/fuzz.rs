//! `rootstock fuzz`: random programs against the oracle until the time is up.
//!
//! Case `n` of a seed is the same program whatever came before it and however fast the machine is. The first one that
//! fails ends the run: it is made short and written to a file for `rootstock replay`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use rootstock_host::Error;
use rootstock_program::InputError;
use rootstock_trials::oracle::{self, Coverage, Fault, Op, Program, Subject};
use runtime::error::ERRORS;

use crate::finish;
use crate::options::Timeout;
use crate::replay::{Machine, subject};

/// Shrinking takes no longer than this.
const SHRINKING: Duration = Duration::from_secs(60);

/// Arguments of `rootstock fuzz`.
#[derive(Args, Clone, Debug)]
pub(super) struct FuzzArgs {
    /// How long to go on, in seconds; 0 for no limit
    #[arg(long, value_name = "SECONDS", default_value = "60s", value_parser = Timeout::parse)]
    time: Timeout,
    /// How many programs to run, unless the time is up before
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The number of the first program
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Operations in each program
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    ops: u32,
    /// Put another build of the runtime to the test
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// The machine that programs run on
    #[arg(long, value_enum, default_value_t = Machine::Wasm)]
    machine: Machine,
    /// The folder that a failing program is written to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// A case that failed.
struct Failing {
    number: u64,
    program: Program,
    fault: Fault,
}

/// Runs `rootstock fuzz`. The exit code is 1 if a program failed.
pub(super) fn main(args: &FuzzArgs) -> Result<ExitCode, Error> {
    let subject = subject(args.machine, args.runtime.as_ref())?;
    fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, &error))?;
    let start = Instant::now();
    let (cases, coverage, failing) = run(args, &subject, start)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut text = report(&coverage);
    let rate = cases as f64 / seconds.max(f64::MIN_POSITIVE);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} programs, {} operations in {seconds:.1} s ({rate:.0} programs/s), seed {}",
        HumanCount(cases),
        HumanCount(coverage.operations()),
        args.seed
    );
    let Some(failing) = failing else {
        let _ = writeln!(text, "no difference between the runtime and the model");
        return Ok(finish(&text, true));
    };
    text += &shorten(args, &subject, &failing)?;
    Ok(finish(&text, false))
}

fn run(
    args: &FuzzArgs,
    subject: &Subject,
    start: Instant,
) -> Result<(u64, Coverage, Option<Failing>), Error> {
    let bar = progress(args);
    let mut coverage = Coverage::default();
    let mut cases = 0;
    let mut failing = None;
    while failing.is_none()
        && args.cases.is_none_or(|most| cases < most)
        && args.time.0.is_none_or(|time| start.elapsed() < time)
    {
        let number = args.first + cases;
        let verdict = oracle::case(subject, args.seed, number, args.ops as usize)?;
        cases += 1;
        coverage.add(&verdict.coverage);
        if let Some(fault) = verdict.fault {
            failing = Some(Failing { number, program: verdict.program, fault });
        }
        if args.cases.is_some() {
            bar.set_position(cases);
        } else {
            bar.set_position(start.elapsed().as_secs());
        }
        bar.set_message(format!("{} programs", HumanCount(cases)));
    }
    bar.finish_and_clear();
    Ok((cases, coverage, failing))
}

/// Programs where their number is given, seconds otherwise.
fn progress(args: &FuzzArgs) -> ProgressBar {
    let length = args.cases.or(args.time.0.map(|time| time.as_secs()));
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    match ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Makes a failing program short and writes it to a file.
fn shorten(args: &FuzzArgs, subject: &Subject, failing: &Failing) -> Result<String, Error> {
    let short = oracle::shrink(subject, &failing.program, SHRINKING);
    let verdict = oracle::run(subject, &short)?;
    let (fault, again) = match &verdict.fault {
        Some(fault) => (fault, ""),
        None => (&failing.fault, "; a second run did not fail"),
    };
    let path = args.out.join(format!("fuzz-{}-{}.txt", args.seed, failing.number));
    fs::write(&path, short.to_string()).map_err(|error| unwritable(&path, &error))?;
    Ok(format!(
        "program {} failed: {}\n{} operations, made {}{again}: {fault}\nagain: rootstock replay {}{}\n",
        failing.number,
        failing.fault,
        failing.program.len(),
        short.len(),
        path.display(),
        args.runtime
            .as_ref()
            .map_or_else(|| native(args.machine), |path| format!(" --runtime {}", path.display())),
    ))
}

/// The argument by which a program runs on the native machine again.
fn native(machine: Machine) -> String {
    if machine == Machine::Native { " --machine native".to_owned() } else { String::new() }
}

fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Error {
    InputError::new(path.display().to_string(), format!("cannot be written: {error}")).into()
}

/// A table of the operations that the programs have done, and of those that they have not.
fn report(coverage: &Coverage) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["what", "times"]);
    let ops = Op::KEYWORDS.map(|keyword| (keyword, coverage.ops.get(keyword)));
    // The first row of the table stands for no error, and HEAP_CORRUPT is for heaps that are.
    let errors = ERRORS.iter().skip(1).filter(|row| row.name != "HEAP_CORRUPT");
    let errors = errors.map(|row| (row.name, coverage.errors.get(row.name)));
    let rare = [
        ("collections", Some(&coverage.collections)),
        ("handles told", Some(&coverage.told)),
        ("traps of the host", Some(&coverage.host_traps)),
        ("mark stack overflows", Some(&coverage.overflows)),
    ];
    for (what, times) in ops.into_iter().chain(errors).chain(rare) {
        table.add_row([what.to_owned(), HumanCount(times.copied().unwrap_or(0)).to_string()]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
