//! A host that ran out of fuel in the middle of a collection or an allocation: either nothing has
//! happened, or the instance says that it is of no more use. It never goes on with half a heap.

use rootstock_core::error::ErrorCode;
use rootstock_core::options::GcOption;
use rootstock_core::stats::Stat;
use rootstock_core::verify::Invariant;

use crate::host::{TestHost, failure};

/// A small heap with something for each phase to do.
fn host() -> TestHost {
    let host = TestHost::with_options(&[(GcOption::MinHeap, 1 << 30), (GcOption::Poison, 1)]);
    for handle in 0..20 {
        let object = host.alloc(40);
        if handle % 2 == 0 {
            host.push(object);
        }
        host.try_register(object, 1, handle).expect("fresh");
    }
    let array = host.alloc_root(40_000);
    for index in 0..50 {
        let object = host.alloc(8 << (index % 8));
        if index % 3 == 0 {
            host.write(array + 4 * index, object);
        }
    }
    host.alloc(20_000);
    host.pin(host.alloc(16)).expect("an object");
    host
}

/// Nothing works any more, and nothing panics.
fn check_dead(host: &TestHost) {
    let why = failure(ErrorCode::HeapCorrupt, Invariant::Interrupted as u32);
    let object = host.read(host.regions().stack_base.get());
    // What is left of a run may still be handed out; that is over soon.
    let mut small = (0..5000).map(|_| host.try_alloc(16, false));
    assert_eq!(small.find(Result::is_err), Some(Err(why)));
    assert_eq!(host.try_alloc(100_000, true), Err(why));
    assert_eq!(host.try_collect(), Err(why));
    assert_eq!(host.try_register(object, 1, 99), Err(why));
    assert_eq!(host.release(object), Err(why));
    assert_eq!(host.pin(object), Err(why));
    assert_eq!(host.unpin(object), Err(why));
    assert_eq!(host.stat(Stat::Collections), 0);
    host.configure(GcOption::Eager, 1);
    host.configure(GcOption::Eager, 0);
    host.base(object);
    host.size(object);
}

#[test]
fn a_collection_cut_short_anywhere() {
    let (mut interrupted, mut whole) = (0, 0);
    let step = if cfg!(miri) { 1201 } else { 7 };
    for fuel in (0..).step_by(step) {
        let host = host();
        host.memory(|memory| memory.set_fuel(Some(fuel)));
        let outcome = host.catch(|host| host.collect());
        host.memory(|memory| memory.set_fuel(None));
        match host.verify() {
            0 => {
                whole += 1;
                // Before the first step, or after the last: what is left is told later.
                host.collect();
                assert_eq!(host.stat(Stat::LiveObjects), 10 + 1 + 17 + 1);
                let mut told = host.told_handles();
                told.sort_unstable();
                assert_eq!(told, (0..20).filter(|handle| handle % 2 != 0).collect::<Vec<_>>());
                host.check();
            }
            code => {
                assert_eq!(code, Invariant::Interrupted as u32);
                interrupted += 1;
                check_dead(&host);
                assert_eq!(host.told(), []);
            }
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert!(interrupted > 3 && whole > 1, "{interrupted} interrupted, {whole} whole");
}

/// The blocks of a large object are free until they are zeroed and their records say how they belong
/// together. Then three stores make an object of them; in wasm nothing can come between those.
#[test]
fn a_large_allocation_cut_short_anywhere() {
    let size = 5 * 16_384;
    let mut outcomes = Vec::new();
    for fuel in (0..).step_by(if cfg!(miri) { 5 } else { 1 }) {
        let host = TestHost::manual();
        // Three blocks have to be zeroed, and two behind them do not.
        let dirty = host.alloc(3 * 16_384);
        host.fill(dirty, 3 * 16_384, 0xEE);
        host.collect();
        let used = host.stat(Stat::HeapBytes);
        host.memory(|memory| memory.set_fuel(Some(fuel)));
        let outcome = host.catch(|host| host.alloc(size));
        host.memory(|memory| memory.set_fuel(None));
        if outcome.is_ok() {
            break;
        }
        let nothing_happened = host.verify() == 0 && host.stat(Stat::HeapBytes) == used;
        outcomes.push(nothing_happened);
        if nothing_happened {
            host.collect();
            assert_eq!(host.alloc(size), dirty, "no block is lost");
            assert!(host.is_filled(dirty, size, 0));
            host.check();
        }
    }
    assert!(outcomes.len() > 3);
    assert!(
        outcomes.iter().rev().skip(3).all(|&nothing_happened| nothing_happened),
        "{outcomes:?}"
    );
}
