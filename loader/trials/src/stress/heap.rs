//! Objects of many sizes replaced at random, each compared with a model of its contents.

use rand::{Rng, RngExt};
use rootstock_host::{Instance, Ptr, Status};
use runtime::stats::Stat;

use super::cx::{Cx, Finished, Outcome, check, check_eq, verify};
use super::slots::{Slots, check_zeroed};

/// The promise about memory: at most this many times what was live, and a little.
fn check_memory(vm: &mut Instance, most_live: i64) -> Outcome<()> {
    let peak = vm.stat(Stat::PeakBytes);
    let bound = most_live * 5 / 2 + (2 << 20);
    check!(
        peak <= bound,
        "{peak} bytes of blocks for {most_live} live ones, expected at most {bound}"
    );
    Ok(())
}

/// Replaces the object in a random slot; sees that the old one was intact and the new one is zeroed.
fn replace(
    cx: &mut Cx,
    vm: &mut Instance,
    slots: &mut Slots,
    size: u32,
    buffer: &mut Vec<u8>,
) -> Outcome<()> {
    let slot = cx.rng.random_range(0..slots.len());
    slots.check(vm, slot)?;
    let ptr = vm.alloc(size)?;
    check_aligned(ptr, size)?;
    check_zeroed(vm, ptr, size, buffer)?;
    let stamp = cx.rng.next_u64();
    slots.put(vm, slot, ptr, size, stamp)
}

fn check_aligned(ptr: Ptr, size: u32) -> Outcome<()> {
    let alignment = if size >= 16 { 16 } else { 8 };
    check!(
        ptr.0.is_multiple_of(alignment),
        "the object of {size} bytes at {ptr} is not aligned to {alignment}"
    );
    Ok(())
}

/// Checks that a collection leaves exactly the array and the objects in its slots.
fn only_slots_are_live(vm: &mut Instance, slots: &Slots) -> Outcome<()> {
    vm.collect()?;
    verify(vm)?;
    check_eq("live objects", vm.stat(Stat::LiveObjects), i64::from(slots.used()) + 1)
}

/// Slots of 8 to 512 bytes, replaced at random, with sizes that drift from one end to the other.
pub(super) fn fragmentation(cx: &mut Cx) -> Outcome<Finished> {
    const LEAST: u32 = 8;
    const MOST: u32 = 512;
    let count = cx.scaled(200_000, 500);
    let n = cx.scaled(2_000_000, 10_000);
    let mut vm = cx.instance(&[])?;
    let mut slots = Slots::new(&mut vm, count)?;
    let mut buffer = Vec::new();
    let mut most_live = 0;
    // All sizes, then small ones only, then large ones only: blocks have to change their class.
    for sizes in [LEAST..=MOST, LEAST..=64, 256..=MOST, LEAST..=MOST] {
        cx.chunked(n / 4, |cx, from, to| {
            for _ in from..to {
                let size = cx.rng.random_range(sizes.clone());
                replace(cx, &mut vm, &mut slots, size, &mut buffer)?;
            }
            Ok(())
        })?;
        slots.check_all(&mut vm)?;
        only_slots_are_live(&mut vm, &slots)?;
        slots.check_all(&mut vm)?;
        most_live = most_live.max(vm.stat(Stat::LiveBytes));
    }
    check_memory(&mut vm, most_live)?;
    cx.finish(&mut vm)
}

/// Objects of all sizes, evenly by magnitude, most of them small.
pub(super) fn large(cx: &mut Cx) -> Outcome<Finished> {
    const SLOTS: u32 = 24;
    const SMALL_SLOTS: u32 = 2000;
    let n = cx.scaled(1000, 25);
    let mut vm = cx.instance(&[])?;
    let mut large = Slots::new(&mut vm, SLOTS)?;
    let mut small = Slots::new(&mut vm, SMALL_SLOTS)?;
    let mut buffer = Vec::new();
    let mut most_live = 0u64;
    cx.chunked(n, |cx, from, to| {
        for _ in from..to {
            // 1 KiB to 8 MiB.
            let magnitude = cx.rng.random_range(10..=22);
            let size = cx.rng.random_range(1 << magnitude..=2 << magnitude);
            replace(cx, &mut vm, &mut large, size, &mut buffer)?;
            check_inside(cx, &mut vm, &large)?;
            most_live = most_live.max(large.bytes());
            for _ in 0..20 {
                let size = cx.rng.random_range(0..=600);
                replace(cx, &mut vm, &mut small, size, &mut buffer)?;
            }
        }
        Ok(())
    })?;
    large.check_all(&mut vm)?;
    small.check_all(&mut vm)?;
    vm.collect()?;
    let used = i64::from(large.used() + small.used()) + 2;
    check_eq("live objects", vm.stat(Stat::LiveObjects), used)?;
    check!(
        vm.stat(Stat::LiveBytes).unsigned_abs() >= large.bytes() + small.bytes(),
        "fewer bytes are live than the live objects have"
    );
    // The small ones come on top; they are the two MiB that the promise adds.
    check_memory(&mut vm, most_live.cast_signed())?;
    cx.finish(&mut vm)
}

/// `gc_base` and `gc_size` know an object from any address inside it.
fn check_inside(cx: &mut Cx, vm: &mut Instance, slots: &Slots) -> Outcome<()> {
    let Some((ptr, size)) = slots.get(cx.rng.random_range(0..slots.len())) else {
        return Ok(());
    };
    for inside in [0, cx.rng.random_range(0..size), size - 1] {
        let address = ptr.offset(inside);
        check_eq("gc_base of an address inside an object", vm.base(address.0), Some(ptr))?;
    }
    let usable = vm.size(ptr.0);
    check!(
        usable.is_some_and(|usable| usable >= size),
        "gc_size of {ptr}: {usable:?}, asked for {size}"
    );
    Ok(())
}

/// `alloc_atomic`: contents are kept, and what looks like a pointer in them is none.
pub(super) fn strings(cx: &mut Cx) -> Outcome<Finished> {
    let count = cx.scaled(20_000, 200);
    let n = cx.scaled(1_000_000, 5_000);
    let mut vm = cx.instance(&[])?;
    let mut slots = Slots::new(&mut vm, count)?;
    cx.chunked(n, |cx, from, to| {
        for _ in from..to {
            let slot = cx.rng.random_range(0..count);
            slots.check(&mut vm, slot)?;
            // Mostly words; now and then a page of text or a literal of 70 KB.
            let size = match cx.rng.random_range(0..1000) {
                0 => 70_000,
                1..20 => cx.rng.random_range(0..=5000),
                _ => cx.rng.random_range(0..=100),
            };
            let ptr = vm.alloc_atomic(size)?;
            check_aligned(ptr, size)?;
            let stamp = cx.rng.next_u64();
            slots.put(&mut vm, slot, ptr, size, stamp)?;
        }
        Ok(())
    })?;
    slots.check_all(&mut vm)?;
    only_slots_are_live(&mut vm, &slots)?;
    slots.check_all(&mut vm)?;
    not_scanned(cx, &mut vm)?;
    cx.finish(&mut vm)
}

/// A pointer in an atomic object keeps nothing alive; the same pointer in a scanned one does.
fn not_scanned(cx: &mut Cx, vm: &mut Instance) -> Outcome<()> {
    const KIND: u32 = 3;
    for size in [8, 24, 500, 4096, 100_000] {
        let saved = vm.sp();
        let word = cx.rng.random_range(0..size / 4) * 4;
        let mut handles = [0; 2];
        for (atomic, handle) in [true, false].into_iter().zip(&mut handles) {
            let holder = if atomic { vm.alloc_atomic(size)? } else { vm.alloc(size)? };
            vm.push_root(holder)?;
            *handle = vm.handles_mut().insert(KIND, 0);
            let held = vm.alloc(12)?;
            vm.register_wrapper(held, KIND, *handle)?;
            vm.write_u32(holder.offset(word).0, held.0)?;
        }
        vm.collect()?;
        let [in_atomic, in_scanned] = handles;
        check_eq(
            "what an atomic object points to",
            vm.handles().status(in_atomic),
            Status::ToldOnce,
        )?;
        check_eq("what a scanned object points to", vm.handles().status(in_scanned), Status::Live)?;
        vm.set_sp(saved);
    }
    Ok(())
}

/// Another allocator grows memory too, now and then, and keeps things of its own there.
pub(super) fn foreign_growth(cx: &mut Cx) -> Outcome<Finished> {
    const PAGE: u64 = 64 << 10;
    let count = cx.scaled(20_000, 500);
    let n = cx.scaled(100_000, 2000);
    let mut vm = cx.instance(&[])?;
    let mut slots = Slots::new(&mut vm, count)?;
    let mut buffer = Vec::new();
    // Address, bytes, contents.
    let mut foreign: Vec<(u32, usize, u8)> = Vec::new();
    cx.chunked(n, |cx, from, to| {
        let pages = cx.rng.random_range(0..=5);
        if pages > 0 {
            let before = vm.exports().memory.grow(vm.store_mut(), pages)?;
            let start = u32::try_from(before * PAGE).unwrap_or(u32::MAX);
            let bytes = (pages * PAGE) as usize;
            let byte = cx.rng.random();
            vm.write(start, &vec![byte; bytes])?;
            foreign.push((start, bytes, byte));
        }
        for _ in from..to {
            let size = match cx.rng.random_range(0..2000) {
                0 => cx.rng.random_range(1 << 15..1 << 18),
                _ => cx.rng.random_range(0..=1000),
            };
            replace(cx, &mut vm, &mut slots, size, &mut buffer)?;
        }
        Ok(())
    })?;
    check!(!foreign.is_empty(), "nobody else grew memory");
    for (start, bytes, byte) in foreign {
        buffer.resize(bytes, 0);
        vm.read(start, &mut buffer)?;
        check!(
            buffer.iter().all(|&found| found == byte),
            "{bytes} bytes of another allocator at {start:#x} were written to"
        );
    }
    slots.check_all(&mut vm)?;
    only_slots_are_live(&mut vm, &slots)?;
    slots.check_all(&mut vm)?;
    cx.finish(&mut vm)
}
