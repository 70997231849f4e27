//! The rows themselves.

use super::Limit::{Absolute, Times};
use super::{Args, Limit, Needs, Quantity, Target, Unit, Workload};
use crate::expected;

const fn time(ours: &'static str, limit: Limit) -> Target {
    Target { ours, quantity: Quantity::Time, limit }
}

const fn peak(ours: &'static str, limit: Limit) -> Target {
    Target { ours, quantity: Quantity::Peak, limit }
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
        guest: include_str!("../../guests/dead.wat"),
        gc_guest: include_str!("../../guests/gc/dead16.wat"),
        constants: &[("SIZE", 16)],
        needs: Needs::Allocation,
        v8_removes: true,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[
            time("ours-x", Times(1.1, "bumpwrap")),
            time("ours-i", Times(1.3, "bumpwrap-i")),
            time("ours-i", Times(1.0, "gc-copying")),
            time("ours-run-i", Times(1.3, "bumpwrap-i")),
            time("ours-run-i", Times(1.0, "gc-copying")),
            time("ours-run", Times(1.0, "gc-copying")),
        ],
        operations: by_n,
        expected: expected::dead,
    },
    Workload {
        id: "dead64",
        title: "10M dead objects of 64 bytes",
        guest: include_str!("../../guests/dead.wat"),
        gc_guest: include_str!("../../guests/gc/dead64.wat"),
        constants: &[("SIZE", 64)],
        needs: Needs::Allocation,
        v8_removes: true,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Times(1.2, "bumpwrap"))],
        operations: by_n,
        expected: expected::dead,
    },
    Workload {
        id: "mixed",
        title: "10M dead objects of 8 to 512 bytes",
        guest: include_str!("../../guests/mixed.wat"),
        gc_guest: include_str!("../../guests/gc/mixed.wat"),
        constants: &[],
        needs: Needs::Allocation,
        v8_removes: false,
        sizes: iterations(10_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(6.0))],
        operations: by_n,
        expected: expected::mixed,
    },
    Workload {
        id: "trees",
        title: "binary trees of depth 18",
        guest: include_str!("../../guests/trees.wat"),
        gc_guest: include_str!("../../guests/gc/trees.wat"),
        constants: &[("SIZE", 8)],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(18, 0, 0), args(14, 0, 0), args(10, 0, 0)],
        unit: Unit::Seconds,
        targets: TREES,
        operations: |args| expected::trees(args).result as f64,
        expected: expected::trees,
    },
    Workload {
        id: "trees16",
        title: "the same, with nodes of 16 bytes",
        guest: include_str!("../../guests/trees.wat"),
        gc_guest: include_str!("../../guests/gc/trees16.wat"),
        constants: &[("SIZE", 16)],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(18, 0, 0), args(14, 0, 0), args(10, 0, 0)],
        unit: Unit::Seconds,
        targets: TREES,
        operations: |args| expected::trees(args).result as f64,
        expected: expected::trees,
    },
    Workload {
        id: "live100k",
        title: "a list of 100k alive, 10M garbage",
        guest: include_str!("../../guests/live.wat"),
        gc_guest: include_str!("../../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(100_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(8.0)), time("ours-run", Absolute(8.0))],
        operations: by_n,
        expected: expected::live,
    },
    Workload {
        id: "live1m",
        title: "a list of 1M alive, 10M garbage",
        guest: include_str!("../../guests/live.wat"),
        gc_guest: include_str!("../../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(11.0)), time("ours-run", Absolute(11.0))],
        operations: by_n,
        expected: expected::live,
    },
    Workload {
        id: "live4m",
        title: "a list of 4M alive, 10M garbage",
        guest: include_str!("../../guests/live.wat"),
        gc_guest: include_str!("../../guests/gc/live.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: true,
        sizes: beside(4_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Times(1.3, "bump")), time("ours-run", Times(1.3, "bump"))],
        operations: by_n,
        expected: expected::live,
    },
    Workload {
        id: "slots",
        title: "1M slots of 8 to 512 bytes, 5M replacements",
        guest: include_str!("../../guests/slots.wat"),
        gc_guest: include_str!("../../guests/gc/slots.wat"),
        constants: &[],
        needs: Needs::Memory,
        v8_removes: false,
        sizes: [args(5_000_000, 1_000_000, 0), args(500_000, 100_000, 0), args(50_000, 10_000, 0)],
        unit: Unit::Seconds,
        targets: &[time("ours-x", Times(1.1, "dlmalloc")), peak("ours-x", Times(1.7, "dlmalloc"))],
        operations: |args| f64::from(args.n) + f64::from(args.m),
        expected: expected::slots,
    },
    Workload {
        id: "wrappers",
        title: "1M wrappers made, dropped, told",
        guest: include_str!("../../guests/wrappers.wat"),
        gc_guest: include_str!("../../guests/gc/wrappers.wat"),
        constants: &[],
        needs: Needs::Telling,
        v8_removes: false,
        sizes: iterations(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(12.0))],
        operations: by_n,
        expected: expected::wrappers,
    },
    Workload {
        id: "list",
        title: "collection of a list of 1M, per object",
        guest: include_str!("../../guests/list.wat"),
        gc_guest: include_str!("../../guests/gc/list.wat"),
        constants: &[("DEAD", 0)],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(5.0))],
        operations: by_object,
        expected: expected::from_one,
    },
    Workload {
        id: "tree",
        title: "collection of a tree of 1M, per object",
        guest: include_str!("../../guests/tree.wat"),
        gc_guest: include_str!("../../guests/gc/tree.wat"),
        constants: &[],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(5.0))],
        operations: by_object,
        expected: expected::from_one,
    },
    Workload {
        id: "treedown",
        title: "collection of a tree made from its root, per object",
        guest: include_str!("../../guests/treedown.wat"),
        gc_guest: include_str!("../../guests/gc/treedown.wat"),
        constants: &[],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1_000_000),
        unit: Unit::Nanoseconds,
        targets: &[],
        operations: by_object,
        expected: expected::from_one,
    },
    Workload {
        id: "graph",
        title: "collection of a random graph of 1M, per object",
        guest: include_str!("../../guests/graph.wat"),
        gc_guest: include_str!("../../guests/gc/graph.wat"),
        constants: &[],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: collections(1 << 20),
        unit: Unit::Nanoseconds,
        targets: &[time("ours-x", Absolute(70.0))],
        operations: by_object,
        expected: expected::from_zero,
    },
    Workload {
        id: "alldead",
        title: "collection of 1M objects that are all dead",
        guest: include_str!("../../guests/list.wat"),
        gc_guest: include_str!("../../guests/gc/list.wat"),
        constants: &[("DEAD", 1)],
        needs: Needs::Collector,
        v8_removes: false,
        sizes: [args(1, 0, 1_000_000), args(1, 0, 1_000_000), args(1, 0, 100_000)],
        unit: Unit::Milliseconds,
        targets: &[time("ours-x", Absolute(0.03))],
        operations: by_n,
        expected: expected::nothing,
    },
];

const TREES: &[Target] = &[
    time("ours-x", Times(1.0, "bump")),
    time("ours-m", Times(1.0, "bump")),
    time("ours-i", Times(1.0, "bump")),
    time("ours-run", Times(1.0, "bump")),
    time("ours-run-i", Times(1.0, "bump")),
];

/// Not timed: counts the bytes of new objects that are not zero.
pub static ZERO: Workload = Workload {
    id: "zero",
    title: "new memory is zero",
    guest: include_str!("../../guests/zero.wat"),
    gc_guest: "",
    constants: &[],
    needs: Needs::Allocation,
    v8_removes: false,
    sizes: [args(20_000, 0, 0); 3],
    unit: Unit::Nanoseconds,
    targets: &[],
    operations: by_n,
    expected: expected::nothing,
};

/// The guest of the rows about instances.
pub static IDLE: Workload = Workload {
    id: "idle",
    title: "instances",
    guest: include_str!("../../guests/idle.wat"),
    gc_guest: include_str!("../../guests/gc/idle.wat"),
    constants: &[],
    needs: Needs::Allocation,
    v8_removes: false,
    sizes: [args(0, 0, 0); 3],
    unit: Unit::Nanoseconds,
    targets: &[],
    operations: one,
    expected: expected::idle,
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
