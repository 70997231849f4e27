//! A linked module in an engine: it imports nothing but its host.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rootstock_host::GcOption;
use rootstock_host::wasmtime::{
    Caller, Config, Engine, Instance, Linker, Module, Store, WasmParams, WasmResults,
};

/// The host's knowledge of handles.
#[derive(Default)]
pub(super) struct Handles {
    alive: BTreeSet<u32>,
    made: u32,
    /// Told about a handle that was not alive.
    faults: u32,
}

type Shared = Rc<RefCell<Handles>>;

/// A program that runs.
pub(super) struct Running {
    store: Store<Shared>,
    instance: Instance,
}

/// A trap: code and argument of the runtime, 0 if it was not the runtime's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trapped {
    pub(super) code: u32,
    pub(super) argument: u32,
}

impl Running {
    pub(super) fn new(wasm: &[u8]) -> Self {
        let mut config = Config::new();
        // The first must not exceed the second, though nothing here is asynchronous.
        config.max_wasm_stack(32 << 20).async_stack_size(64 << 20);
        let engine = Engine::new(&config).expect("the settings are right");
        let module = Module::new(&engine, wasm).expect("the linker writes valid modules");
        let memory = module.get_export("memory").expect("the linker exports memory");
        assert!(memory.memory().is_some());
        let imports: BTreeSet<_> = module.imports().map(|import| import.module()).collect();
        assert!(imports.iter().eq(["host"].iter()), "self-contained but for the host: {imports:?}");

        let mut linker = Linker::new(&engine);
        linker
            .func_wrap("host", "handle_new", |caller: Caller<'_, Shared>, _: u32, _: i64| {
                let mut handles = caller.data().borrow_mut();
                handles.made += 1;
                let handle = handles.made;
                handles.alive.insert(handle);
                handle
            })
            .expect("defined once");
        linker
            .func_wrap("host", "handle_count", |caller: Caller<'_, Shared>| {
                caller.data().borrow().alive.len() as u32
            })
            .expect("defined once");
        linker
            .func_wrap(
                "host",
                "host_decref_handle",
                |caller: Caller<'_, Shared>, _: u32, handle: u32| {
                    let mut handles = caller.data().borrow_mut();
                    let known = handles.alive.remove(&handle);
                    handles.faults += u32::from(!known);
                },
            )
            .expect("defined once");
        let mut store = Store::new(&engine, Shared::default());
        let instance = linker.instantiate(&mut store, &module).expect("all imports are there");
        Self { store, instance }
    }

    /// Collects at each `n`th allocation, spoils what was freed, and checks the heap.
    pub(super) fn eager(mut self, n: u32) -> Self {
        for (option, value) in [(GcOption::Eager, n), (GcOption::Poison, 1), (GcOption::Verify, 1)]
        {
            let old: i32 = self.call("gc_configure", (option as u32, value));
            assert_eq!(old, 0);
        }
        self
    }

    pub(super) fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> R {
        self.try_call(name, arguments).unwrap_or_else(|trapped| panic!("{name}: {trapped:?}"))
    }

    /// Calls an export; after a trap it resets `gc_sp`, as a host does.
    pub(super) fn try_call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        arguments: P,
    ) -> Result<R, Trapped> {
        let sp = self.instance.get_global(&mut self.store, "gc_sp").expect("it is exported");
        let before = sp.get(&mut self.store);
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        function.call(&mut self.store, arguments).map_err(|_| {
            sp.set(&mut self.store, before).expect("it is mutable");
            Trapped {
                code: self.call("gc_last_error", ()),
                argument: self.call("gc_last_error_arg", ()),
            }
        })
    }

    /// The heap is sound, and the host was told about each dead handle once.
    pub(super) fn finish(mut self) {
        assert_eq!(self.call::<_, u32>("gc_verify", ()), 0);
        self.call::<_, ()>("gc_shutdown", ());
        let handles = self.store.data().borrow();
        assert!(handles.alive.is_empty());
        assert_eq!(handles.faults, 0);
    }
}
