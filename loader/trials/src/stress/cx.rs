//! The means of a scenario: random choices, scale, instances, progress, checks.

use std::fmt::Debug;

use rand::SeedableRng;
use rand_pcg::Pcg64;
use rootstock_host::wasmtime;
use rootstock_host::{Config, Error, Instance, RuntimeModule};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::{Progress, Settings};

/// Why a scenario failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A finding that is not as it must be.
    #[error("{0}")]
    Check(String),
    /// The runtime trapped, or the host side failed, where it must not.
    #[error(transparent)]
    Host(#[from] Error),
    /// The driver program could not be run.
    #[error(transparent)]
    Guest(#[from] wasmtime::Error),
}

/// The result of every scenario and its helpers.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Proof that a scenario ended in [`Cx::finish`], which makes the checks that all have in common.
pub(super) struct Finished(());

/// Fails the scenario unless the condition holds.
macro_rules! check {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::stress::cx::Failure::Check(format!($($text)+)));
        }
    };
}
pub(super) use check;

/// Fails the scenario unless `found` is `expected`.
pub(super) fn check_eq<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome<()> {
    check!(found == expected, "{what}: found {found:?}, expected {expected:?}");
    Ok(())
}

/// The memory and time that the instances of one scenario used, for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) peak_bytes: i64,
    pub(super) memory_pages: i64,
    pub(super) collections: i64,
    pub(super) wrappers_told: i64,
}

/// The context of one scenario.
pub(super) struct Cx {
    runtime: RuntimeModule,
    /// The source of every choice.
    pub(super) rng: Pcg64,
    /// Progress in operations.
    progress: Box<dyn Progress>,
    /// The use of the instances so far.
    pub(super) usage: Usage,
    /// Work done so far, in the scenario's own unit.
    pub(super) operations: u64,
    scale: f64,
    /// `--eager`, for bounds that depend on when collections happen.
    pub(super) eager: u32,
    verify: bool,
}

impl Cx {
    pub(super) fn new(
        settings: &Settings,
        runtime: &RuntimeModule,
        name: &'static str,
        progress: Box<dyn Progress>,
    ) -> Self {
        Self {
            runtime: runtime.clone(),
            rng: generator(settings.seed, name),
            progress,
            usage: Usage::default(),
            operations: 0,
            scale: settings.scale,
            eager: settings.eager,
            verify: settings.verify,
        }
    }

    /// `full` operations at scale 1, and never fewer than `least`.
    pub(super) fn scaled(&self, full: u32, least: u32) -> u32 {
        // A float cast saturates, and no scenario can have more objects than addresses.
        ((f64::from(full) * self.scale) as u32).max(least)
    }

    /// Announces how many operations are to come.
    pub(super) fn expect(&self, operations: impl Into<u64>) {
        self.progress.expect(operations.into());
    }

    /// Counts operations that were done.
    pub(super) fn done(&mut self, operations: impl Into<u64>) {
        let operations = operations.into();
        self.operations += operations;
        self.progress.done(operations);
    }

    /// Does `total` operations in chunks, so that the progress bar moves.
    pub(super) fn chunked(
        &mut self,
        total: u32,
        mut step: impl FnMut(&mut Self, u32, u32) -> Outcome<()>,
    ) -> Outcome<()> {
        self.expect(total);
        let chunk = (total / 100).max(1);
        let mut from = 0;
        while from < total {
            let to = total.min(from.saturating_add(chunk));
            step(self, from, to)?;
            self.done(to - from);
            from = to;
        }
        Ok(())
    }

    /// The configuration that the command line asks for, with the scenario's options after it.
    pub(super) fn config(&self, options: &[(GcOption, u32)]) -> Config {
        let mut config = Config::default();
        if self.eager != 0 {
            config.options.push((GcOption::Eager, self.eager));
        }
        if self.verify {
            config.options.push((GcOption::Verify, 1));
        }
        config.options.extend_from_slice(options);
        config
    }

    /// A fresh instance of the runtime.
    pub(super) fn instance(&self, options: &[(GcOption, u32)]) -> Outcome<Instance> {
        self.instance_with(&self.config(options))
    }

    /// A fresh instance with a configuration of the scenario's own.
    pub(super) fn instance_with(&self, config: &Config) -> Outcome<Instance> {
        Ok(Instance::from_module(&self.runtime, config)?)
    }

    /// The number of collections that `--eager` adds in `steps` allocations and
    /// registrations.
    pub(super) fn eager_collections(&self, steps: u64) -> i64 {
        let eager = u64::from(self.eager);
        steps
            .checked_div(eager)
            .map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX).saturating_add(1))
    }

    /// Ends with an instance: shuts it down, so that every handle must have been told exactly
    /// once, drops all roots, and sees that nothing is left and nothing is broken.
    pub(super) fn finish(&mut self, vm: &mut Instance) -> Outcome<Finished> {
        verify(vm)?;
        let base = vm.stack_base();
        vm.set_sp(base);
        vm.shutdown()?;
        check_eq("wrappers after gc_shutdown", vm.stat(Stat::Wrappers), 0)?;
        check_eq("dead handles queued after gc_shutdown", vm.stat(Stat::DeadQueued), 0)?;
        let audit = vm.handles().audit();
        check_eq("handles told twice", audit.told_twice, 0)?;
        check_eq("handles never told", audit.never_told, 0)?;
        check!(audit.is_clean(), "the host was told of handles that are not: {:?}", audit.faults);
        check_eq("handles alive after gc_shutdown", audit.live, 0)?;
        check_eq(
            "registered wrappers that the host was told about",
            vm.stat(Stat::WrappersTold),
            vm.stat(Stat::WrappersRegistered),
        )?;
        vm.collect()?;
        check_eq("objects without any root", vm.stat(Stat::LiveObjects), 0)?;
        check_eq("bytes without any root", vm.stat(Stat::LiveBytes), 0)?;
        let blocks = vm.stat(Stat::HeapBytes) - vm.stat(Stat::TableBytes);
        check_eq("bytes of blocks without any object", blocks, 0)?;
        verify(vm)?;
        self.usage.peak_bytes = self.usage.peak_bytes.max(vm.stat(Stat::PeakBytes));
        self.usage.memory_pages = self.usage.memory_pages.max(vm.stat(Stat::MemoryPages));
        self.usage.collections += vm.stat(Stat::Collections);
        self.usage.wrappers_told += vm.stat(Stat::WrappersTold);
        Ok(Finished(()))
    }
}

/// A generator of its own for each scenario: the same whether it runs alone or among others.
fn generator(seed: u64, name: &str) -> Pcg64 {
    let mut bytes = [0; 32];
    let (seed_part, name_part) = bytes.split_at_mut(8);
    seed_part.copy_from_slice(&seed.to_le_bytes());
    for (byte, letter) in name_part.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    Pcg64::from_seed(bytes)
}

/// The heap and every table pass `gc_verify`.
pub(super) fn verify(vm: &mut Instance) -> Outcome<()> {
    check_eq("gc_verify", vm.verify()?, 0)
}

/// The call trapped with this error of the runtime, and the runtime says so afterwards too.
pub(super) fn expect_trap<T>(
    vm: &mut Instance,
    what: &str,
    result: Result<T, Error>,
    code: ErrorCode,
    arg: Option<u32>,
) -> Outcome<()> {
    let report = match result {
        Ok(_) => return Err(Failure::Check(format!("{what}: did not trap, expected {code:?}"))),
        Err(Error::Trap(report)) => report,
        Err(other) => return Err(other.into()),
    };
    check_eq(&format!("{what}: error"), report.code.map(|row| row.code), Some(code))?;
    if let Some(arg) = arg {
        check_eq(&format!("{what}: argument of the error"), report.arg, arg)?;
    }
    check_eq(&format!("{what}: gc_last_error"), vm.last_error(), Some((code, report.arg)))
}
