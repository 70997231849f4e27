//! Two builds of the runtime, pair by pair.
//!
//! Each round runs the old build, the new one, and the old one again, in turns; the two runs of the old build say how
//! much of a difference is none.

use serde::Serialize;

use crate::engine::{Prepared, Purpose};
use crate::guest;
use crate::report::number;
use crate::rival::Rival;
use crate::rounds::{TURN, fuel, turn};
use crate::stats::{Interval, Verdict, bootstrap, median, verdict};
use crate::tools::Tools;
use crate::workload::{Scale, Workload};

/// The verdict of a workload on two builds.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The workload.
    pub id: &'static str,
    /// Median time of the old build, in the unit of the workload.
    pub old: f64,
    /// Median time of the new one.
    pub new: f64,
    /// The unit.
    pub unit: &'static str,
    /// Median of new : old.
    pub ratio: f64,
    /// Its interval.
    pub interval: Interval,
    /// The interval of the old build to itself.
    pub noise: Interval,
    /// Fuel of the new build by that of the old one, which is exact.
    pub fuel: f64,
    /// True if it moved.
    pub verdict: Verdict,
}

/// Compares two builds with one workload.
pub fn compare(
    old: &Rival,
    new: &Rival,
    workload: &'static Workload,
    rounds: usize,
    scale: Scale,
    tools: &Tools,
) -> Result<Comparison, String> {
    let prepare = |rival: &Rival| -> Result<Prepared, String> {
        let code = guest::code(rival, workload, tools, false).map_err(|error| error.to_string())?;
        Prepared::new(&code, &rival.source, &rival.options, workload, Purpose::Timing)
            .map_err(|error| format!("{}: {error}", rival.id))
    };
    let args = workload.args(scale);
    let expected = workload.expected(args);
    let run = |prepared: &Prepared, rival: &Rival| {
        prepared
            .sample(args, expected)
            .map_err(|error| format!("{}: {}: {error}", workload.id, rival.id))
    };
    let count = |rival: &Rival| {
        fuel(rival, workload, tools)
            .map_err(|error| format!("{}: {}: {error}", workload.id, rival.id))
    };
    let (before, after) = (count(old)?, count(new)?);

    let builds = [(prepare(old)?, old), (prepare(new)?, new), (prepare(old)?, old)];
    let operations = workload.operations(args);
    let mut times = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for place in 0..3 {
            let at = (place + round) % 3;
            let (prepared, rival) = &builds[at];
            let sample = turn(TURN, &mut || run(prepared, rival))?;
            times[at].push(workload.unit.of(sample.time.as_secs_f64(), operations));
        }
    }
    let [first, second, third] = &times;
    // The new build lies between the two runs of the old one.
    let olds: Vec<f64> = first.iter().zip(third).map(|(a, b)| (a * b).sqrt()).collect();
    let ratios: Vec<f64> = second.iter().zip(&olds).map(|(new, old)| new / old).collect();
    let noise: Vec<f64> = third.iter().zip(first).map(|(a, b)| a / b).collect();
    let none = || "no rounds were asked for".to_owned();
    Ok(Comparison {
        id: workload.id,
        old: median(&olds).ok_or_else(none)?,
        new: median(second).ok_or_else(none)?,
        unit: workload.unit.symbol(),
        ratio: median(&ratios).ok_or_else(none)?,
        interval: bootstrap(&ratios).ok_or_else(none)?,
        noise: bootstrap(&noise).ok_or_else(none)?,
        fuel: after as f64 / before as f64,
        verdict: verdict(&ratios, &noise),
    })
}

/// One line of the table.
pub fn line(found: &Comparison) -> Vec<String> {
    let interval = |of: Interval| format!("{:.3}–{:.3}", of.low, of.high);
    vec![
        found.id.to_owned(),
        format!("{} {}", number(found.old), found.unit),
        format!("{} {}", number(found.new), found.unit),
        format!("{:.3}", found.ratio),
        interval(found.interval),
        interval(found.noise),
        format!("{:.3}", found.fuel),
        match found.verdict {
            Verdict::Faster => "faster",
            Verdict::Slower => "SLOWER",
            Verdict::Same => "",
        }
        .to_owned(),
    ]
}
