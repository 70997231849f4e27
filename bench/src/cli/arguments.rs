//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::Refused;
use crate::rival::{self, Rival};
use crate::rounds::TURN;
use crate::tools::root;
use crate::workload::{self, Scale, Workload};

/// Measures Rootstock beside bump pointers, allocators and other collectors, interleaved in one run.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Task,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Runs workloads, and prints a table.
    Run(Run),
    /// Compares two builds of runtime.wasm pair by pair, and says what moved beyond the noise.
    Compare(Compare),
    /// Measures everything and writes docs/performance.md, its charts, and bench/results/VERSION.json: half an hour, and a
    /// little more.
    Page(Page),
    /// Counts the instructions of the main workloads, and holds them to bench/golden.json.
    Golden(GoldenTask),
    /// Lists workloads and rivals.
    List,
    /// Makes instances, and says what memory each takes: `page` runs this in processes of their own.
    #[command(hide = true)]
    Crowd {
        /// Of which rival.
        rival: String,
        /// How many.
        count: u32,
        /// With memory from a pool of the engine.
        #[arg(long)]
        pool: bool,
    },
}

/// What is run.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only these workloads: names, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOADS")]
    pub(super) only: Vec<String>,
    /// Rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rounds: Option<u16>,
    /// Smaller workloads, fewer rounds and rivals: about three minutes for all.
    #[arg(long)]
    pub(super) quick: bool,
    /// Write everything that was measured to a file.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Only these rivals: names, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RIVALS")]
    pub(super) rivals: Vec<String>,
    /// Another build of the runtime to measure beside the others, as NAME=FILE.
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    pub(super) build: Vec<(String, PathBuf)>,
    /// An option of the runtime, by number, for all builds of ours.
    #[arg(long, value_name = "NUMBER=VALUE", value_parser = option)]
    pub(super) option: Vec<(u32, u32)>,
    /// Leave out pauses and instruction counts.
    #[arg(long)]
    pub(super) times_only: bool,
}

#[derive(Debug, Args)]
pub(super) struct Page {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Where performance.md is and the charts go.
    #[arg(long, value_name = "FOLDER", default_value_os_t = root().join("docs"))]
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The build to compare with.
    pub(super) old: PathBuf,
    /// The build that is compared.
    pub(super) new: PathBuf,
    #[command(flatten)]
    pub(super) selection: Selection,
}

#[derive(Debug, Args)]
pub(super) struct GoldenTask {
    /// Only say what moved, and end with 1 if a count is higher than is tolerated. This is the default, unless
    /// ROOTSTOCK_UPDATE=1 asks for the counts to be written as they are now.
    #[arg(long)]
    pub(super) check: bool,
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), file.into()))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn option(text: &str) -> Result<(u32, u32), String> {
    let expected = || "expected NUMBER=VALUE, as in ABI.md".to_owned();
    let (number, value) = text.split_once('=').ok_or_else(expected)?;
    let parse = |text: &str| text.parse().map_err(|_| expected());
    Ok((parse(number)?, parse(value)?))
}

/// Left out of a quick run: each needs a node of its own for each workload, or says little beside another.
const SLOW_TO_MEASURE: &[&str] =
    &["bump-i", "gc-null", "as-minimal", "v8-ours-x", "v8-bump", "v8-bumpwrap"];

impl Selection {
    pub(super) fn workloads(&self) -> Result<Vec<&'static Workload>, Refused> {
        if self.only.is_empty() {
            return Ok(workload::ALL.iter().collect());
        }
        self.only
            .iter()
            .map(|id| {
                workload::find(id).ok_or_else(|| {
                    let known: Vec<&str> = workload::ALL.iter().map(|known| known.id).collect();
                    Refused(format!("no workload is named {id}; there are {}", known.join(", ")))
                })
            })
            .collect()
    }

    pub(super) fn scale(&self) -> Scale {
        if self.quick { Scale::Quick } else { Scale::Full }
    }

    pub(super) fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.map_or(if self.quick { quick } else { full }, usize::from)
    }

    pub(super) fn patience(&self) -> Duration {
        if self.quick { Duration::from_millis(250) } else { Duration::from_secs(5) }
    }

    pub(super) fn longest(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 20 })
    }

    pub(super) fn turn(&self) -> Duration {
        if self.quick { TURN / 4 } else { TURN }
    }

    /// Everyone, or those that a quick run has time for.
    pub(super) fn everyone(&self) -> Vec<Rival> {
        let mut all = rival::all();
        if self.quick {
            all.retain(|rival| !SLOW_TO_MEASURE.contains(&rival.id.as_str()));
        }
        all
    }

    pub(super) fn write(&self, report: &impl serde::Serialize) -> Result<(), Refused> {
        self.json.as_deref().map_or(Ok(()), |path| write_json(path, report))
    }
}

impl Page {
    /// Where the results of this version are kept. A run that measures less than a release does is not kept.
    pub(super) fn results(&self) -> Option<PathBuf> {
        let run = &self.selection;
        let is_whole = !run.quick && run.only.is_empty() && run.rounds.is_none();
        let file = concat!("bench/results/", env!("CARGO_PKG_VERSION"), ".json");
        (is_whole && self.folder == root().join("docs")).then(|| root().join(file))
    }
}

pub(super) fn write_json(path: &Path, report: &impl serde::Serialize) -> Result<(), Refused> {
    let text = serde_json::to_string_pretty(report)?;
    fs::write(path, text + "\n")
        .map_err(|error| Refused(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(arguments: &[&str]) -> Option<PathBuf> {
        let words = ["bench", "page"].iter().chain(arguments);
        match Cli::parse_from(words).command {
            Task::Page(page) => page.results(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_whole_run_is_kept_for_its_version() {
        let kept = results(&[]).unwrap();
        assert!(kept.ends_with(format!("bench/results/{}.json", env!("CARGO_PKG_VERSION"))));
        assert!(kept.parent().unwrap().is_dir());
        for less in [&["--quick"][..], &["--only", "trees"], &["--rounds", "1"], &["--folder", "x"]]
        {
            assert_eq!(results(less), None, "{less:?}");
        }
    }
}
