//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use comfy_table::{Table, presets};

use crate::chart;
use crate::compare;
use crate::golden;
use crate::instances;
use crate::page::{self, Measured};
use crate::report::{self, Report};
use crate::rival::{self, Rival};
use crate::rounds::{self, Plan, TURN};
use crate::tools::{Tools, root};
use crate::workload::{self, Scale, Workload};

/// Measures Rootstock beside bump pointers, allocators and other collectors, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs workloads, and prints a table.
    Run(Run),
    /// Compares two builds of runtime.wasm pair by pair, and says what moved beyond the noise.
    Compare(Compare),
    /// Measures everything and writes docs/performance.md and its charts: less than a quarter of an hour.
    Page(Page),
    /// Counts the instructions of the main workloads, and holds them to bench/golden.json.
    Golden(GoldenTask),
    /// Lists workloads and rivals.
    List,
    /// Makes instances, and says what memory each takes: `page` runs this in processes of their own.
    #[command(hide = true)]
    Crowd {
        /// Of which rival.
        rival: String,
        /// How many.
        count: u32,
        /// With memory from a pool of the engine.
        #[arg(long)]
        pool: bool,
    },
}

/// What is run.
#[derive(Debug, Args)]
struct Selection {
    /// Only these workloads: names, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOADS")]
    only: Vec<String>,
    /// Rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Smaller workloads, fewer rounds and rivals: about three minutes for all.
    #[arg(long)]
    quick: bool,
    /// Write everything that was measured to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    selection: Selection,
    /// Only these rivals: names, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RIVALS")]
    rivals: Vec<String>,
    /// Another build of the runtime to measure beside the others, as NAME=FILE.
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    build: Vec<(String, PathBuf)>,
    /// An option of the runtime, by number, for all builds of ours.
    #[arg(long, value_name = "NUMBER=VALUE", value_parser = option)]
    option: Vec<(u32, u32)>,
    /// Leave out pauses and instruction counts.
    #[arg(long)]
    times_only: bool,
}

#[derive(Debug, Args)]
struct Page {
    #[command(flatten)]
    selection: Selection,
    /// Where performance.md is and the charts go.
    #[arg(long, value_name = "FOLDER", default_value_os_t = root().join("docs"))]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct Compare {
    /// The build to compare with.
    old: PathBuf,
    /// The build that is compared.
    new: PathBuf,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
struct GoldenTask {
    /// Only say what moved, and end with 1 if a count is higher than is tolerated (the default).
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Write the counts as they are now; so does ROOTSTOCK_BLESS=1.
    #[arg(long)]
    update: bool,
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn option(text: &str) -> Result<(u32, u32), String> {
    let expected = || "expected NUMBER=VALUE, as in ABI.md".to_owned();
    let (number, value) = text.split_once('=').ok_or_else(expected)?;
    let parse = |text: &str| text.parse().map_err(|_| expected());
    Ok((parse(number)?, parse(value)?))
}

/// Left out of a quick run: each needs a node of its own for each workload, or says little beside another.
const SLOW_TO_MEASURE: &[&str] =
    &["bump-i", "gc-null", "as-minimal", "v8-ours-x", "v8-bump", "v8-bumpwrap"];

/// Something the user gave that cannot be used.
struct Refused(String);

impl<E: std::fmt::Display> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command: 0 if it did what was asked, 1 if something moved for the worse, 2 if it could not be done.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(code) = without_backtraces() {
        return code;
    }
    let done = match cli.command {
        Task::Run(run) => run_task(&run),
        Task::Compare(compare) => compare_task(&compare),
        Task::Page(page) => page_task(&page),
        Task::Golden(golden) => golden_task(&golden),
        Task::Crowd { rival, count, pool } => crowd_task(&rival, count, pool),
        Task::List => {
            list();
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|Refused(message)| {
        eprintln!("bench: {message}");
        ExitCode::from(2)
    })
}

/// With RUST_BACKTRACE set, one of wasmtime's collectors is five times slower: the command then runs again without.
fn without_backtraces() -> Option<ExitCode> {
    let set = |name| std::env::var_os(name).is_some_and(|value| value != "0");
    if !set("RUST_BACKTRACE") && !set("RUST_LIB_BACKTRACE") {
        return None;
    }
    let again = std::env::current_exe().and_then(|this| {
        Command::new(this)
            .args(std::env::args_os().skip(1))
            .env("RUST_BACKTRACE", "0")
            .env_remove("RUST_LIB_BACKTRACE")
            .status()
    });
    Some(match again {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(2))
        }
        Err(error) => {
            eprintln!("bench: cannot run again without RUST_BACKTRACE: {error}");
            ExitCode::from(2)
        }
    })
}

impl Selection {
    fn workloads(&self) -> Result<Vec<&'static Workload>, Refused> {
        if self.only.is_empty() {
            return Ok(workload::ALL.iter().collect());
        }
        self.only
            .iter()
            .map(|id| {
                workload::find(id).ok_or_else(|| {
                    let known: Vec<&str> = workload::ALL.iter().map(|known| known.id).collect();
                    Refused(format!("no workload is named {id}; there are {}", known.join(", ")))
                })
            })
            .collect()
    }

    fn scale(&self) -> Scale {
        if self.quick { Scale::Quick } else { Scale::Full }
    }

    fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.map_or(if self.quick { quick } else { full }, usize::from)
    }

    fn patience(&self) -> Duration {
        if self.quick { Duration::from_millis(250) } else { Duration::from_secs(5) }
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 20 })
    }

    fn turn(&self) -> Duration {
        if self.quick { TURN / 4 } else { TURN }
    }

    /// Everyone, or those that a quick run has time for.
    fn everyone(&self) -> Vec<Rival> {
        let mut all = rival::all();
        if self.quick {
            all.retain(|rival| !SLOW_TO_MEASURE.contains(&rival.id.as_str()));
        }
        all
    }

    fn write(&self, report: &impl serde::Serialize) -> Result<(), Refused> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report)?;
        fs::write(path, text + "\n")
            .map_err(|error| Refused(format!("{} cannot be written: {error}", path.display())))
    }
}

fn rivals(names: &[String]) -> Result<Vec<Rival>, Refused> {
    let all = rival::all();
    names
        .iter()
        .map(|name| {
            all.iter().find(|rival| rival.id == *name).cloned().ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|rival| rival.id.as_str()).collect();
                Refused(format!("no rival is named {name}; there are {}", known.join(", ")))
            })
        })
        .collect()
}

fn run_task(run: &Run) -> Result<ExitCode, Refused> {
    let tools = Tools::here();
    let mut rivals = match run.rivals.as_slice() {
        [] => run.selection.everyone(),
        names => rivals(names)?,
    };
    for (name, file) in &run.build {
        tools.file(file)?;
        rivals.push(Rival::build(name, file));
    }
    for rival in rivals.iter_mut().filter(|rival| rival.is_ours()) {
        rival.options.clone_from(&run.option);
    }
    let plan = Plan {
        workloads: run.selection.workloads()?,
        rivals,
        rounds: run.selection.rounds(5, 2),
        scale: run.selection.scale(),
        patience: run.selection.patience(),
        longest: run.selection.longest(),
        turn: run.selection.turn(),
        details: !run.times_only,
    };
    let rows = rounds::run(&plan, &tools, |line| eprintln!("{line}"));
    let report = Report::new(&rows, Vec::new());
    print!("{}", report::tables(&report));
    run.selection.write(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn page_task(page: &Page) -> Result<ExitCode, Refused> {
    let tools = Tools::here();
    let text = page.folder.join("performance.md");
    // A page that cannot be written is known before a quarter of an hour has gone.
    page::check(&text)?;
    build_rivals()?;
    let plan = Plan {
        workloads: page.selection.workloads()?,
        rivals: page.selection.everyone(),
        rounds: page.selection.rounds(5, 2),
        scale: page.selection.scale(),
        patience: page.selection.patience(),
        longest: page.selection.longest(),
        turn: page.selection.turn(),
        details: true,
    };
    let say = |line: &str| eprintln!("{line}");
    let measured = page::measure(&plan, &tools, say)?;
    page.selection.write(&measured)?;
    page::write(&measured, &text)?;
    for (name, drawn) in [
        ("performance.svg", chart::bars as fn(&Measured, &Path) -> chart::Drawn),
        ("performance-pauses.svg", chart::pauses),
        ("performance-growth.svg", chart::growth),
    ] {
        let path = page.folder.join(name);
        drawn(&measured, &path)
            .map_err(|error| Refused(format!("{} cannot be drawn: {error}", path.display())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the script build whom we are measured beside. What it cannot build it says, and the report too.
fn build_rivals() -> Result<(), Refused> {
    let script = root().join("bench/rivals/build");
    Command::new(&script)
        .status()
        .map(drop)
        .map_err(|error| Refused(format!("{} cannot be run: {error}", script.display())))
}

fn compare_task(compare: &Compare) -> Result<ExitCode, Refused> {
    let tools = Tools::here();
    let [old, new] = [("old", &compare.old), ("new", &compare.new)].map(|(id, file)| {
        tools.file(file)?;
        Ok::<_, Refused>(Rival::build(id, file))
    });
    let (old, new) = (old?, new?);
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "workload",
        "old",
        "new",
        "new : old",
        "95 %",
        "old : old, 95 %",
        "fuel",
        "",
    ]);
    let mut found = Vec::new();
    for workload in compare.selection.workloads()? {
        eprintln!("{}", workload.id);
        let rounds = compare.selection.rounds(15, 9);
        let scale = compare.selection.scale();
        let one = compare::compare(&old, &new, workload, rounds, scale, &tools)?;
        table.add_row(compare::line(&one));
        found.push(one);
    }
    println!("{table}");
    compare.selection.write(&found)?;
    let worse = found.iter().any(|one| one.verdict == crate::stats::Verdict::Slower);
    Ok(if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn golden_task(task: &GoldenTask) -> Result<ExitCode, Refused> {
    let found = golden::count(&Tools::here())?;
    let bless = std::env::var_os("ROOTSTOCK_BLESS").is_some_and(|value| value == "1");
    if task.update || bless && !task.check {
        golden::write(found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = golden::read()?;
    let moved = golden::check(&known, &found);
    for one in &moved {
        let percent = one.percent().map_or("new".to_owned(), |by| format!("{by:+.2} %"));
        let verdict = if one.refused { "  REFUSED" } else { "" };
        println!("{:10} {:>12} {percent:>10}{verdict}", one.id, one.found);
    }
    if moved.iter().any(|one| one.refused) {
        println!(
            "more than {} % above bench/golden.json; if it has to be, bench golden --update",
            known.tolerance_percent
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn crowd_task(rival: &str, count: u32, pool: bool) -> Result<ExitCode, Refused> {
    let rivals = rivals(&[rival.to_owned()])?;
    for rival in &rivals {
        let found = instances::crowd(rival, count, pool, &Tools::here())?;
        println!("{}", serde_json::to_string(&found)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    println!("workloads");
    for workload in workload::ALL {
        println!("  {:10} {}", workload.id, workload.title);
    }
    println!("rivals");
    for rival in rival::all() {
        println!("  {:16} {}", rival.id, rival.title);
    }
}
