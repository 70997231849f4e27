//! Programs: what a host and a compiled program may do, in any order.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::options::GcOption;

/// A word, chosen among what there is when it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// Never an address.
    Number(u16),
    /// An object's address.
    Base(u16),
    /// An address inside an object.
    Inside(u16, u16),
    /// Where an object was, and perhaps is again.
    Grave(u16),
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Alloc { size: u32, atomic: bool, rooted: bool },
    AllocHuge(u32),
    Push(Word),
    Overwrite { slot: u16, value: Word },
    Pop(u8),
    Write { object: u16, word: u16, value: Word },
    WriteStatic { word: u8, value: Word },
    AddRange { start: u8, words: u8 },
    RemoveRange(u8),
    RemoveNoRange,
    Pin(Word),
    Unpin(Word),
    Register { object: Word, kind: u32, external: u32 },
    Release(Word),
    Collect,
    Shutdown,
    Notify(u32),
    LookUp(Word),
    Configure(GcOption, u32),
    ForeignGrow(u32),
    RefuseGrowth(bool),
}

/// What the host does when it is told of a handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) ops: Vec<Op>,
    /// Whether it catches what traps inside the calls that it makes.
    pub(crate) catches: bool,
    /// Whether it traps itself at the end.
    pub(crate) traps: bool,
}

#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) max_pages: u32,
    pub(crate) options: Vec<(GcOption, u32)>,
    pub(crate) ops: Vec<Op>,
    /// One for each call of the host, in order.
    pub(crate) scripts: Vec<Script>,
}

impl fmt::Debug for Program {
    /// One step a line, as programs are long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pages, {:?}", self.max_pages, self.options)?;
        for op in &self.ops {
            writeln!(f, "  {op:?}")?;
        }
        for script in &self.scripts {
            writeln!(f, "  when told: {script:?}")?;
        }
        Ok(())
    }
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
pub(crate) fn size() -> impl Strategy<Value = u32> {
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
        of(GcOption::HeapLimit, &[0, 200_000, 400_000, 1 << 20, 4 << 20]),
        of(GcOption::WrapLimit, &[1, 2, 4, 8, 4096, 1 << 20]),
        of(GcOption::GrowthPercent, &[1, 50, 100, 1000]),
        of(GcOption::MinHeap, &[0, 0, 32 << 10, 256 << 10]),
        of(GcOption::MaxPages, &[20, 24, 32, 64, 32_768]),
        of(GcOption::Notify, &[0, 1]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let alloc = (size(), any::<bool>(), prop::bool::weighted(0.6), 0..4_u8);
    let register = (word(), any::<u32>(), prop_oneof![Just(0), Just(0), 0..1_000_000_u32]);
    prop_oneof![
        20 => alloc.prop_map(|(size, atomic, rooted, few)| Op::Alloc {
            size,
            atomic: atomic && few == 0,
            rooted,
        }),
        1 => (0x8000_0000_u32..).prop_map(Op::AllocHuge),
        3 => word().prop_map(Op::Push),
        4 => (any::<u16>(), word()).prop_map(|(slot, value)| Op::Overwrite { slot, value }),
        5 => (0..6_u8).prop_map(Op::Pop),
        12 => (any::<u16>(), any::<u16>(), word()).prop_map(|(object, word, value)| Op::Write {
            object,
            word,
            value,
        }),
        2 => (any::<u8>(), word()).prop_map(|(word, value)| Op::WriteStatic { word, value }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(start, words)| Op::AddRange { start, words }),
        1 => any::<u8>().prop_map(Op::RemoveRange),
        1 => Just(Op::RemoveNoRange),
        2 => word().prop_map(Op::Pin),
        2 => word().prop_map(Op::Unpin),
        10 => register.prop_map(|(object, kind, external)| Op::Register {
            object,
            kind,
            external,
        }),
        4 => word().prop_map(Op::Release),
        4 => Just(Op::Collect),
        1 => Just(Op::Shutdown),
        2 => prop::sample::select(vec![0, 1, 3, u32::MAX]).prop_map(Op::Notify),
        3 => word().prop_map(Op::LookUp),
        3 => option().prop_map(|(option, value)| Op::Configure(option, value)),
        1 => (0..3_u32).prop_map(Op::ForeignGrow),
        1 => any::<bool>().prop_map(Op::RefuseGrowth),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    (vec(op(), 0..5), any::<bool>(), prop::bool::weighted(0.15))
        .prop_map(|(ops, catches, traps)| Script { ops, catches, traps })
}

/// Programs of up to `length` steps whose host has up to `scripts` things to do when told.
pub(crate) fn program(length: usize, scripts: usize) -> impl Strategy<Value = Program> {
    // Little may be allocated between collections, so that there are some.
    let first = prop::sample::select(vec![0, 0, 64 << 10, 256 << 10])
        .prop_map(|bytes| (GcOption::MinHeap, bytes));
    let options = (first, vec(option(), 0..3)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    });
    let max_pages = prop_oneof![3 => Just(128_u32), 1 => 18..32_u32];
    (max_pages, options, vec(op(), 1..length), vec(script(), 0..=scripts))
        .prop_map(|(max_pages, options, ops, scripts)| Program { max_pages, options, ops, scripts })
}
