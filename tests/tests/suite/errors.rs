//! Each error code can be provoked, says what the table says, and leaves a heap that goes on working.

use std::collections::BTreeSet;

use rootstock_host::{Instance, Ptr};
use runtime::error::{ERRORS, ErrorCode};
use runtime::options::GcOption;
use runtime::stats::Stat;
use runtime::verify::Invariant;
use tests::{Setup, assert_error, assert_usable};

type Provoke = fn(&mut Instance);

/// For each code of the table, something that traps with it.
const PROVOKE: &[(ErrorCode, Provoke)] = &[
    (ErrorCode::HeapExhausted, heap_exhausted),
    (ErrorCode::SizeTooLarge, size_too_large),
    (ErrorCode::ShadowStackOverflow, shadow_stack_overflow),
    (ErrorCode::WrapTableFull, wrap_table_full),
    (ErrorCode::NotAnObject, not_an_object),
    (ErrorCode::AlreadyRegistered, already_registered),
    (ErrorCode::InitTwice, init_twice),
    (ErrorCode::UnpinUnderflow, unpin_underflow),
    (ErrorCode::HeapCorrupt, heap_corrupt),
    (ErrorCode::BadRange, bad_range),
];

#[test]
fn every_code_of_the_table_can_be_provoked() {
    let provoked: Vec<_> = PROVOKE.iter().map(|(code, _)| *code).collect();
    let table: Vec<_> =
        ERRORS.iter().map(|row| row.code).filter(|code| *code != ErrorCode::None).collect();
    assert_eq!(provoked, table);
    for (code, provoke) in PROVOKE {
        let (mut gc, _) = Setup::new().fuel(u64::MAX).instance();
        assert_eq!(gc.last_error(), None, "nothing has failed yet");
        provoke(&mut gc);
        assert_eq!(
            gc.last_error().map(|(code, _)| code),
            Some(*code),
            "gc_last_error after the trap"
        );
    }
}

/// A heap that was usable is usable again when the host has put right what it did wrong, and so with each code after
/// another in one instance.
#[test]
fn the_heap_is_usable_after_every_trap() {
    let (mut gc, told) = Setup::new().option(GcOption::Verify, 1).instance();
    assert_usable(&mut gc, &told);
    for _ in 0..2 {
        for (code, provoke) in PROVOKE {
            if *code == ErrorCode::HeapCorrupt {
                // the one that says that the heap is not usable
                continue;
            }
            provoke(&mut gc);
            assert_eq!(gc.verify().unwrap(), 0, "gc_verify after {code:?}");
            assert_usable(&mut gc, &told);
        }
    }
}

/// The same at each allocation and registration being a collection.
#[test]
fn the_heap_is_usable_after_every_trap_with_eager_collection() {
    for (code, provoke) in PROVOKE.iter().filter(|(code, _)| *code != ErrorCode::HeapCorrupt) {
        let (mut gc, told) = Setup::new().instance();
        provoke(&mut gc);
        gc.configure(GcOption::Eager, 1).unwrap();
        gc.configure(GcOption::Poison, 1).unwrap();
        assert_usable(&mut gc, &told);
        assert_eq!(gc.verify().unwrap(), 0, "gc_verify after {code:?}");
    }
}

/// Allocates rooted objects of 1,000 bytes in a heap of 1 MB until there is no room for one.
fn heap_exhausted(gc: &mut Instance) {
    let sp = gc.sp();
    gc.configure(GcOption::HeapLimit, 1 << 20).unwrap();
    let mut made = 0;
    let error = loop {
        match gc.alloc(1_000) {
            Ok(p) => gc.push_root(p).unwrap(),
            Err(error) => break error,
        }
        made += 1;
        assert!(made < 1_100, "{made} objects of 1,000 bytes in a heap of 1 MB");
    };
    assert_error::<()>(Err(error), ErrorCode::HeapExhausted, 1_000);
    assert!(made > 700, "only {made} objects of 1,000 bytes in a heap of 1 MB");
    // try_alloc says the same without a trap, and a smaller request may still succeed
    assert_eq!(gc.try_alloc(100_000).unwrap(), None);
    assert!(gc.stat(Stat::LiveObjects) >= made, "all of them are alive");
    gc.set_sp(sp);
    gc.alloc(1_000).expect("room after the roots are gone");
    gc.configure(GcOption::HeapLimit, 0).unwrap();
}

fn size_too_large(gc: &mut Instance) {
    let collections = gc.stat(Stat::Collections);
    for size in [u32::MAX, u32::MAX - 15, 0x8000_0000, 0xffff_0000] {
        assert_error(gc.alloc(size), ErrorCode::SizeTooLarge, size);
        assert_error(gc.alloc_atomic(size), ErrorCode::SizeTooLarge, size);
        assert_eq!(gc.try_alloc(size).unwrap(), None, "try_alloc({size}) does not trap");
    }
    assert_eq!(gc.stat(Stat::Collections), collections, "no collection can help");
}

fn shadow_stack_overflow(gc: &mut Instance) {
    let (base, limit, sp) = (gc.stack_base(), gc.stack_limit(), gc.sp());
    for wrong in [limit + 4, base - 4, base + 2, limit - 1, 0, u32::MAX - 3] {
        gc.set_sp(wrong);
        assert_error(gc.collect(), ErrorCode::ShadowStackOverflow, wrong);
    }
    gc.set_sp(sp);
    gc.collect().expect("the host put gc_sp back");
    // an overflow that was undone before the collection has still written over the guard word; said once
    let guard = gc.read_u32(limit).unwrap();
    gc.write_u32(limit, guard ^ 1).unwrap();
    assert_error(gc.collect(), ErrorCode::ShadowStackOverflow, sp);
    gc.collect().expect("the guard word is put back");
}

fn wrap_table_full(gc: &mut Instance) {
    let sp = gc.sp();
    let before = gc.configure(GcOption::WrapLimit, 10).unwrap();
    let rooted = |gc: &mut Instance| {
        let p = gc.alloc(12).unwrap();
        gc.push_root(p).unwrap();
        p
    };
    gc.collect().unwrap();
    for handle in gc.stat(Stat::Wrappers) as u32..10 {
        let p = rooted(gc);
        gc.register_wrapper(p, 9, handle).unwrap();
    }
    let p = rooted(gc);
    assert_error(gc.register_wrapper(p, 9, 10), ErrorCode::WrapTableFull, 10);
    gc.configure(GcOption::WrapLimit, before).unwrap();
    gc.register_wrapper(p, 9, 10).unwrap();
    gc.set_sp(sp);
    gc.collect().unwrap();
}

fn not_an_object(gc: &mut Instance) {
    let live = gc.alloc(64).unwrap();
    gc.push_root(live).unwrap();
    let large = gc.alloc(200_000).unwrap();
    gc.push_root(large).unwrap();
    let dead = gc.alloc(64).unwrap();
    gc.collect().unwrap();
    let (program, stack, memory) =
        (gc.program_base(), gc.stack_base(), gc.stat(Stat::MemoryPages) as u32 * 65_536);
    let wrong = [
        0,
        1,
        live.0 + 1,
        live.0 + 8,
        large.0 + 8,
        large.0 + 100_000,
        dead.0,
        program,
        stack,
        memory - 8,
        memory,
        u32::MAX,
    ];
    for p in wrong.map(Ptr) {
        assert_error(gc.register_wrapper(p, 9, 1), ErrorCode::NotAnObject, p.0);
        assert_error(gc.release_wrapper(p), ErrorCode::NotAnObject, p.0);
        assert_error(gc.pin(p), ErrorCode::NotAnObject, p.0);
    }
    assert!(!gc.release_wrapper(live).unwrap(), "an object without a wrapper is no error");
    tests::pop_roots(gc, 2);
}

fn already_registered(gc: &mut Instance) {
    let p = gc.alloc(12).unwrap();
    gc.push_root(p).unwrap();
    gc.register_wrapper(p, 9, 1).unwrap();
    let told = gc.stat(Stat::WrappersTold);
    assert_error(gc.register_wrapper(p, 9, 1), ErrorCode::AlreadyRegistered, p.0);
    assert_error(gc.register_wrapper(p, 8, 2), ErrorCode::AlreadyRegistered, p.0);
    assert_error(gc.register_wrapper_sized(p, 8, 2, 100), ErrorCode::AlreadyRegistered, p.0);
    assert_eq!(gc.stat(Stat::ExternalBytes), 0, "a refused registration counts nothing");
    gc.collect().unwrap();
    // the first registration stands, and is told once; then the object may be registered again
    assert!(gc.release_wrapper(p).unwrap());
    assert_eq!(gc.stat(Stat::WrappersTold), told + 1);
    gc.register_wrapper(p, 8, 2).unwrap();
    assert!(gc.release_wrapper(p).unwrap());
    tests::pop_roots(gc, 1);
}

fn init_twice(gc: &mut Instance) {
    gc.alloc(8).unwrap();
    let wrong = gc.program_base() + 4_096;
    match gc.init(wrong) {
        Err(rootstock_host::Error::Trap(report)) => {
            assert_eq!(report.code.map(|row| row.code), Some(ErrorCode::InitTwice));
            assert_ne!(report.arg, wrong, "the argument is the value in force");
        }
        other => panic!("gc_init after an allocation: {other:?}"),
    }
}

fn unpin_underflow(gc: &mut Instance) {
    let p = gc.alloc(8).unwrap();
    gc.push_root(p).unwrap();
    assert_error(gc.unpin(p), ErrorCode::UnpinUnderflow, p.0);
    gc.pin(p).unwrap();
    gc.pin(p).unwrap();
    gc.unpin(p).unwrap();
    gc.unpin(p).unwrap();
    assert_error(gc.unpin(p), ErrorCode::UnpinUnderflow, p.0);
    tests::pop_roots(gc, 1);
}

/// A host that runs out of patience in the middle of a collection leaves a heap that knows of it.
fn heap_corrupt(gc: &mut Instance) {
    for _ in 0..20_000 {
        let p = gc.alloc(16).unwrap();
        gc.push_root(p).unwrap();
    }
    gc.collect().unwrap();
    gc.set_fuel(20_000).unwrap();
    let interrupted = gc.collect().expect_err("20,000 objects need more fuel");
    assert_eq!(interrupted.code(), None, "not a trap of the runtime's: {interrupted}");
    gc.set_fuel(u64::MAX).unwrap();
    let broken = Invariant::Interrupted as u32;
    assert_eq!(gc.verify().unwrap(), broken);
    assert_error(gc.collect(), ErrorCode::HeapCorrupt, broken);
    assert_error(gc.alloc(100_000), ErrorCode::HeapCorrupt, broken);
}

/// gc_verify sees what is wrong: of the words that lie in the heap and in no object, some are the collector's tables,
/// and with one of those spoilt it does not answer 0.
#[test]
fn verify_finds_spoilt_tables() {
    let (mut gc, _) = Setup::new().instance();
    for size in [16, 16, 100, 40_000] {
        let p = gc.alloc(size).unwrap();
        gc.push_root(p).unwrap();
        gc.register_wrapper(p, 1, 1).unwrap();
    }
    gc.collect().unwrap();
    assert_eq!(gc.verify().unwrap(), 0);
    let mut found = BTreeSet::new();
    let memory = gc.stat(Stat::MemoryPages) as u32 * 65_536;
    for at in (gc.program_base()..memory).step_by(4) {
        if gc.base(at).is_some() {
            continue;
        }
        let word = gc.read_u32(at).unwrap();
        gc.write_u32(at, !word).unwrap();
        match gc.verify() {
            Ok(code) => found.extend((code != 0).then_some(code)),
            // a checker that trips over it has found it too
            Err(error) => assert!(error.trap().is_some(), "{error}"),
        }
        gc.write_u32(at, word).unwrap();
    }
    for invariant in
        [Invariant::AllocBits, Invariant::MarkBits, Invariant::Large, Invariant::WrapCount]
    {
        assert!(
            found.contains(&(invariant as u32)),
            "gc_verify never said {invariant:?}, but {found:?}"
        );
    }
    assert_eq!(gc.verify().unwrap(), 0, "everything is back");
}

#[test]
fn verify_checks_the_shadow_stack() {
    let (mut gc, _) = Setup::new().instance();
    gc.alloc(8).unwrap();
    let (base, limit) = (gc.stack_base(), gc.stack_limit());
    for wrong in [base - 4, base + 1, limit + 4] {
        gc.set_sp(wrong);
        assert_eq!(gc.verify().unwrap(), Invariant::ShadowStack as u32, "gc_sp = {wrong:#x}");
    }
    gc.set_sp(base);
    let guard = gc.read_u32(limit).unwrap();
    gc.write_u32(limit, !guard).unwrap();
    assert_eq!(gc.verify().unwrap(), Invariant::ShadowStack as u32);
    gc.write_u32(limit, guard).unwrap();
    assert_eq!(gc.verify().unwrap(), 0);
}

fn bad_range(gc: &mut Instance) {
    // the end of the shadow stack, which is in memory from the start
    let base = gc.stack_limit() - 64;
    let memory = gc.stat(Stat::MemoryPages) as u32 * 65_536;
    let ranges = gc.stat(Stat::RootRanges);
    for (start, end) in [
        (base, base),
        (base + 4, base),
        (base + 1, base + 8),
        (base, base + 6),
        (memory - 4, memory + 4),
        (memory, memory + 8),
        (u32::MAX - 7, u32::MAX - 3),
    ] {
        assert_error(gc.add_roots(start, end), ErrorCode::BadRange, start);
        assert_error(gc.remove_roots(start, end), ErrorCode::BadRange, start);
    }
    gc.add_roots(base, base + 16).unwrap();
    assert_error(gc.remove_roots(base, base + 8), ErrorCode::BadRange, base);
    assert_error(gc.remove_roots(base + 4, base + 16), ErrorCode::BadRange, base + 4);
    gc.remove_roots(base, base + 16).unwrap();
    assert_error(gc.remove_roots(base, base + 16), ErrorCode::BadRange, base);
    assert_eq!(gc.stat(Stat::RootRanges), ranges);
}
