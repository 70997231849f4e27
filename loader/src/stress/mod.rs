//! `loader stress`: seeded scenarios that drive the runtime hard, each with a checked outcome.
//!
//! A scenario is a function that builds instances of the runtime, works them, and compares what
//! it finds with what a model or an invariant says: contents of live objects, counts of live
//! objects, the audit of the handles, `gc_verify`. It draws every choice from a generator that is
//! seeded with `--seed` and its own name, so a failure is repeated by naming both.
//!
//! The scenarios are listed in `SCENARIOS`; the files hold them by family:
//!
//! * `wrappers`: the wrap-table, from bursts of dead wrappers to the limit
//! * `callbacks`: what the host may do while it is told, and `gc_shutdown`
//! * `shapes`: lists, trees, combs and stars, marked without a mark stack in memory
//! * `heap`: fragmentation, atomic strings, large objects, memory that others grow too
//! * `limits`: pacing, and what happens when memory ends
//! * `roots`: the shadow stack to its brim, pins and ranges
//! * `graph`: random graphs against an exact model of conservative reachability

mod callbacks;
mod cx;
mod graph;
mod graph_model;
mod guest;
mod heap;
mod limits;
mod report;
mod roots;
mod shapes;
mod slots;
#[cfg(test)]
mod tests;
mod wrappers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use clap::builder::PossibleValuesParser;

use cx::{Cx, Failure, Finished};
use report::{Report, Row};

use crate::{Config, Error, Instance, Program, RuntimeModule, cli};

/// One scenario.
#[derive(Clone, Copy)]
struct Scenario {
    /// What the command line calls it.
    name: &'static str,
    /// One line for `--list`.
    about: &'static str,
    /// Does the work and checks the outcome.
    run: fn(&mut Cx) -> Result<Finished, Failure>,
}

/// All scenarios, in the order in which `loader stress` runs them.
const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "wrap-burst",
        about: "wrappers that die at once, with no other heap pressure",
        run: wrappers::burst,
    },
    Scenario {
        name: "wrap-live",
        about: "WRAP_LIMIT live wrappers, one more traps, and the host goes on",
        run: wrappers::live,
    },
    Scenario {
        name: "wrap-nearly-full",
        about: "4,000 live wrappers, many more churned, and no thrashing",
        run: wrappers::nearly_full,
    },
    Scenario {
        name: "wrap-sized",
        about: "small wrappers of large host objects, which count as pressure",
        run: wrappers::sized,
    },
    Scenario {
        name: "wrap-release",
        about: "handles released by the program, dropped, and left for gc_shutdown",
        run: callbacks::release_and_shutdown,
    },
    Scenario {
        name: "host-callback-allocates",
        about: "the host allocates, registers and asks for a collection while it is told",
        run: callbacks::host_callback_allocates,
    },
    Scenario {
        name: "host-callback-fails",
        about: "the host traps while it is told; no handle is lost or told twice",
        run: callbacks::host_callback_fails,
    },
    Scenario {
        name: "list",
        about: "a long list, marked without memory for the mark stack",
        run: shapes::list,
    },
    Scenario {
        name: "tree",
        about: "a full tree and two spines with leaves, marked likewise",
        run: shapes::tree,
    },
    Scenario {
        name: "star",
        about: "one object with millions of pointers, marked likewise",
        run: shapes::star,
    },
    Scenario {
        name: "mark-overflow",
        about: "more waits to be marked than the mark stack holds, large objects too",
        run: shapes::mark_overflow,
    },
    Scenario {
        name: "fragmentation",
        about: "slots of 8 to 512 bytes replaced at random, with a model of the contents",
        run: heap::fragmentation,
    },
    Scenario {
        name: "strings",
        about: "alloc_atomic: never scanned, contents kept",
        run: heap::strings,
    },
    Scenario {
        name: "large",
        about: "objects up to many megabytes, mixed with small ones",
        run: heap::large,
    },
    Scenario {
        name: "foreign-growth",
        about: "somebody else grows memory too, and keeps things of their own there",
        run: heap::foreign_growth,
    },
    Scenario {
        name: "pacing",
        about: "garbage beside a live heap: bounded collections and bounded memory",
        run: limits::pacing,
    },
    Scenario {
        name: "memory-limit",
        about: "memory ends (HEAP_LIMIT, MAX_PAGES, the host); the host frees some and goes on",
        run: limits::memory_limit,
    },
    Scenario {
        name: "deep-roots",
        about: "the shadow stack to its brim, one more, and recovery",
        run: roots::deep,
    },
    Scenario {
        name: "pins-and-ranges",
        about: "counted pins and root ranges in static data, added and removed at random",
        run: roots::pins_and_ranges,
    },
    Scenario {
        name: "random-graph",
        about: "a random graph mutated at random, against an exact model of reachability",
        run: graph::exact,
    },
    Scenario {
        name: "random-graph-interior",
        about: "the same with INTERIOR=1: any address inside an object keeps it",
        run: graph::interior,
    },
];

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

/// Arguments of `loader stress`.
#[derive(Args, Clone, Debug)]
pub struct StressArgs {
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
    /// The build of the runtime to drive; an error if it is none, or of another ABI.
    fn module(&self) -> Result<RuntimeModule, Error> {
        let config = Config::default();
        let runtime = match &self.runtime {
            None => RuntimeModule::embedded(&config)?,
            Some(path) => {
                let build = Program::open(path)?;
                RuntimeModule::new(build.name(), build.wasm(), &config)?
            }
        };
        Instance::from_module(&runtime, &config)?;
        Ok(runtime)
    }

    fn selected(&self) -> impl Iterator<Item = &'static Scenario> {
        SCENARIOS.iter().filter(|scenario| {
            self.scenarios.is_empty() || self.scenarios.iter().any(|name| name == scenario.name)
        })
    }
}

/// Runs `loader stress`. The exit code is 1 if a scenario failed.
///
/// # Errors
///
/// If the build of the runtime that was asked for cannot be used.
pub fn run(args: &StressArgs) -> Result<ExitCode, Error> {
    if args.list {
        return Ok(cli::finish(&report::list(SCENARIOS), true));
    }
    let report = run_scenarios(args, args.selected())?;
    let text = if args.json { report.json() + "\n" } else { report.text() };
    Ok(cli::finish(&text, report.failed == 0))
}

/// Runs some scenarios, one after the other; one that fails does not stop the rest.
fn run_scenarios(
    args: &StressArgs,
    scenarios: impl Iterator<Item = &'static Scenario>,
) -> Result<Report, Error> {
    let runtime = args.module()?;
    let rows = scenarios.map(|scenario| run_one(args, &runtime, scenario)).collect();
    Ok(Report::new(args, rows))
}

fn run_one(args: &StressArgs, runtime: &RuntimeModule, scenario: &'static Scenario) -> Row {
    let mut cx = Cx::new(args, runtime, scenario.name);
    let start = Instant::now();
    let outcome = (scenario.run)(&mut cx);
    let time = start.elapsed();
    cx.bar.finish_and_clear();
    Row::new(scenario, &cx, time, outcome.err())
}
