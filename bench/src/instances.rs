//! The cost of instances: the time to make one, the time to its first object, and the memory that idle ones take.

use std::process::Command;
use std::time::Instant;

use serde::Serialize;

use crate::engine::{Prepared, Purpose, Running, SampleError};
use crate::guest;
use crate::memory::resident;
use crate::rival::Rival;
use crate::stats::median;
use crate::tools::Tools;
use crate::workload::IDLE;

/// How often an instance is made to see how long it takes.
const TIMES: usize = 400;
/// Instances that are idle at once, with memory from the pool of the engine.
const CROWDS: [u32; 2] = [1_000, 10_000];

/// The cost of instances of a rival.
#[derive(Clone, Debug, Serialize)]
pub struct Instances {
    /// Its name on the command line.
    pub id: String,
    /// Its name in tables.
    pub title: String,
    /// Microseconds to make an instance.
    pub instantiate: f64,
    /// Microseconds to make an instance and an object in it.
    pub first_object: f64,
    /// Resident KiB of the process for each idle instance.
    pub idle: f64,
    /// The same for each instance that has made an object.
    pub used: f64,
    /// Instances in the pool, and the resident MiB for all of them when they are idle.
    pub pooled: Vec<(u32, f64)>,
}

/// Measures instances of a rival that runs in this process.
pub fn measure(rival: &Rival, tools: &Tools) -> Result<Instances, String> {
    let code = guest::code(rival, &IDLE, tools, false).map_err(|error| error.to_string())?;
    let plain = Prepared::new(&code, &rival.source, &rival.options, &IDLE, Purpose::Timing)
        .map_err(|error| error.to_string())?;
    let mut made = Vec::with_capacity(TIMES);
    let mut used = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let start = Instant::now();
        let mut running = plain.instantiate().map_err(|error| error.to_string())?;
        made.push(start.elapsed().as_secs_f64() * 1e6);
        touch(&mut running)?;
        used.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let [idle, touched] = in_a_process_of_its_own(rival, CROWDS[0], false)?;
    let mut pooled = Vec::new();
    for count in CROWDS {
        let [idle, _] = in_a_process_of_its_own(rival, count, true)?;
        pooled.push((count, idle / 1024.0 * f64::from(count)));
    }
    let none = || "nothing was measured".to_owned();
    Ok(Instances {
        id: rival.id.clone(),
        title: rival.title.clone(),
        instantiate: median(&made).ok_or_else(none)?,
        first_object: median(&used).ok_or_else(none)?,
        idle,
        used: touched,
        pooled,
    })
}

/// [`crowd`] in a new process: in this one, memory that was freed before would be used again and seem to cost nothing.
fn in_a_process_of_its_own(rival: &Rival, count: u32, pool: bool) -> Result<[f64; 2], String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.args(["crowd", &rival.id, &count.to_string()]);
    if pool {
        command.arg("--pool");
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// KiB for each of `count` instances, with memory from a pool or not: idle, and after one object.
pub fn crowd(rival: &Rival, count: u32, pool: bool, tools: &Tools) -> Result<[f64; 2], String> {
    let code = guest::code(rival, &IDLE, tools, false).map_err(|error| error.to_string())?;
    let purpose = if pool { Purpose::Pooling(count) } else { Purpose::Timing };
    let prepared = Prepared::new(&code, &rival.source, &rival.options, &IDLE, purpose)
        .map_err(|error| error.to_string())?;
    // The code is paged in and the engine has its tables before anything is counted.
    let mut first = prepared.instantiate().map_err(|error| error.to_string())?;
    touch(&mut first)?;
    drop(first);
    let unknown = || "the resident memory is not known here".to_owned();
    let before = resident("self").ok_or_else(unknown)?;
    let grown = || -> Result<f64, String> {
        let now = resident("self").ok_or_else(unknown)?;
        Ok(now.saturating_sub(before) as f64 / 1024.0 / f64::from(count))
    };
    let all: Result<Vec<Running>, SampleError> =
        (0..count).map(|_| prepared.instantiate()).collect();
    let mut all = all.map_err(|error| error.to_string())?;
    let idle = grown()?;
    for running in &mut all {
        touch(running)?;
    }
    Ok([idle, grown()?])
}

fn touch(running: &mut Running) -> Result<(), String> {
    let run = running.function::<(u32, u32), i64>("run", "_idle");
    let run = run.ok_or("there is no function `run`")?;
    match running.call(&run, (0, 0)) {
        Ok(1) => Ok(()),
        Ok(other) => Err(format!("the object holds {other}, not 1")),
        Err(error) => Err(error.to_string()),
    }
}
