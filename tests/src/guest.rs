//! Programs of `tests/guests/`, run as `rootstock-host` runs any program.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use rootstock_host::wasmtime::Val;
use rootstock_host::{Audit, Error, Instance, Linked, Program, Ptr};
use rootstock_link::Linker;
use runtime::stats::Stat;

use crate::{Setup, Told};

/// A program in an instance of its own.
pub struct Guest {
    /// The runtime that it runs on.
    pub instance: Instance,
    /// The notifications of the host.
    pub told: Told,
    program: Linked,
    eager: bool,
}

impl Guest {
    pub(crate) fn load(setup: &Setup, file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(file);
        let program = Program::open(&path).unwrap_or_else(|error| panic!("{error}"));
        Self::link(setup, &program).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn new(setup: &Setup, name: &str, wat: &[u8]) -> Self {
        let program = Program::from_bytes(name, wat).unwrap_or_else(|error| panic!("{error}"));
        Self::link(setup, &program).unwrap_or_else(|error| panic!("{error}"))
    }

    fn link(setup: &Setup, program: &Program) -> Result<Self, Error> {
        let merged = setup.merged.then(|| merge(program)).transpose()?;
        let program = merged.as_ref().unwrap_or(program);
        let (mut instance, told) = setup.instance_for(program)?;
        let program = instance.instantiate(program)?;
        Ok(Self { instance, told, program, eager: setup.is_eager() })
    }

    /// Calls an exported function.
    #[track_caller]
    pub fn call<A: Args, R: Answer>(&mut self, name: &str, args: A) -> R {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Calls an exported function that may trap.
    pub fn try_call<A: Args, R: Answer>(&mut self, name: &str, args: A) -> Result<R, Error> {
        let results = self.program.call(&mut self.instance, name, &args.values())?;
        Ok(R::of(&results))
    }

    /// Tells whether each allocation collects.
    pub fn is_eager(&self) -> bool {
        self.eager
    }

    /// Runs a collection.
    #[track_caller]
    pub fn collect(&mut self) {
        self.instance.collect().unwrap_or_else(|error| panic!("{error}"));
    }

    /// The answer of `gc_verify`.
    #[track_caller]
    pub fn verify(&mut self) -> u32 {
        self.instance.verify().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Roots an object until [`forget_roots`](Self::forget_roots).
    #[track_caller]
    pub fn push_root(&mut self, p: u32) {
        self.instance.push_root(Ptr(p)).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Empties the shadow stack.
    pub fn forget_roots(&mut self) {
        let base = self.instance.stack_base();
        self.instance.set_sp(base);
    }

    /// A copy of memory.
    #[track_caller]
    pub fn bytes(&self, at: u32, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        self.instance.read(at, &mut bytes).unwrap_or_else(|error| panic!("{error}"));
        bytes
    }

    /// The fate of the handles that the program asked its host for.
    pub fn audit(&self) -> Audit {
        self.instance.handles().audit()
    }

    /// A statistic.
    pub fn stat(&mut self, stat: Stat) -> i64 {
        self.instance.stat(stat)
    }
}

impl Deref for Guest {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Instance {
        &mut self.instance
    }
}

/// The program as a compiler would hand it to a host that knows nothing of two modules.
fn merge(program: &Program) -> Result<Program, Error> {
    let linked = Linker::new().export_runtime("gc.").link(program)?;
    Ok(Program::from_bytes(program.name(), linked.wasm())?)
}

/// The arguments of a function.
pub trait Args {
    /// As the engine takes it.
    fn values(self) -> Vec<Val>;
}

impl Args for () {
    fn values(self) -> Vec<Val> {
        Vec::new()
    }
}

impl Args for u32 {
    fn values(self) -> Vec<Val> {
        vec![Val::I32(self.cast_signed())]
    }
}

impl Args for i32 {
    fn values(self) -> Vec<Val> {
        vec![Val::I32(self)]
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Args),*> Args for ($($name,)*) {
            fn values(self) -> Vec<Val> {
                #[expect(non_snake_case, reason = "each value is named after its type")]
                let ($($name,)*) = self;
                [$($name.values()),*].concat()
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

/// The results of a function.
pub trait Answer {
    /// From what the engine returned.
    fn of(results: &[Val]) -> Self;
}

impl Answer for () {
    fn of(results: &[Val]) {
        assert!(results.is_empty(), "no result was expected: {results:?}");
    }
}

impl Answer for i32 {
    fn of(results: &[Val]) -> Self {
        match results {
            [Val::I32(value)] => *value,
            other => panic!("an i32 was expected: {other:?}"),
        }
    }
}

impl Answer for u32 {
    fn of(results: &[Val]) -> Self {
        i32::of(results).cast_unsigned()
    }
}

impl Answer for i64 {
    fn of(results: &[Val]) -> Self {
        match results {
            [Val::I64(value)] => *value,
            other => panic!("an i64 was expected: {other:?}"),
        }
    }
}

impl Answer for (u32, u32) {
    fn of(results: &[Val]) -> Self {
        match results {
            [Val::I32(first), Val::I32(second)] => (first.cast_unsigned(), second.cast_unsigned()),
            other => panic!("two i32 were expected: {other:?}"),
        }
    }
}
