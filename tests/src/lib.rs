//! Shared parts of the tests in `tests/tests/`: set-ups, a record of what the host was told, guest programs.
//!
//! Everything here panics rather than return an error: it runs in tests only, and a panic names what was wrong.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rootstock_host::{Callback, Config, Error, Instance, Program, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

mod guest;
pub mod static_data;

pub use guest::Guest;

/// A call that takes longer than this is stopped: a heap that was damaged may well hold a list without an end.
const PATIENCE: Duration = Duration::from_secs(200);

/// The settings of an instance.
#[derive(Clone, Default)]
pub struct Setup {
    config: Config,
    merged: bool,
}

impl Setup {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an option set before anything runs.
    #[must_use]
    pub fn option(mut self, option: GcOption, value: u32) -> Self {
        self.config.options.push((option, value));
        self
    }

    /// In a host that lets memory grow to this many bytes.
    #[must_use]
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.config.max_memory = Some(bytes);
        self
    }

    /// In a host that counts fuel.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Self {
        self.config.fuel = Some(fuel);
        self
    }

    /// With so much native stack for wasm. The calling thread must have more.
    #[must_use]
    pub fn wasm_stack(mut self, bytes: usize) -> Self {
        self.config.wasm_stack = bytes;
        self
    }

    /// With programs that are merged with the runtime into one module, instead of two that are instantiated together.
    #[must_use]
    pub fn merged(mut self, merged: bool) -> Self {
        self.merged = merged;
        self
    }

    /// Tells whether each allocation collects.
    pub fn is_eager(&self) -> bool {
        self.config.options.contains(&(GcOption::Eager, 1))
    }

    /// An instance, and what its host is told.
    pub fn instance(&self) -> (Instance, Told) {
        let (config, told) = self.recording();
        (Instance::new(&config).expect("the embedded runtime can be instantiated"), told)
    }

    /// An instance for this program; it is not instantiated yet.
    fn instance_for(&self, program: &Program) -> Result<(Instance, Told), Error> {
        let (config, told) = self.recording();
        Ok((Instance::for_program(program, &config)?, told))
    }

    fn recording(&self) -> (Config, Told) {
        let told = Told::default();
        let record = told.clone();
        let callback = Callback::custom(move |_, kind, handle| {
            record.push(kind, handle);
            Ok(())
        });
        (self.config_with(callback), told)
    }

    fn config_with(&self, callback: Callback) -> Config {
        let mut config = self.config.clone();
        config.callback = callback;
        config.timeout = Some(PATIENCE);
        config
    }

    /// An instance whose host does something else when it is told.
    pub fn callback(&self, callback: Callback) -> Instance {
        Instance::new(&self.config_with(callback))
            .expect("the embedded runtime can be instantiated")
    }

    /// A program of `tests/guests/` in an instance of its own.
    pub fn guest(&self, file: &str) -> Guest {
        Guest::load(self, file)
    }

    /// A program that is given as text.
    pub fn guest_text(&self, name: &str, wat: &str) -> Guest {
        Guest::new(self, name, wat.as_bytes())
    }
}

/// The notifications of a host: (kind, handle) in the order of the calls.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<(u32, u32)>>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, Vec<(u32, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call.
    pub fn push(&self, kind: u32, handle: u32) {
        self.lock().push((kind, handle));
    }

    /// The number of calls.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells whether there was none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Tells whether this handle was told.
    pub fn contains(&self, kind: u32, handle: u32) -> bool {
        self.lock().contains(&(kind, handle))
    }

    /// All calls, in the order of the handles.
    pub fn sorted(&self) -> Vec<(u32, u32)> {
        let mut told = self.lock().clone();
        told.sort_unstable();
        told
    }

    /// All calls, in their order; they are forgotten.
    pub fn take(&self) -> Vec<(u32, u32)> {
        std::mem::take(&mut *self.lock())
    }

    /// Forgets what was told.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

/// Pops slots of the shadow stack.
pub fn pop_roots(gc: &mut Instance, count: u32) {
    let sp = gc.sp();
    gc.set_sp(sp - 4 * count);
}

/// An error for a callback to return.
pub fn host_error(message: &'static str) -> rootstock_host::wasmtime::Error {
    rootstock_host::wasmtime::Error::msg(message)
}

/// Checks that a call trapped with this code and argument, and that the runtime can still say so.
#[track_caller]
pub fn assert_error<T>(result: Result<T, Error>, code: ErrorCode, arg: u32) {
    match result {
        Ok(_) => panic!("{code:?} was expected, and nothing failed"),
        Err(Error::Trap(report)) => {
            let found = report.code.map(|row| row.code);
            assert_eq!(found, Some(code), "the trap was: {report}");
            assert_eq!(
                report.arg, arg,
                "the argument of {code:?}: {:#x} instead of {arg:#x}",
                report.arg
            );
        }
        Err(error) => panic!("{code:?} was expected, not: {error}"),
    }
}

/// Checks that a heap does all it is for: allocates, keeps what is rooted through a collection, reclaims the rest,
/// tells of dead wrappers. Roots and options are as before when it returns.
#[track_caller]
pub fn assert_usable(gc: &mut Instance, told: &Told) {
    let sp = gc.sp();
    gc.collect().expect("a collection");
    let before = gc.stat(Stat::LiveObjects);
    told.clear();

    let sizes = [0, 4, 16, 100, 2_000, 40_000];
    let mut kept = Vec::new();
    for (number, size) in (1_u32..).zip(sizes) {
        let p = gc.alloc(size).expect("room for an object");
        gc.push_root(p).expect("room for a root");
        let dropped = gc.alloc(12).expect("room for a wrapper");
        gc.register_wrapper(dropped, 77, number).expect("room in the table");
        gc.write(p.0, &vec![number as u8; size as usize]).expect("the object lies in memory");
        kept.push((p, size, number as u8));
    }
    gc.collect().expect("a collection");
    for &(p, size, byte) in &kept {
        let mut bytes = vec![0; size as usize];
        gc.read(p.0, &mut bytes).expect("the object lies in memory");
        assert!(
            bytes.iter().all(|found| *found == byte),
            "the object of {size} bytes at {p} was overwritten"
        );
        assert_eq!(gc.base(p.0), Some(p), "the object of {size} bytes at {p} was reclaimed");
    }
    assert_eq!(gc.stat(Stat::LiveObjects), before + sizes.len() as i64);
    let mut expected: Vec<_> = (1..=sizes.len() as u32).map(|number| (77, number)).collect();
    expected.retain(|pair| !told.contains(pair.0, pair.1));
    assert!(expected.is_empty(), "dead and not told: {expected:?}");
    assert_eq!(
        told.len(),
        told.sorted().into_iter().collect::<HashSet<_>>().len(),
        "told twice: {:?}",
        told.sorted()
    );
    assert_eq!(gc.verify().expect("gc_verify does not trap"), 0);

    gc.set_sp(sp);
    gc.collect().expect("a collection");
    assert_eq!(gc.stat(Stat::LiveObjects), before);
    assert!(
        kept.iter().all(|(p, ..)| gc.base(p.0) != Some(Ptr(p.0))),
        "an object without a root was kept"
    );
}
