//! What `loader stress` prints: a table for people, JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::cx::{Cx, Failure};
use super::{Scenario, StressArgs};

/// All results. The field names are an interface: programs read them.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    abi_version: u32,
    /// The file of the runtime's build; none for the one that is built in.
    runtime: Option<String>,
    seed: u64,
    scale: f64,
    eager: u32,
    verify: bool,
    /// Scenarios that passed.
    passed: usize,
    /// Scenarios that failed.
    pub(super) failed: usize,
    seconds: f64,
    pub(super) scenarios: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
}

/// The result of one scenario.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) operations: u64,
    seconds: f64,
    ns_per_operation: Option<f64>,
    pub(super) peak_bytes: i64,
    pub(super) memory_pages: i64,
    pub(super) collections: i64,
    pub(super) wrappers_told: i64,
}

impl Row {
    pub(super) fn new(
        scenario: &Scenario,
        cx: &Cx,
        time: Duration,
        failure: Option<Failure>,
    ) -> Self {
        let seconds = time.as_secs_f64();
        Self {
            name: scenario.name,
            outcome: if failure.is_none() { Outcome::Passed } else { Outcome::Failed },
            error: failure.map(|failure| failure.to_string()),
            operations: cx.operations,
            seconds,
            ns_per_operation: (cx.operations > 0).then(|| seconds * 1e9 / cx.operations as f64),
            peak_bytes: cx.usage.peak_bytes,
            memory_pages: cx.usage.memory_pages,
            collections: cx.usage.collections,
            wrappers_told: cx.usage.wrappers_told,
        }
    }
}

impl Report {
    pub(super) fn new(args: &StressArgs, scenarios: Vec<Row>) -> Self {
        let passed = scenarios.iter().filter(|row| row.outcome == Outcome::Passed).count();
        Self {
            abi_version: runtime::ABI_VERSION,
            runtime: args.runtime.as_ref().map(|path| path.display().to_string()),
            seed: args.seed,
            scale: args.scale,
            eager: args.eager,
            verify: args.verify,
            passed,
            failed: scenarios.len() - passed,
            seconds: scenarios.iter().map(|row| row.seconds).sum(),
            scenarios,
        }
    }

    /// The report as JSON.
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings are JSON")
    }

    /// The report as a table, with the reasons for failures below it.
    pub(super) fn text(&self) -> String {
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
        for row in &self.scenarios {
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
        for row in &self.scenarios {
            if let Some(error) = &row.error {
                let again = self.again(row.name);
                let _ = writeln!(text, "{} failed: {error}\n  again: {again}", row.name);
            }
        }
        let _ = writeln!(
            text,
            "{} passed, {} failed in {:.1} s (seed {}, scale {})",
            self.passed, self.failed, self.seconds, self.seed, self.scale
        );
        text
    }

    /// The command line that repeats one scenario.
    fn again(&self, name: &str) -> String {
        let mut line = format!("loader stress {name} --seed {} --scale {}", self.seed, self.scale);
        if self.eager != 0 {
            let _ = write!(line, " --eager {}", self.eager);
        }
        if self.verify {
            line += " --verify";
        }
        if let Some(file) = &self.runtime {
            let _ = write!(line, " --runtime {file}");
        }
        line
    }
}

/// What `--list` prints.
pub(super) fn list(scenarios: &[Scenario]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for scenario in scenarios {
        table.add_row([Cell::new(scenario.name), Cell::new(scenario.about)]);
    }
    format!("{}\n", table.trim_fmt())
}
