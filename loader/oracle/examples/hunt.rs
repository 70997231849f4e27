//! Runs random programs on the native machine until one finds a difference: `hunt [PROGRAMS]`, 3,000 by itself.
//!
//! Prints the number of the program, its length when made short, and the difference, separated by ` | `. The exit code is 1 if
//! there is none.

use std::process::ExitCode;
use std::time::Duration;

use rootstock_oracle::{Rules, native, shrink};

fn main() -> ExitCode {
    let most = std::env::args().nth(1).map_or(Ok(3000), |most| most.parse());
    let Ok(most) = most else {
        eprintln!("hunt: a number of programs is expected");
        return ExitCode::from(2);
    };
    let rules = Rules::default();
    for number in 0..most {
        let verdict = native::case(1, number, 300, &rules);
        let Some(fault) = verdict.fault else { continue };
        let fails = |program: &_| native::run(program, &rules).fault.is_some();
        let short = shrink(&verdict.program, Duration::from_secs(10), fails);
        println!("{} | {} | {}", number + 1, short.len(), fault.message);
        return ExitCode::SUCCESS;
    }
    println!("{most} programs find no difference");
    ExitCode::FAILURE
}
