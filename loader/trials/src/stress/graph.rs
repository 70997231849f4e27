//! Random graphs, mutated at random, against the exact model of what is reachable.
//!
//! Nothing here avoids false pointers: words hold pointers to live objects, to dead ones, into the
//! middle of objects, small numbers and noise, and the model says for each collection what they
//! keep alive. So the counts have to agree exactly, at each collection, also at those that the
//! runtime makes by itself inside an allocation or a registration.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rootstock_host::{Instance, Ptr, Status};
use runtime::options::GcOption;
use runtime::stats::Stat;

use super::cx::{Cx, Finished, Outcome, check, check_eq, verify};
use super::graph_model::{Model, Object};
use super::slots::check_zeroed;

const KIND: u32 = 7;
/// Slots of the shadow stack that serve as roots.
const ROOTS: usize = 400;
/// Addresses of objects that were seen lately, dead or alive: where pointers are drawn from.
const SEEN: usize = 4000;

/// With INTERIOR off: only base addresses keep an object.
pub(super) fn exact(cx: &mut Cx) -> Outcome<Finished> {
    run(cx, false)
}

/// With INTERIOR on: any address inside an object keeps it.
pub(super) fn interior(cx: &mut Cx) -> Outcome<Finished> {
    run(cx, true)
}

struct Graph {
    vm: Instance,
    model: Model,
    roots: Vec<u32>,
    seen: Vec<u32>,
    collections: i64,
    buffer: Vec<u8>,
}

fn run(cx: &mut Cx, interior: bool) -> Outcome<Finished> {
    let n = cx.scaled(1_000_000, 5000);
    let options = [
        (GcOption::Interior, u32::from(interior)),
        // Walks of the heap instead of a stack now and then.
        (GcOption::MarkStackLimit, 0),
        (GcOption::Poison, 1),
    ];
    let mut vm = cx.instance(&options)?;
    for _ in 0..ROOTS {
        vm.push_root(Ptr::NULL)?;
    }
    let mut graph = Graph {
        vm,
        model: Model::new(interior),
        roots: vec![0; ROOTS],
        seen: Vec::new(),
        collections: 0,
        buffer: Vec::new(),
    };
    cx.chunked(n, |cx, from, to| {
        (from..to).try_for_each(|_| graph.step(cx))?;
        graph.model.check_contents(&graph.vm)
    })?;
    graph.collect()?;
    graph.model.check_contents(&graph.vm)?;
    check!(graph.model.count() > 0, "the graph died out");
    cx.finish(&mut graph.vm)
}

impl Graph {
    fn step(&mut self, cx: &mut Cx) -> Outcome<()> {
        match cx.rng.random_range(0..1000) {
            0..400 => self.alloc(cx),
            400..850 => self.mutate(cx),
            850..990 => self.set_root(cx),
            990..999 => self.wrap(cx),
            _ if cx.rng.random_range(0..10) == 0 => self.collect(),
            _ => Ok(()),
        }
    }

    /// A word as programs have them: most are no pointers. With more pointers than one to an
    /// object on average, the graph would grow until nothing in it dies any more.
    fn word(&self, cx: &mut Cx, in_large: bool) -> u32 {
        let rng = &mut cx.rng;
        let seen = self.seen.choose(rng).copied().unwrap_or_default();
        match rng.random_range(0..100) {
            _ if in_large && rng.random_range(0..50) != 0 => rng.random_range(0..1000),
            0..40 => 0,
            40..60 => rng.random_range(0..1000),
            60..75 => rng.next_u32(),
            // Wherever the heap is: an address that may be anything.
            75..80 => rng.random_range(0..4 << 20),
            80..85 => seen.wrapping_add(rng.random_range(0..64)),
            _ => seen,
        }
    }

    fn alloc(&mut self, cx: &mut Cx) -> Outcome<()> {
        let count = match cx.rng.random_range(0..1000) {
            0 => cx.rng.random_range(1000..=20_000),
            1..30 => cx.rng.random_range(20..1000),
            _ => cx.rng.random_range(0..12),
        };
        let size = count * 4;
        let atomic = cx.rng.random_range(0..5) == 0;
        let ptr = if atomic { self.vm.alloc_atomic(size)? } else { self.vm.alloc(size)? };
        self.observe_collections(0)?;
        if !atomic {
            check_zeroed(&mut self.vm, ptr, size, &mut self.buffer)?;
        }
        let words: Vec<u32> = (0..count).map(|_| self.word(cx, count > 20)).collect();
        self.buffer.clear();
        self.buffer.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self.vm.write(ptr.0, &self.buffer)?;
        let cell = self.vm.size(ptr.0).unwrap_or_default();
        self.model.insert(ptr.0, Object::new(cell, atomic, words))?;
        if self.seen.len() < SEEN {
            self.seen.push(ptr.0);
        } else {
            let at = cx.rng.random_range(0..SEEN);
            self.seen[at] = ptr.0;
        }
        Ok(())
    }

    /// Writes a word into an object that is allocated, be it reachable or not.
    fn mutate(&mut self, cx: &mut Cx) -> Outcome<()> {
        let Some(&base) = self.seen.choose(&mut cx.rng) else { return Ok(()) };
        let count = self.model.get(base).map_or(0, |object| object.words().len());
        if count == 0 {
            return Ok(());
        }
        let at = cx.rng.random_range(0..count);
        let word = self.word(cx, count > 20);
        self.model.set(base, at, word);
        Ok(self.vm.write_u32(base + at as u32 * 4, word)?)
    }

    fn set_root(&mut self, cx: &mut Cx) -> Outcome<()> {
        let slot = cx.rng.random_range(0..ROOTS);
        let word = self.word(cx, false);
        self.roots[slot] = word;
        Ok(self.vm.write_u32(self.vm.stack_base() + slot as u32 * 4, word)?)
    }

    /// Makes an object stand for a handle. The runtime may collect inside, with the object as one more root.
    fn wrap(&mut self, cx: &mut Cx) -> Outcome<()> {
        let Some(&base) = self.seen.choose(&mut cx.rng) else { return Ok(()) };
        if !self.model.contains(base) {
            return Ok(());
        }
        let handle = self.vm.handles_mut().insert(KIND, i64::from(base));
        if self.model.wrap(base, handle) {
            self.vm.register_wrapper(Ptr(base), KIND, handle)?;
            self.observe_collections(base)
        } else {
            self.vm.handles_mut().remove(handle);
            Ok(())
        }
    }

    fn collect(&mut self) -> Outcome<()> {
        self.vm.collect()?;
        check!(self.vm.stat(Stat::Collections) > self.collections, "gc_collect did not collect");
        self.observe_collections(0)?;
        check_eq("live objects", self.vm.stat(Stat::LiveObjects), self.model.count())?;
        check_eq("live bytes", self.vm.stat(Stat::LiveBytes), self.model.bytes())?;
        verify(&mut self.vm)
    }

    /// If the runtime has collected, what was dead is gone from the model too, and its handles are told.
    fn observe_collections(&mut self, in_flight: u32) -> Outcome<()> {
        let collections = self.vm.stat(Stat::Collections);
        if collections == self.collections {
            return Ok(());
        }
        self.collections = collections;
        self.roots.push(in_flight);
        let dead = self.model.collect(&self.roots);
        self.roots.pop();
        for handle in dead {
            check_eq(
                "handle of a dead object",
                self.vm.handles().status(handle),
                Status::ToldOnce,
            )?;
        }
        let audit = self.vm.handles().audit();
        check_eq("wrappers", self.vm.stat(Stat::Wrappers), audit.live.cast_signed())
    }
}
