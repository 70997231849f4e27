//! The core beside Rust's own allocator in one wasm memory, under node.
#![cfg(target_arch = "wasm32")]

use std::arch::wasm32;
use std::collections::HashSet;

use in_wasm::Heap;
use runtime::options::GcOption;
use runtime::stats::Stat;
use wasm_bindgen_test::wasm_bindgen_test;

/// Builds a list of the numbers below `n` in front of the topmost root.
fn prepend(heap: &Heap, from: u32, to: u32) {
    for number in from..to {
        let cell = heap.alloc(16).expect("room");
        assert_eq!(
            (heap.read(cell), heap.read(cell + 4), heap.read(cell + 12)),
            (0, 0, 0),
            "not zero"
        );
        // an odd number looks like no pointer
        heap.write(cell, 2 * number + 1);
        heap.write(cell + 8, heap.top());
        heap.pop(1);
        heap.push(cell);
    }
}

/// Walks a list down from `n - 1`.
fn assert_list(heap: &Heap, mut cell: u32, n: u32) {
    for number in (0..n).rev() {
        assert_eq!(heap.read(cell), 2 * number + 1, "cell {number} of {n}");
        assert_eq!(heap.base(cell), cell);
        cell = heap.read(cell + 8);
    }
    assert_eq!(cell, 0);
}

/// A block of Rust's, filled with a byte, and where it lies.
fn block(bytes: usize, fill: u8) -> Vec<u8> {
    vec![fill; bytes]
}

fn is_intact(block: &[u8], fill: u8) -> bool {
    block.iter().all(|byte| *byte == fill)
}

#[wasm_bindgen_test]
fn both_allocators_grow_the_memory_in_turns_and_neither_touches_the_others() {
    let heap = Heap::default();
    heap.push(0);
    let mut blocks = Vec::new();
    for round in 0..40_u32 {
        // more than a page, so that Rust's allocator has to grow the memory too
        blocks.push(block(150_000 + 1_000 * round as usize, round as u8 + 1));
        prepend(&heap, 2_000 * round, 2_000 * (round + 1));
        if round % 8 == 7 {
            // and some go back to Rust's allocator
            blocks[round as usize - 3] = Vec::new();
        }
        for (fill, block) in (1_u8..).zip(&blocks) {
            assert!(is_intact(block, fill), "round {round}: a block of Rust's was overwritten");
            if !block.is_empty() {
                assert_eq!(heap.base(block.as_ptr() as u32), 0, "a block of Rust's is no object");
            }
        }
        assert_eq!(heap.verify(), 0);
    }
    heap.collect();
    assert_eq!(heap.stat(Stat::LiveObjects), 80_000);
    assert_list(&heap, heap.top(), 80_000);
    heap.pop(1);
    heap.collect();
    assert_eq!(heap.stat(Stat::LiveObjects), 0);
    assert_eq!(heap.verify(), 0);
}

/// Between making the runtime and its first allocation another allocator takes pages: they are not the heap's.
#[wasm_bindgen_test]
fn memory_that_was_grown_before_the_first_allocation_is_not_the_heaps() {
    let heap = Heap::default();
    let page = wasm32::memory_grow::<0>(3);
    assert_ne!(page, usize::MAX);
    let (start, end) = (page as u32 * 65_536, (page as u32 + 3) * 65_536);
    for at in (start..end).step_by(4) {
        heap.write(at, 0xeeee_eeee);
    }
    heap.push(0);
    prepend(&heap, 0, 20_000);
    let spoilt = (start..end).step_by(4).find(|at| heap.read(*at) != 0xeeee_eeee);
    assert_eq!(spoilt, None, "the heap took pages that it had not grown");
    assert_list(&heap, heap.top(), 20_000);
    heap.pop(1);
}

#[wasm_bindgen_test]
fn garbage_of_many_sizes_runs_through_bounded_memory() {
    let heap = Heap::default();
    let before = wasm32::memory_size::<0>();
    let mut seed = 1_u32;
    for _ in 0..300_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = if seed >> 24 == 0 { 30_000 } else { (seed >> 8) % 400 };
        let object = heap.alloc(size).expect("room");
        assert_eq!(object % 8, 0);
    }
    let grown = (wasm32::memory_size::<0>() - before) * 65_536;
    assert!(grown <= 2 << 20, "{grown} bytes for 70 MB of garbage");
    assert!(heap.stat(Stat::Collections) > 50);
    assert_eq!(heap.verify(), 0);
}

/// The host is Rust code that allocates on both sides whenever it is told.
#[wasm_bindgen_test]
fn the_host_is_told_once_and_may_use_both_allocators() {
    let heap = Heap::with_callback(|heap, kind, handle| {
        let mut text = format!("{kind}:{handle}");
        text.push_str(&"x".repeat(handle as usize % 3_000));
        let object = heap.alloc(text.len() as u32).expect("room");
        for (at, chunk) in (object..).step_by(4).zip(text.as_bytes().chunks_exact(4)) {
            heap.write(at, u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
        }
        if kind == 1 {
            let wrapper = heap.alloc(12).expect("room");
            heap.register(wrapper, 2, handle).expect("room in the table");
        }
    });
    heap.configure(GcOption::Poison, 1);
    heap.configure(GcOption::Verify, 1);
    let mut told = Vec::new();
    for handle in 0..20_000 {
        let wrapper = heap.alloc(12).expect("room");
        heap.write(wrapper + 4, handle | 0x8000_0000);
        heap.register(wrapper, 1, handle).expect("room in the table");
        assert_eq!(heap.read(wrapper + 4), handle | 0x8000_0000, "the wrapper in flight");
        told.append(&mut heap.told());
    }
    heap.collect();
    heap.shutdown();
    told.append(&mut heap.told());
    // those that the callback registered while gc_shutdown told it
    heap.shutdown();
    told.append(&mut heap.told());
    let distinct: HashSet<_> = told.iter().collect();
    assert_eq!(distinct.len(), told.len(), "told twice");
    assert_eq!(told.len(), 40_000);
    assert_eq!(heap.verify(), 0);
}

#[wasm_bindgen_test]
fn a_released_wrapper_is_told_at_once() {
    let heap = Heap::default();
    let wrapper = heap.alloc(12).expect("room");
    heap.register(wrapper, 3, 7).expect("room in the table");
    assert_eq!(heap.release(wrapper), Ok(true));
    assert_eq!(heap.told(), [(3, 7)]);
    assert_eq!(heap.release(wrapper), Ok(false));
    heap.collect();
    heap.shutdown();
    assert_eq!(heap.told(), []);
}

/// A list whose cells each hold 15 leaves, before the pointer to the next cell and behind it: in one of the two, a
/// marker that goes depth first has the leaves waiting, but for those that it looks ahead at.
#[wasm_bindgen_test]
fn a_deep_tree_survives_with_the_mark_stack_refused() {
    const CELLS: u32 = 5_000;
    let mut overflows = 0;
    for next in [0, 60] {
        let heap = Heap::default();
        heap.configure(GcOption::MarkStackLimit, 0);
        heap.push(0);
        for _ in 0..CELLS {
            let cell = heap.alloc(64).expect("room");
            heap.write(cell + next, heap.top());
            heap.pop(1);
            heap.push(cell);
            for word in (0..64).step_by(4).filter(|word| *word != next) {
                let leaf = heap.alloc(8).expect("room");
                heap.write(leaf, 2 * word + 1);
                heap.write(cell + word, leaf);
            }
        }
        heap.collect();
        overflows += heap.stat(Stat::MarkOverflows);
        assert_eq!(heap.stat(Stat::LiveObjects), 16 * i64::from(CELLS));
        let mut cell = heap.top();
        for _ in 0..CELLS {
            for word in (0..64).step_by(4).filter(|word| *word != next) {
                assert_eq!(heap.read(heap.read(cell + word)), 2 * word + 1);
            }
            cell = heap.read(cell + next);
        }
        assert_eq!(heap.verify(), 0);
        heap.pop(1);
    }
    assert!(overflows > 0, "60,000 waiting objects fit a mark stack without memory");
}

/// Two runtimes in one memory: each sees its own objects only.
#[wasm_bindgen_test]
fn two_heaps_share_one_memory() {
    let heaps = [Heap::default(), Heap::default()];
    for heap in &heaps {
        heap.push(0);
        heap.configure(GcOption::Poison, 1);
    }
    for round in 0..20 {
        for heap in &heaps {
            prepend(heap, 1_000 * round, 1_000 * (round + 1));
        }
    }
    let [first, second] = &heaps;
    assert_eq!(second.base(first.top()), 0, "an object of the other heap");
    // a pointer into the other heap is just a number
    let wrapper = second.alloc(8).expect("room");
    second.register(wrapper, 1, 1).expect("room in the table");
    first.push(wrapper);
    for heap in &heaps {
        heap.collect();
        assert_eq!(heap.stat(Stat::LiveObjects), 20_000);
        assert_eq!(heap.verify(), 0);
    }
    assert_eq!(second.told(), [(1, 1)]);
    assert_eq!(first.told(), []);
    first.pop(1);
    for heap in &heaps {
        assert_list(heap, heap.top(), 20_000);
        heap.pop(1);
    }
}

#[wasm_bindgen_test]
fn a_heap_limit_is_an_answer_and_not_a_panic() {
    let heap = Heap::default();
    heap.configure(GcOption::HeapLimit, 1 << 20);
    let mut objects = 0;
    while let Some(object) = heap.alloc(100) {
        heap.push(object);
        objects += 1;
    }
    assert!((8_000..11_000).contains(&objects), "{objects} objects of 100 bytes in 1 MiB");
    heap.pop(objects);
    heap.collect();
    assert_eq!(heap.stat(Stat::LiveObjects), 0);
    heap.alloc(100).expect("room again");
    assert_eq!(heap.verify(), 0);
}
