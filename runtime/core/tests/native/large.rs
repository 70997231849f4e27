//! Objects beyond a block.

use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

const BLOCK: u32 = 16_384;

#[test]
fn they_take_whole_blocks() {
    let host = TestHost::manual();
    for (size, blocks) in [(8193, 1), (BLOCK, 1), (BLOCK + 1, 2), (1 << 20, 64)] {
        let object = host.alloc(size);
        assert!(object.is_multiple_of(BLOCK));
        assert_eq!(host.size(object), blocks * BLOCK);
        let (middle, last) = (object + size / 2, object + blocks * BLOCK - 1);
        assert_eq!([host.base(middle), host.base(last)], [object; 2]);
        assert_ne!(host.base(last + 1), object);
        assert!(host.is_filled(object, blocks * BLOCK, 0));
        assert_eq!(host.size(last), blocks * BLOCK);
    }
}

#[test]
fn neighbours_live_and_die_apart() {
    let host = TestHost::manual();
    let objects: Vec<u32> = (0..8).map(|_| host.alloc(3 * BLOCK)).collect();
    for pair in objects.windows(2) {
        assert_eq!(pair[1] - pair[0], 3 * BLOCK, "they lie side by side");
    }
    for (index, &object) in objects.iter().enumerate() {
        host.fill(object, 3 * BLOCK, index as u8);
    }
    for &object in objects.iter().step_by(2) {
        host.push(object);
    }
    host.collect();
    for (index, &object) in objects.iter().enumerate() {
        assert_eq!(host.is_object(object), index % 2 == 0);
        if index % 2 == 0 {
            assert!(host.is_filled(object, 3 * BLOCK, index as u8));
        } else {
            let inside = [object, object + BLOCK, object + 3 * BLOCK - 1];
            assert_eq!(inside.map(|at| host.base(at)), [0; 3], "the tails are free too");
        }
    }
    host.check();
}

#[test]
fn their_blocks_are_used_again_and_zeroed() {
    let host = TestHost::manual();
    let first = host.alloc(5 * BLOCK);
    host.fill(first, 5 * BLOCK, 0xEE);
    host.collect();
    // As small cells, as a smaller and as a larger object.
    let small = host.alloc_root(8);
    assert_eq!(small, first);
    let next = host.alloc_root(2 * BLOCK);
    assert_eq!(next, first + BLOCK);
    let last = host.alloc_root(4 * BLOCK);
    assert!(last > next);
    for (object, size) in [(small, 8), (next, 2 * BLOCK), (last, 4 * BLOCK)] {
        assert!(host.is_filled(object, size, 0));
    }
    host.check();
}

/// A gap of exactly the size is found, also when it lies below where the last search ended.
#[test]
fn gaps_are_filled() {
    let host = TestHost::manual();
    let objects: Vec<u32> = (0..20).map(|_| host.alloc_atomic(4 * BLOCK)).collect();
    for (index, &object) in objects.iter().enumerate() {
        if index % 2 == 0 {
            host.push(object);
        }
    }
    host.collect();
    let before = host.pages();
    let mut gaps: Vec<u32> = objects.iter().skip(1).step_by(2).copied().collect();
    for _ in 0..gaps.len() {
        let object = host.alloc_atomic(4 * BLOCK);
        assert!(gaps.contains(&object) || object > objects[19], "{object:#x}");
        gaps.retain(|&gap| gap != object);
    }
    assert!(gaps.len() <= 1, "{} gaps are left", gaps.len());
    assert_eq!(host.pages(), before);
    host.check();
}

/// Without a gap for a large object, one for a smaller object is still found, without a collection.
#[test]
fn a_search_in_vain_hides_no_gap() {
    let host = TestHost::manual();
    let objects: Vec<u32> = (0..8).map(|_| host.alloc_root(2 * BLOCK)).collect();
    host.clear_stack();
    for &object in objects.iter().step_by(2) {
        host.push(object);
    }
    host.collect();
    host.memory(|memory| memory.refuse_growth(true));
    // What there is in a row beyond the gaps.
    while host.try_alloc(3 * BLOCK, false).is_ok_and(|object| {
        host.push(object);
        true
    }) {}
    let collections = host.stat(Stat::Collections);
    assert_eq!(host.alloc(2 * BLOCK), objects[1]);
    assert_eq!(host.alloc(2 * BLOCK), objects[3]);
    assert_eq!(host.stat(Stat::Collections), collections);
    host.check();
}

/// A size is too large where there are not as many blocks below MAX_PAGES; else memory is short.
#[test]
fn too_large_or_too_much() {
    for (pages, all) in [(0, 8192), (10, 10 * 65_536)] {
        let host = TestHost::new();
        let base = host.regions().program_base.get() / 65_536;
        host.configure(GcOption::MaxPages, base + pages);
        let why = failure(ErrorCode::SizeTooLarge, all + 1);
        assert_eq!(host.try_alloc(all + 1, true), Err(why));
        let why = failure(ErrorCode::HeapExhausted, all);
        assert_eq!(host.try_alloc(all, true), Err(why), "there are records too");
    }
}

/// Two gaps beside each other make one.
#[test]
fn free_neighbours_join() {
    let host = TestHost::manual();
    let objects: Vec<u32> = (0..6).map(|_| host.alloc_root(2 * BLOCK)).collect();
    host.clear_stack();
    host.push(objects[0]);
    host.push(objects[5]);
    host.collect();
    assert_eq!(host.alloc(8 * BLOCK), objects[1]);
    host.check();
}

/// The records of new blocks may lie in a block that was used before, and is full of anything.
#[test]
fn records_in_used_blocks() {
    let host = TestHost::manual();
    for _ in 0..24 {
        host.fill(host.alloc(BLOCK), BLOCK, 0xFF);
    }
    host.collect();
    // More than there is in a row: memory grows, into groups of blocks that are new to the heap.
    let large = host.alloc_root(64 * BLOCK);
    host.check();
    assert_eq!(host.size(large + 63 * BLOCK), 64 * BLOCK);
    host.pop(1);
    host.collect();
    let objects: Vec<u32> = (0..200).map(|_| host.alloc_atomic(8192)).collect();
    for &object in &objects {
        host.push(object);
        assert_eq!(host.base(object + 8191), object);
        assert_ne!(host.base(object + 8192), object);
    }
    host.check();
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 200);
}

#[test]
fn many_at_random() {
    let host = TestHost::new();
    let mut state = 7_u32;
    let (slots, rounds, sizes) = if cfg!(miri) { (4, 20, 30_000) } else { (32, 3000, 150_000) };
    for _ in 0..slots {
        host.push(0);
    }
    let base = host.regions().stack_base.get();
    for round in 0..rounds {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (slot, size) = ((state >> 8) % slots, 8193 + (state >> 13) % sizes);
        let object = host.alloc(size);
        let old = host.read(base + 4 * slot);
        if old != 0 {
            assert_eq!(
                host.read(old),
                host.read(old + host.size(old) - 4),
                "a tail was overwritten"
            );
        }
        host.write(object, round | 0x8000_0000);
        host.write(object + host.size(object) - 4, round | 0x8000_0000);
        host.write(base + 4 * slot, object);
    }
    host.check();
    assert!(host.stat(Stat::Collections) > rounds as u64 / 150);
    let most = 2 * u64::from(slots) * 170_000 + (4 << 20);
    assert!(host.stat(Stat::PeakBytes) < most, "{}", host.stat(Stat::PeakBytes));
}
