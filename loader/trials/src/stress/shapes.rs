//! Large graphs of simple shapes, marked with the mark stack's memory refused.

use rand::RngExt;
use rootstock_host::{Instance, Ptr};
use runtime::memory::MARK_STACK_BYTES;
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::cx::{Cx, Finished, Outcome, check, check_eq, verify};
use super::guest::Guest;

const NO_MARK_STACK: &[(GcOption, u32)] = &[(GcOption::MarkStackLimit, 0)];

/// A long list: the graph that recursion or a fixed worklist would not survive.
pub(super) fn list(cx: &mut Cx) -> Outcome<Finished> {
    let n = cx.scaled(10_000_000, 10_000);
    let mut vm = cx.instance(NO_MARK_STACK)?;
    let guest = Guest::new(&mut vm)?;
    let slot = vm.sp();
    vm.push_root(Ptr::NULL)?;
    cx.chunked(n, |_, from, to| guest.list_build(&mut vm, from, to))?;
    collections_are_few(cx, &mut vm)?;
    survives(&mut vm, n.into())?;
    let head = Ptr(vm.read_u32(slot)?);
    check_eq("nodes of the list", guest.list_check(&mut vm, head, n)?, n.cast_signed())?;
    cx.finish(&mut vm)
}

/// A full tree, and two spines with leaves, of which one overflows the mark stack.
pub(super) fn tree(cx: &mut Cx) -> Outcome<Finished> {
    let depth = cx.scaled(1_000_000, 1000).ilog2();
    // Never fewer than overflow the mark stack, whose entries are of 4 bytes.
    let spine = cx.scaled(500_000, MARK_STACK_BYTES / 4 + 1000);
    let full = (2 << depth) - 1;
    let mut vm = cx.instance(NO_MARK_STACK)?;
    let guest = Guest::new(&mut vm)?;
    cx.expect(full);
    let root = guest.tree_build(&mut vm, depth, 1)?;
    vm.push_root(root)?;
    cx.done(full);
    let mut spines = [0; 2];
    for (side, slot) in (0..).zip(&mut spines) {
        *slot = vm.sp();
        vm.push_root(Ptr::NULL)?;
        cx.chunked(spine, |_, from, to| guest.comb_build(&mut vm, from, to, side))?;
    }
    survives(&mut vm, u64::from(full) + 6 * u64::from(spine))?;
    check!(vm.stat(Stat::MarkOverflows) > 0, "the mark stack was never full");
    check_eq("nodes of the full tree", guest.tree_check(&mut vm, root, depth, 1)?, full)?;
    for (side, slot) in (0..).zip(spines) {
        let top = Ptr(vm.read_u32(slot)?);
        check_eq("nodes of a spine", guest.comb_check(&mut vm, top, spine, side)?, spine * 3)?;
    }
    cx.finish(&mut vm)
}

/// More objects at once on their way through marking than the mark stack holds, small ones first,
/// then large ones, each with a seed: whichever is found while the stack is full must be scanned
/// later.
pub(super) fn mark_overflow(cx: &mut Cx) -> Outcome<Finished> {
    // A prime number, so that the stack is full in the middle of a node's leaves.
    const LEAVES: u32 = 61;
    // Marking takes this many leaves of a node off the stack to look ahead.
    const AHEAD: u32 = 8;
    // Of the entries that the mark stack has without more memory, but for the room that it keeps,
    // all but a few hundred are filled with small leaves; so it is full among the large ones.
    let room = (MARK_STACK_BYTES - 2112) / 4;
    let small = room.saturating_sub(600) / (LEAVES - AHEAD);
    let large = cx.scaled(100, 20);
    let mut vm = cx.instance(NO_MARK_STACK)?;
    let slot = vm.sp();
    vm.push_root(Ptr::NULL)?;
    let mut seeds = Vec::new();
    // A spine of nodes with leaves and, as the last word, the next node: the top one is scanned
    // first, and its leaves wait for all that is below.
    cx.chunked(small + large, |cx, from, to| {
        for i in from..to {
            let node = vm.alloc((LEAVES + 1) * 4)?;
            vm.write_u32(node.offset(LEAVES * 4).0, vm.read_u32(slot)?)?;
            vm.write_u32(slot, node.0)?;
            for leaf in 0..LEAVES {
                let size = if i < large { cx.rng.random_range(8200..=20_000) } else { 8 };
                let at = vm.alloc(size)?;
                vm.write_u32(node.offset(leaf * 4).0, at.0)?;
                let seed = vm.alloc(8)?;
                // At the beginning, in the middle or at the end.
                let word = cx.rng.random_range(0..3) * (size / 4 - 1) / 2;
                vm.write_u32(at.offset(word * 4).0, seed.0)?;
                let value = cx.rng.random::<u32>() | 1;
                vm.write_u32(seed.0, value)?;
                seeds.push((seed, value));
            }
        }
        Ok(())
    })?;
    let overflows = vm.stat(Stat::MarkOverflows);
    let nodes = u64::from(small + large);
    survives(&mut vm, nodes + 2 * nodes * u64::from(LEAVES))?;
    check!(vm.stat(Stat::MarkOverflows) > overflows, "the mark stack was never full");
    for (seed, value) in seeds {
        check_eq("a seed", vm.read_u32(seed.0)?, value)?;
    }
    cx.finish(&mut vm)
}

/// One object with millions of pointers; then half of them are gone.
pub(super) fn star(cx: &mut Cx) -> Outcome<Finished> {
    let n = cx.scaled(5_000_000, 10_000);
    let mut vm = cx.instance(NO_MARK_STACK)?;
    let guest = Guest::new(&mut vm)?;
    let centre = vm.alloc(n * 4)?;
    vm.push_root(centre)?;
    cx.chunked(n, |_, from, to| guest.star_fill(&mut vm, centre, from, to))?;
    collections_are_few(cx, &mut vm)?;
    survives(&mut vm, u64::from(n) + 1)?;
    check_eq("rays of the star", guest.star_check(&mut vm, centre, 0, n)?, n)?;

    let from = cx.rng.random_range(0..n / 2);
    let to = from + n / 2;
    vm.write(centre.offset(from * 4).0, &vec![0; (to - from) as usize * 4])?;
    survives(&mut vm, u64::from(n - (to - from)) + 1)?;
    check_eq("rays before the gap", guest.star_check(&mut vm, centre, 0, from)?, from)?;
    check_eq("rays after the gap", guest.star_check(&mut vm, centre, to, n)?, n - to)?;
    cx.finish(&mut vm)
}

/// A collection finds exactly these objects.
fn survives(vm: &mut Instance, objects: u64) -> Outcome<()> {
    vm.collect()?;
    check_eq("live objects", vm.stat(Stat::LiveObjects), objects.cast_signed())?;
    verify(vm)
}

/// A heap that only grows is collected each time it has doubled, not more often.
fn collections_are_few(cx: &Cx, vm: &mut Instance) -> Outcome<()> {
    let collections = vm.stat(Stat::Collections);
    let most = 64 + cx.eager_collections(vm.stat(Stat::AllocatedObjects).unsigned_abs());
    check!(
        collections <= most,
        "{collections} collections of a heap that only grew, expected at most {most}"
    );
    Ok(())
}
