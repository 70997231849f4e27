//! Samples in turns.
//!
//! For each workload the rivals run one after the other, and then again, in as many rounds as were asked for: whatever else
//! the machine does in the meantime falls on all of them alike. Ratios are taken within a round.

use std::time::{Duration, Instant};

use crate::engine::{Prepared, Purpose, Sample, SampleError, check_zeroes};
use crate::expected::Expected;
use crate::guest::{self, CodeError, takes_part};
use crate::node::InNode;
use crate::pause::Pauses;
use crate::rival::Rival;
use crate::template::Discipline;
use crate::tools::Tools;
use crate::workload::{Args, Needs, Scale, Unit, Workload};

/// The settings by which samples are taken.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workloads, in order.
    pub workloads: Vec<&'static Workload>,
    /// The rivals, in order.
    pub rivals: Vec<Rival>,
    /// The number of samples of each rival with each workload.
    pub rounds: usize,
    /// The size of the runs.
    pub scale: Scale,
    /// A rival that has taken this long for one workload runs no further rounds of it.
    pub patience: Duration,
    /// What would take longer than this is run in a smaller size, or not at all.
    pub longest: Duration,
    /// The time of a turn.
    pub turn: Duration,
    /// True if pauses and instructions are taken too, which needs further runs.
    pub details: bool,
}

/// The results of one rival with one workload.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Which rival.
    pub rival: Rival,
    /// The size that it ran.
    pub scale: Scale,
    /// Its samples, one for each round, in the unit of the workload.
    pub times: Vec<f64>,
    /// The most that the process grew, in bytes.
    pub peak: u64,
    /// Size of linear memory in the end.
    pub linear: Option<u64>,
    /// Pauses, if they were taken.
    pub pauses: Option<Pauses>,
    /// Fuel for each operation, if it was counted.
    pub fuel: Option<f64>,
    /// Why there are no figures.
    pub missing: Option<String>,
    spent: Duration,
}

impl Cell {
    fn new(rival: Rival, scale: Scale) -> Self {
        Self {
            rival,
            scale,
            times: Vec::new(),
            peak: 0,
            linear: None,
            pauses: None,
            fuel: None,
            missing: None,
            spent: Duration::ZERO,
        }
    }

    fn add(&mut self, workload: &Workload, sample: &Sample) {
        let operations = workload.operations(workload.args(self.scale));
        self.times.push(workload.unit.of(sample.time.as_secs_f64(), operations));
        self.peak = self.peak.max(sample.peak);
        self.linear = self.linear.max(sample.linear);
    }
}

/// The results of all rivals with one workload.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub workload: &'static Workload,
    /// One for each rival that takes part.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The cell of a rival that has figures.
    pub fn cell(&self, id: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.rival.id == id && !cell.times.is_empty())
    }
}

/// Something that takes samples of one workload for one rival.
pub(crate) trait Sampler {
    fn sample(&mut self) -> Result<Sample, String>;
}

struct InProcess {
    prepared: Prepared,
    args: Args,
    expected: Expected,
}

/// The time of a turn where figures are for publication.
pub const TURN: Duration = Duration::from_millis(80);
/// But no more samples than this.
const TURN_SAMPLES: usize = 10;

/// The quickest sample of a turn, which goes on for about so long: what is short is easily disturbed.
pub(crate) fn turn(
    length: Duration,
    sample: &mut dyn FnMut() -> Result<Sample, String>,
) -> Result<Sample, String> {
    let start = Instant::now();
    let mut best = sample()?;
    for _ in 1..TURN_SAMPLES {
        if start.elapsed() >= length {
            break;
        }
        let next = sample()?;
        let peak = best.peak.max(next.peak);
        if next.time < best.time {
            best = next;
        }
        best.peak = peak;
    }
    Ok(best)
}

impl Sampler for InProcess {
    fn sample(&mut self) -> Result<Sample, String> {
        self.prepared.sample(self.args, self.expected).map_err(|error| error.to_string())
    }
}

fn in_process(
    rival: &Rival,
    workload: &'static Workload,
    tools: &Tools,
    scale: Scale,
    timed: bool,
    purpose: Purpose,
) -> Result<InProcess, String> {
    let code =
        guest::code(rival, workload, tools, timed).map_err(|error: CodeError| error.to_string())?;
    let prepared = Prepared::new(&code, &rival.source, &rival.options, workload, purpose)
        .map_err(|error: SampleError| error.to_string())?;
    let args = workload.args(scale);
    Ok(InProcess { prepared, args, expected: workload.expected(args) })
}

/// The fuel that a small run takes.
pub(crate) fn fuel(
    rival: &Rival,
    workload: &'static Workload,
    tools: &Tools,
) -> Result<u64, String> {
    let mut sampler = in_process(rival, workload, tools, Scale::Small, false, Purpose::Counting)?;
    sampler.sample()?.fuel.ok_or_else(|| "the engine counts nothing".to_owned())
}

/// Runs the plan; `say` is told what runs.
pub fn run(plan: &Plan, tools: &Tools, mut say: impl FnMut(&str)) -> Vec<Row> {
    let mut unfit = Vec::new();
    for rival in &plan.rivals {
        if let Err(reason) = zeroes(rival, tools) {
            say(&format!("{}: left out: {reason}", rival.id));
            unfit.push((rival.id.clone(), reason));
        }
    }
    let rows = plan.workloads.iter().map(|workload| row(plan, workload, tools, &unfit, &mut say));
    rows.collect()
}

/// Tells whether a rival can be built, and new memory is zero if it says so.
fn zeroes(rival: &Rival, tools: &Tools) -> Result<(), String> {
    if !rival.zeroes || !rival.runs_templates() || rival.discipline == Discipline::Engine {
        return Ok(());
    }
    let workload = &crate::workload::ZERO;
    let sampler = in_process(rival, workload, tools, Scale::Full, false, Purpose::Timing)?;
    check_zeroes(&sampler.prepared)
        .map_err(|error| format!("new memory is not zero, or not had: {error}"))
}

fn row(
    plan: &Plan,
    workload: &'static Workload,
    tools: &Tools,
    unfit: &[(String, String)],
    say: &mut impl FnMut(&str),
) -> Row {
    let mut cells = Vec::new();
    let mut samplers: Vec<Option<Box<dyn Sampler>>> = Vec::new();
    for rival in plan.rivals.iter().filter(|rival| takes_part(rival, workload)) {
        let mut cell = Cell::new(rival.clone(), plan.scale);
        let known = unfit.iter().find(|(id, _)| *id == rival.id);
        let made = match known {
            Some((_, reason)) => Err(reason.clone()),
            None => fitting(plan, rival, workload, tools),
        };
        let made = match made {
            Ok((scale, made)) => {
                cell.scale = scale;
                Some(made)
            }
            Err(reason) => {
                cell.missing = Some(reason);
                None
            }
        };
        cells.push(cell);
        samplers.push(made);
    }
    for round in 0..plan.rounds {
        say(&format!("{}: round {} of {}", workload.id, round + 1, plan.rounds));
        for at in 0..cells.len() {
            // Each starts a round in its turn.
            let at = (at + round) % cells.len();
            take(plan, workload, &mut cells[at], &mut samplers[at]);
        }
    }
    if plan.details {
        say(&format!("{}: pauses and instructions", workload.id));
        for cell in cells.iter_mut().filter(|cell| !cell.times.is_empty()) {
            details(cell, workload, tools);
        }
    }
    Row { workload, cells }
}

/// A sampler of the size that was asked for, or of the largest that does not take too long.
fn fitting(
    plan: &Plan,
    rival: &Rival,
    workload: &'static Workload,
    tools: &Tools,
) -> Result<(Scale, Box<dyn Sampler>), String> {
    let mut made = sampler(rival, workload, tools, Scale::Small)?;
    let small = made.sample()?.time;
    drop(made);
    let operations = |scale| workload.operations(workload.args(scale));
    let would_take = |scale| small.mul_f64(operations(scale) / operations(Scale::Small));
    let scale = if would_take(plan.scale) <= plan.longest { plan.scale } else { Scale::Quick };
    let takes = would_take(scale);
    // Seconds of another size are not to be compared.
    if takes > plan.longest || (scale != plan.scale && workload.unit == Unit::Seconds) {
        let takes = would_take(plan.scale).as_secs_f64();
        return Err(format!("would take {takes:.0} s or more"));
    }
    Ok((scale, sampler(rival, workload, tools, scale)?))
}

fn sampler(
    rival: &Rival,
    workload: &'static Workload,
    tools: &Tools,
    scale: Scale,
) -> Result<Box<dyn Sampler>, String> {
    if rival.runs_here() {
        return Ok(Box::new(in_process(rival, workload, tools, scale, false, Purpose::Timing)?));
    }
    let code = guest::code(rival, workload, tools, false).map_err(|error| error.to_string())?;
    Ok(Box::new(InNode::start(&code, rival, workload, scale, tools)?))
}

/// One sample, unless this rival has taken too long already.
fn take(
    plan: &Plan,
    workload: &'static Workload,
    cell: &mut Cell,
    sampler: &mut Option<Box<dyn Sampler>>,
) {
    let Some(running) = sampler else { return };
    if cell.spent >= plan.patience {
        return;
    }
    match turn(plan.turn, &mut || running.sample()) {
        Ok(sample) => {
            cell.spent += sample.time.max(plan.turn);
            cell.add(workload, &sample);
        }
        Err(reason) => {
            cell.missing = Some(reason);
            cell.times.clear();
            *sampler = None;
        }
    }
}

/// The pauses that are there in each of some runs with a clock around each allocation.
fn pauses(
    rival: &Rival,
    workload: &'static Workload,
    tools: &Tools,
    scale: Scale,
) -> Result<Pauses, String> {
    let mut sampler = in_process(rival, workload, tools, scale, true, Purpose::Timing)?;
    let mut pauses = sampler.sample()?.pauses;
    for _ in 1..PAUSE_RUNS {
        pauses = pauses.in_both(&sampler.sample()?.pauses);
    }
    Ok(pauses)
}

/// An interruption would have to fall on the same allocation in each of them.
const PAUSE_RUNS: usize = 3;

/// The findings of runs of their own: pauses, and the count of instructions.
fn details(cell: &mut Cell, workload: &'static Workload, tools: &Tools) {
    let rival = &cell.rival;
    // Where time is for each operation, the pauses of fewer operations are the same. A collection that was asked for is
    // no allocation.
    let scale = match (workload.unit, cell.scale) {
        (Unit::Nanoseconds, Scale::Full) => Scale::Quick,
        (_, scale) => scale,
    };
    if rival.runs_templates() && workload.needs != Needs::Collector {
        cell.pauses = pauses(rival, workload, tools, scale).ok();
    }
    if rival.runs_here() {
        let operations = workload.operations(workload.args(Scale::Small));
        cell.fuel = fuel(rival, workload, tools).ok().map(|fuel| fuel as f64 / operations);
    }
}
