//! The command line.

mod arguments;

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use comfy_table::{Table, presets};

use crate::chart;
use crate::compare;
use crate::golden;
use crate::instances;
use crate::page::{self, Measured};
use crate::report::{self, Report};
use crate::rival::{self, Rival};
use crate::rounds::{self, Plan};
use crate::tools::{Tools, root};
use crate::workload;
use arguments::{Cli, Compare, GoldenTask, Page, Run, Task, write_json};

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
    // A page that cannot be written is known before half an hour has gone.
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
    if let Some(path) = page.results() {
        write_json(&path, &measured)?;
    }
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
    let update = std::env::var_os("ROOTSTOCK_UPDATE").is_some_and(|value| value == "1");
    if update && !task.check {
        golden::write(found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = golden::read()?;
    let moved = golden::check(&known, &found);
    for one in &moved {
        let percent = one.percent().map_or("new".to_owned(), |by| format!("{by:+.2} %"));
        let verdict = if one.refused { "  REFUSED" } else { "" };
        println!("{:18} {:>12} {percent:>10}{verdict}", one.id, one.found);
    }
    if moved.iter().any(|one| one.refused) {
        println!(
            "more than {} % above bench/golden.json; if it has to be, ROOTSTOCK_UPDATE=1 cargo bench-suite golden",
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
