//! Option BLACKLIST: blocks that words point into by accident, the objects that are put there, and that nothing is lost by it.

use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;

use crate::host::TestHost;

const BLOCK: u32 = 16_384;

/// Gives a host's heap a live object of `words` words, which point to blocks of the heap, and of what it will grow into,
/// that `is_noted` says yes to, and has them noted. Returns the first block of the heap.
fn pointing(host: &TestHost, words: u32, is_noted: impl Fn(u32) -> bool) -> u32 {
    host.configure(GcOption::Blacklist, 1);
    let object = host.alloc_root(4 * words);
    host.collect();
    let first = host.regions().program_base.get() / BLOCK;
    let noted = (first..first + 16_000).filter(|&block| is_noted(block)).take(words as usize);
    for (word, block) in noted.enumerate() {
        host.write(object + 4 * word as u32, block * BLOCK + 16 * (word as u32 % 1000));
    }
    host.collect();
    first
}

/// Lists that die do so, with every other block of the heap and of what it grows into pointed to.
#[test]
fn lists_are_not_put_where_words_point() {
    let host = TestHost::manual();
    pointing(&host, 4096, |block| block.is_multiple_of(3));
    let live = host.stat(Stat::LiveObjects);
    let cells = if cfg!(miri) { 3000 } else { 100_000 };
    let mut list = 0;
    host.push(0);
    for count in 1..=cells {
        let cell = host.alloc(16);
        assert_ne!(cell / BLOCK % 3, 0, "{cell:#x} is in a block that a word points to");
        host.write(cell, list);
        list = cell;
        host.write(host.sp() - 4, list);
        if count % (cells / 4) == 0 {
            host.collect();
            host.check();
        }
    }
    host.pop(1);
    host.collect();
    assert_eq!(host.stat(Stat::LiveObjects), live, "nothing is kept by accident");
    host.check();
}

/// An object without pointers keeps nothing else alive: it goes there first.
#[test]
fn what_has_no_pointers_takes_noted_blocks() {
    let host = TestHost::manual();
    // The heap is larger than the blocks in use, so that there are free blocks to note.
    host.alloc(40 * BLOCK);
    let first = pointing(&host, 1024, |block| block.is_multiple_of(2));
    let end = host.pages() * 4;
    let noted = (first..end).filter(|block| block.is_multiple_of(2)).count();
    for _ in 0..noted.min(8) {
        let object = host.alloc_atomic(8192);
        assert_eq!(object / BLOCK % 2, 0);
        let other = host.alloc(8192);
        assert_eq!(other / BLOCK % 2, 1);
        host.alloc_atomic(8192);
        host.alloc(8192);
    }
    host.check();
}

/// The first block of a large object is one that no word points to, while there is a choice.
#[test]
fn large_objects_start_in_other_blocks() {
    let host = TestHost::manual();
    host.alloc(100 * BLOCK);
    pointing(&host, 1024, |block| block % 4 != 0);
    for _ in 0..5 {
        assert_eq!(host.alloc(3 * BLOCK) / BLOCK % 4, 0);
    }
    host.check();
}

/// Without more memory there is no choice: as many objects fit as without any word that points there.
#[test]
fn without_a_choice_noted_blocks_are_used() {
    let room = |words: u32, limit: u32, size: u32| {
        let host = TestHost::with_pages(32);
        host.configure(GcOption::MinHeap, 1 << 30);
        host.configure(GcOption::HeapLimit, limit);
        pointing(&host, 4096, |block| words != 0 && block % words == 0);
        let mut objects = 0;
        while host.try_alloc(size, false).map(|object| host.push(object)).is_ok() {
            objects += 1;
        }
        host.check();
        objects
    };
    for limit in [0, 1 << 19] {
        for size in [16, 8192] {
            let plain = room(0, limit, size);
            assert!(plain > 16, "{plain} objects");
            for words in [1, 2, 7] {
                assert_eq!(room(words, limit, size), plain, "{words} {size}");
            }
        }
    }
}

/// However many blocks are pointed to, memory grows by no more than half of the blocks in use.
#[test]
fn memory_does_not_grow_without_end() {
    let pages = |is_noted: fn(u32) -> bool| {
        let host = TestHost::manual();
        pointing(&host, 4096, is_noted);
        for count in 0..1000 {
            host.alloc_root(8192);
            if count % 50 == 0 {
                host.collect();
            }
        }
        host.check();
        host.pages()
    };
    let plain = pages(|_| false);
    for is_noted in
        [|_| true, |block: u32| !block.is_multiple_of(8), |block: u32| block.is_multiple_of(2)]
    {
        let found = pages(is_noted);
        assert!(found <= plain * 7 / 4, "{found} pages instead of {plain}");
    }
}

/// A note beyond the heap is no claim: pages that another allocator grows there stay its own.
#[test]
fn notes_beyond_the_heap_take_nothing() {
    let host = TestHost::manual();
    pointing(&host, 4096, |_| true);
    let foreign = host.foreign_grow(2).expect("memory");
    host.fill(foreign << 16, 2 << 16, 0xF0);
    for _ in 0..100 {
        host.alloc_root(8192);
        host.alloc_atomic(8192);
    }
    host.alloc_root(50 * BLOCK);
    host.collect();
    assert!(host.is_filled(foreign << 16, 2 << 16, 0xF0));
    host.check();
}

/// Without the option all free blocks are alike, also when it was on before.
#[test]
fn without_the_option_nothing_is_noted() {
    let host = TestHost::manual();
    host.alloc(40 * BLOCK);
    let first = pointing(&host, 1024, |block| block.is_multiple_of(2));
    host.configure(GcOption::Blacklist, 0);
    host.collect();
    let mut found = [0; 2];
    for _ in 0..8 {
        let object = host.alloc(8192);
        host.alloc(8192);
        assert!(object / BLOCK >= first);
        found[(object / BLOCK % 2) as usize] += 1;
    }
    assert_eq!(found, [4, 4], "lowest first");
    host.check();
}

/// With INTERIOR any word keeps an object alive, and one into any block of a large object.
#[test]
fn with_interior_each_word_counts() {
    let host = TestHost::manual();
    host.configure(GcOption::Interior, 1);
    host.configure(GcOption::Blacklist, 1);
    host.alloc(100 * BLOCK);
    let object = host.alloc_root(4096);
    host.collect();
    let first = host.regions().program_base.get() / BLOCK;
    for word in 0..25 {
        host.write(object + 4 * word, (first + 4 * word) * BLOCK + 16 * word + 3);
    }
    host.collect();
    let noted = |block: u32| (block - first).is_multiple_of(4);
    for count in [1, 2, 3, 3, 2, 1, 1] {
        let large = host.alloc(count * BLOCK) / BLOCK;
        assert!((large..large + count).all(|block| !noted(block)), "{count} blocks from {large}");
    }
    // A run of four is only beyond the last noted block.
    assert!(host.alloc(4 * BLOCK) / BLOCK > first + 96);
    host.check();
}

/// A heap whose memory does not suffice for the table does without it.
#[test]
fn no_room_for_the_table() {
    let host = TestHost::with_pages(20);
    host.configure(GcOption::MinHeap, 1 << 30);
    while host.try_alloc(8192, false).map(|object| host.push(object)).is_ok() {}
    while host.try_alloc(8, true).map(|object| host.push(object)).is_ok() {}
    let tables = host.stat(Stat::TableBytes);
    host.configure(GcOption::Blacklist, 1);
    host.collect();
    assert_eq!(host.stat(Stat::TableBytes), tables);
    host.pop(8);
    host.collect();
    host.check();
}
