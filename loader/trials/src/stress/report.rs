//! The results of scenarios.

use std::time::Duration;

use serde::Serialize;

use super::cx::{Cx, Failure};
use super::{Scenario, Settings};

/// All results. The field names are an interface: programs read them.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of the ABI.
    pub abi_version: u32,
    /// The file of the runtime's build; none for the one that is built in.
    pub runtime: Option<String>,
    /// The seed of every random choice.
    pub seed: u64,
    /// The factor on the amount of work.
    pub scale: f64,
    /// [`Settings::eager`].
    pub eager: u32,
    /// [`Settings::verify`].
    pub verify: bool,
    /// Scenarios that passed.
    pub passed: usize,
    /// Scenarios that failed.
    pub failed: usize,
    /// The time of all.
    pub seconds: f64,
    /// The scenarios, in the order in which they ran.
    pub scenarios: Vec<Row>,
}

/// The end of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All findings are right.
    Passed,
    /// Something was not.
    Failed,
}

/// The result of one scenario.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The name of the scenario.
    pub name: &'static str,
    /// Its end.
    pub outcome: Outcome,
    /// Why it failed.
    pub error: Option<String>,
    /// The work done, in the scenario's own unit.
    pub operations: u64,
    /// The time it took.
    pub seconds: f64,
    /// The same for one operation; none if there were none.
    pub ns_per_operation: Option<f64>,
    /// The most bytes that its heaps have had.
    pub peak_bytes: i64,
    /// The most pages of memory.
    pub memory_pages: i64,
    /// The collections of all its instances.
    pub collections: i64,
    /// The dead handles that the host was notified of.
    pub wrappers_told: i64,
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
    pub(super) fn new(settings: &Settings, scenarios: Vec<Row>) -> Self {
        let passed = scenarios.iter().filter(|row| row.outcome == Outcome::Passed).count();
        Self {
            abi_version: runtime::ABI_VERSION,
            runtime: None,
            seed: settings.seed,
            scale: settings.scale,
            eager: settings.eager,
            verify: settings.verify,
            passed,
            failed: scenarios.len() - passed,
            seconds: scenarios.iter().map(|row| row.seconds).sum(),
            scenarios,
        }
    }

    /// The report as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings are JSON")
    }
}
