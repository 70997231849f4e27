//! A host of the component in wasmtime.

use std::sync::LazyLock;

use rootstock_host::wasmtime;
use rootstock_host::wasmtime::component::{
    Component, Instance, Linker, Resource, ResourceType, TypedFunc,
};
use rootstock_host::wasmtime::{Engine, Store};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true);
    Engine::new(&config).expect("the engine knows components")
});

/// A value of the host: its representation is a number that no other one has.
struct Thing;

/// The host's side of the interface `things`.
#[derive(Default)]
pub(crate) struct Host {
    /// Things that were made so far; the last one's number.
    pub(crate) made: u32,
    /// Times that each was dropped.
    dropped: Vec<u8>,
    /// Things that were dropped while an export other than `collect` ran.
    pub(crate) dropped_in_calls: usize,
    collecting: bool,
    /// The number of the first thing of this call: its value is 0.
    first: u32,
}

impl Host {
    fn drop_thing(&mut self, thing: u32) -> wasmtime::Result<()> {
        let times = &mut self.dropped[thing as usize];
        *times += 1;
        assert_eq!(*times, 1, "thing {thing} is dropped twice");
        self.dropped_in_calls += usize::from(!self.collecting);
        Ok(())
    }

    pub(crate) fn alive(&self) -> usize {
        self.dropped.iter().filter(|times| **times == 0).count()
    }
}

/// An instance of the component `words`.
pub(crate) struct Words {
    store: Store<Host>,
    instance: Instance,
}

impl Words {
    pub(crate) fn new(component: &[u8]) -> Self {
        let component = Component::new(&ENGINE, component).expect("a component");
        let mut linker: Linker<Host> = Linker::new(&ENGINE);
        let mut things = linker.instance("demo:words/things").expect("the name is free");
        things
            .resource("thing", ResourceType::host::<Thing>(), |mut store, thing| {
                store.data_mut().drop_thing(thing)
            })
            .expect("the name is free");
        things
            .func_wrap("[method]thing.value", |store, (thing,): (Resource<Thing>,)| {
                Ok((thing.rep() - store.data().first,))
            })
            .expect("the name is free");
        let mut store = Store::new(&ENGINE, Host::default());
        let instance = linker.instantiate(&mut store, &component).expect("it is instantiated");
        Self { store, instance }
    }

    fn export<P, R>(&mut self, name: &str) -> TypedFunc<P, R>
    where
        P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
        R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
    {
        self.instance.get_typed_func(&mut self.store, name).expect("an export of this type")
    }

    /// Joins words, and hands over that many new things.
    pub(crate) fn try_join(&mut self, words: &[String], things: u32) -> Result<String, String> {
        let join = self.export::<(&[String], Vec<Resource<Thing>>), (String,)>("join");
        let host = self.store.data_mut();
        host.first = host.made;
        host.made += things;
        host.dropped.resize(host.made as usize, 0);
        let things = (host.first..host.made).map(Resource::new_own).collect();
        let called = join.call(&mut self.store, (words, things));
        called.map(|(joined,)| joined).map_err(|error| format!("{error:?}"))
    }

    #[track_caller]
    pub(crate) fn join(&mut self, words: &[String], things: u32) -> String {
        self.try_join(words, things).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The sum of the values of the things that the last call handed over.
    pub(crate) fn sum(&mut self) -> u32 {
        self.export::<(), (u32,)>("sum").call(&mut self.store, ()).expect("it returns").0
    }

    pub(crate) fn collect(&mut self) {
        self.store.data_mut().collecting = true;
        self.export::<(), ()>("collect").call(&mut self.store, ()).expect("it returns");
        self.store.data_mut().collecting = false;
    }

    pub(crate) fn configure(&mut self, option: u32, value: u32) {
        let configure = self.export::<(u32, u32), ()>("configure");
        configure.call(&mut self.store, (option, value)).expect("it takes the option");
    }

    pub(crate) fn pages(&mut self) -> u32 {
        self.export::<(), (u32,)>("pages").call(&mut self.store, ()).expect("it returns").0
    }

    pub(crate) fn host(&self) -> &Host {
        self.store.data()
    }

    pub(crate) fn into_host(self) -> Host {
        self.store.into_data()
    }
}
