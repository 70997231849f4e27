//! The measurements, as a table and as JSON.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::pause::PauseSummary;
use crate::rounds::{Cell, Row};
use crate::stats::{Summary, median, summary};
use crate::workload::{Limit, Quantity, Target, Workload};

/// Everything about a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// For readers of the file: goes up when a field changes its meaning.
    pub format: u32,
    /// The machine and the versions.
    pub about: Vec<(String, String)>,
    /// One for each workload.
    pub rows: Vec<RowReport>,
}

/// A workload.
#[derive(Debug, Serialize)]
pub struct RowReport {
    /// Its name on the command line.
    pub id: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// The unit of times.
    pub unit: &'static str,
    /// The fastest that manages memory and is not ours.
    pub best_rival: Option<String>,
    /// One for each rival that takes part.
    pub cells: Vec<CellReport>,
    /// The targets and what came of them.
    pub targets: Vec<TargetReport>,
}

/// A rival in a workload.
#[derive(Debug, Serialize)]
pub struct CellReport {
    /// Its name on the command line.
    pub id: String,
    /// Its name in tables.
    pub title: String,
    /// The time.
    pub time: Option<Summary>,
    /// Every sample, in the order of the rounds.
    pub samples: Vec<f64>,
    /// Time by that of bumpwrap in the same round: the median.
    pub by_bumpwrap: Option<f64>,
    /// Time by that of bump.
    pub by_bump: Option<f64>,
    /// Time by that of the best rival.
    pub by_best_rival: Option<f64>,
    /// By how much the process grew at most, in bytes.
    pub peak_bytes: u64,
    /// Linear memory in the end, in bytes.
    pub linear_bytes: Option<u64>,
    /// Fuel for one operation: about the number of instructions.
    pub fuel: Option<f64>,
    /// Long allocations.
    pub pauses: Option<PauseSummary>,
    /// Lower ends of buckets in microseconds, and how many pauses were in each.
    pub pause_histogram: Vec<(f64, u64)>,
    /// True if it ran a smaller size than the others, which would have taken too long.
    pub smaller: bool,
    /// Why there are no figures.
    pub missing: Option<String>,
}

/// A target and what came of it.
#[derive(Debug, Serialize)]
pub struct TargetReport {
    /// Which of ours.
    pub ours: &'static str,
    /// "time" or "peak".
    pub quantity: &'static str,
    /// In words.
    pub target: String,
    /// The quantity that is compared with the limit: a time, or a ratio.
    pub found: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// True if it is kept; none without figures.
    pub met: Option<bool>,
}

impl Report {
    /// The report of a run.
    pub fn new(rows: &[Row], about: Vec<(String, String)>) -> Self {
        Self { format: 1, about, rows: rows.iter().map(RowReport::new).collect() }
    }
}

impl RowReport {
    fn new(row: &Row) -> Self {
        let best = best_rival(row);
        Self {
            id: row.workload.id,
            title: row.workload.title,
            unit: row.workload.unit.symbol(),
            best_rival: best.map(|cell| cell.rival.id.clone()),
            cells: row.cells.iter().map(|cell| CellReport::new(cell, row, best)).collect(),
            targets: row.workload.targets.iter().map(|target| of_target(target, row)).collect(),
        }
    }
}

impl CellReport {
    fn new(cell: &Cell, row: &Row, best: Option<&Cell>) -> Self {
        Self {
            id: cell.rival.id.clone(),
            title: cell.rival.title.clone(),
            time: summary(&cell.times),
            samples: cell.times.clone(),
            by_bumpwrap: row.cell("bumpwrap").and_then(|other| ratio(cell, other)),
            by_bump: row.cell("bump").and_then(|other| ratio(cell, other)),
            by_best_rival: best.and_then(|other| ratio(cell, other)),
            peak_bytes: cell.peak,
            linear_bytes: cell.linear,
            fuel: cell.fuel,
            pauses: cell.pauses.as_ref().and_then(crate::pause::Pauses::summary),
            pause_histogram: cell
                .pauses
                .as_ref()
                .map(crate::pause::Pauses::histogram)
                .unwrap_or_default(),
            smaller: row.cells.iter().any(|other| (other.scale as usize) < cell.scale as usize),
            missing: cell.missing.clone(),
        }
    }
}

/// The median of the ratios of the rounds that both have.
pub fn ratio(of: &Cell, by: &Cell) -> Option<f64> {
    let ratios: Vec<f64> = of.times.iter().zip(&by.times).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// The fastest cell that is neither ours nor a limit, and in the same engine.
fn best_rival(row: &Row) -> Option<&Cell> {
    let rivals = row
        .cells
        .iter()
        .filter(|cell| !cell.rival.is_ours() && !cell.rival.is_limit() && cell.rival.runs_here());
    let timed = rivals.filter_map(|cell| Some((median(&cell.times)?, cell)));
    timed.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, cell)| cell)
}

fn of_target(target: &Target, row: &Row) -> TargetReport {
    let ours = row.cell(target.ours);
    let (found, limit) = match target.limit {
        Limit::Absolute(limit) => (ours.and_then(|cell| median(&cell.times)), limit),
        Limit::Times(limit, other) => {
            let pair = ours.zip(row.cell(other));
            let found = pair.and_then(|(ours, other)| match target.quantity {
                Quantity::Time => ratio(ours, other),
                Quantity::Peak => Some(ours.peak as f64 / other.peak as f64),
            });
            (found, limit)
        }
    };
    TargetReport {
        ours: target.ours,
        quantity: match target.quantity {
            Quantity::Time => "time",
            Quantity::Peak => "peak",
        },
        target: in_words(target, row.workload),
        found,
        limit,
        met: found.map(|found| found <= limit),
    }
}

fn in_words(target: &Target, workload: &Workload) -> String {
    let what = match target.quantity {
        Quantity::Time => "",
        Quantity::Peak => "peak ",
    };
    match target.limit {
        Limit::Absolute(limit) => format!("{what}≤ {limit} {}", workload.unit.symbol()),
        Limit::Times(limit, other) => format!("{what}≤ {limit:.1} × {other}"),
    }
}

/// A time with as many digits as it deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

/// The tables for a terminal.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.rows {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
            row.title.to_owned(),
            format!("median {}", row.unit),
            "min".to_owned(),
            "max".to_owned(),
            ": bumpwrap".to_owned(),
            ": bump".to_owned(),
            ": best rival".to_owned(),
            "peak MiB".to_owned(),
            "fuel".to_owned(),
        ]);
        let mut missing = Vec::new();
        for cell in &row.cells {
            let Some(time) = cell.time else {
                missing.push(format!("{}: {}", cell.id, cell.missing.as_deref().unwrap_or("–")));
                continue;
            };
            table.add_row([
                cell.title.clone(),
                number(time.median),
                number(time.min),
                number(time.max),
                optional(cell.by_bumpwrap),
                optional(cell.by_bump),
                optional(cell.by_best_rival),
                mebibytes(cell.peak_bytes),
                optional(cell.fuel),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        text.push_str(&format!("{table}\n"));
        for line in missing {
            text.push_str(&format!("left out: {line}\n"));
        }
        for target in &row.targets {
            text.push_str(&in_a_line(target));
        }
        text.push('\n');
    }
    text
}

fn in_a_line(target: &TargetReport) -> String {
    let verdict = match target.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "not measured",
    };
    format!("target {} {}: {verdict}, {}\n", target.ours, target.target, optional(target.found))
}
