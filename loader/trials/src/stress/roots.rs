//! Roots: the shadow stack to its brim and beyond, pins, ranges of static data.

use std::collections::BTreeMap;

use rand::RngExt;
use rootstock_host::{Instance, Ptr, Status};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::cx::{Cx, Finished, Outcome, check, check_eq, expect_trap, verify};
use super::graph_model::{Model, Object};
use super::guest::Guest;

/// Fills the shadow stack to its brim, collects, overflows it, and recovers.
pub(super) fn deep(cx: &mut Cx) -> Outcome<Finished> {
    let mut vm = cx.instance(&[])?;
    let guest = Guest::new(&mut vm)?;
    let (base, limit) = (vm.stack_base(), vm.stack_limit());
    check_eq("gc_sp of a fresh instance", vm.sp(), base)?;
    let slots = (limit - base) / 4;
    check!(slots >= 131_072, "the shadow stack has {slots} slots, the ABI promises 131,072");
    let leaves = cx.scaled(10 * slots, 1000).min(slots);
    // The other slots hold what is no object: null, static data, small numbers, odd addresses.
    for slot in leaves..slots {
        let junk = match slot % 4 {
            0 => 0,
            1 => vm.program_base(),
            2 => slot,
            _ => u32::MAX - slot,
        };
        vm.push_root(Ptr(junk))?;
    }
    cx.chunked(leaves, |_, from, to| guest.push_leaves(&mut vm, from, to))?;
    check_eq("gc_sp with the stack full", vm.sp(), limit)?;
    check!(vm.push_root(Ptr::NULL).is_err(), "push_root went beyond the limit");
    at_the_brim(cx, &mut vm, leaves)?;
    in_flight(cx, &mut vm)?;

    // One root too many is found at the next collection; the host restores gc_sp and goes on.
    guest.push_leaves(&mut vm, leaves, leaves + 1)?;
    overflow(&mut vm, limit + 4)?;
    vm.set_sp(limit);
    at_the_brim(cx, &mut vm, leaves)?;
    for wrong in [limit + 4, limit - 2, base - 4, 0, u32::MAX - 3] {
        vm.set_sp(wrong);
        overflow(&mut vm, wrong)?;
    }
    // A push beyond the limit is found although it was popped again.
    vm.set_sp(limit);
    vm.write_u32(limit, 1)?;
    overflow(&mut vm, limit)?;
    at_the_brim(cx, &mut vm, leaves)?;
    for i in 0..leaves {
        let leaf = vm.read_u32(limit - 4 * (leaves - i))?;
        check_eq("a leaf of the shadow stack", vm.read_u32(leaf)?, i << 1 | 1)?;
    }
    cx.finish(&mut vm)
}

fn at_the_brim(cx: &mut Cx, vm: &mut Instance, leaves: u32) -> Outcome<()> {
    vm.collect()?;
    cx.expect(1u32);
    cx.done(1u32);
    check_eq("live objects", vm.stat(Stat::LiveObjects), leaves.into())?;
    let depth = i64::from(vm.stack_limit() - vm.stack_base());
    check_eq("STACK_HIGH_WATER", vm.stat(Stat::StackHighWater), depth)?;
    verify(vm)
}

/// With no slot left, a wrapper survives the collections inside its own registration.
fn in_flight(cx: &mut Cx, vm: &mut Instance) -> Outcome<()> {
    const KIND: u32 = 3;
    let handle = vm.handles_mut().insert(KIND, 0);
    let wrapper = vm.alloc(12)?;
    vm.configure(GcOption::Eager, 1)?;
    let before = vm.stat(Stat::Collections);
    vm.register_wrapper(wrapper, KIND, handle)?;
    check!(vm.stat(Stat::Collections) > before, "EAGER 1 did not collect at a registration");
    vm.configure(GcOption::Eager, cx.eager)?;
    check_eq("gc_base of the wrapper in flight", vm.base(wrapper.0), Some(wrapper))?;
    check_eq("handle of the wrapper in flight", vm.handles().status(handle), Status::Live)?;
    vm.collect()?;
    check_eq("handle of a wrapper without roots", vm.handles().status(handle), Status::ToldOnce)
}

fn overflow(vm: &mut Instance, sp: u32) -> Outcome<()> {
    let result = vm.collect();
    expect_trap(
        vm,
        "a collection with gc_sp astray",
        result,
        ErrorCode::ShadowStackOverflow,
        Some(sp),
    )?;
    vm.set_sp(vm.stack_limit());
    verify(vm)
}

/// Words of a range of static data.
const RANGE: u32 = 16;
const RANGES: u32 = 200;

/// The objects that `pins_and_ranges` works on.
struct Statics {
    vm: Instance,
    model: Model,
    /// Pins by object.
    pins: BTreeMap<u32, u32>,
    /// Static data, in ranges of [`RANGE`] words.
    words: Vec<u32>,
    /// The ranges that are registered.
    registered: Vec<bool>,
    collections: i64,
}

/// Pins and root ranges, added and removed at random; then what is alive is known exactly.
pub(super) fn pins_and_ranges(cx: &mut Cx) -> Outcome<Finished> {
    let n = cx.scaled(400_000, 5000);
    let mut vm = cx.instance(&[])?;
    let start = vm.program_base();
    let end = start + RANGES * RANGE * 4;
    vm.init(end)?;
    vm.init(end)?;
    let result = vm.init(end + 8);
    expect_trap(&mut vm, "gc_init with another value", result, ErrorCode::InitTwice, Some(end))?;
    vm.write(start, &vec![0; (end - start) as usize])?;
    let mut statics = Statics {
        vm,
        model: Model::new(false),
        pins: BTreeMap::new(),
        words: vec![0; (RANGES * RANGE) as usize],
        registered: vec![false; RANGES as usize],
        collections: 0,
    };
    cx.chunked(n, |cx, from, to| (from..to).try_for_each(|_| statics.step(cx)))?;
    statics.collect()?;
    statics.check_contents()?;
    misuse(&mut statics.vm, start)?;
    // Without pins and ranges nothing is left.
    for (address, count) in std::mem::take(&mut statics.pins) {
        for _ in 0..count {
            statics.vm.unpin(Ptr(address))?;
        }
        let result = statics.vm.unpin(Ptr(address));
        expect_trap(
            &mut statics.vm,
            "one unpin too many",
            result,
            ErrorCode::UnpinUnderflow,
            Some(address),
        )?;
    }
    for range in 0..RANGES {
        if statics.registered[range as usize] {
            let (from, to) = statics.range(range);
            statics.vm.remove_roots(from, to)?;
        }
    }
    check_eq("pins left", statics.vm.stat(Stat::Pins), 0)?;
    check_eq("ranges left", statics.vm.stat(Stat::RootRanges), 0)?;
    cx.finish(&mut statics.vm)
}

impl Statics {
    fn range(&self, range: u32) -> (u32, u32) {
        let start = self.vm.program_base() + range * RANGE * 4;
        (start, start + RANGE * 4)
    }

    fn step(&mut self, cx: &mut Cx) -> Outcome<()> {
        match cx.rng.random_range(0..100) {
            // A new object, pinned or stored in static data, or lost.
            0..50 => {
                let object = self.alloc(cx)?;
                match cx.rng.random_range(0..10) {
                    0 => self.pin(object)?,
                    1..7 => self.store(cx, object)?,
                    _ => {}
                }
            }
            // A known object, stored once more, pinned once more, or unpinned.
            50..70 => {
                let word = self.words[cx.rng.random_range(0..self.words.len())];
                self.store(cx, word)?;
            }
            70..75 => {
                let word = self.words[cx.rng.random_range(0..self.words.len())];
                // What is in static data may be the address of an object that is long gone.
                if self.model.contains(word) {
                    self.pin(word)?;
                }
            }
            75..80 => {
                if let Some(pinned) = self.random_pin(cx) {
                    self.pin(pinned)?;
                }
            }
            80..90 => self.unpin(cx)?,
            90..93 => self.store(cx, 0)?,
            93..99 => self.toggle(cx)?,
            _ if cx.rng.random_range(0..50) == 0 => {
                self.collect()?;
                self.check_contents()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn alloc(&mut self, cx: &mut Cx) -> Outcome<u32> {
        let words = cx.rng.random_range(1..=8);
        let ptr = self.vm.alloc(words * 4)?;
        self.observe_collections();
        let contents = (0..words).map(|_| cx.rng.random::<u32>() | 1).collect::<Vec<_>>();
        let bytes = contents.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        self.vm.write(ptr.0, &bytes)?;
        let cell = self.vm.size(ptr.0).unwrap_or_default();
        self.model.insert(ptr.0, Object::new(cell, false, contents))?;
        Ok(ptr.0)
    }

    fn store(&mut self, cx: &mut Cx, value: u32) -> Outcome<()> {
        let word = cx.rng.random_range(0..self.words.len());
        self.words[word] = value;
        let address = self.vm.program_base() + u32::try_from(word * 4).unwrap_or_default();
        Ok(self.vm.write_u32(address, value)?)
    }

    fn pin(&mut self, address: u32) -> Outcome<()> {
        self.vm.pin(Ptr(address))?;
        *self.pins.entry(address).or_default() += 1;
        check_eq("pinned objects", self.vm.stat(Stat::Pins), self.pins.len() as i64)
    }

    fn random_pin(&self, cx: &mut Cx) -> Option<u32> {
        let (&first, &last) = (self.pins.keys().next()?, self.pins.keys().next_back()?);
        let from = cx.rng.random_range(first..=last);
        self.pins.range(from..).next().map(|(&address, _)| address)
    }

    fn unpin(&mut self, cx: &mut Cx) -> Outcome<()> {
        let Some(address) = self.random_pin(cx) else { return Ok(()) };
        self.vm.unpin(Ptr(address))?;
        if let Some(count) = self.pins.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(&address);
            }
        }
        Ok(())
    }

    fn toggle(&mut self, cx: &mut Cx) -> Outcome<()> {
        let range = cx.rng.random_range(0..RANGES);
        let (from, to) = self.range(range);
        let registered = &mut self.registered[range as usize];
        if *registered {
            self.vm.remove_roots(from, to)?;
        } else {
            self.vm.add_roots(from, to)?;
        }
        *registered = !*registered;
        let count = self.registered.iter().filter(|&&on| on).count();
        check_eq("registered ranges", self.vm.stat(Stat::RootRanges), count as i64)
    }

    /// If the runtime has collected, what was dead is gone from the model too.
    fn observe_collections(&mut self) {
        let collections = self.vm.stat(Stat::Collections);
        if collections != self.collections {
            self.collections = collections;
            self.model_collect();
        }
    }

    fn model_collect(&mut self) {
        let ranges = self.words.chunks(RANGE as usize).zip(&self.registered);
        let in_ranges = ranges.filter(|(_, on)| **on).flat_map(|(words, _)| words);
        let roots: Vec<u32> = in_ranges.chain(self.pins.keys()).copied().collect();
        self.model.collect(&roots);
    }

    fn collect(&mut self) -> Outcome<()> {
        self.vm.collect()?;
        self.observe_collections();
        check_eq("live objects", self.vm.stat(Stat::LiveObjects), self.model.count())?;
        verify(&mut self.vm)
    }

    fn check_contents(&mut self) -> Outcome<()> {
        self.model.check_contents(&self.vm)
    }
}

/// Calls that the ABI calls errors, and that change nothing.
fn misuse(vm: &mut Instance, start: u32) -> Outcome<()> {
    let counts = (vm.stat(Stat::Pins), vm.stat(Stat::RootRanges));
    for (from, to) in
        [(start, start), (start + 8, start), (start + 1, start + 5), (0xffff_fff0, 0xffff_fff8)]
    {
        let result = vm.add_roots(from, to);
        expect_trap(vm, "a bad range", result, ErrorCode::BadRange, Some(from))?;
    }
    let result = vm.remove_roots(start, start + 4);
    expect_trap(vm, "a range that is not registered", result, ErrorCode::BadRange, Some(start))?;
    for wrong in [0, start, 0xffff_fff8] {
        let result = vm.pin(Ptr(wrong));
        expect_trap(vm, "pinning no object", result, ErrorCode::NotAnObject, Some(wrong))?;
    }
    check_eq(
        "pins and ranges after errors",
        (vm.stat(Stat::Pins), vm.stat(Stat::RootRanges)),
        counts,
    )
}
