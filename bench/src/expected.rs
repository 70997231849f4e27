//! The right result of each workload, computed here without any allocator of guests.

use crate::workload::Args;

/// The right result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The result of `run`.
    pub result: i64,
    /// The result of `check` afterwards, if there is one.
    pub check: i64,
    /// The number of handles that the host was notified of, each once.
    pub told: u64,
}

/// Nothing but zeros: of `zero`, and of `alldead`.
pub(crate) fn nothing(_: Args) -> Expected {
    result(0)
}

/// `idle` returns what it stored.
pub(crate) fn idle(_: Args) -> Expected {
    result(1)
}

/// Nodes hold 1 to n.
pub(crate) fn from_one(args: Args) -> Expected {
    Expected { result: 0, check: triangle(args.setup), told: 0 }
}

/// Nodes hold 0 to n - 1.
pub(crate) fn from_zero(args: Args) -> Expected {
    Expected { result: 0, check: triangle(args.setup - 1), told: 0 }
}

/// 1 + 2 + ... + n.
fn triangle(n: u32) -> i64 {
    i64::from(n) * (i64::from(n) + 1) / 2
}

fn result(result: i64) -> Expected {
    Expected { result, check: 0, told: 0 }
}

/// Each holds n, counting down.
pub(crate) fn dead(args: Args) -> Expected {
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

pub(crate) fn mixed(args: Args) -> Expected {
    let mut random = Random::new();
    let sizes: i64 = (0..args.n).map(|_| i64::from(random.size())).sum();
    result(sizes + triangle(args.n))
}

pub(crate) fn trees(args: Args) -> Expected {
    let nodes = |depth: u32| (1_i64 << (depth + 1)) - 1;
    let short: i64 = (4..=args.n).step_by(2).map(|d| nodes(d) << (args.n - d + 4)).sum();
    result(nodes(args.n + 1) + short + nodes(args.n))
}

pub(crate) fn live(args: Args) -> Expected {
    result(triangle(args.n) + triangle(args.m - 1))
}

pub(crate) fn slots(args: Args) -> Expected {
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
    // as wasm adds
    result(slots.iter().fold(0, |sum: i64, slot| sum.wrapping_add(*slot)))
}

pub(crate) fn wrappers(args: Args) -> Expected {
    Expected { result: triangle(args.n - 1), check: 0, told: u64::from(args.n) }
}
