//! What goes wrong around the runtime, at every point where it can: each has an outcome that `docs/failure-modes.md` names.

use std::collections::BTreeMap;

use rootstock_host::{Callback, Error, Instance, Ptr};
use runtime::error::ErrorCode;
use runtime::options::GcOption;
use runtime::stats::Stat;
use runtime::verify::Invariant;
use tests::{Setup, Told, assert_error, assert_usable};

/// Everything that makes the runtime ask for memory: static data, small and large objects, tables that grow, a mark stack
/// that does not fit its built-in part. Roots are left on the shadow stack.
fn scenario(gc: &mut Instance) -> Result<(), Error> {
    gc.init(gc.program_base() + 100_000)?;
    let ranges: Vec<u32> = (0..200).map(|n| gc.program_base() + n * 8).collect();
    for &start in &ranges {
        gc.add_roots(start, start + 8)?;
    }
    for n in 0..6_000_u32 {
        let p = gc.alloc(12)?;
        gc.push_root(p)?;
        gc.register_wrapper(p, 5, n + 1)?;
        if n % 100 == 0 {
            gc.pin(p)?;
        }
    }
    for n in 0..40 {
        let p = gc.alloc(if n % 2 == 0 { 3_000 } else { 70_000 })?;
        gc.push_root(p)?;
    }
    // A comb: every cell of its spine holds many leaves, so that marking has much to remember.
    let spine = gc.alloc(60_000)?;
    gc.push_root(spine)?;
    for n in 0..15_000 {
        let leaf = gc.alloc(16)?;
        gc.write_u32(spine.0 + n * 4, leaf.0)?;
    }
    gc.collect()?;
    for &start in &ranges {
        gc.remove_roots(start, start + 8)?;
    }
    gc.collect()
}

/// After a fault and the host's part of putting things right.
#[track_caller]
fn recover(gc: &mut Instance, told: &Told) {
    gc.refuse_growth(0..0);
    gc.set_sp(gc.stack_base());
    assert_eq!(gc.verify().expect("gc_verify does not trap"), 0);
    assert_usable(gc, told);
}

/// The kth request for memory is refused, or all from the kth on, for each k.
#[test]
fn memory_that_cannot_grow_is_named_or_survived_at_every_request() {
    let (mut gc, _) = Setup::new().instance();
    gc.refuse_growth(0..0);
    scenario(&mut gc).unwrap();
    let requests = gc.growth_requests();
    assert!(requests >= 5, "{requests} requests are too few to show anything");
    let mut survived = 0;
    for from in 0..requests {
        for until in [from + 1, u64::MAX] {
            let (mut gc, told) = Setup::new().instance();
            gc.refuse_growth(from..until);
            match scenario(&mut gc) {
                Ok(()) => survived += 1,
                Err(error) => {
                    let code = error.code();
                    assert_eq!(code, Some(ErrorCode::HeapExhausted), "request {from}: {error}");
                }
            }
            recover(&mut gc, &told);
        }
    }
    assert!(survived > 0, "a smaller request is made where a larger one is refused");
}

/// The same for try_alloc, which does not trap.
#[test]
fn try_alloc_answers_with_null_whenever_memory_cannot_grow() {
    for from in 0..8 {
        let (mut gc, told) = Setup::new().instance();
        gc.refuse_growth(from..u64::MAX);
        let mut sizes = [16, 500, 9_000, 200_000].into_iter().cycle();
        let mut refused = 0;
        while refused < 4 {
            match gc.try_alloc(sizes.next().unwrap_or(16)).unwrap() {
                Some(p) => gc.push_root(p).unwrap(),
                None => refused += 1,
            }
        }
        assert_eq!(gc.last_error().map(|(code, _)| code), Some(ErrorCode::HeapExhausted));
        recover(&mut gc, &told);
    }
}

/// Wrappers that live and die, small and large objects; every step may collect.
fn busy(gc: &mut Instance) -> Result<(), Error> {
    for n in 0..60_u32 {
        let p = gc.alloc(16)?;
        gc.push_root(p)?;
        gc.pin(p)?;
        gc.register_wrapper(p, 1, n + 1)?;
        let dropped = gc.alloc(if n % 7 == 0 { 20_000 } else { 40 })?;
        gc.register_wrapper_sized(dropped, 2, n + 1, 1_000)?;
        if n % 10 == 9 {
            gc.set_sp(gc.stack_base());
            gc.collect()?;
        }
        gc.add_roots(gc.stack_limit() - 64, gc.stack_limit() - 32)?;
        gc.remove_roots(gc.stack_limit() - 64, gc.stack_limit() - 32)?;
        gc.unpin(p)?;
    }
    gc.collect()
}

/// What an instance is good for, as gc_verify says, after it was stopped, once it has fuel again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    Usable,
    /// It says HEAP_CORRUPT, 13, to everything: it was stopped in a collection.
    SaysNo,
}

/// Bytes of a block.
const BLOCK: u32 = 16_384;

#[track_caller]
fn after_interruption(gc: &mut Instance, told: &Told, what: &str) -> After {
    gc.set_sp(gc.stack_base());
    let interrupted = Invariant::Interrupted as u32;
    match gc.verify().expect("gc_verify does not trap") {
        0 => {
            // An object whose registration was interrupted stays rooted until the next one.
            let p = gc.alloc(16).unwrap();
            gc.register_wrapper(p, 9, 9).unwrap();
            assert!(gc.release_wrapper(p).unwrap());
            assert_usable(gc, told);
            After::Usable
        }
        found => {
            assert_eq!(found, interrupted, "{what}");
            let p = Ptr(gc.program_base());
            let no = ErrorCode::HeapCorrupt;
            assert_error(gc.collect(), no, interrupted);
            // What had been set aside for allocation may still be handed out, a block at the most.
            let refused = (0..BLOCK / 16 + 1).find_map(|_| gc.alloc(16).err());
            assert_error(refused.map_or(Ok(()), Err), no, interrupted);
            assert_error(gc.alloc(100_000), no, interrupted);
            assert_error(gc.alloc_atomic(100_000), no, interrupted);
            assert_error(gc.register_wrapper(p, 1, 1), no, interrupted);
            assert_error(gc.add_roots(p.0, p.0 + 4), no, interrupted);
            After::SaysNo
        }
    }
}

/// Fuel runs out at each of many points, in collections and between them.
#[test]
fn an_interrupted_instance_is_usable_or_says_that_it_is_not() {
    const MUCH: u64 = 1 << 40;
    let setup = || Setup::new().option(GcOption::Eager, 3).fuel(MUCH);
    let (mut gc, _) = setup().instance();
    gc.set_fuel(MUCH).unwrap();
    busy(&mut gc).unwrap();
    let whole = MUCH - gc.fuel().expect("it is counted");
    let mut outcomes: BTreeMap<After, u32> = BTreeMap::new();
    // A prime step meets all kinds of places.
    for fuel in (1..whole).step_by((whole / 400) as usize | 1) {
        let (mut gc, told) = setup().instance();
        gc.set_fuel(fuel).unwrap();
        let error = busy(&mut gc).expect_err("the fuel is too little");
        assert_eq!(error.code(), None, "no trap of the runtime's: {error}");
        gc.set_fuel(MUCH).unwrap();
        let after = after_interruption(&mut gc, &told, &format!("{fuel} of {whole} units of fuel"));
        *outcomes.entry(after).or_insert(0) += 1;
    }
    for after in [After::Usable, After::SaysNo] {
        assert!(outcomes.get(&after) > Some(&5), "{after:?} in {outcomes:?}");
    }
}

/// Each fuel value in the few thousand that a small collection takes.
#[test]
fn a_collection_interrupted_at_each_point_is_recognised() {
    const MUCH: u64 = 1 << 40;
    let prepared = || {
        let (mut gc, told) = Setup::new().fuel(MUCH).instance();
        for n in 0..4 {
            let p = gc.alloc(16).unwrap();
            gc.push_root(p).unwrap();
            let dead = gc.alloc(16).unwrap();
            gc.register_wrapper(dead, 1, n + 1).unwrap();
        }
        told.clear();
        (gc, told)
    };
    let (mut gc, _) = prepared();
    gc.set_fuel(MUCH).unwrap();
    gc.collect().unwrap();
    let whole = MUCH - gc.fuel().expect("it is counted");
    let mut outcomes: BTreeMap<After, u32> = BTreeMap::new();
    for fuel in (1..whole).step_by((whole / 600) as usize + 1) {
        let (mut gc, told) = prepared();
        gc.set_fuel(fuel).unwrap();
        // Fuel is looked at now and then, so that nearly enough may be enough.
        let ended = gc.collect().is_ok();
        assert!(!ended || fuel * 100 > whole * 90, "{fuel} of {whole} units were enough");
        gc.set_fuel(MUCH).unwrap();
        let after = after_interruption(&mut gc, &told, &format!("{fuel} of {whole} units of fuel"));
        *outcomes.entry(after).or_insert(0) += 1;
    }
    assert!(outcomes.contains_key(&After::Usable) && outcomes.contains_key(&After::SaysNo));
}

/// A program that recurses until the native stack ends, allocating on the way: it may end in the runtime too.
#[test]
fn a_stack_that_overflows_in_program_or_runtime_leaves_a_heap_that_can_be_judged() {
    const WAT: &str = r#"(module
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func $down (export "down") (param $n i32)
    (if (local.get $n)
      (then
        (i32.store (global.get $gc_sp) (call $alloc (i32.const 16)))
        (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))))
    (call $down (local.get $n))))"#;
    let mut outcomes: BTreeMap<After, u32> = BTreeMap::new();
    for extra in (0..1_000).step_by(16) {
        let setup = Setup::new().option(GcOption::Eager, 1).wasm_stack(24_000 + extra);
        let mut guest = setup.guest_text("down.wat", WAT);
        let allocates = u32::from(extra % 32 == 0);
        let error = guest.try_call::<_, ()>("down", allocates).expect_err("there is no end to it");
        assert!(error.to_string().contains("stack is exhausted"), "{error}");
        let told = guest.told.clone();
        let after = after_interruption(&mut guest.instance, &told, &format!("{extra} more bytes"));
        assert!(allocates == 1 || after == After::Usable, "the runtime was not even called");
        *outcomes.entry(after).or_insert(0) += 1;
    }
    assert!(outcomes.contains_key(&After::Usable), "{outcomes:?}");
}

/// Whatever gc_sp is set to, the next collection says so, at each kind of safepoint.
#[test]
fn a_nonsensical_gc_sp_is_named_at_each_safepoint() {
    let (gc, _) = Setup::new().instance();
    let (base, limit) = (gc.stack_base(), gc.stack_limit());
    for wrong in [0, 1, 4, base - 4, base + 2, limit + 4, limit + 1, 0x7fff_fffc, u32::MAX] {
        let (mut gc, told) = Setup::new().option(GcOption::Eager, 1).instance();
        let p = gc.alloc(16).unwrap();
        let code = ErrorCode::ShadowStackOverflow;
        for safepoint in 0..5 {
            gc.set_sp(wrong);
            let outcome = match safepoint {
                0 => gc.alloc(8).map(drop),
                1 => gc.alloc_atomic(8).map(drop),
                2 => gc.register_wrapper(p, 1, 1),
                3 => gc.register_wrapper_sized(p, 1, 1, 1),
                _ => gc.collect(),
            };
            assert_error(outcome, code, wrong);
            assert_eq!(gc.try_alloc(8).unwrap(), None, "try_alloc has no object for it");
            assert_eq!(gc.sp(), wrong, "the runtime leaves it to the host");
        }
        gc.set_sp(base);
        assert_usable(&mut gc, &told);
    }
}

/// Objects have no headers: a write past the end of one changes its neighbour's contents and nothing of the collector's,
/// unless it leaves the heap's blocks of objects; then it is found, or does no harm.
#[test]
fn writes_past_the_end_of_an_object_are_survived_or_named() {
    for size in [8_u32, 16, 24, 100, 1_000, 8_192, 20_000, 200_000] {
        let (mut gc, told) = Setup::new().fuel(u64::MAX).instance();
        let mut objects = Vec::new();
        for _ in 0..20 {
            let p = gc.alloc(size).unwrap();
            gc.push_root(p).unwrap();
            objects.push(p);
        }
        let usable = gc.size(objects[0].0).unwrap();
        let memory = gc.memory_size();
        for &p in &objects {
            let end = p.0 + usable;
            let past = 64.min(memory - end as usize);
            gc.write(end, &vec![0xff; past]).unwrap();
        }
        gc.set_fuel(50_000_000).unwrap();
        let found = gc.verify();
        if matches!(found, Ok(0)) {
            gc.collect().unwrap();
            gc.set_sp(gc.stack_base());
            assert_usable(&mut gc, &told);
        } else {
            named(found, &format!("objects of {size} bytes"));
        }
    }
}

/// What a spoilt heap may say: nothing, one of its errors, or a trap of the engine's. It never ends the host.
#[track_caller]
fn named<T: std::fmt::Debug>(outcome: Result<T, Error>, what: &str) {
    if let Err(error) = outcome {
        assert!(error.trap().is_some(), "{what}: {error}");
    }
}

/// Where the wrap-table has the entry of this kind and handle.
fn entry(gc: &mut Instance, p: Ptr, kind: u32, handle: u32) -> u32 {
    let memory = gc.memory_size() as u32;
    let mut found = (0..memory - 16).step_by(4).filter(|&at| {
        let word = |n: u32| gc.read_u32(at + n * 4).unwrap_or(0);
        word(0) == p.0 && word(1) == kind && word(2) == handle
    });
    found.next().expect("the table has the entry as (object, kind, handle)")
}

#[test]
fn a_spoilt_wrap_table_is_named_by_verify() {
    for (word, value) in [(0, 0_u32), (0, 0xffff_ffff), (0, 0x10_0008)] {
        let (mut gc, _) = Setup::new().option(GcOption::Verify, 1).instance();
        let p = gc.alloc(16).unwrap();
        gc.push_root(p).unwrap();
        gc.register_wrapper(p, 0xabcd, 0x1234_5678).unwrap();
        let entry = entry(&mut gc, p, 0xabcd, 0x1234_5678);
        gc.write_u32(entry + word * 4, value).unwrap();
        let broken = [Invariant::WrapEntry as u32, Invariant::WrapCount as u32];
        let found = gc.verify().unwrap();
        assert!(broken.contains(&found), "gc_verify says {found} for {value:#x}");
        // a collection takes the entry's object for dead, drops it, and finds nothing wrong any more; or says so
        match gc.collect() {
            Ok(()) => assert_eq!(gc.stat(Stat::Wrappers), 0),
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::HeapCorrupt), "{error}"),
        }
    }
}

/// The whole of the table overwritten, with and without VERIFY: an error, or tellings of nonsense, which the host's store
/// tells from its own handles.
#[test]
fn a_wrap_table_full_of_noise_does_not_end_the_host() {
    for (value, verify) in [(0, 0), (0xff, 0), (0xdb, 0), (0x01, 0), (0xff, 1)] {
        let setup = Setup::new().option(GcOption::Verify, verify).fuel(u64::MAX);
        let mut gc = setup.callback(Callback::Plain);
        let mut kept = Vec::new();
        for _ in 0..50 {
            let p = gc.alloc(16).unwrap();
            gc.push_root(p).unwrap();
            let handle = gc.handles_mut().insert(3, 7);
            gc.register_wrapper(p, 3, handle).unwrap();
            kept.push((p, handle));
        }
        let first = entry(&mut gc, kept[0].0, 3, kept[0].1);
        gc.write(first, &[value; 50 * 16]).unwrap();
        gc.set_fuel(20_000_000).unwrap();
        named(gc.collect(), "collect");
        named(gc.release_wrapper(kept[1].0), "release");
        gc.set_sp(gc.stack_base());
        named(gc.collect(), "collect");
        named(gc.shutdown(), "shutdown");
        let audit = gc.handles().audit();
        assert_eq!(audit.told_twice, 0, "{audit:?}");
        assert_eq!(audit.made, 50);
    }
}

/// Any word of the runtime's own data and of its tables, spoilt in any way: everything that follows ends, with an answer or
/// a trap, within its fuel.
#[test]
fn any_word_of_the_runtimes_data_may_be_spoilt() {
    let mut corrupt = 0;
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..250 {
        let (mut gc, _) = Setup::new().fuel(u64::MAX).instance();
        for n in 0..30 {
            let p = gc.alloc([12, 40, 700, 9_000][n % 4]).unwrap();
            gc.push_root(p).unwrap();
            gc.register_wrapper(p, 1, n as u32 + 1).unwrap();
            if n % 3 == 0 {
                gc.pin(p).unwrap();
            }
        }
        gc.collect().unwrap();
        let heap = gc.program_base();
        let end = if round % 2 == 0 { gc.stack_base() } else { gc.memory_size() as u32 };
        let start = if round % 2 == 0 { 1024 } else { heap };
        // Words that say something: most of memory is zeros that nobody looks at.
        let at = loop {
            let at = start + (random() % u64::from(end - start)) as u32 / 4 * 4;
            if gc.read_u32(at).unwrap() != 0 {
                break at;
            }
        };
        let value = match round % 5 {
            0 => 0,
            1 => u32::MAX,
            2 => !gc.read_u32(at).unwrap(),
            3 => at,
            _ => random() as u32,
        };
        // A run of words, so that something is hit.
        for n in 0..(random() % 64) as u32 {
            if at + n * 4 < end {
                gc.write_u32(at + n * 4, value).unwrap();
            }
        }
        gc.set_fuel(10_000_000).unwrap();
        let what = format!("{value:#x} at {at:#x}");
        let found = gc.verify();
        corrupt += u32::from(!matches!(found, Ok(0)));
        named(found, &what);
        for size in [12, 700, 9_000, 100_000] {
            named(gc.alloc(size), &what);
        }
        named(gc.collect(), &what);
        named(gc.shutdown(), &what);
    }
    assert!(corrupt > 20, "the checker found {corrupt} of 250");
}
