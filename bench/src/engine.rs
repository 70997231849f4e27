//! One sample: a guest with an allocator in an instance of their own, run once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loader::wasmtime::{
    AsContextMut, Caller, Config, Engine, ExternRef, InstancePre, Linker, Module, Rooted, Store,
};
use thiserror::Error;

use crate::guest::Code;
use crate::memory::PeakWatch;
use crate::pause::Pauses;
use crate::rival::Source;
use crate::workload::{Args, Expected, Needs, Workload};

/// Why there is no sample.
#[derive(Debug, Error)]
pub enum SampleError {
    /// The engine refuses the modules.
    #[error("cannot be compiled or instantiated: {0}")]
    Engine(String),
    /// It ended in a trap.
    #[error("trapped: {0}")]
    Trap(String),
    /// It ended well and did the wrong thing.
    #[error("gave a wrong result: {found:?} instead of {expected:?}")]
    Wrong {
        /// What came out.
        found: Expected,
        /// What should have.
        expected: Expected,
    },
}

/// What one run took.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Time of `run`.
    pub time: Duration,
    /// By how much the resident memory of the process grew at most, from before the instance was made, in bytes.
    pub peak: u64,
    /// Size of the linear memory when it ended, in bytes; none if there is none.
    pub linear: Option<u64>,
    /// How long allocations took, if they were timed.
    pub pauses: Pauses,
    /// Units of fuel that `run` took, if they were counted.
    pub fuel: Option<u64>,
}

/// Data of a store: what guests tell the host.
#[derive(Default)]
pub(crate) struct HostData {
    told: Arc<Told>,
    entered: Option<Instant>,
    pauses: Pauses,
}

/// What the host was told about; shared with the values of the host that tell when they are dropped.
#[derive(Default)]
struct Told {
    count: std::sync::atomic::AtomicU64,
    sum: std::sync::atomic::AtomicU64,
}

impl Told {
    fn tell(&self, handle: u32) {
        use std::sync::atomic::Ordering::Relaxed;
        // Stores are used by one thread at a time, and an atomic addition would cost as much as the call.
        self.count.store(self.count.load(Relaxed) + 1, Relaxed);
        self.sum.store(self.sum.load(Relaxed) + u64::from(handle), Relaxed);
    }
}

/// A value of the host behind an `externref`.
struct Handle(Arc<Told>, u32);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.tell(self.1);
    }
}

/// An engine for timing, one for counting: with and without fuel, with one collector or another.
pub(crate) fn engine(source: &Source, counting: bool) -> Result<Engine, SampleError> {
    let mut config = Config::new();
    config.consume_fuel(counting).max_wasm_stack(4 << 20).async_stack_size(4 << 20);
    if let Source::Engine(collector) = source {
        config.wasm_gc(true).wasm_function_references(true).collector(collector.wasmtime());
    }
    Engine::new(&config).map_err(failed)
}

fn failed(error: loader::wasmtime::Error) -> SampleError {
    SampleError::Engine(format!("{error:#}"))
}

/// A guest and its allocator, compiled.
pub struct Prepared {
    engine: Engine,
    /// The allocator as an instance of its own, if it is one.
    allocator: Option<InstancePre<HostData>>,
    guest: Module,
    linker: Linker<HostData>,
    options: Vec<(u32, u32)>,
    counting: bool,
    /// The names that this workload's functions have in a module that holds several.
    suffix: String,
}

impl Prepared {
    /// Compiles `code`. `counting` is for fuel instead of time.
    pub fn new(
        code: &Code,
        source: &Source,
        options: &[(u32, u32)],
        workload: &Workload,
        counting: bool,
    ) -> Result<Self, SampleError> {
        let engine = engine(source, counting)?;
        let mut linker = Linker::new(&engine);
        define(&mut linker).map_err(failed)?;
        let allocator = match &code.allocator {
            Some(wasm) => {
                let module = Module::new(&engine, wasm).map_err(failed)?;
                Some(linker.instantiate_pre(&module).map_err(failed)?)
            }
            None => None,
        };
        let guest = Module::new(&engine, &code.guest).map_err(failed)?;
        Ok(Self {
            engine,
            allocator,
            guest,
            linker,
            options: options.to_vec(),
            counting,
            suffix: format!("_{}", workload.id),
        })
    }

    /// An instance of both.
    pub(crate) fn instantiate(&self) -> Result<Running, SampleError> {
        let mut store = Store::new(&self.engine, HostData::default());
        if self.counting {
            store.set_fuel(u64::MAX).map_err(failed)?;
        }
        let mut linker = self.linker.clone();
        let allocator = match &self.allocator {
            Some(pre) => {
                let made = pre.instantiate(&mut store).map_err(failed)?;
                linker.instance(&mut store, "runtime", made).map_err(failed)?;
                Some(made)
            }
            None => None,
        };
        let guest = linker.instantiate(&mut store, &self.guest).map_err(failed)?;
        Ok(Running { store, guest, holder: allocator.unwrap_or(guest) })
    }

    /// Runs once in a new instance.
    pub fn sample(&self, args: Args, expected: Expected) -> Result<Sample, SampleError> {
        let watch = PeakWatch::start();
        let mut running = self.instantiate()?;
        running.configure(&self.options)?;
        if let Some(setup) = running.function::<u32, ()>("setup", &self.suffix) {
            running.call(&setup, args.setup)?;
            running.store.data_mut().pauses = Pauses::default();
        }
        let run = running.function::<(u32, u32), i64>("run", &self.suffix);
        let run = run.ok_or_else(|| SampleError::Engine("there is no function `run`".into()))?;

        let fuel = running.fuel(self.counting);
        let start = Instant::now();
        let result = running.call(&run, (args.n, args.m))?;
        let time = start.elapsed();
        let fuel = fuel.zip(running.fuel(self.counting)).map(|(before, after)| before - after);

        let check = match running.function::<(), i64>("check", &self.suffix) {
            Some(check) => running.call(&check, ())?,
            None => 0,
        };
        let linear = running.linear();
        let pauses = std::mem::take(&mut running.store.data_mut().pauses);
        let found = Expected { result, check, told: running.told() };
        if found != expected || !running.told_each_once() {
            return Err(SampleError::Wrong { found, expected });
        }
        Ok(Sample { time, peak: watch.peak(), linear, pauses, fuel })
    }
}

/// An instance.
pub(crate) struct Running {
    pub(crate) store: Store<HostData>,
    guest: loader::wasmtime::Instance,
    /// What exports the memory.
    holder: loader::wasmtime::Instance,
}

impl Running {
    pub(crate) fn function<P, R>(
        &mut self,
        name: &str,
        suffix: &str,
    ) -> Option<loader::wasmtime::TypedFunc<P, R>>
    where
        P: loader::wasmtime::WasmParams,
        R: loader::wasmtime::WasmResults,
    {
        let own = self.guest.get_typed_func(&mut self.store, name).ok();
        own.or_else(|| self.guest.get_typed_func(&mut self.store, &format!("{name}{suffix}")).ok())
    }

    pub(crate) fn call<P, R>(
        &mut self,
        function: &loader::wasmtime::TypedFunc<P, R>,
        params: P,
    ) -> Result<R, SampleError>
    where
        P: loader::wasmtime::WasmParams,
        R: loader::wasmtime::WasmResults,
    {
        function.call(&mut self.store, params).map_err(|error| {
            // The first line of the cause: the rest is a backtrace.
            let cause = error.root_cause().to_string();
            SampleError::Trap(cause.lines().next().unwrap_or_default().to_owned())
        })
    }

    fn configure(&mut self, options: &[(u32, u32)]) -> Result<(), SampleError> {
        if options.is_empty() {
            return Ok(());
        }
        let set = self
            .holder
            .get_typed_func::<(u32, u32), i32>(&mut self.store, "gc_configure")
            .map_err(failed)?;
        for &(option, value) in options {
            if self.call(&set, (option, value))? == -1 {
                return Err(SampleError::Engine(format!("option {option} refuses {value}")));
            }
        }
        Ok(())
    }

    fn fuel(&self, counting: bool) -> Option<u64> {
        if counting { self.store.get_fuel().ok() } else { None }
    }

    fn linear(&mut self) -> Option<u64> {
        let memory = self.holder.get_memory(&mut self.store, "memory")?;
        Some(memory.data_size(&self.store) as u64)
    }

    fn told(&self) -> u64 {
        self.store.data().told.count.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Handles are 0, 1, 2, ...: told each once, their sum is known.
    fn told_each_once(&self) -> bool {
        let count = self.told();
        let sum = self.store.data().told.sum.load(std::sync::atomic::Ordering::Relaxed);
        sum == count * count.saturating_sub(1) / 2
    }
}

/// Module `host`, as the runtime and the guests import it; and what AssemblyScript and Vera import.
fn define(linker: &mut Linker<HostData>) -> loader::wasmtime::Result<()> {
    linker
        .func_wrap(
            "host",
            "host_decref_handle",
            |caller: Caller<'_, HostData>, _kind: u32, handle: u32| {
                caller.data().told.tell(handle);
            },
        )?
        .func_wrap("host", "enter", |mut caller: Caller<'_, HostData>| {
            caller.data_mut().entered = Some(Instant::now());
        })?
        .func_wrap("host", "leave", |mut caller: Caller<'_, HostData>| {
            let now = Instant::now();
            let data = caller.data_mut();
            if let Some(entered) = data.entered.take() {
                data.pauses.add(now - entered);
            }
        })?
        .func_wrap("host", "collect", |mut caller: Caller<'_, HostData>| {
            caller.as_context_mut().gc(None)
        })?
        .func_wrap(
            "host",
            "make",
            |mut caller: Caller<'_, HostData>,
             handle: u32|
             -> loader::wasmtime::Result<Option<Rooted<ExternRef>>> {
                let value = Handle(Arc::clone(&caller.data().told), handle);
                Ok(Some(ExternRef::new(&mut caller, value)?))
            },
        )?;
    Ok(())
}

/// Whether every new object is zero, as the rival says. Not timed.
pub fn check_zeroes(prepared: &Prepared) -> Result<(), SampleError> {
    let workload = &crate::workload::ZERO;
    let args = workload.args(crate::workload::Scale::Full);
    debug_assert_eq!(workload.needs, Needs::Allocation);
    prepared.sample(args, workload.expected(args)).map(drop)
}
