//! The heap checker: every invariant that the other modules rely on, one code each.

use crate::addr::Block;
use crate::block::{Bit, Kind, PAIRS, Place};
use crate::memory::Memory;
use crate::runtime::Runtime;

/// A broken invariant, as `gc_verify` returns it and HEAP_CORRUPT has it as its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Invariant {
    /// A byte of the block table is no kind of block.
    Kind = 1,
    /// A block in the heap has no record, or its metadata block is not the collector's.
    Record = 2,
    /// Alloc bits are set for cells that the block does not have.
    AllocBits = 3,
    /// Mark bits are set for cells that are not allocated.
    MarkBits = 4,
    /// The blocks of a large object do not belong together.
    Large = 5,
    /// The count of blocks in use is wrong.
    Used = 6,
    /// A block in a sweep list is of another kind than the list.
    SweepList = 7,
    /// An allocation run is not in a block of its kind, or its cells are not set aside.
    Run = 8,
    /// An entry of the wrap-table has no object, or its object is not flagged as a wrapper.
    WrapEntry = 9,
    /// The number of objects flagged as wrappers is not that of the entries.
    WrapCount = 10,
    /// The guard word above a shadow stack was overwritten, or `gc_sp` is out of range.
    ShadowStack = 11,
    /// A pinned object is not allocated.
    Pin = 12,
    /// A collection was interrupted in the middle.
    Interrupted = 13,
    /// The runtime's own code panicked.
    Internal = 14,
    /// The linker put static data or the linear stack where the shadow stack lies.
    MemoryMap = 15,
}

impl Invariant {
    /// All of them, in the order of their codes.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::Kind, "a byte of the block table is no kind of block"),
        (Self::Record, "a block in the heap has no record"),
        (Self::AllocBits, "alloc bits are set for cells that a block does not have"),
        (Self::MarkBits, "mark bits are set for cells that are not allocated"),
        (Self::Large, "the blocks of a large object do not belong together"),
        (Self::Used, "the count of blocks in use is wrong"),
        (Self::SweepList, "a block in a sweep list is of another kind than the list"),
        (
            Self::Run,
            "an allocation run is not in a block of its kind, or its cells are not set aside",
        ),
        (
            Self::WrapEntry,
            "an entry of the wrap-table has no object, or its object is not flagged as a wrapper",
        ),
        (Self::WrapCount, "the number of objects flagged as wrappers is not that of the entries"),
        (
            Self::ShadowStack,
            "the guard word above a shadow stack was overwritten, or gc_sp is out of range",
        ),
        (Self::Pin, "a pinned object is not allocated"),
        (Self::Interrupted, "a collection was interrupted in the middle"),
        (Self::Internal, "the runtime's own code panicked"),
        (
            Self::MemoryMap,
            "the linker put static data or the linear stack where the shadow stack lies",
        ),
    ];
}

impl<M: Memory> Runtime<M> {
    /// Walks the whole heap and every table; 0, or the code of the first broken [`Invariant`].
    pub fn verify(&self) -> u32 {
        if self.collecting {
            return Invariant::Interrupted as u32;
        }
        if self.heap.lo.is_none() {
            return 0;
        }
        self.check_all().map_or_else(|invariant| invariant as u32, |()| 0)
    }

    fn check_all(&self) -> Result<(), Invariant> {
        self.check_blocks()?;
        self.check_runs()?;
        self.check_wrappers()?;
        self.check_roots()
    }

    fn check_blocks(&self) -> Result<(), Invariant> {
        let (mut used, mut internal, mut flagged) = (0, 0, 0);
        let mut block = self.heap.lo;
        while block < self.heap.hi {
            let kind = self.kind(block);
            let mut length = 1;
            if kind.has_objects() || kind.is_free() {
                self.check_record(block)?;
            }
            if kind.is_small() {
                flagged += self.check_small(block, kind)?;
            } else if kind.has_objects() {
                length = self.check_large(block)?;
                flagged += u32::from(self.record(block).is_marked(&self.mem, Bit::of(0)));
            } else if kind == Kind::INTERNAL {
                internal += 1;
            } else if kind != Kind::FOREIGN && !kind.is_free() {
                return Err(if kind == Kind::TAIL { Invariant::Large } else { Invariant::Kind });
            }
            if kind != Kind::FOREIGN && !kind.is_free() {
                used += length;
            }
            block = block.plus(length);
        }
        if used != self.heap.used || internal != self.heap.internal {
            return Err(Invariant::Used);
        }
        if flagged == self.wraps.live { Ok(()) } else { Err(Invariant::WrapCount) }
    }

    fn check_record(&self, block: Block) -> Result<(), Invariant> {
        let metadata = self.record_addr(block).block();
        if self.kind(metadata) == Kind::INTERNAL { Ok(()) } else { Err(Invariant::Record) }
    }

    /// Returns how many cells are flagged as wrappers.
    fn check_small(&self, block: Block, kind: Kind) -> Result<u32, Invariant> {
        if kind >= Kind::END {
            return Err(Invariant::Kind);
        }
        let record = self.record(block);
        let cells = self.classes.cells(kind);
        if record.find(&self.mem, cells, 2048, true) != 2048 {
            return Err(Invariant::AllocBits);
        }
        let mut flagged = 0;
        let mut pair = 0;
        while pair < PAIRS {
            let marks = record.mark_word(&self.mem, pair);
            if marks & !record.alloc_word(&self.mem, pair) != 0 {
                return Err(Invariant::MarkBits);
            }
            flagged += marks.count_ones();
            pair += 1;
        }
        Ok(flagged)
    }

    fn check_large(&self, block: Block) -> Result<u32, Invariant> {
        let record = self.record(block);
        let length = record.length(&self.mem);
        let end = block.plus(length);
        if length == 0 || end > self.heap.hi || record.alloc_word(&self.mem, 0) != 1 {
            return Err(Invariant::Large);
        }
        let mut distance = 0;
        while distance + 1 < length {
            distance += 1;
            let tail = block.plus(distance);
            if self.kind(tail) != Kind::TAIL || self.record(tail).length(&self.mem) != distance {
                return Err(Invariant::Large);
            }
        }
        Ok(length)
    }

    fn check_runs(&self) -> Result<(), Invariant> {
        let mut next = Kind::FIRST_SMALL;
        while next != Kind::END {
            let kind = next;
            next = next.next();
            let (run, sweep) = (self.runs[kind.index()], self.sweep[kind.list()]);
            if run.bump != run.end {
                let block = run.bump.block();
                let first = self.classes.cell_at(kind, run.bump.block_offset());
                let end = self.classes.cell_at(kind, run.end.since(block.start()));
                let base = block.start().plus(first * kind.class().cell_size());
                if self.kind(block) != kind || first > end || base != run.bump {
                    return Err(Invariant::Run);
                }
                if self.record(block).find(&self.mem, first, end, false) != end {
                    return Err(Invariant::Run);
                }
            }
            let mut listed = sweep.first;
            let mut left = self.heap.hi.index() - self.heap.lo.index();
            while !listed.is_none() {
                if left == 0 || self.kind(listed) != kind {
                    return Err(Invariant::SweepList);
                }
                left -= 1;
                listed = Block::new(self.record(listed).link(&self.mem));
            }
        }
        Ok(())
    }

    fn check_wrappers(&self) -> Result<(), Invariant> {
        let mut entry = 0;
        while entry < self.wraps.live {
            let ptr = self.wrap_ptr(entry);
            entry += 1;
            let place = self.place_of(ptr);
            if place == Place::NONE || !place.is_marked(&self.mem) {
                return Err(Invariant::WrapEntry);
            }
        }
        Ok(())
    }

    fn check_roots(&self) -> Result<(), Invariant> {
        if !self.stacks_are_sound() {
            return Err(Invariant::ShadowStack);
        }
        if self.pins_are_objects() { Ok(()) } else { Err(Invariant::Pin) }
    }
}
