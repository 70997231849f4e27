//! The runtime against the oracle, an independent model of it in `rootstock-trials`: random programs, and those of
//! `tests/replays`, each of which a broken runtime, or the oracle itself, has failed once.

use std::path::Path;

use rootstock_trials::oracle::{self, Coverage, Op, Subject};

/// Enough to do everything at least once; `rootstock fuzz` is for more.
const CASES: u64 = 70;

#[test]
fn random_programs_agree_with_the_model() {
    let subject = Subject::embedded().expect("the runtime");
    let mut coverage = Coverage::default();
    for number in 0..CASES {
        let verdict = oracle::case(&subject, 2026, number, 100).expect("an instance");
        if let Some(fault) = verdict.fault {
            panic!("seed 2026, program {number}: {fault}\n{}", verdict.program);
        }
        coverage.add(&verdict.coverage);
    }
    for keyword in Op::KEYWORDS {
        assert!(coverage.ops.contains_key(keyword), "no program does `{keyword}`");
    }
    // All but NONE and HEAP_CORRUPT.
    assert!(coverage.errors.len() == 9, "{:?}", coverage.errors);
    assert!(coverage.host_traps > 0 && coverage.told > 500, "{coverage:?}");
    assert!(coverage.collections > 500, "{coverage:?}");
}

#[test]
fn programs_that_have_failed_once_agree_with_the_model() {
    let subject = Subject::embedded().expect("the runtime");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replays");
    let mut overflows = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let program = oracle::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let verdict = oracle::run(&subject, &program).expect("an instance");
        if let Some(fault) = verdict.fault {
            panic!("{}: {fault}", path.display());
        }
        overflows += verdict.coverage.overflows;
    }
    assert_ne!(overflows, 0, "one of them makes the mark stack overflow");
}
