//! Cell sizes, kinds of blocks, and the bitmaps of a record, against plain arithmetic and arrays.

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::addr::{Addr, BLOCK_SIZE, Block, blocks_for};
use rootstock_core::block::{Bit, Kind, Record};
use rootstock_core::memory::Memory;
use rootstock_core::native::NativeMemory;
use rootstock_core::size_class::{
    Class, END_CLASS, FIRST_CLASS, Lookup, MAX_CELLS, MAX_SMALL, MAX_TABLE,
};

use crate::model::CELL_SIZES;

fn classes() -> impl Iterator<Item = Class> {
    (FIRST_CLASS as u32..END_CLASS as u32).map(Class::new)
}

#[test]
fn cell_sizes_are_these() {
    let sizes: Vec<u32> = classes().map(Class::cell_size).collect();
    assert_eq!(sizes, CELL_SIZES);
}

fn lookup() -> Lookup {
    let mut lookup = Lookup::EMPTY;
    lookup.fill();
    lookup
}

#[test]
fn each_request_gets_the_smallest_cell_that_fits() {
    let lookup = lookup();
    for size in (0..=MAX_SMALL).step_by(if cfg!(miri) { 11 } else { 1 }) {
        let expected = *CELL_SIZES.iter().find(|&&cell| cell >= size).expect("small");
        assert_eq!(Class::of(size).cell_size(), expected, "{size}");
        if size <= MAX_TABLE {
            let class = lookup.kind_of(size, false).class();
            assert_eq!(class.cell_size(), expected, "{size} in the table");
        }
    }
    for size in [MAX_SMALL + 1, u32::MAX] {
        assert_eq!(Class::of(size), Class::new(END_CLASS as u32));
    }
}

#[test]
fn little_is_lost() {
    let lookup = lookup();
    for size in (65..=MAX_SMALL).step_by(if cfg!(miri) { 11 } else { 1 }) {
        let cell = Class::of(size).cell_size();
        assert!(3 * (cell - size) <= cell + 16, "{size} in a cell of {cell}");
    }
    for class in classes().skip(1) {
        let used = lookup.cells(Kind::small(class, false)) * class.cell_size();
        assert!(BLOCK_SIZE - used < class.cell_size(), "{class:?} could have one more cell");
        assert!(BLOCK_SIZE - used <= BLOCK_SIZE / 32, "{class:?} leaves {}", BLOCK_SIZE - used);
    }
}

#[test]
fn each_byte_of_a_block_is_in_the_cell_of_its_offset() {
    let lookup = lookup();
    for kind in classes().flat_map(|class| [Kind::small(class, false), Kind::small(class, true)]) {
        let size = kind.class().cell_size();
        assert!(lookup.cells(kind) <= MAX_CELLS);
        for offset in (0..BLOCK_SIZE).step_by(if cfg!(miri) { 37 } else { 1 }) {
            let (cell, rest) = (offset / size, offset % size);
            assert_eq!(lookup.cell_at(kind, offset), cell, "{kind:?} + {offset}");
            let starting = (rest == 0).then_some(cell);
            assert_eq!(lookup.cell_starting_at(kind, offset), starting, "{kind:?} + {offset}");
        }
    }
}

#[test]
fn what_is_no_class_has_no_cells() {
    let lookup = lookup();
    let large = [Kind::LARGE, Kind::LARGE_ATOMIC];
    for kind in (0..Kind::FIRST_SMALL.byte()).chain(Kind::END.byte()..=255).map(Kind::from_byte) {
        for offset in [0, 8, 16, 8192] {
            // But for the first byte of a large object.
            let cell = (large.contains(&kind) && offset == 0).then_some(0);
            assert_eq!(lookup.cell_starting_at(kind, offset), cell);
        }
    }
}

#[test]
fn kinds_are_bytes() {
    for class in classes() {
        for atomic in [false, true] {
            let kind = Kind::small(class, atomic);
            assert_eq!(Kind::from_byte(kind.byte()), kind);
            assert!(kind.is_small() && kind.has_objects() && !kind.is_free());
            assert_eq!((kind.class(), kind.is_atomic()), (class, atomic));
            assert!(kind >= Kind::FIRST_SMALL && kind < Kind::END);
        }
    }
    let others = [Kind::FOREIGN, Kind::FREE, Kind::FRESH, Kind::INTERNAL, Kind::TAIL];
    for kind in others {
        assert!(!kind.has_objects() && !kind.is_small(), "{kind:?}");
    }
    for (kind, atomic) in [(Kind::LARGE, false), (Kind::LARGE_ATOMIC, true)] {
        assert!(kind.has_objects() && !kind.is_small() && kind.is_atomic() == atomic);
    }
    assert_eq!(others.map(Kind::is_free), [false, true, true, false, false]);
}

#[test]
fn addresses_and_blocks() {
    let at = Addr::new(3 * BLOCK_SIZE + 40);
    assert_eq!((at.block(), at.block_offset()), (Block::new(3), 40));
    assert_eq!(at.block().start().plus(40), at);
    assert_eq!(at.since(at.block().start()), 40);
    assert!(at.is_aligned(8) && !at.is_aligned(16));
    let counts = [1, 2, BLOCK_SIZE, BLOCK_SIZE + 1, u32::MAX].map(blocks_for);
    assert_eq!(counts, [1, 1, 1, 2, 1 << 18]);
}

#[derive(Clone, Debug)]
enum RecordOp {
    Alloc { from: u32, end: u32, set: bool },
    TryMark(u32),
    SetMark(u32, bool),
    Find { from: u32, end: u32, set: bool },
    Link(u32),
    Length(u32),
    Dirty(bool),
}

fn record_op() -> impl Strategy<Value = RecordOp> {
    let cell = 0..MAX_CELLS;
    let range = (0..=MAX_CELLS, 0..=MAX_CELLS, any::<bool>())
        .prop_map(|(a, b, set)| (a.min(b), a.max(b), set));
    prop_oneof![
        range.clone().prop_map(|(from, end, set)| RecordOp::Alloc { from, end, set }),
        cell.clone().prop_map(RecordOp::TryMark),
        (cell, any::<bool>()).prop_map(|(cell, set)| RecordOp::SetMark(cell, set)),
        range.prop_map(|(from, end, set)| RecordOp::Find { from, end, set }),
        any::<u32>().prop_map(RecordOp::Link),
        any::<u32>().prop_map(RecordOp::Length),
        any::<bool>().prop_map(RecordOp::Dirty),
    ]
}

struct Plain {
    alloc: Vec<bool>,
    mark: Vec<bool>,
    link: u32,
    length: u32,
    dirty: bool,
}

fn apply(op: &RecordOp, record: Record, memory: &mut NativeMemory, plain: &mut Plain) {
    match *op {
        RecordOp::Alloc { from, end, set } => {
            record.set_alloc(memory, from, end, set);
            plain.alloc[from as usize..end as usize].fill(set);
        }
        RecordOp::TryMark(cell) => {
            let at = cell as usize;
            let fresh = plain.alloc[at] && !plain.mark[at];
            assert_eq!(record.try_mark(memory, Bit::of(cell)), fresh);
            plain.mark[at] |= fresh;
        }
        RecordOp::SetMark(cell, set) => {
            record.set_mark(memory, Bit::of(cell), set);
            plain.mark[cell as usize] = set;
        }
        RecordOp::Find { from, end, set } => {
            let mut cells = from..end;
            let expected = cells.find(|&cell| plain.alloc[cell as usize] == set).unwrap_or(end);
            assert_eq!(record.find(memory, from, end, set), expected);
        }
        RecordOp::Link(link) => {
            record.set_link(memory, link);
            plain.link = link;
        }
        RecordOp::Length(length) => {
            record.set_length(memory, length);
            plain.length = length;
        }
        RecordOp::Dirty(dirty) => {
            record.set_dirty(memory, dirty);
            plain.dirty = dirty;
        }
    }
}

/// The bits of 64 cells.
fn word(bits: &[bool], pair: u32) -> u64 {
    let bits = &bits[64 * pair as usize..][..64];
    bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit))
}

proptest! {
    #![proptest_config(crate::model::config(50))]

    /// The fields of a record do not disturb each other, nor the records beside it.
    #[test]
    fn records_are_arrays_of_bits(ops in vec(record_op(), 1..if cfg!(miri) { 4 } else { 60 })) {
        let mut memory = NativeMemory::new(32);
        let at = memory.regions().block_table;
        let record = Record::at(at.plus(512));
        let size = MAX_CELLS as usize;
        let mut plain =
            Plain { alloc: vec![false; size], mark: vec![false; size], link: 0, length: 0, dirty: false };
        for op in &ops {
            apply(op, record, &mut memory, &mut plain);
            for pair in 0..MAX_CELLS / 64 {
                prop_assert_eq!(record.alloc_word(&memory, pair), word(&plain.alloc, pair));
                prop_assert_eq!(record.mark_word(&memory, pair), word(&plain.mark, pair));
            }
            prop_assert_eq!(record.link(&memory), plain.link);
            prop_assert_eq!(record.length(&memory), plain.length);
            prop_assert_eq!(record.is_dirty(&memory), plain.dirty);
            // Offsets in the unused end of a block of 8-byte cells are never allocated.
            for cell in MAX_CELLS..2048 {
                prop_assert!(!record.is_allocated(&memory, Bit::of(cell)));
            }
        }
        for beside in [0, 1024] {
            prop_assert!((0..64).all(|word| memory.load64(at.plus(beside), 8 * word) == 0));
        }
    }
}
