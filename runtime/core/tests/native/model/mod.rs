//! A second opinion: a small model of the heap, by another hand than the oracle's (`loader/oracle`), and programs that
//! proptest makes up and makes short.
//!
//! The model knows what is reachable, and counts. The oracle has the rest: hosts that are busy in their callback or trap
//! there, objects in flight, nested collections, memory that is refused or that others grow, limits, pacing.

mod run;
mod state;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::options::GcOption;

use run::run;
pub(crate) use state::CELL_SIZES;

/// Fewer cases where each takes long.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let cases = if cfg!(miri) { cases.div_ceil(100) } else { cases };
    ProptestConfig { max_shrink_time: 20_000, failure_persistence: None, ..Default::default() }
        .with_cases(cases)
}

trait WithCases {
    fn with_cases(self, cases: u32) -> Self;
}

impl WithCases for ProptestConfig {
    /// `PROPTEST_CASES` wins, for long runs.
    fn with_cases(mut self, cases: u32) -> Self {
        if std::env::var_os("PROPTEST_CASES").is_none() {
            self.cases = cases;
        }
        self
    }
}

/// A word, chosen among what there is when it is needed.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// Never an address.
    Number(u16),
    /// An object's address.
    Base(u16),
    /// An address inside an object.
    Inside(u16, u16),
    /// Where an object was, and perhaps is again.
    Grave(u16),
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Alloc { size: u32, atomic: bool, rooted: bool },
    Push(Word),
    Overwrite { slot: u16, value: Word },
    Pop(u8),
    Write { object: u16, word: u16, value: Word },
    WriteStatic { word: u8, value: Word },
    AddRange { start: u8, words: u8 },
    RemoveRange(u8),
    Pin(Word),
    Unpin(Word),
    Register { object: Word, kind: u32, external: u32 },
    Release(Word),
    Collect,
    Shutdown,
    Notify(u32),
    LookUp(Word),
    Configure(GcOption, u32),
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        1 => any::<u16>().prop_map(Word::Number),
        6 => any::<u16>().prop_map(Word::Base),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(object, at)| Word::Inside(object, at)),
        1 => any::<u16>().prop_map(Word::Grave),
    ]
}

/// Sizes: mostly small, and the edges of what is served differently.
fn size() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..=64_u32,
        3 => 65..=1024_u32,
        2 => 1025..=8192_u32,
        1 => 8193..=100_000_u32,
        1 => prop::sample::select(vec![8, 9, 16, 17, 1024, 1025, 8192, 8193, 16_384, 16_385]),
    ]
}

fn option() -> impl Strategy<Value = (GcOption, u32)> {
    let of = |option: GcOption, values: &[u32]| {
        prop::sample::select(values.to_vec()).prop_map(move |value| (option, value))
    };
    prop_oneof![
        of(GcOption::Eager, &[0, 0, 1, 2, 3, 7]),
        of(GcOption::Poison, &[0, 1]),
        of(GcOption::Verify, &[0, 1]),
        of(GcOption::Interior, &[0, 1]),
        of(GcOption::Blacklist, &[0, 1]),
        of(GcOption::MarkStackLimit, &[0, 16_384, 1 << 20]),
        of(GcOption::GrowthPercent, &[1, 50, 100, 1000]),
        of(GcOption::MinHeap, &[0, 0, 32 << 10, 256 << 10]),
        of(GcOption::Notify, &[0, 1]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let alloc = (size(), any::<bool>(), prop::bool::weighted(0.6), 0..4_u8);
    let register = (word(), any::<u32>(), prop_oneof![Just(0), Just(0), 0..1_000_000_u32]);
    let write = (any::<u16>(), any::<u16>(), word());
    prop_oneof![
        20 => alloc.prop_map(|(size, atomic, rooted, few)| Op::Alloc {
            size,
            atomic: atomic && few == 0,
            rooted,
        }),
        3 => word().prop_map(Op::Push),
        4 => (any::<u16>(), word()).prop_map(|(slot, value)| Op::Overwrite { slot, value }),
        5 => (0..6_u8).prop_map(Op::Pop),
        12 => write.prop_map(|(object, word, value)| Op::Write { object, word, value }),
        2 => (any::<u8>(), word()).prop_map(|(word, value)| Op::WriteStatic { word, value }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(start, words)| Op::AddRange { start, words }),
        1 => any::<u8>().prop_map(Op::RemoveRange),
        2 => word().prop_map(Op::Pin),
        2 => word().prop_map(Op::Unpin),
        10 => register
            .prop_map(|(object, kind, external)| Op::Register { object, kind, external }),
        4 => word().prop_map(Op::Release),
        4 => Just(Op::Collect),
        1 => Just(Op::Shutdown),
        2 => prop::sample::select(vec![0, 1, 3, u32::MAX]).prop_map(Op::Notify),
        3 => word().prop_map(Op::LookUp),
        3 => option().prop_map(|(option, value)| Op::Configure(option, value)),
    ]
}

/// Up to `length` steps.
fn ops(length: usize) -> impl Strategy<Value = Vec<Op>> {
    let length = if cfg!(miri) { length.div_ceil(5) } else { length };
    // Little may be allocated between collections, so that there are some.
    let budget = prop::sample::select(vec![0, 0, 64 << 10, 256 << 10]);
    (budget, vec(op(), 1..length)).prop_map(|(budget, mut ops)| {
        ops.insert(0, Op::Configure(GcOption::MinHeap, budget));
        ops
    })
}

/// A heap that is collected at each allocation, with what is freed filled with poison.
fn eagerly(mut ops: Vec<Op>) -> Vec<Op> {
    ops.retain(|op| !matches!(op, Op::Configure(GcOption::Eager | GcOption::Poison, _)));
    let options = [GcOption::Eager, GcOption::Poison, GcOption::Verify];
    ops.splice(0..0, options.map(|option| Op::Configure(option, 1)));
    ops
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn programs(ops in ops(60)) {
        run(&ops);
    }

    #[test]
    fn programs_collected_eagerly(ops in ops(40).prop_map(eagerly)) {
        run(&ops);
    }
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    #[cfg_attr(miri, ignore = "the short ones make the same calls")]
    fn long_programs(ops in ops(800)) {
        run(&ops);
    }
}
