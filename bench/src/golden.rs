//! Instruction counts of the main workloads, held to what they were.
//!
//! Fuel repeats exactly, on every machine: a small change of the collector's code shows in it that no clock would show.
//! It says nothing of caches, and counts a fill of memory as one instruction.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::rival;
use crate::rounds;
use crate::tools::{Tools, root};
use crate::workload;

/// The guests that are counted, as two modules: with a call for each allocation, and with cells taken inline.
const COUNTED: [(&str, &[&str]); 2] = [
    (
        "ours-x",
        &["dead16", "mixed", "trees", "live100k", "slots", "wrappers", "list", "tree", "graph"],
    ),
    ("ours-run", &["dead16", "trees"]),
];

/// The name of a count in the file.
fn name(rival: &str, workload: &str) -> String {
    match rival {
        "ours-x" => workload.to_owned(),
        _ => format!("{workload}, {rival}"),
    }
}

/// The file `golden.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Golden {
    /// The tolerance of a count, in percent.
    pub tolerance_percent: f64,
    /// Fuel for a small run of each workload.
    pub fuel: BTreeMap<String, u64>,
}

/// A count beside what it was.
#[derive(Debug)]
pub struct Moved {
    /// The workload.
    pub id: String,
    /// The count in the file; none for a workload that is new.
    pub golden: Option<u64>,
    /// The count now.
    pub found: u64,
    /// True if it is more than is tolerated, or not in the file.
    pub refused: bool,
}

impl Moved {
    /// The change in percent.
    pub fn percent(&self) -> Option<f64> {
        self.golden.map(|golden| (self.found as f64 / golden as f64 - 1.0) * 100.0)
    }
}

/// The path of the file.
pub fn path() -> PathBuf {
    root().join("bench/golden.json")
}

/// Counts each workload with the runtime that this command was built with.
pub fn count(tools: &Tools) -> Result<BTreeMap<String, u64>, String> {
    let all = rival::all();
    let mut found = BTreeMap::new();
    for (rival, workloads) in COUNTED {
        let ours = all.iter().find(|one| one.id == rival);
        let ours = ours.ok_or_else(|| format!("there is no {rival}"))?;
        for id in workloads {
            let workload = workload::find(id).ok_or_else(|| format!("there is no {id}"))?;
            let name = name(rival, id);
            let fuel = rounds::fuel(ours, workload, tools);
            let fuel = fuel.map_err(|error| format!("{name}: {error}"))?;
            found.insert(name, fuel);
        }
    }
    Ok(found)
}

/// The file.
pub fn read() -> Result<Golden, String> {
    let path = path();
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes the file again, with the tolerance that it had.
pub fn write(fuel: BTreeMap<String, u64>) -> Result<(), String> {
    let tolerance_percent = read().map_or(2.0, |golden| golden.tolerance_percent);
    let golden = Golden { tolerance_percent, fuel };
    let text = serde_json::to_string_pretty(&golden).map_err(|error| error.to_string())?;
    let path = path();
    fs::write(&path, text + "\n")
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Each count beside what it was.
pub fn check(golden: &Golden, found: &BTreeMap<String, u64>) -> Vec<Moved> {
    let most = 1.0 + golden.tolerance_percent / 100.0;
    found
        .iter()
        .map(|(id, &found)| {
            let known = golden.fuel.get(id).copied();
            let refused = known.is_none_or(|known| found as f64 > known as f64 * most);
            Moved { id: id.clone(), golden: known, found, refused }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|&(id, fuel)| (id.to_owned(), fuel)).collect()
    }

    #[test]
    fn more_than_is_tolerated_is_refused_and_less_is_not() {
        let golden = Golden {
            tolerance_percent: 2.0,
            fuel: counts(&[("even", 1_000), ("less", 1_000), ("little", 1_000), ("more", 1_000)]),
        };
        let found = counts(&[
            ("even", 1_000),
            ("less", 700),
            ("little", 1_020),
            ("more", 1_021),
            ("new", 5),
        ]);
        let refused: Vec<String> = check(&golden, &found)
            .into_iter()
            .filter(|moved| moved.refused)
            .map(|moved| moved.id)
            .collect();
        assert_eq!(refused, ["more", "new"]);
    }

    #[test]
    fn the_file_names_what_is_counted() {
        let golden = read().unwrap();
        let counted = COUNTED
            .iter()
            .flat_map(|(rival, workloads)| workloads.iter().map(|workload| name(rival, workload)));
        assert_eq!(golden.fuel.into_keys().collect::<BTreeSet<_>>(), counted.collect());
    }
}
