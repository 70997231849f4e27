//! The acceptance points of the seed document, each by its own words.
//!
//! The document's table is fixed at 4,096 entries: WRAP_LIMIT is set to that, and the heap is given so much room that
//! only the table can be what makes `register_wrapper` collect.

use rootstock_host::{Instance, Ptr};
use runtime::options::GcOption;
use runtime::stats::Stat;
use tests::Setup;

/// The table of the seed document.
const FIXED_TABLE: u32 = 4096;

/// A table of fixed size, and no pressure but the table's own: neither bytes nor the number of registrations make the
/// collector run before the table is full.
fn fixed_table() -> Setup {
    Setup::new()
        .option(GcOption::WrapLimit, FIXED_TABLE)
        .option(GcOption::MinHeap, 1 << 30)
        .option(GcOption::Poison, 1)
        .option(GcOption::Verify, 1)
}

/// A wrapper as the seed's compiler lays it out: tag, tagged handle, 0.
fn wrapper(gc: &mut Instance, kind: u32, handle: u32) -> Ptr {
    let p = body(gc, kind, handle);
    gc.register_wrapper(p, kind, handle).expect("room in the table");
    p
}

fn body(gc: &mut Instance, kind: u32, handle: u32) -> Ptr {
    let p = gc.alloc(12).expect("room in the heap");
    for (offset, word) in body_words(kind, handle).into_iter().enumerate() {
        gc.write_u32(p.0 + 4 * offset as u32, word).expect("inside memory");
    }
    p
}

fn body_words(kind: u32, handle: u32) -> [u32; 3] {
    [kind, handle | 0x8000_0000, 0]
}

fn assert_body(gc: &mut Instance, p: Ptr, kind: u32, handle: u32) {
    let words = [0, 4, 8].map(|offset| gc.read_u32(p.0 + offset).expect("inside memory"));
    assert_eq!(words, body_words(kind, handle), "the wrapper at {p} of handle {handle}");
    assert_eq!(gc.base(p.0), Some(p), "the wrapper at {p} is not allocated any more");
}

/// Fills the table with wrappers that are alive, and answers with them.
fn fill(gc: &mut Instance) -> Vec<Ptr> {
    let wrappers: Vec<Ptr> = (0..FIXED_TABLE)
        .map(|handle| {
            let p = wrapper(gc, 3, handle);
            gc.push_root(p).expect("room in the shadow stack");
            p
        })
        .collect();
    assert_eq!(gc.stat(Stat::Wrappers), i64::from(FIXED_TABLE));
    assert_eq!(gc.stat(Stat::WrapCapacity), i64::from(FIXED_TABLE));
    wrappers
}

/// "`$register_wrapper` no longer traps on first fullness; instead it triggers `$gc_collect`, re-checks ..."
#[test]
fn acceptance_1_register_wrapper_no_longer_traps_on_first_fullness_but_collects_and_rechecks() {
    let (mut gc, told) = fixed_table().instance();
    let base = gc.sp();
    fill(&mut gc);
    // everything in the full table goes dead; nothing has looked since
    gc.set_sp(base);
    let collections = gc.stat(Stat::Collections);
    assert!(told.is_empty());

    let last = wrapper(&mut gc, 3, FIXED_TABLE);

    assert_eq!(
        gc.stat(Stat::Collections),
        collections + 1,
        "the full table triggers one collection"
    );
    assert_eq!(gc.stat(Stat::Wrappers), 1, "the dead entries are dropped, the new one is there");
    assert_eq!(
        gc.stat(Stat::WrapCapacity),
        i64::from(FIXED_TABLE),
        "a table at its limit does not grow"
    );
    assert_eq!(told.sorted(), (0..FIXED_TABLE).map(|handle| (3, handle)).collect::<Vec<_>>());
    assert_body(&mut gc, last, 3, FIXED_TABLE);
    assert_eq!(gc.verify().unwrap(), 0);
}

/// "... (Phase 2c drops dead entries and compacts survivors in place) ..."
#[test]
fn acceptance_1_survivors_are_compacted_in_place_and_keep_their_handles() {
    let (mut gc, told) = fixed_table().instance();
    let base = gc.sp();
    let wrappers = fill(&mut gc);
    // every third one survives
    gc.set_sp(base);
    let (mut live, mut dead) = (Vec::new(), Vec::new());
    for (handle, &p) in (0..).zip(&wrappers) {
        if handle % 3 == 1 {
            gc.push_root(p).unwrap();
            live.push((3, handle));
        } else {
            dead.push((3, handle));
        }
    }

    let last = wrapper(&mut gc, 4, 77_777);

    assert_eq!(told.sorted(), dead, "exactly the dead are told");
    assert_eq!(gc.stat(Stat::Wrappers), live.len() as i64 + 1);
    for &(kind, handle) in &live {
        assert_body(&mut gc, wrappers[handle as usize], kind, handle);
    }
    assert_body(&mut gc, last, 4, 77_777);
    // each entry that survived still belongs to its object: released by pointer, it tells its own handle
    for &(kind, handle) in &live {
        told.clear();
        assert!(gc.release_wrapper(wrappers[handle as usize]).unwrap());
        assert_eq!(told.sorted(), [(kind, handle)]);
    }
    assert_eq!(gc.verify().unwrap(), 0);
}

/// "... a tight loop wrapping handles in scratch ADTs that go dead immediately, with no other heap pressure ... runs
/// cleanly past the 4 096-wrapper threshold."
#[test]
fn acceptance_2_a_wrapper_heavy_load_runs_past_4_096_and_past_1_000_000() {
    let mut guest = fixed_table().guest("wrappers.wat");
    for total in [4_097_u32, 10_000, 1_100_000] {
        let made = guest.stat(Stat::WrappersRegistered) as u32;
        let handles: u32 = guest.call("burst", total - made);
        assert_eq!(handles, total);
        let live = guest.stat(Stat::Wrappers);
        assert_eq!(guest.stat(Stat::WrappersRegistered), i64::from(total));
        assert_eq!(
            guest.stat(Stat::WrappersTold) + live,
            i64::from(total),
            "each is told or still in the table"
        );
        assert_eq!(guest.stat(Stat::WrappersTold), guest.told.len() as i64);
        assert!(live <= i64::from(FIXED_TABLE), "{live} entries in a table of {FIXED_TABLE}");
        assert_eq!(guest.stat(Stat::WrapCapacity), i64::from(FIXED_TABLE));
        assert_eq!(guest.verify(), 0);
    }
    guest.collect();
    // handles run from 1, and each was told exactly once
    assert_eq!(guest.told.sorted(), (1..=1_100_000).map(|handle| (3, handle)).collect::<Vec<_>>());
    assert_eq!(guest.stat(Stat::Wrappers), 0);
}

/// The same load as a program meets it: nothing configured, the table free to grow. It has no reason to.
#[test]
fn acceptance_2_a_wrapper_heavy_load_keeps_the_dead_within_the_pacing_bound() {
    let mut guest = Setup::new().guest("wrappers.wat");
    guest.call::<_, u32>("burst", 1_000_000_u32);
    assert!(
        guest.stat(Stat::WrappersPeak) <= 512,
        "peak {} with none alive",
        guest.stat(Stat::WrappersPeak)
    );
    assert_eq!(guest.stat(Stat::WrapCapacity), i64::from(FIXED_TABLE));
    assert_eq!(guest.verify(), 0);
}

/// "... and only traps if still full after compaction."
#[test]
fn acceptance_3_at_the_limit_with_all_alive_one_more_traps_and_the_host_goes_on() {
    let (mut gc, told) = fixed_table().instance();
    let base = gc.sp();
    let wrappers = fill(&mut gc);
    let one_more = body(&mut gc, 3, 9_999);
    let (collections, sp) = (gc.stat(Stat::Collections), gc.sp());

    tests::assert_error(
        gc.register_wrapper(one_more, 3, 9_999),
        runtime::error::ErrorCode::WrapTableFull,
        FIXED_TABLE,
    );

    assert_eq!(gc.last_error().map(|(code, arg)| (code as u32, arg)), Some((4, FIXED_TABLE)));
    assert_eq!(gc.stat(Stat::Collections), collections + 1, "it collected before it gave up");
    assert!(told.is_empty(), "all were alive");
    assert_eq!(gc.stat(Stat::Wrappers), i64::from(FIXED_TABLE));
    assert_eq!(
        gc.stat(Stat::WrappersRegistered),
        i64::from(FIXED_TABLE),
        "the refused one is not registered"
    );
    assert_eq!(gc.sp(), sp, "the temporary root is gone");
    assert_eq!(gc.verify().unwrap(), 0);
    for (handle, &p) in (0..).zip(&wrappers) {
        assert_body(&mut gc, p, 3, handle);
    }

    // the host goes on: with one entry freed there is room for one, and then none again
    assert!(gc.release_wrapper(wrappers[0]).unwrap());
    wrapper(&mut gc, 3, 10_000);
    let refused = body(&mut gc, 3, 10_001);
    gc.push_root(refused).unwrap();
    // 10,000 was never rooted, so the collection makes room for 10,001
    gc.register_wrapper(refused, 3, 10_001).unwrap();
    assert_eq!(told.sorted(), [(3, 0), (3, 10_000)]);
    // a larger limit lets the table grow
    let refused = body(&mut gc, 3, 10_002);
    gc.push_root(refused).unwrap();
    assert!(gc.register_wrapper(refused, 3, 10_002).is_err());
    gc.configure(GcOption::WrapLimit, 2 * FIXED_TABLE).unwrap();
    gc.register_wrapper(refused, 3, 10_002).unwrap();
    assert_eq!(gc.stat(Stat::Wrappers), i64::from(FIXED_TABLE) + 1);
    // and with everything dead, everything is told
    gc.set_sp(base);
    gc.collect().unwrap();
    assert_eq!(gc.stat(Stat::Wrappers), 0);
    assert_eq!(told.len() as u32, FIXED_TABLE + 3);
    assert_eq!(gc.verify().unwrap(), 0);
}

/// "(a) push the in-flight wrapper ptr on the shadow stack so `$gc_collect` doesn't sweep it"
#[test]
fn acceptance_4_the_in_flight_wrapper_survives_the_collection_inside_register_wrapper() {
    let (mut gc, told) = fixed_table().instance();
    let base = gc.sp();
    fill(&mut gc);
    let in_flight = body(&mut gc, 3, 5_000);
    gc.push_root(in_flight).unwrap();
    // what it points at is as alive as it is
    let held = gc.alloc(40).unwrap();
    gc.write_u32(held.0, 0x1234_5678).unwrap();
    gc.write_u32(in_flight.0 + 8, held.0).unwrap();
    // from here on nothing but the registration itself holds it
    gc.set_sp(base);
    let collections = gc.stat(Stat::Collections);

    gc.register_wrapper(in_flight, 3, 5_000).unwrap();

    assert_eq!(gc.stat(Stat::Collections), collections + 1);
    assert_eq!(gc.stat(Stat::LiveObjects), 2, "the wrapper and what it points at");
    assert_eq!(gc.base(in_flight.0), Some(in_flight));
    assert_eq!(gc.read_u32(in_flight.0 + 4).unwrap(), 5_000 | 0x8000_0000);
    assert_eq!(gc.read_u32(held.0).unwrap(), 0x1234_5678);
    assert_eq!(gc.sp(), base, "the temporary root is popped");
    told.clear();
    assert!(gc.release_wrapper(in_flight).unwrap());
    assert_eq!(told.sorted(), [(3, 5_000)]);
    assert_eq!(gc.verify().unwrap(), 0);
}

/// The seed's fix pushes a slot; with the shadow stack exactly full there is none to push.
#[test]
fn acceptance_4_the_in_flight_wrapper_survives_with_the_shadow_stack_exactly_full() {
    let (mut gc, told) = fixed_table().instance();
    let base = gc.sp();
    fill(&mut gc);
    let limit = gc.stack_limit();
    let in_flight = body(&mut gc, 3, 6_000);
    gc.push_root(in_flight).unwrap();
    // every slot holds one and the same live object, which is not the wrapper
    let alive = gc.alloc(16).unwrap();
    fill_stack(&mut gc, base, limit, alive);
    let guard = gc.read_u32(limit).unwrap();
    let collections = gc.stat(Stat::Collections);

    gc.register_wrapper(in_flight, 3, 6_000).unwrap();

    assert_eq!(gc.stat(Stat::Collections), collections + 1);
    assert_body(&mut gc, in_flight, 3, 6_000);
    assert_eq!(gc.sp(), limit, "gc_sp is where it was");
    assert_eq!(gc.read_u32(limit).unwrap(), guard, "nothing was pushed beyond the limit");
    for slot in (base..limit).step_by(4) {
        assert_eq!(gc.read_u32(slot).unwrap(), alive.0, "slot {slot:#x}");
    }
    assert_eq!(gc.stat(Stat::StackHighWater), i64::from(limit - gc.stack_base()));
    assert_eq!(told.len() as u32, FIXED_TABLE, "the rest of the table was dead");
    assert_eq!(gc.verify().unwrap(), 0);
}

/// Fills every slot from `base` to `limit` with one object; all other roots are gone.
fn fill_stack(gc: &mut Instance, base: u32, limit: u32, alive: Ptr) {
    let slots: Vec<u8> = std::iter::repeat_n(alive.0.to_le_bytes(), ((limit - base) / 4) as usize)
        .flatten()
        .collect();
    gc.write(base, &slots).unwrap();
    gc.set_sp(limit);
}

/// A collection at each registration, whatever the table holds.
#[test]
fn acceptance_4_the_in_flight_wrapper_survives_with_eager_collection() {
    let (mut gc, told) = fixed_table().option(GcOption::Eager, 1).instance();
    let base = gc.sp();
    for handle in 0..100 {
        let p = body(&mut gc, 3, handle);
        let collections = gc.stat(Stat::Collections);
        gc.register_wrapper(p, 3, handle).unwrap();
        assert_eq!(
            gc.stat(Stat::Collections),
            collections + 1,
            "eager collects at each registration"
        );
        assert_body(&mut gc, p, 3, handle);
        assert!(
            !told.contains(3, handle),
            "handle {handle} was told while its wrapper was in flight"
        );
    }
    // the same with no slot free
    let limit = gc.stack_limit();
    let alive = gc.alloc(16).unwrap();
    fill_stack(&mut gc, base, limit, alive);
    for handle in 100..110 {
        let p = body(&mut gc, 3, handle);
        gc.register_wrapper(p, 3, handle).unwrap();
        assert_body(&mut gc, p, 3, handle);
        assert!(!told.contains(3, handle));
    }
    gc.set_sp(base);
    gc.collect().unwrap();
    assert_eq!(told.sorted(), (0..110).map(|handle| (3, handle)).collect::<Vec<_>>());
    assert_eq!(gc.verify().unwrap(), 0);
}

const STEPS: u32 = 10_000;

/// A fold's guest after its run: what its host still holds, with the accumulator alive and without.
fn residue(fold: &str, result: i64, made: u32, at_most: u64) {
    let mut guest = Setup::new().guest("reclaim.wat");
    assert_eq!(guest.call::<_, i64>(fold, STEPS), result, "{fold}");
    assert_eq!(guest.audit().made, u64::from(made), "{fold}");
    let (left, peak) = (guest.audit().live, guest.stat(Stat::WrappersPeak));
    assert!(left < at_most, "{fold}: {left} handles are left before the last collection");
    assert!(peak < at_most as i64, "{fold}: there were {peak} handles at once");
    guest.call::<_, ()>("collect", ());
    assert_eq!(guest.audit().live, 1, "{fold}: only the accumulator's is left after it");
    assert_eq!(guest.verify(), 0);
    guest.forget_roots();
    guest.collect();
    let audit = guest.audit();
    assert_eq!(
        (audit.live, audit.told_once),
        (0, u64::from(made)),
        "{fold}: and that goes with the last root"
    );
    assert!(audit.is_clean(), "{fold}: {audit:?}");
}

/// "post-GC residual = 1 for Map": a fold of 10,000 insertions, each of which makes a new map.
#[test]
fn acceptance_5_reclamation_map_shape_residue_1() {
    residue("map_fold", STEPS.into(), STEPS + 1, 2_000);
}

/// "< 2K for Set": already without a last collection.
#[test]
fn acceptance_5_reclamation_set_shape_residue_below_2_000() {
    residue("set_fold", STEPS.into(), STEPS + 1, 2_000);
}

/// "< 1.5K for Decimal": two wrappers a step.
#[test]
fn acceptance_5_reclamation_decimal_shape_residue_below_1_500() {
    residue("decimal_fold", i64::from(STEPS * (STEPS - 1) / 2), 2 * STEPS + 1, 1_500);
}

/// "Existing `TestHostHandleReclamation573` regressions still pass": with the seed's own table of 4,096 entries too.
#[test]
fn acceptance_5_reclamation_shapes_run_with_the_fixed_table() {
    for (fold, result) in [
        ("map_fold", i64::from(STEPS)),
        ("set_fold", i64::from(STEPS)),
        ("decimal_fold", i64::from(STEPS * (STEPS - 1) / 2)),
    ] {
        let mut guest = fixed_table().guest("reclaim.wat");
        assert_eq!(guest.call::<_, i64>(fold, STEPS), result, "{fold}");
        assert_eq!(guest.stat(Stat::WrapCapacity), i64::from(FIXED_TABLE));
        guest.collect();
        assert_eq!(guest.audit().live, 1, "{fold}");
    }
}
