//! The runtime against a model of it: programs of operations, made up and shrunk by proptest.

mod check;
mod ops;
mod run;
mod state;
mod step;

use proptest::prelude::*;
use rootstock_core::options::GcOption;

use ops::{Op, Program, program};
use run::Runner;
pub(crate) use state::CELL_SIZES;

/// Fewer cases where each takes long.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let cases = if cfg!(miri) { cases.div_ceil(100) } else { cases };
    ProptestConfig { max_shrink_time: 20_000, failure_persistence: None, ..Default::default() }
        .with_cases(cases)
}

trait WithCases {
    fn with_cases(self, cases: u32) -> Self;
}

impl WithCases for ProptestConfig {
    /// `PROPTEST_CASES` wins, for long runs.
    fn with_cases(mut self, cases: u32) -> Self {
        if std::env::var_os("PROPTEST_CASES").is_none() {
            self.cases = cases;
        }
        self
    }
}

/// Shorter programs likewise.
fn scaled(length: usize) -> usize {
    if cfg!(miri) { length.div_ceil(5) } else { length }
}

/// A heap that is collected at each allocation, with what is freed filled with poison.
fn eagerly(mut program: Program) -> Program {
    program.options.extend([(GcOption::Eager, 1), (GcOption::Poison, 1), (GcOption::Verify, 1)]);
    program.ops.retain(|op| !matches!(op, Op::Configure(GcOption::Eager | GcOption::Poison, _)));
    program
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn programs(program in program(scaled(60), 0)) {
        Runner::run(&program);
    }

    #[test]
    fn programs_with_a_busy_host(program in program(scaled(60), 20)) {
        Runner::run(&program);
    }

    #[test]
    fn programs_collected_eagerly(program in program(scaled(40), 8).prop_map(eagerly)) {
        Runner::run(&program);
    }
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    #[cfg_attr(miri, ignore = "the short ones do the same")]
    fn long_programs(program in program(scaled(800), 40)) {
        Runner::run(&program);
    }
}
