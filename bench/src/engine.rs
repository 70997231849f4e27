//! One sample: a guest with an allocator in an instance of their own, run once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use rootstock_host::wasmtime::{
    AsContextMut, Caller, Config, Engine, Extern, ExternRef, Instance, InstanceAllocationStrategy,
    InstancePre, Linker, Module, PoolingAllocationConfig, Result as EngineResult, Rooted, Store,
    TypedFunc, WasmParams, WasmResults,
};
use thiserror::Error;

use crate::expected::Expected;
use crate::guest::Code;
use crate::memory::PeakWatch;
use crate::pause::Pauses;
use crate::rival::Source;
use crate::workload::{Args, Workload};

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
        /// The result.
        found: Expected,
        /// The right result.
        expected: Expected,
    },
}

/// The cost of one run.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Processor time of `run`.
    pub time: Duration,
    /// By how much the resident memory of the process grew at most, from before the instance was made, in bytes.
    pub peak: u64,
    /// Size of the linear memory when it ended, in bytes; none if there is none.
    pub linear: Option<u64>,
    /// The times of allocations, if they were taken.
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

/// The purpose of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Time.
    Timing,
    /// Fuel, about one unit for each instruction.
    Counting,
    /// The number of instances at once, of small memories that are kept ready.
    Pooling(u32),
}

fn engine(source: &Source, purpose: Purpose) -> Result<Engine, SampleError> {
    let mut config = Config::new();
    config.max_wasm_stack(STACK).async_stack_size(STACK);
    config.consume_fuel(purpose == Purpose::Counting);
    if let Source::Engine(collector) = source {
        config.wasm_gc(true).wasm_function_references(true).collector(collector.wasmtime());
    }
    if let Purpose::Pooling(instances) = purpose {
        let mut pool = PoolingAllocationConfig::default();
        // Allocator and guest are two; one more is made before the others and dropped.
        let instances = instances + 1;
        pool.total_core_instances(2 * instances)
            .total_memories(instances)
            .total_tables(2 * instances)
            .total_gc_heaps(instances)
            .max_memory_size(POOLED_MEMORY);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        // Without this each slot would have 4 GiB of address space, and ten thousand do not fit.
        config.memory_reservation(POOLED_MEMORY as u64).memory_guard_size(1 << 16);
    }
    Engine::new(&config).map_err(failed)
}

/// Bytes of native stack: trees are walked by recursion.
const STACK: usize = 4 << 20;
/// The most a memory of a pool may grow to.
const POOLED_MEMORY: usize = 16 << 20;

fn failed(error: rootstock_host::wasmtime::Error) -> SampleError {
    SampleError::Engine(format!("{error:#}"))
}

/// A guest, ready to be instantiated as quickly as the engine can.
enum Guest {
    /// With what each import is called: it takes some of them from the instance of its allocator.
    Importing(Module, Vec<(String, String)>),
    /// It needs nothing but the host.
    Whole(InstancePre<HostData>),
}

/// A guest and its allocator, compiled.
pub struct Prepared {
    engine: Engine,
    /// The allocator as an instance of its own, if it is one.
    allocator: Option<InstancePre<HostData>>,
    guest: Guest,
    linker: Linker<HostData>,
    options: Vec<(u32, u32)>,
    purpose: Purpose,
    /// The names that this workload's functions have in a module that holds several.
    suffix: String,
}

impl Prepared {
    /// Compiles `code`.
    pub fn new(
        code: &Code,
        source: &Source,
        options: &[(u32, u32)],
        workload: &Workload,
        purpose: Purpose,
    ) -> Result<Self, SampleError> {
        let engine = engine(source, purpose)?;
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
        let guest = if allocator.is_some() {
            let imports = guest.imports();
            let names =
                imports.map(|import| (import.module().to_owned(), import.name().to_owned()));
            let names = names.collect();
            Guest::Importing(guest, names)
        } else {
            Guest::Whole(linker.instantiate_pre(&guest).map_err(failed)?)
        };
        Ok(Self {
            engine,
            allocator,
            guest,
            linker,
            options: options.to_vec(),
            purpose,
            suffix: format!("_{}", workload.id),
        })
    }

    /// An instance of both.
    pub(crate) fn instantiate(&self) -> Result<Running, SampleError> {
        let mut store = Store::new(&self.engine, HostData::default());
        if self.purpose == Purpose::Counting {
            store.set_fuel(u64::MAX).map_err(failed)?;
        }
        let allocator = self.allocator.as_ref().map(|pre| pre.instantiate(&mut store));
        let allocator = allocator.transpose().map_err(failed)?;
        let guest = match &self.guest {
            Guest::Whole(pre) => pre.instantiate(&mut store).map_err(failed)?,
            Guest::Importing(module, names) => {
                let given = |(from, name): &(String, String)| {
                    let of_allocator = allocator.filter(|_| from == "runtime");
                    match of_allocator {
                        Some(made) => made.get_export(&mut store, name),
                        None => self.linker.get(&mut store, from, name).ok(),
                    }
                    .ok_or_else(|| SampleError::Engine(format!("nothing exports {from}.{name}")))
                };
                let given: Vec<Extern> = names.iter().map(given).collect::<Result<_, _>>()?;
                Instance::new(&mut store, module, &given).map_err(failed)?
            }
        };
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

        let fuel = running.fuel(self.purpose);
        // Of this thread alone: what else the machine does has its own.
        let start = ThreadTime::now();
        let result = running.call(&run, (args.n, args.m))?;
        let time = start.elapsed();
        let fuel = fuel.zip(running.fuel(self.purpose)).map(|(before, after)| before - after);

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
    guest: Instance,
    /// The instance that exports the memory.
    holder: Instance,
}

impl Running {
    pub(crate) fn function<P, R>(&mut self, name: &str, suffix: &str) -> Option<TypedFunc<P, R>>
    where
        P: WasmParams,
        R: WasmResults,
    {
        let own = self.guest.get_typed_func(&mut self.store, name).ok();
        own.or_else(|| self.guest.get_typed_func(&mut self.store, &format!("{name}{suffix}")).ok())
    }

    pub(crate) fn call<P, R>(
        &mut self,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, SampleError>
    where
        P: WasmParams,
        R: WasmResults,
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

    fn fuel(&self, purpose: Purpose) -> Option<u64> {
        if purpose == Purpose::Counting { self.store.get_fuel().ok() } else { None }
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
fn define(linker: &mut Linker<HostData>) -> EngineResult<()> {
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
             -> EngineResult<Option<Rooted<ExternRef>>> {
                let value = Handle(Arc::clone(&caller.data().told), handle);
                Ok(Some(ExternRef::new(&mut caller, value)?))
            },
        )?;
    Ok(())
}

/// Tells whether every new object is zero, as the rival says. Not timed.
pub fn check_zeroes(prepared: &Prepared) -> Result<(), SampleError> {
    let workload = &crate::workload::ZERO;
    let args = workload.args(crate::workload::Scale::Full);
    prepared.sample(args, workload.expected(args)).map(drop)
}
