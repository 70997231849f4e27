//! The objects that a collection reaches, whatever the shape of the graph and the memory there is for marking.

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;

/// Sizes that take too long under Miri are cut.
fn scaled(count: u32) -> u32 {
    if cfg!(miri) { count / 1000 } else { count }
}

/// A list of two-word cells, (next, number), whose head is the only root.
fn list(host: &TestHost, length: u32) {
    host.push(0);
    let slot = host.sp() - 4;
    for number in 0..length {
        let cell = host.alloc(8);
        host.write(cell, host.read(slot));
        host.write(cell + 4, number | 0x8000_0000);
        host.write(slot, cell);
    }
}

fn check_list(host: &TestHost, slot: u32, length: u32) {
    let mut cell = host.read(slot);
    for number in (0..length).rev() {
        assert_eq!(host.read(cell + 4), number | 0x8000_0000);
        cell = host.read(cell);
    }
    assert_eq!(cell, 0);
}

#[test]
fn a_deep_list() {
    let host = TestHost::new();
    let length = scaled(1_000_000);
    list(&host, length);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), u64::from(length));
    assert_eq!(host.stat(Stat::MarkOverflows), 0);
    check_list(&host, host.sp() - 4, length);
    host.pop(1);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 0);
    host.check();
}

/// Without memory beyond the built-in part of the mark stack.
fn cramped() -> TestHost {
    TestHost::with_options(&[(GcOption::MarkStackLimit, 0)])
}

/// Elements of each node of a list of bunches: more than marking looks ahead at.
const BUNCH: u32 = 15;

/// A list whose nodes have a bunch of elements in front of the rest, so that marking leaves most of
/// them on the stack.
fn list_of_bunches(host: &TestHost, length: u32) -> u32 {
    host.push(0);
    let slot = host.sp() - 4;
    for number in 0..length {
        let node = host.alloc_root(4 * BUNCH + 4);
        host.write(node + 4 * BUNCH, host.read(slot));
        for index in 0..BUNCH {
            let element = host.alloc(16);
            host.write(node + 4 * index, element);
            host.write(element + 4, (number * BUNCH + index) | 0x8000_0000);
        }
        host.write(slot, node);
        host.pop(1);
    }
    slot
}

fn check_bunches(host: &TestHost, slot: u32, length: u32) {
    let mut node = host.read(slot);
    for number in (0..length).rev() {
        for index in 0..BUNCH {
            let element = host.read(node + 4 * index);
            assert_eq!(host.read(element + 4), (number * BUNCH + index) | 0x8000_0000);
        }
        node = host.read(node + 4 * BUNCH);
    }
    assert_eq!(node, 0);
}

#[test]
fn the_memory_of_the_mark_stack_is_given_back() {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 64 << 20)]);
    list_of_bunches(&host, scaled(10_000));
    let tables = host.stat(Stat::TableBytes);
    for _ in 0..3 {
        host.collect();
        // But for the records of the blocks that memory grew by.
        assert!(host.stat(Stat::TableBytes) <= tables + 32_768);
        assert_eq!(host.stat(Stat::MarkOverflows), 0);
        host.check();
    }
    // It was there: 4 bytes for each element.
    assert!(cfg!(miri) || host.stat(Stat::PeakBytes) > host.stat(Stat::HeapBytes) + 200_000);
}

/// MARK_STACK_LIMIT is what the stack takes of the heap, in whole blocks. Where it is too little few are scanned again.
#[test]
#[cfg_attr(miri, ignore = "too much to mark")]
fn the_mark_stack_has_a_limit() {
    let length = 10_000;
    let objects = length * (BUNCH + 1);
    // A node has 16 words and an element 4; one slot, and the blocks of either.
    let work = length * (16 + 4 * BUNCH)
        + objects
        + 1
        + length.div_ceil(256)
        + (length * BUNCH).div_ceil(1024);
    for blocks in [0, 1, 3, 6, 100] {
        let limit = (GcOption::MarkStackLimit, blocks * 16_384 + 16_383);
        let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30), limit]);
        list_of_bunches(&host, length);
        let used = host.stat(Stat::HeapBytes);
        for _ in 0..3 {
            let overflows = host.stat(Stat::MarkOverflows);
            host.collect();
            let overflows = host.stat(Stat::MarkOverflows) - overflows;
            let more = host.stat(Stat::LastWork) - u64::from(work);
            if blocks == 100 {
                assert_eq!((overflows, more), (0, 0));
            } else {
                assert_eq!(host.stat(Stat::PeakBytes) - used, u64::from(blocks) * 16_384);
                assert!((1..=20).contains(&overflows), "{overflows}");
                assert!(more < u64::from(work) / 8, "{more}");
            }
            assert_eq!(host.stat(Stat::LiveObjects), u64::from(objects));
        }
    }
}

#[test]
fn a_list_of_bunches_without_mark_stack() {
    let host = cramped();
    let length = scaled(20_000);
    let slot = list_of_bunches(&host, length);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), u64::from((BUNCH + 1) * length));
    assert!(cfg!(miri) || host.stat(Stat::MarkOverflows) > 0);
    check_bunches(&host, slot, length);
    host.check();
}

/// A tree whose nodes have one child that is a tree, after many that are leaves: the leaves of all
/// levels wait on the mark stack while it is walked to the bottom.
#[test]
fn a_deep_tree_without_mark_stack() {
    let host = cramped();
    let (width, depth) = if cfg!(miri) { (10, 3) } else { (250, 400) };
    host.push(0);
    let slot = host.sp() - 4;
    for _ in 0..depth {
        let node = host.alloc_root(4 * width);
        for child in 0..width - 1 {
            let leaf = host.alloc(16);
            host.write(leaf, child | 0x8000_0000);
            host.write(node + 4 * child, leaf);
        }
        host.write(node + 4 * (width - 1), host.read(slot));
        host.write(slot, node);
        host.pop(1);
    }
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), u64::from(width * depth));
    assert!(cfg!(miri) || host.stat(Stat::MarkOverflows) > 0);
    let mut node = host.read(slot);
    while node != 0 {
        for child in 0..width - 1 {
            assert_eq!(host.read(host.read(node + 4 * child)), child | 0x8000_0000);
        }
        node = host.read(node + 4 * (width - 1));
    }
    host.check();
}

/// One array that points to all objects, larger than the mark stack.
#[test]
fn a_star() {
    for limit in [0, 16_384, i32::MAX as u32] {
        let host = TestHost::with_options(&[(GcOption::MarkStackLimit, limit)]);
        let rays = scaled(300_000);
        let centre = host.alloc_root(4 * rays);
        for ray in 0..rays {
            let leaf = host.alloc(8);
            host.write(leaf, ray | 0x8000_0000);
            host.write(centre + 4 * ray, leaf);
        }
        host.collect();
        assert_eq!(host.stat(Stat::LiveObjects), u64::from(rays) + 1);
        for ray in 0..rays {
            assert_eq!(host.read(host.read(centre + 4 * ray)), ray | 0x8000_0000);
        }
        host.check();
    }
}

/// Objects that point to each other at random, with the worst order for the dirty blocks.
#[test]
fn a_random_graph_without_mark_stack() {
    let count = scaled(60_000);
    let degree = 8;
    let build = |limit: u32| {
        let host = TestHost::with_options(&[
            (GcOption::MarkStackLimit, limit),
            (GcOption::MinHeap, 64 << 20),
        ]);
        let nodes: Vec<u32> = (0..count).map(|_| host.alloc(4 * degree)).collect();
        let mut state = 1_u32;
        for &node in &nodes {
            for edge in 0..degree {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                host.write(node + 4 * edge, nodes[(state >> 8) as usize % nodes.len()]);
            }
        }
        host.push(nodes[0]);
        host.collect();
        host.check();
        host
    };
    let (roomy, cramped) = (build(i32::MAX as u32), build(0));
    let live = roomy.stat(Stat::LiveObjects);
    assert_eq!(cramped.stat(Stat::LiveObjects), live);
    assert_eq!(roomy.stat(Stat::MarkOverflows), 0);
    if !cfg!(miri) {
        assert!(cramped.stat(Stat::MarkOverflows) > 0);
        // Slower, but not by the square.
        let (work, most) = (cramped.stat(Stat::LastWork), 40 * roomy.stat(Stat::LastWork));
        assert!(work < most, "{work} units of work, against {} with room", most / 40);
    }
}

/// Large objects for which there is no room on the mark stack are scanned whole, from their blocks.
#[test]
fn large_objects_without_mark_stack() {
    let host = cramped();
    host.configure(GcOption::MinHeap, 64 << 20);
    let (arrays, nodes) = if cfg!(miri) { (2, 10_u32) } else { (200, 3000) };
    host.push(0);
    let slot = host.sp() - 4;
    // The arrays are at the end of the list, behind bunches that fill the stack.
    for index in 0..nodes {
        let node = host.alloc_root(4 * BUNCH + 4);
        let bytes = if index < arrays { 20_000 } else { 16 };
        for element in 0..BUNCH {
            let element_bytes = if element == BUNCH - 1 { bytes } else { 16 };
            host.write(node + 4 * element, host.alloc(element_bytes));
        }
        host.write(node + 4 * BUNCH, host.read(slot));
        host.write(slot, node);
        host.pop(1);
        if index < arrays {
            let leaf = host.alloc(8);
            host.write(host.read(node + 4 * (BUNCH - 1)) + 16_400, leaf);
        }
    }
    host.collect();
    let expected = (BUNCH + 1) * nodes + arrays;
    assert_eq!(host.stat(Stat::LiveObjects), u64::from(expected));
    assert!(cfg!(miri) || host.stat(Stat::MarkOverflows) > 0);
    host.check();
}

/// There are no blocks for the mark stack itself: the heap is at its limit.
#[test]
fn marking_in_a_full_heap() {
    let (pages, element_size) = if cfg!(miri) { (17, 1000) } else { (64, 16) };
    let host = TestHost::with_pages(pages);
    let mut head = 0;
    host.push(0);
    let slot = host.sp() - 4;
    let mut length = 0_u64;
    'full: loop {
        host.push(0);
        let Ok(node) = host.try_alloc(4 * BUNCH + 4, false) else { break };
        host.write(host.sp() - 4, node);
        for index in 0..BUNCH {
            let Ok(element) = host.try_alloc(element_size, false) else { break 'full };
            host.write(node + 4 * index, element);
        }
        host.pop(1);
        host.write(node + 4 * BUNCH, head);
        head = node;
        host.write(slot, head);
        length += 1;
    }
    host.set_sp(slot + 4);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), u64::from(BUNCH + 1) * length);
    assert!(cfg!(miri) || host.stat(Stat::MarkOverflows) > 0);
    let mut found = 0;
    while head != 0 {
        found += 1;
        head = host.read(head + 4 * BUNCH);
    }
    assert_eq!(found, length);
    host.check();
}

#[test]
fn cycles_are_freed() {
    let host = TestHost::new();
    let (a, b) = (host.alloc_root(16), host.alloc_root(16));
    host.write(a, b);
    host.write(b, a);
    host.write(a + 4, a);
    host.pop(1);
    host.collect();
    assert!(host.is_object(a) && host.is_object(b));
    host.pop(1);
    host.collect();
    assert!(!host.is_object(a) && !host.is_object(b));
}

#[test]
fn atomic_objects_are_not_scanned() {
    let host = TestHost::new();
    for size in [16, 20_000] {
        let text = host.alloc_atomic(size);
        host.push(text);
        let other = host.alloc(16);
        host.write(text, other);
        host.collect();
        assert!(host.is_object(text) && !host.is_object(other));
    }
}

#[test]
fn every_word_of_an_object_is_scanned() {
    let host = TestHost::new();
    for size in [8, 48, 1024, 1028, 8192, 16_384, if cfg!(miri) { 20_000 } else { 40_000 }] {
        let object = host.alloc_root(size);
        for at in [0, size / 8 * 4, size - 4] {
            let other = host.alloc(8);
            host.write(object + at, other);
            host.collect();
            assert!(host.is_object(other), "word {at} of {size} bytes");
            host.write(object + at, 0);
            host.collect();
            assert!(!host.is_object(other), "word {at} of {size} bytes");
        }
    }
}

#[test]
fn interior_addresses_count_when_they_are_told_to() {
    let host = TestHost::new();
    for size in [24, 3000, 50_000] {
        for (interior, inside) in [(0, 4), (1, 1), (1, size - 1)] {
            host.configure(GcOption::Interior, interior);
            let object = host.alloc_root(size);
            let other = host.alloc(8);
            host.write(object, other);
            host.pop(1);
            host.push(object + inside);
            host.collect();
            let alive = interior == 1;
            assert_eq!(host.is_object(object), alive, "{inside} of {size}");
            assert_eq!(host.is_object(other), alive, "{inside} of {size}");
            host.pop(1);
        }
    }
}

/// Words that are no object's address keep nothing alive and harm nothing.
#[test]
fn wild_words() {
    let host = TestHost::with_options(&[(GcOption::Interior, 1)]);
    let object = host.alloc(4096);
    let regions = host.regions();
    let tables = [regions.block_table, regions.directory, regions.wrap_table, regions.mark_stack];
    let wild = [1, 3, object - 1, object + 4096, u32::MAX, 0x8000_0000, 0xFFFF_C000];
    for word in wild.into_iter().chain(tables.map(|at| at.get())) {
        host.push(word);
        assert_eq!(host.base(word), 0, "{word:#x}");
        assert_eq!(host.size(word), 0, "{word:#x}");
    }
    for block in (0..1 << 18_u32).step_by(if cfg!(miri) { 1001 } else { 1 }) {
        let at = block << 14;
        assert!(host.base(at) == 0 || at == object, "{at:#x}");
    }
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), 0);
    host.check();
}

#[test]
fn roots_above_the_stack_pointer_do_not_count() {
    let host = TestHost::new();
    let object = host.alloc_root(8);
    host.pop(1);
    assert_eq!(host.read(host.sp()), object);
    host.collect();
    assert!(!host.is_object(object));
}
