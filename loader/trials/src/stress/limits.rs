//! When to collect, and what happens when memory ends.

use rand::{Rng, RngExt};
use rootstock_host::{Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::cx::{Cx, Failure, Finished, Outcome, check, check_eq, expect_trap, verify};
use super::guest::Guest;
use super::slots::Slots;

/// Garbage beside a live list: as many collections as the options promise, and no more memory.
pub(super) fn pacing(cx: &mut Cx) -> Outcome<Finished> {
    let garbage = cx.scaled(5_000_000, 100_000);
    churn(cx, 0, garbage, 100)?;
    let live = cx.scaled(100_000, 10_000);
    churn(cx, live, garbage, 100)?;
    let live = cx.scaled(1_000_000, 20_000);
    churn(cx, live, garbage, 50)?;
    churn(cx, live, garbage, 300)?;
    churn(cx, live, garbage, 100)
}

fn churn(cx: &mut Cx, live: u32, garbage: u32, growth: u32) -> Outcome<Finished> {
    // So small that what is live decides, also where little is.
    const MIN_HEAP: u32 = 64 << 10;
    let options = [(GcOption::GrowthPercent, growth), (GcOption::MinHeap, MIN_HEAP)];
    let mut vm = cx.instance(&options)?;
    let guest = Guest::new(&mut vm)?;
    let slot = vm.sp();
    vm.push_root(Ptr::NULL)?;
    guest.list_build(&mut vm, 0, live)?;
    vm.collect()?;
    let live_bytes = vm.stat(Stat::LiveBytes);
    let before = (vm.stat(Stat::Collections), vm.stat(Stat::AllocatedBytes));

    cx.chunked(garbage, |cx, from, to| {
        // Of one size here and of another there, so that blocks change their class.
        let size = if from < garbage / 2 { 16 } else { cx.rng.random_range(8..=64) };
        guest.garbage(&mut vm, to - from, size)
    })?;

    let collections = vm.stat(Stat::Collections) - before.0;
    let allocated = vm.stat(Stat::AllocatedBytes) - before.1;
    let budget = (live_bytes * i64::from(growth) / 100).max(MIN_HEAP.into());
    let expected = allocated / budget;
    let eager = cx.eager_collections(garbage.into());
    check!(
        collections <= expected * 3 / 2 + 8 + eager,
        "{collections} collections for {allocated} bytes of garbage beside {live_bytes} live ones, \
         about {expected} were due with GROWTH_PERCENT {growth}"
    );
    check!(
        collections >= expected / 2,
        "{collections} collections for {allocated} bytes of garbage beside {live_bytes} live ones, \
         about {expected} were due with GROWTH_PERCENT {growth}"
    );
    let bound = live_bytes * i64::from(150 + growth) / 100 + (2 << 20);
    let peak = vm.stat(Stat::PeakBytes);
    check!(
        peak <= bound,
        "{peak} bytes of blocks for {live_bytes} live ones, expected at most {bound}"
    );
    let head = Ptr(vm.read_u32(slot)?);
    check_eq("nodes of the live list", guest.list_check(&mut vm, head, live)?, live.cast_signed())?;
    cx.finish(&mut vm)
}

/// The side that says that there is no more memory.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Heap,
    Pages,
    Host,
}

/// Memory ends in three ways. Each time the host frees some and goes on.
pub(super) fn memory_limit(cx: &mut Cx) -> Outcome<Finished> {
    let bytes = cx.scaled(32 << 20, 4 << 20);
    exhaust(cx, Limit::Heap, bytes)?;
    exhaust(cx, Limit::Pages, bytes)?;
    exhaust(cx, Limit::Host, bytes)
}

fn exhaust(cx: &mut Cx, limit: Limit, bytes: u32) -> Outcome<Finished> {
    const MOST: u32 = 4096;
    const ROUNDS: u64 = 4;
    let pages = bytes >> 16;
    let options = match limit {
        Limit::Heap => vec![(GcOption::HeapLimit, bytes)],
        Limit::Pages => vec![(GcOption::MaxPages, pages)],
        Limit::Host => Vec::new(),
    };
    let mut config = cx.config(&options);
    if matches!(limit, Limit::Host) {
        config.max_memory = Some(u64::from(pages) << 16);
    }
    let mut vm = cx.instance_with(&config)?;
    // More slots than there can be objects, so that memory ends first.
    let mut slots = Slots::new(&mut vm, bytes / 256)?;
    let mut least_bytes = u64::from(bytes) / 2;
    cx.expect(ROUNDS * u64::from(bytes) / u64::from(MOST));
    for _ in 0..ROUNDS {
        fill(cx, &mut vm, &mut slots, MOST)?;
        let held = slots.bytes();
        check!(
            held >= least_bytes,
            "{limit:?}: memory of {bytes} bytes ended with {held} bytes in use, expected {least_bytes}"
        );
        // What was freed is as good as new in the next round.
        least_bytes = held * 3 / 4;
        // There is no memory for any size, and nothing breaks.
        let half = bytes / 2;
        let result = vm.alloc(half);
        expect_trap(&mut vm, "alloc in full memory", result, ErrorCode::HeapExhausted, Some(half))?;
        check_eq("try_alloc in full memory", vm.try_alloc(half)?, None)?;
        for size in [u32::MAX, u32::MAX - 15] {
            let result = vm.alloc(size);
            expect_trap(&mut vm, "alloc of no size", result, ErrorCode::SizeTooLarge, Some(size))?;
            check_eq("try_alloc of no size", vm.try_alloc(size)?, None)?;
        }
        within(&mut vm, limit, bytes)?;
        verify(&mut vm)?;
        slots.check_all(&mut vm)?;
        // The host frees a random half.
        for slot in 0..slots.len() {
            if cx.rng.random() {
                slots.clear(&mut vm, slot)?;
            }
        }
    }
    cx.finish(&mut vm)
}

/// Fills empty slots with objects until there is no memory.
fn fill(cx: &mut Cx, vm: &mut Instance, slots: &mut Slots, most: u32) -> Outcome<()> {
    for slot in 0..slots.len() {
        if slots.get(slot).is_some() {
            continue;
        }
        let size = cx.rng.random_range(8..=most);
        let Some(ptr) = vm.try_alloc(size)? else {
            let result = vm.alloc(size);
            return expect_trap(
                vm,
                "alloc after try_alloc",
                result,
                ErrorCode::HeapExhausted,
                Some(size),
            );
        };
        let stamp = cx.rng.next_u64();
        slots.put(vm, slot, ptr, size, stamp)?;
        cx.done(1u32);
    }
    Err(Failure::Check("the limit of memory was never felt".to_owned()))
}

fn within(vm: &mut Instance, limit: Limit, bytes: u32) -> Outcome<()> {
    let (what, used) = match limit {
        Limit::Heap => ("HEAP_BYTES", vm.stat(Stat::HeapBytes)),
        Limit::Pages | Limit::Host => ("bytes of memory", vm.stat(Stat::MemoryPages) << 16),
    };
    check!(used <= i64::from(bytes), "{limit:?}: {used} {what}, above the limit of {bytes}");
    Ok(())
}
