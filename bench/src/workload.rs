//! What is measured: a guest, its sizes, the result that it must have, and what we aim at.

use crate::workload::Limit::{Absolute, Times};

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// What the published tables are measured with.
    Full,
    /// A tenth of it or so.
    Quick,
    /// For instruction counts and tests: a fraction of a second, in an engine that counts.
    Small,
}

/// The arguments of a guest's `run`, and of its `setup` if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    /// The first argument of `run`.
    pub n: u32,
    /// The second one.
    pub m: u32,
    /// The argument of `setup`, which is not timed.
    pub setup: u32,
}

/// What a time is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds for each operation.
    Nanoseconds,
    /// Seconds for the whole.
    Seconds,
    /// Milliseconds for one collection.
    Milliseconds,
}

impl Unit {
    /// The abbreviation.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }

    /// `seconds` for `operations`, in this unit.
    pub fn of(self, seconds: f64, operations: f64) -> f64 {
        match self {
            Self::Nanoseconds => seconds / operations * 1e9,
            Self::Seconds => seconds,
            Self::Milliseconds => seconds / operations * 1e3,
        }
    }
}

/// What a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The time of the row.
    Time,
    /// The most memory the process had.
    Peak,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most this, in the unit of the row.
    Absolute(f64),
    /// At most so many times what the named rival has.
    Times(f64, &'static str),
}

/// A bound that one of our builds is to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Which of ours.
    pub ours: &'static str,
    /// Time or memory.
    pub quantity: Quantity,
    /// The bound.
    pub limit: Limit,
}

const fn time(ours: &'static str, limit: Limit) -> Target {
    Target { ours, quantity: Quantity::Time, limit }
}

const fn peak(ours: &'static str, limit: Limit) -> Target {
    Target { ours, quantity: Quantity::Peak, limit }
}

/// Which rivals can run a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// An allocator is enough, even one that hands out the same memory again.
    Allocation,
    /// Memory must stay as it is while it is used, and be zero at first.
    Memory,
    /// Memory, and somebody to tell about each object that is gone.
    Telling,
    /// A collector that can be asked to collect.
    Collector,
}

/// A row of the table.
#[derive(Debug)]
pub struct Workload {
    /// How the command line names it.
    pub id: &'static str,
    /// How tables name it.
    pub title: &'static str,
    /// The template of the guest for linear memory.
    pub guest: &'static str,
    /// The template of the guest for Wasm GC.
    pub gc_guest: &'static str,
    /// Constants of the templates.
    pub constants: &'static [(&'static str, u32)],
    /// Who can run it.
    pub needs: Needs,
    /// Whether V8 sees through the guest for Wasm GC and makes no objects.
    pub v8_removes: bool,
    /// Its sizes: full, quick, small.
    pub sizes: [Args; 3],
    /// What a time is written in.
    pub unit: Unit,
    /// What we aim at.
    pub targets: &'static [Target],
    operations: fn(Args) -> f64,
    expected: fn(Args) -> Expected,
}

/// What a run must result in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What `run` returns.
    pub result: i64,
    /// What `check` returns afterwards, if there is one.
    pub check: i64,
    /// How many handles the host was told about, each once.
    pub told: u64,
}

impl Workload {
    /// The arguments for a scale.
    pub fn args(&self, scale: Scale) -> Args {
        self.sizes[scale as usize]
    }

    /// What times in nanoseconds, and counts of instructions, are divided by.
    pub fn operations(&self, args: Args) -> f64 {
        (self.operations)(args)
    }

    /// What a run must result in.
    pub fn expected(&self, args: Args) -> Expected {
        (self.expected)(args)
    }
}

/// The workload that the command line means.
pub fn find(id: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.id == id)
}

const fn args(n: u32, m: u32, setup: u32) -> Args {
    Args { n, m, setup }
}

/// `n` iterations in three sizes.
const fn iterations(n: u32) -> [Args; 3] {
    [args(n, 0, 0), args(n / 10, 0, 0), args(n / 100, 0, 0)]
}

/// Garbage beside `live` nodes. With fewer of them it would be another workload.
const fn beside(live: u32) -> [Args; 3] {
    let small = if live > 100_000 { 100_000 } else { live };
    [args(10_000_000, live, 0), args(2_000_000, live, 0), args(200_000, small, 0)]
}

/// Collections of `n` objects.
const fn collections(n: u32) -> [Args; 3] {
    [args(5, 0, n), args(2, 0, n), args(2, 0, n / 16)]
}

/// Every row of the table, in its order.
pub static ALL: &[Workload] = &[
    Workload {
        id: "dead16",
        title: "10M dead objects of 16 bytes",
        guest: include_str!("../guests/dead.wat"),
        gc_guest: include_str!("../guests/gc/dead16.wat"),
        constants: &[("SIZE", 16)],
        needs: Needs::Allocation,
        v8_removes: true,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[
            time("ours-x", Times(1.1, "bumpwrap")),
            time("ours-i", Times(1.3, "bumpwrap-i")),
            time("ours-i", Times(1.0, "gc-copying")),
        ],
        operations: by_n,
        expected: expected_dead,
    },
    Workload {
        id: "dead64",
        title: "10M dead objects of 64 bytes",
        guest: include_str!("../guests/dead.wat"),
        gc_guest: include_str!("../guests/gc/dead64.wat"),
        constants: &[("SIZE", 64)],
        needs: Needs::Allocation,
        v8_removes: true,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Times(1.2, "bumpwrap"))],
        operations: by_n,
        expected: expected_dead,
    },
    Workload {
        id: "mixed",
        title: "10M dead objects of 8 to 512 bytes",
        guest: include_str!("../guests/mixed.wat"),
        gc_guest: include_str!("../guests/gc/mixed.wat"),
        constants: &[],
        needs: Needs::Allocation,
        v8_removes: false,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(6.0))],
        operations: by_n,
        expected: expected_mixed,
    },
    Workload {
        id: "trees",
        title: "binary trees of depth 18",
        guest: include_str!("../guests/trees.wat"),
        gc_guest: include_str!("../guests/gc/trees.wat"),
        constants: &[("SIZE", 8)],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(18, 0, 0), args(14, 0, 0), args(10, 0, 0)],
        unit: Unit::Seconds,
        targets: TREES,
        operations: |args| expected_trees(args).result as f64,
        expected: expected_trees,
    },
    Workload {
        id: "trees16",
        title: "the same, with nodes of 16 bytes",
        guest: include_str!("../guests/trees.wat"),
        gc_guest: include_str!("../guests/gc/trees16.wat"),
        constants: &[("SIZE", 16)],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(18, 0, 0), args(14, 0, 0), args(10, 0, 0)],
        unit: Unit::Seconds,
        targets: TREES,
        operations: |args| expected_trees(args).result as f64,
        expected: expected_trees,
    },
    Workload {
        id: "live100k",
        title: "a list of 100k alive, 10M garbage",
        guest: include_str!("../guests/live.wat"),
        gc_guest: include_str!("../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(100_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(8.0))],
        operations: by_n,
        expected: expected_live,
    },
    Workload {
        id: "live1m",
        title: "a list of 1M alive, 10M garbage",
        guest: include_str!("../guests/live.wat"),
        gc_guest: include_str!("../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(11.0))],
        operations: by_n,
        expected: expected_live,
    },
    Workload {
        id: "live4m",
        title: "a list of 4M alive, 10M garbage",
        guest: include_str!("../guests/live.wat"),
        gc_guest: include_str!("../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(4_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Times(1.3, "bump"))],
        operations: by_n,
        expected: expected_live,
    },
    Workload {
        id: "slots",
        title: "1M slots of 8 to 512 bytes, 5M replacements",
        guest: include_str!("../guests/slots.wat"),
        gc_guest: include_str!("../guests/gc/slots.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(5_000_000, 1_000_000, 0), args(500_000, 100_000, 0), args(50_000, 10_000, 0)],
        unit: Unit::Seconds,
        targets: &[time("ours-x", Times(1.1, "dlmalloc")), peak("ours-x", Times(1.7, "dlmalloc"))],
        operations: |args| f64::from(args.n) + f64::from(args.m),
        expected: expected_slots,
    },
    Workload {
        id: "wrappers",
        title: "1M wrappers made, dropped, told",
        guest: include_str!("../guests/wrappers.wat"),
        gc_guest: include_str!("../guests/gc/wrappers.wat"),
        constants: &[],
        needs: Needs::Telling,
        v8_removes: false,
        sizes: iterations(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(12.0))],
        operations: by_n,
        expected: expected_wrappers,
    },
    Workload {
        id: "list",
        title: "collection of a list of 1M, per object",
        guest: include_str!("../guests/list.wat"),
        gc_guest: include_str!("../guests/gc/list.wat"),
        constants: &[("DEAD", 0)],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(5.0))],
        operations: by_object,
        expected: |args| Expected { result: 0, check: triangle(args.setup), told: 0 },
    },
    Workload {
        id: "tree",
        title: "collection of a tree of 1M, per object",
        guest: include_str!("../guests/tree.wat"),
        gc_guest: include_str!("../guests/gc/tree.wat"),
        constants: &[],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(5.0))],
        operations: by_object,
        expected: |args| Expected { result: 0, check: triangle(args.setup), told: 0 },
    },
    Workload {
        id: "graph",
        title: "collection of a random graph of 1M, per object",
        guest: include_str!("../guests/graph.wat"),
        gc_guest: include_str!("../guests/gc/graph.wat"),
        constants: &[],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1 << 20),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(70.0))],
        operations: by_object,
        expected: |args| Expected { result: 0, check: triangle(args.setup - 1), told: 0 },
    },
    Workload {
        id: "alldead",
        title: "collection of 1M objects that are all dead",
        guest: include_str!("../guests/list.wat"),
        gc_guest: include_str!("../guests/gc/list.wat"),
        constants: &[("DEAD", 1)],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: [args(1, 0, 1_000_000), args(1, 0, 1_000_000), args(1, 0, 100_000)],
        unit: Unit::Milliseconds,
        targets: &[time("ours-x", Absolute(0.03))],
        operations: by_n,
        expected: |_| Expected { result: 0, check: 0, told: 0 },
    },
];

const TREES: &[Target] = &[
    time("ours-x", Times(1.0, "bump")),
    time("ours-m", Times(1.0, "bump")),
    time("ours-i", Times(1.0, "bump")),
];

/// Not timed: counts the bytes of new objects that are not zero.
pub static ZERO: Workload = Workload {
    id: "zero",
    title: "new memory is zero",
    guest: include_str!("../guests/zero.wat"),
    gc_guest: "",
    constants: &[],
    needs: Needs::Allocation,
    v8_removes: false,
    sizes: [args(20_000, 0, 0); 3],
    unit: Unit::Nanoseconds,
    targets: &[],
    operations: by_n,
    expected: |_| Expected { result: 0, check: 0, told: 0 },
};

/// The guest of the rows about instances.
pub static IDLE: Workload = Workload {
    id: "idle",
    title: "instances",
    guest: include_str!("../guests/idle.wat"),
    gc_guest: include_str!("../guests/gc/idle.wat"),
    constants: &[],
    needs: Needs::Allocation,
    v8_removes: false,
    sizes: [args(0, 0, 0); 3],
    unit: Unit::Nanoseconds,
    targets: &[],
    operations: one,
    expected: |_| Expected { result: 1, check: 0, told: 0 },
};

fn by_n(args: Args) -> f64 {
    f64::from(args.n)
}

fn by_object(args: Args) -> f64 {
    f64::from(args.n) * f64::from(args.setup)
}

fn one(_: Args) -> f64 {
    1.0
}

/// 1 + 2 + ... + n.
fn triangle(n: u32) -> i64 {
    i64::from(n) * (i64::from(n) + 1) / 2
}

fn result(result: i64) -> Expected {
    Expected { result, check: 0, told: 0 }
}

/// Each holds n, counting down.
fn expected_dead(args: Args) -> Expected {
    result(triangle(args.n))
}

/// The guests' random numbers: `(@random $x)` and `(@size $x)`.
struct Random(u32);

impl Random {
    fn new() -> Self {
        Self(2_463_534_242)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn size(&mut self) -> u32 {
        8 + (((self.next() >> 16) * 505) >> 16)
    }
}

fn expected_mixed(args: Args) -> Expected {
    let mut random = Random::new();
    let sizes: i64 = (0..args.n).map(|_| i64::from(random.size())).sum();
    result(sizes + triangle(args.n))
}

fn expected_trees(args: Args) -> Expected {
    let nodes = |depth: u32| (1_i64 << (depth + 1)) - 1;
    let short: i64 = (4..=args.n).step_by(2).map(|d| nodes(d) << (args.n - d + 4)).sum();
    result(nodes(args.n + 1) + short + nodes(args.n))
}

fn expected_live(args: Args) -> Expected {
    result(triangle(args.n) + triangle(args.m - 1))
}

fn expected_slots(args: Args) -> Expected {
    let mut random = Random::new();
    let mut slots = Vec::with_capacity(args.m as usize);
    for i in 0..args.m + args.n {
        let object = i64::from(random.size()) + (i64::from(i) << 32);
        if i < args.m {
            slots.push(object);
        } else {
            slots[(random.next() % args.m) as usize] = object;
        }
    }
    result(slots.iter().sum())
}

fn expected_wrappers(args: Args) -> Expected {
    Expected { result: triangle(args.n - 1), check: 0, told: u64::from(args.n) }
}
