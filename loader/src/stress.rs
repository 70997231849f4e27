//! `rootstock stress`: seeded scenarios that drive the runtime hard: a table for people, JSON for programs.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use comfy_table::{Cell, CellAlignment, Table, presets};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rootstock_host::{Config, Error, RuntimeModule};
use rootstock_program::Program;
use rootstock_trials::stress::{self, Outcome, Progress, Report, SCENARIOS, Scenario, Settings};

use crate::finish;

fn scenario_names() -> PossibleValuesParser {
    PossibleValuesParser::new(SCENARIOS.iter().map(|scenario| scenario.name))
}

fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 1000.0 => Ok(scale),
        Ok(_) => Err("the scale is a factor above 0 and up to 1000".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Arguments of `rootstock stress`.
#[derive(Args, Clone, Debug)]
pub(super) struct StressArgs {
    /// Scenarios to run; all of them if none is named
    #[arg(value_name = "SCENARIO", value_parser = scenario_names(), hide_possible_values = true)]
    scenarios: Vec<String>,
    /// List the scenarios and what each does
    #[arg(long, conflicts_with = "scenarios")]
    list: bool,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Factor on the amount of work
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = parse_scale)]
    scale: f64,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Collect at every Nth allocation or registration (slow: lower the scale with it)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(i32::MAX)))]
    eager: u32,
    /// Check the whole heap after each collection (slow: lower the scale with it)
    #[arg(long)]
    verify: bool,
    /// Drive another build of the runtime
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
}

impl StressArgs {
    fn settings(&self) -> Settings {
        Settings { seed: self.seed, scale: self.scale, eager: self.eager, verify: self.verify }
    }

    /// The build of the runtime to drive.
    fn module(&self) -> Result<RuntimeModule, Error> {
        let config = Config::default();
        match &self.runtime {
            None => RuntimeModule::embedded(&config),
            Some(path) => {
                let build = Program::open(path)?;
                RuntimeModule::new(build.name(), build.wasm(), &config)
            }
        }
    }

    fn selected(&self) -> impl Iterator<Item = &'static Scenario> {
        SCENARIOS.iter().filter(|scenario| {
            self.scenarios.is_empty() || self.scenarios.iter().any(|name| name == scenario.name)
        })
    }
}

/// A bar for a scenario; hidden where standard error is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(name: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template(
                "{prefix:>23} {wide_bar} {human_pos:>11}/{human_len:11} {eta:>4}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(name);
        Self(bar)
    }
}

impl Progress for Bar {
    fn expect(&self, operations: u64) {
        self.0.inc_length(operations);
    }

    fn done(&self, operations: u64) {
        self.0.inc(operations);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Runs the command. The exit code is 1 if a scenario failed.
///
/// # Errors
///
/// If the build of the runtime that was asked for cannot be used.
pub(super) fn main(args: &StressArgs) -> Result<ExitCode, Error> {
    if args.list {
        return Ok(finish(&list(SCENARIOS), true));
    }
    let report = run(args)?;
    let text = if args.json { report.json() + "\n" } else { text(&report) };
    Ok(finish(&text, report.failed == 0))
}

fn run(args: &StressArgs) -> Result<Report, Error> {
    let mut report = stress::run(&args.settings(), &args.module()?, args.selected(), |name| {
        Box::new(Bar::new(name))
    })?;
    report.runtime = args.runtime.as_ref().map(|path| path.display().to_string());
    Ok(report)
}

/// The report as a table, with the reasons for failures below it.
fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "scenario",
        "outcome",
        "operations",
        "time",
        "ns/op",
        "peak",
        "pages",
        "collections",
        "told",
    ]);
    for row in &report.scenarios {
        let ns = row.ns_per_operation.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.1}"));
        let outcome = match row.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
        };
        table.add_row([
            row.name.to_owned(),
            outcome.to_owned(),
            HumanCount(row.operations).to_string(),
            format!("{:.2} s", row.seconds),
            ns,
            HumanBytes(row.peak_bytes.unsigned_abs()).to_string(),
            HumanCount(row.memory_pages.unsigned_abs()).to_string(),
            HumanCount(row.collections.unsigned_abs()).to_string(),
            HumanCount(row.wrappers_told.unsigned_abs()).to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for row in &report.scenarios {
        if let Some(error) = &row.error {
            let again = again(report, row.name);
            let _ = writeln!(text, "{} failed: {error}\n  again: {again}", row.name);
        }
    }
    let _ = writeln!(
        text,
        "{} passed, {} failed in {:.1} s (seed {}, scale {})",
        report.passed, report.failed, report.seconds, report.seed, report.scale
    );
    text
}

/// The command line that repeats one scenario.
fn again(report: &Report, name: &str) -> String {
    let mut line =
        format!("rootstock stress {name} --seed {} --scale {}", report.seed, report.scale);
    if report.eager != 0 {
        let _ = write!(line, " --eager {}", report.eager);
    }
    if report.verify {
        line += " --verify";
    }
    if let Some(file) = &report.runtime {
        let _ = write!(line, " --runtime {file}");
    }
    line
}

/// The output of `--list`.
fn list(scenarios: &[Scenario]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for scenario in scenarios {
        table.add_row([Cell::new(scenario.name), Cell::new(scenario.about)]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: StressArgs,
    }

    fn parse(line: &[&str]) -> Result<StressArgs, clap::Error> {
        let line = ["stress"].iter().chain(line);
        Command::try_parse_from(line).map(|command| command.args)
    }

    fn args(line: &[&str]) -> StressArgs {
        parse(line).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_failure_is_in_the_text_with_the_command_that_repeats_it() {
        let line = ["pins-and-ranges", "strings", "--scale", "0.0001", "--seed", "5", "--verify"];
        let mut report = run(&args(&line)).expect("the runtime that is built in");
        assert_eq!((report.passed, report.failed), (2, 0));
        assert!(!text(&report).contains(" failed: "), "{}", text(&report));
        report.scenarios[0].outcome = Outcome::Failed;
        report.scenarios[0].error = Some("objects without any root: found 1, expected 0".into());
        (report.passed, report.failed) = (1, 1);
        let text = text(&report);
        assert!(
            text.contains("strings failed: objects without any root: found 1, expected 0"),
            "{text}"
        );
        let again = "again: rootstock stress strings --seed 5 --scale 0.0001 --verify\n";
        assert!(text.contains(again), "{text}");
        assert!(text.contains("1 passed, 1 failed"), "{text}");
    }

    #[test]
    fn the_list_names_every_scenario_once() {
        let list = list(SCENARIOS);
        for scenario in SCENARIOS {
            let lines =
                list.lines().filter(|line| line.split_whitespace().next() == Some(scenario.name));
            assert_eq!(lines.count(), 1, "{} in\n{list}", scenario.name);
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_close_names() {
        let error = parse(&["fragmentaton"]).expect_err("no such scenario");
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains("fragmentaton") && text.contains("'fragmentation'"), "{text}");
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        for line in [
            ["--scale", "0"],
            ["--scale", "-1"],
            ["--scale", "nan"],
            ["--scale", "inf"],
            ["--eager", "-1"],
            ["--eager", "4294967295"],
            ["--seed", "x"],
            ["--list", "tree"],
        ] {
            let error = parse(&line).expect_err("must be refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn another_build_of_the_runtime_can_be_driven() {
        let file = std::env::temp_dir().join(format!("stress-runtime-{}.wasm", std::process::id()));
        let path = file.to_str().expect("a path in UTF-8");
        let line = ["pins-and-ranges", "--scale", "0.0001", "--runtime", path];

        std::fs::write(&file, rootstock_built::RUNTIME_WASM).expect("a temporary file");
        let ours = run(&args(&line)).expect("it is a runtime");
        assert!(text(&ours).contains("1 passed"));

        std::fs::write(&file, "(module)").expect("a temporary file");
        let error = run(&args(&line)).expect_err("not a runtime");
        assert!(error.is_bad_input(), "{error}");
        assert!(error.to_string().contains("gc_abi_version"), "{error}");
        std::fs::remove_file(&file).expect("the temporary file");
    }
}
