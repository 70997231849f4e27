//! `gc_verify` finds what it says it finds: each invariant is broken once.

use rootstock_core::addr::{Addr, Block};
use rootstock_core::block::{Bit, GROUP_BLOCKS, GROUP_SHIFT, Kind, RECORD_SHIFT, Record};
use rootstock_core::error::ErrorCode;
use rootstock_core::host::Host;
use rootstock_core::options::GcOption;
use rootstock_core::verify::Invariant;

use crate::host::{TestHost, failure};
use crate::memory::TestMemory;

fn block_of(object: u32) -> Block {
    Addr::new(object).block()
}

fn set_kind(host: &TestHost, block: Block, kind: Kind) {
    host.write8(host.regions().block_table.get() + block.index(), kind.byte());
}

fn kind(host: &TestHost, block: Block) -> Kind {
    Kind::from_byte(host.read8(host.regions().block_table.get() + block.index()))
}

/// The directory's entry for a block's group: the address of its metadata block.
fn directory_entry(host: &TestHost, block: Block) -> u32 {
    host.regions().directory.get() + (block.index() >> GROUP_SHIFT) * 4
}

/// Does something to the record of a block.
fn record(host: &TestHost, block: Block, f: impl FnOnce(Record, &mut TestMemory)) {
    let metadata = host.read(directory_entry(host, block));
    let slot = block.index() % GROUP_BLOCKS;
    let record = Record::at(Addr::new(metadata + (slot << RECORD_SHIFT)));
    host.memory(|memory| f(record, memory));
}

/// The heap is in order, then something is broken, then this is found; and a collection with
/// VERIFY reports it as HEAP_CORRUPT (unless it repairs it, as it builds all marks again).
#[track_caller]
fn finds(host: &TestHost, invariant: Invariant, plant: impl FnOnce(&TestHost)) {
    assert_eq!(host.verify(), 0);
    plant(host);
    assert_eq!(host.verify(), invariant as u32, "{invariant:?}");
}

#[test]
fn the_invariants_are_numbered_from_one() {
    for (index, (invariant, text)) in Invariant::ALL.into_iter().enumerate() {
        assert_eq!(invariant as usize, index + 1);
        assert!(!text.is_empty());
    }
}

#[test]
fn kinds_that_do_not_exist() {
    for byte in [4, Kind::END.byte(), 0xFF] {
        let host = TestHost::manual();
        let object = host.alloc_root(100_000);
        host.collect();
        host.clear_stack();
        host.collect();
        let free = block_of(object);
        assert!(kind(&host, free).is_free());
        finds(&host, Invariant::Kind, |host| set_kind(host, free, Kind::from_byte(byte)));
    }
}

#[test]
fn a_record_that_is_gone() {
    let host = TestHost::manual();
    let object = host.alloc_root(16);
    let entry = directory_entry(&host, block_of(object));
    finds(&host, Invariant::Record, |host| host.write(entry, 0));
    // Nor may it lie in a block that is not the collector's.
    let host = TestHost::manual();
    let object = host.alloc_root(16);
    let entry = directory_entry(&host, block_of(object));
    finds(&host, Invariant::Record, |host| host.write(entry, object & !0x3FFF));
}

#[test]
fn cells_beyond_the_last() {
    let host = TestHost::manual();
    for (size, cell) in [(8, 1920), (48, 341), (8192, 2), (1168, 14)] {
        let object = host.alloc_root(size);
        let block = block_of(object);
        for cell in [cell, cell | 63, 1984] {
            let (pair, bit) = (cell / 64, 1 << (cell % 64));
            let flip = |host: &TestHost| {
                record(host, block, |record, memory| {
                    let word = record.alloc_word(memory, pair);
                    record.set_alloc_word(memory, pair, word ^ bit);
                });
            };
            finds(&host, Invariant::AllocBits, flip);
            flip(&host);
        }
    }
}

#[test]
fn marks_on_what_is_not_allocated() {
    for size in [8, 16, 8192] {
        let host = TestHost::manual();
        let object = host.alloc_root(size);
        // No run is left, so that the second cell is free.
        host.collect();
        finds(&host, Invariant::MarkBits, |host| {
            record(host, block_of(object), |record, memory| {
                record.set_mark_word(memory, 0, 2);
            });
        });
    }
}

#[test]
fn large_objects_in_pieces() {
    let size = 3 * 16_384;
    let plants: [fn(&TestHost, Block); 6] = [
        |host, head| set_kind(host, head.plus(1), Kind::FREE),
        |host, head| set_kind(host, head, Kind::FREE),
        |host, head| record(host, head, |record, memory| record.set_length(memory, 0)),
        |host, head| record(host, head, |record, memory| record.set_length(memory, 1 << 18)),
        |host, head| record(host, head.plus(2), |record, memory| record.set_length(memory, 1)),
        |host, head| record(host, head, |record, memory| record.set_alloc_word(memory, 0, 0)),
    ];
    for plant in plants {
        let host = TestHost::manual();
        let object = host.alloc_root(size);
        finds(&host, Invariant::Large, |host| plant(host, block_of(object)));
    }
}

#[test]
fn blocks_that_are_not_counted() {
    let host = TestHost::manual();
    let object = host.alloc_root(16);
    // In a heap this small the next block is free.
    let next = block_of(object).plus(1);
    assert!(kind(&host, next).is_free());
    finds(&host, Invariant::Used, |host| set_kind(host, next, Kind::INTERNAL));
    set_kind(&host, next, Kind::FREE);
    finds(&host, Invariant::Used, |host| set_kind(host, next, Kind::small_like(host, object)));
}

trait KindLike {
    fn small_like(host: &TestHost, object: u32) -> Kind;
}

impl KindLike for Kind {
    /// The kind of the block that an object is in.
    fn small_like(host: &TestHost, object: u32) -> Kind {
        kind(host, block_of(object))
    }
}

#[test]
fn sweep_lists_of_another_kind() {
    let links: [fn(Block, Block) -> u32; 3] = [
        // To a block of another kind, around in a circle, and out of the heap.
        |_, other| other.index(),
        |first, _| first.index(),
        |_, _| 1,
    ];
    for link in links {
        let host = TestHost::manual();
        // Two partial blocks of one kind are in a list, with one of another kind beside them.
        let objects: Vec<u32> = (0..2048).map(|_| host.alloc(16)).collect();
        let other = host.alloc_root(64);
        host.push(objects[0]);
        host.push(objects[2047]);
        host.collect();
        let (first, other) = (block_of(objects[0]), block_of(other));
        assert_ne!(first, block_of(objects[2047]));
        finds(&host, Invariant::SweepList, |host| {
            record(host, first, |record, memory| record.set_link(memory, link(first, other)));
        });
    }
}

#[test]
fn runs_whose_cells_are_not_set_aside() {
    let host = TestHost::manual();
    let object = host.alloc_root(64);
    finds(&host, Invariant::Run, |host| {
        record(host, block_of(object), |record, memory| record.set_alloc(memory, 100, 101, false));
    });
    let host = TestHost::manual();
    let (object, other) = (host.alloc_root(64), host.alloc_root(48));
    let like = Kind::small_like(&host, other);
    finds(&host, Invariant::Run, |host| {
        // Fewer cells, so that the alloc bits are in order.
        record(host, block_of(object), |record, memory| record.set_alloc(memory, 0, 341, true));
        set_kind(host, block_of(object), like);
    });
}

/// Two objects, of which the first is a wrapper.
fn wrapper_and_object(host: &TestHost) -> (u32, u32) {
    (host.wrapper_root(1), host.alloc_root(16))
}

fn flag(host: &TestHost, object: u32, set: bool) {
    let cell = object % 16_384 / host.size(object);
    record(host, block_of(object), |record, memory| {
        let (pair, bit) = (cell / 64, 1 << (cell % 64));
        let word = record.mark_word(memory, pair) & !bit;
        record.set_mark_word(memory, pair, if set { word | bit } else { word });
    });
}

#[test]
fn wrappers_without_their_objects() {
    let host = TestHost::manual();
    let (wrapper, object) = wrapper_and_object(&host);
    let entry = host.regions().wrap_table.get();
    assert_eq!(host.read(entry), wrapper, "where the table is to begin with");
    for wrong in [object, wrapper + 4, 0, object + 16, u32::MAX] {
        finds(&host, Invariant::WrapEntry, |host| host.write(entry, wrong));
        host.write(entry, wrapper);
    }
    finds(&host, Invariant::WrapEntry, |host| {
        flag(host, wrapper, false);
        flag(host, object, true);
    });
}

#[test]
fn flags_without_entries() {
    let host = TestHost::manual();
    let (wrapper, object) = wrapper_and_object(&host);
    finds(&host, Invariant::WrapCount, |host| flag(host, object, true));
    flag(&host, object, false);
    finds(&host, Invariant::WrapCount, |host| flag(host, wrapper, false));
    flag(&host, wrapper, true);
    let large = host.alloc_root(20_000);
    finds(&host, Invariant::WrapCount, |host| {
        record(host, block_of(large), |record, memory| {
            record.set_mark(memory, Bit::of(0), true);
        });
    });
}

#[test]
fn shadow_stacks_out_of_order() {
    let host = TestHost::manual();
    host.alloc_root(16);
    let (good, limit) = (host.sp(), host.regions().stack_limit.get());
    for bad in [good + 1, limit + 4, host.regions().stack_base.get() - 4] {
        finds(&host, Invariant::ShadowStack, |host| host.set_sp(bad));
        host.set_sp(good);
    }
    finds(&host, Invariant::ShadowStack, |host| host.write(limit, 0));
}

#[test]
fn pins_of_nothing() {
    let host = TestHost::manual();
    let object = host.alloc(16);
    host.pin(object).expect("an object");
    // No run is left, so that a cell may be free.
    host.collect();
    finds(&host, Invariant::Pin, |host| {
        record(host, block_of(object), |record, memory| record.set_alloc_word(memory, 0, 0));
    });
}

/// With VERIFY a collection reports what is broken, and the host can read what it is.
#[test]
fn a_collection_reports_what_it_finds() {
    let host = TestHost::manual();
    let object = host.alloc_root(16);
    host.configure(GcOption::Verify, 1);
    host.collect();
    let next = block_of(object).plus(1);
    set_kind(&host, next, Kind::INTERNAL);
    let why = failure(ErrorCode::HeapCorrupt, Invariant::Used as u32);
    assert_eq!(host.try_collect(), Err(why));
    host.configure(GcOption::Eager, 1);
    assert_eq!(host.try_alloc(8, false), Err(why));
    set_kind(&host, next, Kind::FREE);
    host.collect();
    host.alloc(8);
}

/// The code that `runtime.wasm` gives for a panic of its own.
#[test]
fn what_nothing_can_be_done_about_is_noted() {
    let host = TestHost::manual();
    assert_eq!(host.failure(), None);
    host.with(|runtime| runtime.note(Invariant::Internal));
    assert_eq!(host.failure(), Some(failure(ErrorCode::HeapCorrupt, Invariant::Internal as u32)));
}
