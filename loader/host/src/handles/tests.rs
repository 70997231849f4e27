use super::*;

#[test]
fn a_handle_lives_until_it_is_told() {
    let mut store = HandleStore::default();
    let handle = store.insert(3, -7);
    assert_eq!(store.get(handle), Some(Handle { kind: 3, value: -7, generation: 0 }));
    assert_eq!(store.status(handle), Status::Live);
    assert_eq!(store.tell(3, handle).map(|found| found.value), Ok(-7));
    assert_eq!(store.get(handle), None);
    assert_eq!(store.status(handle), Status::ToldOnce);
    let audit = store.audit();
    assert_eq!((audit.made, audit.live, audit.told_once), (1, 0, 1));
    assert!(audit.is_clean());
}

#[test]
fn numbers_begin_at_one_and_leave_bit_31_to_clients() {
    let mut store = HandleStore::default();
    assert_eq!(store.insert(0, 0), 1);
    let handle = store.insert(9, 42);
    assert_eq!(store.get(handle | 0x8000_0000).map(|found| found.value), Some(42));
    assert!(store.tell(9, handle | 0x8000_0000).is_ok());
    assert_eq!(store.status(handle), Status::ToldOnce);
    assert_eq!(store.status(0), Status::Unknown);
}

#[test]
fn telling_twice_is_a_fault_of_one_handle_however_often() {
    let mut store = HandleStore::default();
    let twice = store.insert(1, 0);
    let once = store.insert(1, 0);
    assert!(store.tell(1, twice).is_ok());
    assert!(store.tell(1, once).is_ok());
    for _ in 0..2 {
        let fault = store.tell(1, twice).unwrap_err();
        assert_eq!((fault.handle, fault.what), (twice, FaultKind::ToldTwice));
    }
    assert_eq!(store.status(twice), Status::ToldTwice);
    assert_eq!(store.status(once), Status::ToldOnce);
    let audit = store.audit();
    assert_eq!((audit.told_once, audit.told_twice, audit.faults.len()), (1, 1, 2));
    assert!(!audit.is_clean());
}

#[test]
fn telling_twice_is_found_long_after_the_chunk_was_dropped() {
    let mut store = HandleStore::default();
    let first = store.insert(1, 0);
    assert!(store.tell(1, first).is_ok());
    for _ in 0..10 * SLOTS {
        let handle = store.insert(1, 0);
        assert!(store.tell(1, handle).is_ok());
    }
    assert!(matches!(store.chunks[0], Chunk::Retired { generation: 1 }));
    assert_eq!(store.status(first), Status::ToldOnce);
    assert_eq!(store.tell(1, first).unwrap_err().what, FaultKind::ToldTwice);
    assert_eq!(store.status(first), Status::ToldTwice);
    assert_eq!(store.status(first + 1), Status::ToldOnce);
    assert_eq!(store.audit().told_once, 10 * SLOTS as u64);
}

#[test]
fn memory_follows_the_live_handles() {
    let mut store = HandleStore::default();
    let kept = store.insert(1, 5);
    for _ in 0..100 * SLOTS {
        let handle = store.insert(1, 0);
        assert!(store.tell(1, handle).is_ok());
    }
    let open = store.chunks.iter().filter(|chunk| matches!(chunk, Chunk::Open(_))).count();
    // The one that `kept` lies in, and the one that is being filled.
    assert_eq!(open, 2);
    assert_eq!(store.get(kept).map(|found| found.value), Some(5));
}

#[test]
fn an_unknown_number_and_a_wrong_kind_are_faults() {
    let mut store = HandleStore::default();
    let handle = store.insert(3, 0);
    assert_eq!(store.tell(3, handle + 1).unwrap_err().what, FaultKind::Unknown);
    assert_eq!(store.tell(3, 0).unwrap_err().what, FaultKind::Unknown);
    assert_eq!(store.tell(3, 0x7fff_ffff).unwrap_err().what, FaultKind::Unknown);
    assert_eq!(store.tell(4, handle).unwrap_err().what, FaultKind::WrongKind(3));
    // The telling was not meant for it: it is still alive.
    assert_eq!(store.status(handle), Status::Live);
    let audit = store.audit();
    assert_eq!((audit.unknown, audit.wrong_kind, audit.live), (3, 1, 1));
    assert!(!audit.is_clean());
}

#[test]
fn what_should_have_been_told_is_never_told_until_it_is() {
    let mut store = HandleStore::default();
    let overdue = store.insert(1, 0);
    let live = store.insert(1, 0);
    store.expect_told(overdue);
    store.expect_told(overdue);
    assert_eq!(store.status(overdue), Status::NeverTold);
    assert_eq!(store.status(live), Status::Live);
    let audit = store.audit();
    assert_eq!((audit.live, audit.never_told, audit.is_clean()), (1, 1, false));

    store.expect_all_told();
    assert_eq!(store.audit().never_told, 2);
    let later = store.insert(1, 0);
    assert_eq!(store.status(later), Status::Live);

    assert!(store.tell(1, overdue).is_ok());
    assert!(store.tell(1, live).is_ok());
    let audit = store.audit();
    assert_eq!((audit.live, audit.never_told, audit.is_clean()), (1, 0, true));
}

#[test]
fn a_removed_handle_is_nobodys() {
    let mut store = HandleStore::default();
    let handle = store.insert(2, 8);
    assert_eq!(store.remove(handle).map(|found| found.value), Some(8));
    assert_eq!(store.remove(handle), None);
    assert_eq!(store.status(handle), Status::Removed);
    assert_eq!(store.tell(2, handle).unwrap_err().what, FaultKind::Unknown);
    let audit = store.audit();
    assert_eq!((audit.removed, audit.live, audit.told_once, audit.unknown), (1, 0, 0, 1));
}

#[test]
fn a_limit_bounds_what_is_alive_not_what_was() {
    let mut store = HandleStore::with_limit(2);
    let first = store.try_insert(1, 0).unwrap();
    store.try_insert(1, 0).unwrap();
    assert_eq!(store.try_insert(1, 0), Err(StoreFull(2)));
    assert!(store.tell(1, first).is_ok());
    assert!(store.try_insert(1, 0).is_ok());
}

#[test]
fn live_handles_are_listed_by_number() {
    let mut store = HandleStore::default();
    let all: Vec<u32> = (0..3 * SLOTS as i64).map(|value| store.insert(1, value)).collect();
    for handle in all.iter().filter(|&handle| handle % 1000 != 0) {
        assert!(store.tell(1, *handle).is_ok());
    }
    let live: Vec<(u32, i64)> =
        store.live().map(|(number, handle)| (number, handle.value)).collect();
    let expected: Vec<(u32, i64)> = (1..=12).map(|n| (n * 1000, i64::from(n) * 1000 - 1)).collect();
    assert_eq!(live, expected);
    assert_eq!(store.live_count(), 12);
}

#[test]
fn the_log_has_every_telling_in_order() {
    let mut store = HandleStore::default();
    let a = store.insert(1, 0);
    let b = store.insert(2, 0);
    assert!(store.tell(1, a).is_ok());
    store.keep_log();
    assert!(store.tell(2, b).is_ok());
    assert!(store.tell(2, b).is_err());
    assert_eq!(store.log(), [(2, b), (2, b)]);
}

/// The second lap over all numbers: what was told in the first does not count against the second.
#[test]
fn numbers_come_round_again_with_the_next_generation() {
    let mut store = HandleStore::default();
    let kept = store.insert(1, 77);
    let told_twice = store.insert(1, 0);
    for _ in 2..SLOTS - 1 {
        let handle = store.insert(1, 0);
        assert!(store.tell(1, handle).is_ok());
    }
    assert!(store.tell(1, told_twice).is_ok());
    assert!(store.tell(1, told_twice).is_err());
    // Chunk 1 is used up and retired.
    for _ in 0..SLOTS {
        let handle = store.insert(1, 0);
        assert!(store.tell(1, handle).is_ok());
    }
    assert!(store.tell(1, SLOTS as u32).is_err(), "told for the second time");

    // As if all numbers had been given out.
    store.next = 0;
    let handle = store.insert(5, 1);
    // Chunk 0 holds a live handle: it is passed over whole.
    assert_eq!(handle, SLOTS as u32);
    assert_eq!(store.get(handle), Some(Handle { kind: 5, value: 1, generation: 1 }));
    assert_eq!(store.get(kept).map(|found| found.value), Some(77));
    assert_eq!(store.status(told_twice), Status::ToldTwice);
    assert!(store.tell(5, handle).is_ok(), "its first life ended in a fault, its second does not");
    assert_eq!(store.status(handle), Status::ToldOnce);
}
