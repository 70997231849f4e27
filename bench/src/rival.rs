//! The rivals that are measured.
//!
//! A [`Rival`] is an allocator or a collector in one form; what it takes to build it is in [`tools`](crate::tools) and in
//! the script `rivals/build`. One that is not there is left out, and the report says why.

use std::path::{Path, PathBuf};

use rootstock_host::wasmtime::Collector;

use crate::template::Discipline;
use crate::workload::Needs;

/// The way in which a guest and its allocator come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Two instances: each allocation is a call from one module to the other.
    Across,
    /// One module.
    Merged,
    /// One module, through `wasm-opt -O3`: the fast path is inlined.
    Inlined,
}

/// The origin of the allocator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The runtime that this command was built with.
    Embedded,
    /// Text of a module.
    Text(&'static str),
    /// A module that `rivals/build` leaves in its folder, under this name.
    Built(&'static str),
    /// A module anywhere.
    File(PathBuf),
    /// A collector of the engine.
    Engine(EngineCollector),
    /// All guests in one module, in another language, with its collector: a module of `rivals/build`.
    Whole(&'static str),
}

/// The collectors of the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineCollector {
    /// Of wasmtime: semi-space.
    Copying,
    /// Of wasmtime: deferred reference counts.
    Drc,
    /// Of wasmtime: never collects.
    Null,
    /// The engine's only one: in node.
    Only,
}

impl EngineCollector {
    /// Its name in wasmtime.
    pub fn wasmtime(self) -> Collector {
        match self {
            Self::Copying => Collector::Copying,
            Self::Drc => Collector::DeferredReferenceCounting,
            Self::Null => Collector::Null,
            Self::Only => Collector::Auto,
        }
    }
}

/// The engine in which it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// In this process.
    Wasmtime,
    /// In a node of its own.
    Node,
}

/// A column of the table.
#[derive(Clone, Debug)]
pub struct Rival {
    /// Its name on the command line.
    pub id: String,
    /// Its name in tables.
    pub title: String,
    /// Its code.
    pub source: Source,
    /// The way in which guests are joined to it.
    pub form: Form,
    /// The form of guests for it.
    pub discipline: Discipline,
    /// True if what it hands out is zero.
    pub zeroes: bool,
    /// True if it has collections that can be asked for.
    pub collects: bool,
    /// True if memory stays what it is while it is used.
    pub keeps: bool,
    /// True if guests take cells inline where they know the size, and call only when there are none.
    pub inline: bool,
    /// The engine in which it runs.
    pub host: Host,
    /// Options of the runtime, by number.
    pub options: Vec<(u32, u32)>,
}

impl Rival {
    fn new(id: &str, title: &str, source: Source, form: Form, discipline: Discipline) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            source,
            form,
            discipline,
            zeroes: true,
            collects: matches!(discipline, Discipline::Rooted | Discipline::Engine),
            keeps: true,
            inline: false,
            host: Host::Wasmtime,
            options: Vec::new(),
        }
    }

    /// A build of our runtime, as two modules.
    pub fn build(id: &str, file: &Path) -> Self {
        Self::new(id, id, Source::File(file.to_owned()), Form::Across, Discipline::Rooted)
    }

    /// The same with options of the runtime.
    #[must_use]
    pub fn with_options(mut self, options: &[(u32, u32)]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// Tells whether it runs in this process.
    pub fn runs_here(&self) -> bool {
        self.host == Host::Wasmtime
    }

    /// Tells whether it runs the guests of this crate, in this process, so that they can be changed to look closer.
    pub fn runs_templates(&self) -> bool {
        self.runs_here() && !matches!(self.source, Source::Whole(_))
    }

    /// Tells whether it is ours.
    pub fn is_ours(&self) -> bool {
        matches!(self.source, Source::Embedded | Source::File(_))
    }

    /// Tells whether it is a limit rather than a rival: it does not manage memory.
    pub fn is_limit(&self) -> bool {
        self.discipline == Discipline::None || self.source == Source::Engine(EngineCollector::Null)
    }

    /// Tells whether it can do what a workload asks for.
    pub fn can(&self, needs: Needs) -> bool {
        match needs {
            Needs::Allocation => true,
            Needs::Memory => self.keeps,
            Needs::Telling => {
                self.keeps
                    && !matches!(
                        self.source,
                        Source::Whole(_) | Source::Engine(EngineCollector::Null)
                    )
            }
            // Reference counts trace nothing that is alive.
            Needs::Collector => {
                self.collects
                    && !matches!(
                        self.source,
                        Source::Engine(EngineCollector::Null | EngineCollector::Drc)
                    )
            }
        }
    }
}

/// Ours, in three forms.
fn ours() -> [Rival; 3] {
    [
        ("ours-x", "Rootstock, two modules", Form::Across),
        ("ours-m", "Rootstock, merged", Form::Merged),
        ("ours-i", "Rootstock, merged and optimised", Form::Inlined),
    ]
    .map(|(id, title, form)| Rival::new(id, title, Source::Embedded, form, Discipline::Rooted))
}

/// Ours, for a compiler that asks `gc_run` for the sizes that it knows: as two modules, and as one optimised.
fn ours_inline() -> [Rival; 2] {
    [
        ("ours-run", "Rootstock, gc_run", Form::Across),
        ("ours-run-i", "Rootstock, gc_run, merged and optimised", Form::Inlined),
    ]
    .map(|(id, title, form)| {
        let mut rival = Rival::new(id, title, Source::Embedded, form, Discipline::Rooted);
        rival.inline = true;
        rival
    })
}

/// The limit that no allocator can be expected to beat.
fn limits() -> [Rival; 5] {
    let bump = || Source::Text(include_str!("../rivals/bump.wat"));
    let wrap = || Source::Text(include_str!("../rivals/bumpwrap.wat"));
    let none = Discipline::None;
    let mut wrapping = [
        Rival::new("bumpwrap", "bumpwrap", wrap(), Form::Across, none),
        Rival::new("bumpwrap-i", "bumpwrap, inlined", wrap(), Form::Inlined, none),
        Rival::new(
            "bumpwrap0",
            "bumpwrap, zeroed",
            Source::Text(include_str!("../rivals/bumpwrap0.wat")),
            Form::Across,
            none,
        ),
    ];
    for rival in &mut wrapping {
        rival.keeps = false;
        rival.zeroes = rival.id == "bumpwrap0";
    }
    let [first, second, third] = wrapping;
    [
        Rival::new("bump", "bump", bump(), Form::Across, none),
        Rival::new("bump-i", "bump, inlined", bump(), Form::Inlined, none),
        first,
        second,
        third,
    ]
}

/// Allocators for programs that free by hand. Guests get zeroed memory from them, as from the others.
fn by_hand() -> [Rival; 2] {
    ["dlmalloc", "talc"]
        .map(|name| Rival::new(name, name, Source::Built(name), Form::Across, Discipline::Manual))
}

/// Other collectors in linear memory.
fn collectors() -> [Rival; 3] {
    let whole = |name, title| {
        let mut rival =
            Rival::new(name, title, Source::Whole(name), Form::Merged, Discipline::Engine);
        rival.zeroes = true;
        rival
    };
    // Vera's own code stores to each field of a new object, so its collector leaves them as they are.
    let mut vera =
        Rival::new("vera", "Vera 0.2.5", Source::Built("vera"), Form::Across, Discipline::Rooted);
    vera.zeroes = false;
    [
        vera,
        whole("as-incremental", "AssemblyScript, incremental"),
        whole("as-minimal", "AssemblyScript, minimal"),
    ]
}

/// Wasm GC in wasmtime.
fn engines() -> [Rival; 3] {
    [
        ("gc-copying", "wasmtime GC, copying", EngineCollector::Copying),
        ("gc-drc", "wasmtime GC, DRC", EngineCollector::Drc),
        ("gc-null", "wasmtime GC, never collects", EngineCollector::Null),
    ]
    .map(|(id, title, collector)| {
        Rival::new(id, title, Source::Engine(collector), Form::Merged, Discipline::Engine)
    })
}

/// The same in node: its Wasm GC, and some of those above.
fn in_node(others: &[Rival]) -> Vec<Rival> {
    let only = Source::Engine(EngineCollector::Only);
    let mut all = vec![Rival::new("gc", "V8 GC", only, Form::Merged, Discipline::Engine)];
    for id in ["ours-x", "ours-i", "bump", "bumpwrap"] {
        all.extend(others.iter().filter(|rival| rival.id == id).cloned());
    }
    for rival in &mut all {
        rival.id = format!("v8-{}", rival.id);
        if rival.discipline != Discipline::Engine {
            rival.title = format!("{}, in V8", rival.title);
        }
        rival.host = Host::Node;
    }
    all
}

/// Everyone, in the order of the tables.
pub fn all() -> Vec<Rival> {
    let mut rivals: Vec<Rival> = ours().into();
    rivals.extend(ours_inline());
    rivals.extend(limits());
    rivals.extend(by_hand());
    rivals.extend(collectors());
    rivals.extend(engines());
    let in_node = in_node(&rivals);
    rivals.extend(in_node);
    rivals
}
