//! Ranges of words that hold roots.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_core::error::ErrorCode;
use rootstock_core::stats::Stat;

use crate::host::{TestHost, failure};

#[test]
fn ranges_hold_roots() {
    let host = TestHost::new();
    let base = host.regions().program_base.get();
    host.init(base + 4096).expect("the first init");
    let object = host.alloc(16);
    host.write(base + 8, object);
    host.add_roots(base + 8, base + 12).expect("a range");
    host.add_roots(base, base + 4096).expect("ranges may overlap");
    host.collect();
    assert!(host.is_object(object));
    assert_eq!(host.stat(Stat::RootRanges), 2);
    host.remove_roots(base, base + 4096).expect("added");
    host.collect();
    assert!(host.is_object(object));
    host.remove_roots(base + 8, base + 12).expect("added");
    host.collect();
    assert!(!host.is_object(object));
    assert_eq!(host.stat(Stat::RootRanges), 0);
}

/// Exactly the words of a range are roots, wherever it starts and ends; and their number is counted as work.
#[test]
fn each_word_of_a_range_is_a_root() {
    for (start, words) in (4..6).flat_map(|start| (1..6).map(move |words| (start, words))) {
        let host = TestHost::manual();
        let base = host.regions().program_base.get();
        host.init(base + 64).expect("the first init");
        let objects: Vec<u32> = (0..16).map(|_| host.alloc(8)).collect();
        for (word, &object) in (0..).zip(&objects) {
            host.write(base + 4 * word, object);
        }
        host.add_roots(base + 4 * start, base + 4 * (start + words)).expect("a range");
        host.collect();
        for (word, &object) in (0..).zip(&objects) {
            assert_eq!(host.is_object(object), (start..start + words).contains(&word));
        }
        // The range, the objects of two words in it, and their block.
        assert_eq!(host.stat(Stat::LastWork), u64::from(words + 2 * words + words + 1));
    }
}

#[test]
fn ranges_that_are_none() {
    let host = TestHost::new();
    let base = host.regions().program_base.get();
    host.init(base + 4096).expect("the first init");
    let end = host.pages() << 16;
    let bad = [
        (base, base),
        (base + 8, base + 4),
        (base + 2, base + 8),
        (base, base + 6),
        (base + 2, base + 6),
        (base, end + 4),
    ];
    for (start, end) in bad {
        let why = Err(failure(ErrorCode::BadRange, start));
        assert_eq!(host.add_roots(start, end), why);
        assert_eq!(host.remove_roots(start, end), why);
    }
    host.add_roots(base, end).expect("to the end of memory");
    let why = Err(failure(ErrorCode::BadRange, base));
    assert_eq!(host.remove_roots(base, base + 8), why, "not exactly what was added");
    host.collect();
    host.check();
}

#[test]
fn many_ranges() {
    let host = TestHost::new();
    let base = host.regions().program_base.get();
    host.init(base + 65_536).expect("the first init");
    host.alloc(8);
    let tables = host.stat(Stat::TableBytes);
    let count = if cfg!(miri) { 70 } else { 5000 };
    let objects: Vec<u32> = (0..count)
        .map(|index| {
            let object = host.alloc(8);
            host.write(base + 8 * index, object);
            host.add_roots(base + 8 * index, base + 8 * index + 4).expect("a range");
            object
        })
        .collect();
    assert!(host.stat(Stat::TableBytes) >= tables + u64::from(8 * count), "room for all of them");
    host.collect();
    assert!(objects.iter().all(|&object| host.is_object(object)));
    for index in (0..count).filter(|index| index % 3 != 0) {
        host.remove_roots(base + 8 * index, base + 8 * index + 4).expect("added");
    }
    host.collect();
    for (index, &object) in objects.iter().enumerate() {
        assert_eq!(host.is_object(object), index % 3 == 0);
    }
    assert_eq!(host.stat(Stat::RootRanges), u64::from(count.div_ceil(3)));
    host.check();
}

/// However many ranges there are, and in whatever order they go, each is found at once; and what they have left behind
/// costs a collection nothing.
#[test]
fn ranges_are_found_at_once() {
    for (stride, oldest_first) in [(4, true), (8, false), (64, true), (64, false)] {
        let host = TestHost::manual();
        let base = host.regions().program_base.get();
        let count = if cfg!(miri) { 200 } else { 4000 };
        host.init(base + count * stride + 4).expect("the first init");
        let mut ranges: Vec<u32> = (0..count).map(|index| base + index * stride).collect();
        host.each_within(20, &ranges, |at| host.add_roots(at, at + 4).expect("a range"));
        // The same start, another end.
        host.each_within(20, &ranges[1..], |at| host.add_roots(base, at).expect("a range"));
        host.each_within(12, &ranges[1..], |at| host.remove_roots(base, at).expect("added"));
        if !oldest_first {
            ranges.reverse();
        }
        host.each_within(12, &ranges, |at| host.remove_roots(at, at + 4).expect("added"));
        assert_eq!(host.stat(Stat::RootRanges), 0);
        host.each_within(2000, &[0], |_| host.collect());
        host.check();
    }
}

proptest! {
    #![proptest_config(crate::model::config(20))]

    /// The range table against a multiset, with one object for each word of static data.
    #[test]
    fn ranges_are_a_multiset(
        words in prop::sample::select(vec![4_u32, 20, 200]),
        ops in vec((any::<u32>(), any::<u32>(), 0..8_u8), 1..if cfg!(miri) { 200 } else { 1500 }),
    ) {
        let host = TestHost::manual();
        let base = host.regions().program_base.get();
        host.init(base + 4 * words).expect("the first init");
        for word in 0..words {
            let object = host.alloc_root(8);
            host.write(base + 4 * word, object);
        }
        let mut ranges = BTreeMap::<(u32, u32), u32>::new();
        for (start, length, kind) in ops {
            let start = start % words;
            let range = (start, start + 1 + length % (words - start).min(5));
            let [from, to] = [range.0, range.1].map(|word| base + 4 * word);
            match (kind, ranges.get_mut(&range)) {
                (0..3, _) => {
                    prop_assert_eq!(host.add_roots(from, to), Ok(()));
                    *ranges.entry(range).or_default() += 1;
                }
                (_, None) => {
                    let why = failure(ErrorCode::BadRange, from);
                    prop_assert_eq!(host.remove_roots(from, to), Err(why));
                }
                (_, Some(count)) => {
                    prop_assert_eq!(host.remove_roots(from, to), Ok(()));
                    *count -= 1;
                    ranges.retain(|_, count| *count > 0);
                }
            }
            let added: u32 = ranges.values().sum();
            prop_assert_eq!(host.stat(Stat::RootRanges), u64::from(added));
        }
        host.clear_stack();
        host.collect();
        let held = (0..words).filter(|word| ranges.keys().any(|(start, end)| (start..end).contains(&word)));
        prop_assert_eq!(host.stat(Stat::LiveObjects), held.count() as u64);
        prop_assert_eq!(host.verify(), 0);
    }
}
