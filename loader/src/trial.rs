//! A run of a program that nobody knows, for `rootstock fuzz-modules`.

use rootstock_host::wasmtime::{FuncType, Val};
use rootstock_host::{Config, Error, GcOption, Instance, Wasi};
use rootstock_program::{InputError, Program};

use crate::limits::Limits;
use crate::outcome::{Outcome, Printer};
use crate::run::NO_STATISTICS;
use crate::{options, values};

/// The program's name, for messages and for itself.
const NAME: &str = "hostile.wasm";

/// A run of a program that is given as bytes, all of whose functions are called; for `rootstock fuzz-modules`.
pub(super) struct Trial {
    /// The outcome.
    pub(super) word: String,
}

impl Trial {
    /// Functions that are called at the most.
    pub(super) const CALLS: usize = 6;

    /// Runs the program as `rootstock run --verify --json --stats` runs one, within these limits.
    pub(super) fn run(limits: &Limits, module: &[u8]) -> Result<Self, Error> {
        let program = Program::from_bytes(NAME, module)?;
        options::check_sizes(&program, &[], limits.max_module)?;
        let config = Self::config(limits);
        if program.marker()?.is_some_and(|marker| !marker.complete) {
            return Err(InputError::new(NAME, NO_STATISTICS).into());
        }
        let mut instance = Instance::for_program(&program, &config)?;
        let mut result = Ok(None);
        match instance.instantiate(&program) {
            Err(error) if error.is_bad_input() => return Err(error),
            Err(error) => result = Err(error),
            Ok(linked) => {
                for name in linked.functions(&mut instance).into_iter().take(Self::CALLS) {
                    let ty = linked.signature(&mut instance, &name)?;
                    if let Some(values) = Self::arguments(&ty) {
                        result = linked.call(&mut instance, &name, &values).map(Some);
                    }
                }
            }
        }
        let word = match &result {
            Ok(_) => "ended".to_owned(),
            Err(Error::Trap(trap)) => match (trap.code, trap.trap) {
                (Some(row), _) => row.name.to_owned(),
                (None, Some(trap)) => format!("{trap:?}"),
                (None, None) => "stopped by the host".to_owned(),
            },
            Err(_) => "failed".to_owned(),
        };
        let outcome = Outcome::new(&mut instance, true, result, |trap| limits.hints(trap));
        let printer = Printer { json: true, stats: true };
        let shown = printer.show(&mut instance, &outcome);
        assert!(!shown.is_empty(), "a run without an outcome");
        Ok(Self { word })
    }

    /// The settings of an instance for such a program.
    pub(super) fn config(limits: &Limits) -> Config {
        let mut config = limits.config();
        config.options.push((GcOption::Verify, 1));
        config.capture_output = true;
        config.wasi = Some(Wasi::default().standard_input().arguments([NAME]));
        config
    }

    /// Numbers for a function; none if it wants something that is none.
    pub(super) fn arguments(ty: &FuncType) -> Option<Vec<Val>> {
        let texts: Vec<String> = ty.params().map(|_| "1048576".to_owned()).collect();
        values::parse("hostile", ty, &texts).ok()
    }
}
