//! Stress: seeded scenarios that drive the runtime hard, each with a checked outcome.
//!
//! A scenario is a function that builds instances of the runtime, works them, and compares what
//! it finds with what a model or an invariant says: contents of live objects, counts of live
//! objects, the audit of the handles, `gc_verify`. It draws every choice from a generator that is
//! seeded with [`Settings::seed`] and its own name, so a failure is repeated by naming both.
//!
//! The scenarios are listed in [`SCENARIOS`]; the files hold them by family:
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

use std::time::Instant;

use rootstock_host::{Config, Error, Instance, RuntimeModule};

use cx::{Cx, Failure, Finished};
pub use report::{Outcome, Report, Row};

/// One scenario.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its purpose, in one line.
    pub about: &'static str,
    /// Does the work and checks the outcome.
    run: fn(&mut Cx) -> Result<Finished, Failure>,
}

/// All scenarios, in the order in which `rootstock stress` runs them.
pub const SCENARIOS: &[Scenario] = &[
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
        about: "a full tree and two spines with leaves, marked in such a heap",
        run: shapes::tree,
    },
    Scenario {
        name: "star",
        about: "one object with millions of pointers, marked in such a heap",
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
        about: "another allocator grows memory too, and keeps things of its own there",
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

/// The settings of scenarios.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed of every random choice.
    pub seed: u64,
    /// The factor on the amount of work.
    pub scale: f64,
    /// Collect at every Nth allocation or registration; 0 is when the pacer says so.
    pub eager: u32,
    /// Check the whole heap after each collection.
    pub verify: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, scale: 1.0, eager: 0, verify: false }
    }
}

/// The progress of a scenario; dropped when it is done.
pub trait Progress {
    /// This many operations more are to come.
    fn expect(&self, operations: u64);
    /// This many more are done.
    fn done(&self, operations: u64);
}

/// Nobody looks on.
impl Progress for () {
    fn expect(&self, _operations: u64) {}
    fn done(&self, _operations: u64) {}
}

/// Runs some scenarios on a build of the runtime, one after the other; one that fails does not stop the rest. `progress` is
/// asked at the beginning of each.
///
/// # Errors
///
/// If the build is none, or of another version of the ABI.
pub fn run(
    settings: &Settings,
    runtime: &RuntimeModule,
    scenarios: impl IntoIterator<Item = &'static Scenario>,
    progress: impl Fn(&'static str) -> Box<dyn Progress>,
) -> Result<Report, Error> {
    Instance::from_module(runtime, &Config::default())?;
    let scenarios = scenarios.into_iter();
    let rows =
        scenarios.map(|scenario| run_one(settings, runtime, scenario, progress(scenario.name)));
    Ok(Report::new(settings, rows.collect()))
}

fn run_one(
    settings: &Settings,
    runtime: &RuntimeModule,
    scenario: &'static Scenario,
    progress: Box<dyn Progress>,
) -> Row {
    let mut cx = Cx::new(settings, runtime, scenario.name, progress);
    let start = Instant::now();
    let outcome = (scenario.run)(&mut cx);
    Row::new(scenario, &cx, start.elapsed(), outcome.err())
}
