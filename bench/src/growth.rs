//! The trade of time for memory and pauses by the option GROWTH_PERCENT.

use serde::Serialize;

use crate::pause::Pauses;
use crate::report::ratio;
use crate::rival::Rival;
use crate::rounds::{self, Plan, Row};
use crate::stats::median;
use crate::tools::Tools;
use crate::workload;

/// The option's number in the ABI.
const GROWTH_PERCENT: u32 = 4;
/// Its values. 100 is the default, which the others are compared with.
const VALUES: [u32; 6] = [25, 50, 100, 200, 400, 800];
/// A heap of many small trees, and one that is mostly a long list.
const WORKLOADS: [&str; 3] = ["trees", "live1m", "slots"];

/// One value with one workload.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// The value of the option.
    pub percent: u32,
    /// Time, in the unit of the workload.
    pub time: f64,
    /// Time by that of the default.
    pub by_default: f64,
    /// Peak memory in bytes.
    pub peak: u64,
    /// 99 in 100 pauses are not longer, in microseconds.
    pub p99: f64,
    /// The longest pause, in microseconds.
    pub max: f64,
}

/// Each value with each workload.
pub fn measure(
    ours: &Rival,
    plan: &Plan,
    tools: &Tools,
    say: impl FnMut(&str),
) -> Vec<(&'static str, Vec<Growth>)> {
    let rivals = VALUES.map(|value| {
        let mut rival = ours.clone().with_options(&[(GROWTH_PERCENT, value)]);
        rival.id = value.to_string();
        rival
    });
    let plan = Plan {
        workloads: WORKLOADS.iter().filter_map(|id| workload::find(id)).collect(),
        rivals: rivals.into(),
        details: true,
        rounds: plan.rounds.min(3),
        ..plan.clone()
    };
    let rows = rounds::run(&plan, tools, say);
    rows.iter().map(|row| (row.workload.title, of_row(row))).collect()
}

fn of_row(row: &Row) -> Vec<Growth> {
    let default = row.cell("100");
    let of_value = |percent: u32| {
        let cell = row.cell(&percent.to_string())?;
        let pauses = cell.pauses.as_ref().and_then(Pauses::summary);
        Some(Growth {
            percent,
            time: median(&cell.times)?,
            by_default: ratio(cell, default?)?,
            peak: cell.peak,
            p99: pauses.map_or(0.0, |pauses| pauses.p99),
            max: pauses.map_or(0.0, |pauses| pauses.max),
        })
    };
    VALUES.into_iter().filter_map(of_value).collect()
}
