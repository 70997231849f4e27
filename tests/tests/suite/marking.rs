//! Marking needs bounded extra memory, never drops an object and never traps, whatever the shape of the graph: the
//! same shapes with the mark stack's memory refused and granted, at the sizes that the design names.

use rootstock_host::{Error, Instance, Ptr};
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::{Guest, Setup};

const REFUSED: u32 = 0;
const GRANTED: u32 = i32::MAX as u32;

fn guest(file: &str, mark_stack: u32) -> Guest {
    Setup::new().option(GcOption::MarkStackLimit, mark_stack).guest(file)
}

/// Collects with `root` as the only root, twice: what the first left must be a heap that the second can mark.
fn survives(guest: &mut Guest, root: u32, objects: i64) {
    guest.push_root(root);
    for round in 1..=2 {
        let tables = guest.stat(Stat::TableBytes);
        guest.collect();
        assert_eq!(
            guest.stat(Stat::LiveObjects),
            objects,
            "objects alive after collection {round}"
        );
        assert_eq!(guest.verify(), 0);
        // the mark stack is not kept between collections
        assert!(
            guest.stat(Stat::TableBytes) <= tables + (1 << 20),
            "{} bytes",
            guest.stat(Stat::TableBytes)
        );
    }
    guest.forget_roots();
    guest.collect();
    assert_eq!(guest.stat(Stat::LiveObjects), 0, "and nothing without the root");
}

fn list(mark_stack: u32) {
    const NODES: u32 = 10_000_000;
    let mut guest = guest("list.wat", mark_stack);
    let list: u32 = guest.call("build", NODES);
    guest.push_root(list);
    guest.collect();
    assert_eq!(guest.call::<_, i64>("total", list), i64::from(NODES) * (i64::from(NODES) + 1) / 2);
    guest.forget_roots();
    survives(&mut guest, list, NODES.into());
}

#[test]
fn a_list_of_10_million_nodes_survives_with_the_mark_stack_refused() {
    list(REFUSED);
}

#[test]
fn a_list_of_10_million_nodes_survives() {
    list(GRANTED);
}

fn star(mark_stack: u32) {
    const LEAVES: u32 = 5_000_000;
    let mut guest = guest("shapes.wat", mark_stack);
    let star: u32 = guest.call("star", LEAVES);
    guest.push_root(star);
    guest.collect();
    assert_eq!(guest.call::<_, u32>("star_intact", (star, LEAVES)), LEAVES);
    guest.forget_roots();
    survives(&mut guest, star, i64::from(LEAVES) + 1);
}

#[test]
fn a_star_of_5_million_pointers_survives_with_the_mark_stack_refused() {
    star(REFUSED);
}

#[test]
fn a_star_of_5_million_pointers_survives() {
    star(GRANTED);
}

fn tree(mark_stack: u32) {
    const DEPTH: u32 = 20;
    let mut guest = guest("shapes.wat", mark_stack);
    let tree: u32 = guest.call("tree", DEPTH);
    guest.push_root(tree);
    guest.collect();
    assert_eq!(guest.call::<_, u32>("tree_nodes", (tree, DEPTH)), (1 << DEPTH) - 1);
    guest.forget_roots();
    survives(&mut guest, tree, (1 << DEPTH) - 1);
}

#[test]
fn a_full_tree_of_a_million_nodes_survives_with_the_mark_stack_refused() {
    tree(REFUSED);
}

#[test]
fn a_full_tree_of_a_million_nodes_survives() {
    tree(GRANTED);
}

/// A deep tree: a spine whose every cell leaves 28 objects waiting on the mark stack, in one order of its words or the
/// other. (This many because marking takes up to eight off the stack at a time, to look ahead.)
fn comb(mark_stack: u32) -> i64 {
    const CELLS: u32 = 75_000;
    [0_u32, 124]
        .map(|at| {
            let mut guest = guest("shapes.wat", mark_stack);
            let comb: u32 = guest.call("comb", (CELLS, at));
            guest.push_root(comb);
            guest.collect();
            assert_eq!(guest.call::<_, u32>("comb_intact", (comb, at)), CELLS);
            guest.forget_roots();
            survives(&mut guest, comb, i64::from(CELLS) * 29);
            guest.stat(Stat::MarkOverflows)
        })
        .into_iter()
        .sum()
}

#[test]
fn a_deep_tree_survives_with_the_mark_stack_refused() {
    assert!(comb(REFUSED) > 0, "1.5 million waiting objects fit a mark stack without memory");
}

#[test]
fn a_deep_tree_survives() {
    assert_eq!(comb(GRANTED), 0, "a mark stack with memory overflowed");
}

/// The memory for the mark stack is not refused by the option but is not there: the host lets memory grow no further.
#[test]
fn a_deep_tree_survives_when_memory_cannot_grow_for_the_mark_stack() {
    const CELLS: u32 = 8_500;
    for at in [0_u32, 124] {
        // the objects are 576 bytes a cell, 4.9 MB; the mark stack for one of the two orders would be 0.7 MB more
        let mut guest = Setup::new().max_memory(6_500_000).guest("shapes.wat");
        let comb: u32 = guest.call("comb", (CELLS, at));
        guest.push_root(comb);
        guest.collect();
        assert_eq!(guest.call::<_, u32>("comb_intact", (comb, at)), CELLS);
        guest.forget_roots();
        survives(&mut guest, comb, i64::from(CELLS) * 29);
    }
}

/// Cycles, also of an object with itself, end; and a cycle without a root is garbage.
#[test]
fn cycles_are_marked_once_and_collected_when_dropped() {
    for mark_stack in [REFUSED, GRANTED] {
        let (mut gc, _) = Setup::new().option(GcOption::MarkStackLimit, mark_stack).instance();
        let own = gc.alloc(16).unwrap();
        gc.write_u32(own.0 + 8, own.0).unwrap();
        gc.push_root(own).unwrap();
        let first = gc.alloc(16).unwrap();
        gc.write_u32(own.0, first.0).unwrap();
        let mut last = first;
        for _ in 0..10_000 {
            let next = gc.alloc(16).unwrap();
            gc.write_u32(last.0, next.0).unwrap();
            // and back, so that each node is reached twice
            gc.write_u32(next.0 + 4, last.0).unwrap();
            last = next;
        }
        gc.write_u32(last.0, first.0).unwrap();
        gc.collect().unwrap();
        assert_eq!(gc.stat(Stat::LiveObjects), 10_002);
        gc.set_sp(gc.stack_base());
        gc.collect().unwrap();
        assert_eq!(gc.stat(Stat::LiveObjects), 0);
        assert_eq!(gc.verify().unwrap(), 0);
    }
}

/// What is atomic is not scanned: a pointer in it keeps nothing alive, and it is kept alive like anything else.
#[test]
fn atomic_objects_are_kept_and_not_scanned() {
    let (mut gc, _) = Setup::new().option(GcOption::Poison, 1).instance();
    for size in [16_u32, 1_000, 100_000] {
        let sp = gc.sp();
        let holder = gc.alloc(16).unwrap();
        gc.push_root(holder).unwrap();
        let bytes = gc.alloc_atomic(size).unwrap();
        gc.write(bytes.0, &vec![0x77; size as usize]).unwrap();
        gc.write_u32(holder.0 + 12, bytes.0).unwrap();
        let dropped = gc.alloc(16).unwrap();
        gc.write_u32(bytes.0, dropped.0).unwrap();
        gc.collect().unwrap();
        assert_eq!(gc.stat(Stat::LiveObjects), 2, "holder and bytes, not what the bytes look like");
        assert_eq!(gc.base(dropped.0), None);
        let mut read = vec![0; size as usize - 4];
        gc.read(bytes.0 + 4, &mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == 0x77));
        gc.set_sp(sp);
        gc.collect().unwrap();
    }
}

/// Wrappers, every third of which stays alive, each with a handle that is the address of the next: how many of the dead ones
/// the host was not notified of.
fn kept_by_handles(make: fn(&mut Instance) -> Result<Ptr, Error>) -> usize {
    const COUNT: usize = 3_000;
    let (mut gc, told) = Setup::new().instance();
    let wrappers: Vec<Ptr> = (0..COUNT)
        .map(|_| {
            let wrapper = make(&mut gc).unwrap();
            gc.pin(wrapper).unwrap();
            wrapper
        })
        .collect();
    for (at, wrapper) in wrappers.iter().enumerate() {
        let handle = wrappers[(at + 1) % COUNT].0;
        gc.write_u32(wrapper.0, handle).unwrap();
        gc.register_wrapper(*wrapper, 1, handle).unwrap();
    }
    for wrapper in wrappers.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
        gc.unpin(*wrapper.1).unwrap();
    }
    gc.collect().unwrap();
    COUNT / 3 * 2 - told.take().len()
}

#[test]
fn a_handle_that_looks_like_an_address_keeps_nothing_in_an_atomic_wrapper() {
    assert_eq!(kept_by_handles(|gc| gc.alloc_atomic(8)), 0);
    assert_eq!(
        kept_by_handles(|gc| gc.alloc(8)),
        2_000,
        "the reason: each is held by the one before"
    );
}

/// Every word of an object counts, the last one too, in each size class and beyond.
#[test]
fn a_pointer_in_any_word_keeps_its_object_alive() {
    for size in [
        4_u32, 8, 12, 16, 20, 40, 100, 1_000, 1_004, 4_000, 16_380, 16_384, 16_388, 70_000,
        1_000_000,
    ] {
        let (mut gc, _) = Setup::new().option(GcOption::MinHeap, 1 << 30).instance();
        let holder = gc.alloc(size).unwrap();
        gc.push_root(holder).unwrap();
        for word in [0, size / 8, size / 4 - 1] {
            let held = gc.alloc(8).unwrap();
            gc.write_u32(holder.0 + 4 * word, held.0).unwrap();
            gc.collect().unwrap();
            assert_eq!(gc.stat(Stat::LiveObjects), 2, "word {word} of an object of {size} bytes");
            gc.write_u32(holder.0 + 4 * word, 0).unwrap();
            gc.collect().unwrap();
            assert_eq!(gc.stat(Stat::LiveObjects), 1);
        }
    }
}
