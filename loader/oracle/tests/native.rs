//! The core as the oracle drives it natively: random programs find no difference, and wrong beliefs do.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rootstock_oracle::{Coverage, Program, Rules, Verdict, native, shrink};

/// Programs of each test, and operations of each. Miri takes some thousand times as long.
const CASES: u64 = if cfg!(miri) { 2 } else { 60 };
const OPS: usize = if cfg!(miri) { 30 } else { 150 };

fn passed(verdict: &Verdict) {
    if let Some(fault) = &verdict.fault {
        panic!("{fault}\n{}", verdict.program);
    }
}

#[test]
fn random_programs_find_no_difference() {
    let mut coverage = Coverage::default();
    for number in 0..CASES {
        let verdict = native::case(2026, number, OPS, &Rules::default());
        passed(&verdict);
        coverage.add(&verdict.coverage);
    }
    assert!(coverage.operations() >= CASES * OPS as u64 / 2, "{coverage:?}");
    if !cfg!(miri) {
        assert!(coverage.collections > 500 && coverage.told > 100, "{coverage:?}");
        assert!(coverage.host_traps > 5 && coverage.errors.len() > 5, "{coverage:?}");
    }
}

#[test]
fn a_recorded_program_runs_as_it_did() {
    for number in 0..CASES.min(5) {
        let made_up = native::case(5, number, OPS, &Rules::default());
        let program = Program::parse(&made_up.program.to_string()).expect("a program");
        assert_eq!(program, made_up.program);
        passed(&native::run(&program, &Rules::default()));
    }
}

#[test]
fn bytes_make_programs() {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for length in [0, 1, 10, 100, 1000, if cfg!(miri) { 500 } else { 5000 }] {
        let bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
        let verdict = native::case_of_bytes(&bytes, OPS, &Rules::default());
        passed(&verdict);
        assert!(length < 1000 || !verdict.program.is_empty());
        // Equal bytes are an equal program.
        let again = native::case_of_bytes(&bytes, OPS, &Rules::default());
        assert_eq!(again.program, verdict.program);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it runs too many programs")]
fn wrong_beliefs_are_found_and_made_short() {
    let rules = Rules { pins: false, ..Rules::default() };
    let failing = (0..200).find_map(|number| {
        let verdict = native::case(7, number, OPS, &rules);
        verdict.fault.map(|_| verdict.program)
    });
    let program = failing.expect("it is found");
    let short = shrink(&program, Duration::from_secs(120), |candidate| {
        native::run(candidate, &rules).fault.is_some()
    });
    assert!(short.len() <= 6 && short.len() < program.len(), "{short}");
    passed(&native::run(&short, &Rules::default()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES as u32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes make a program that finds no difference; proptest makes failing ones short in its own way.
    #[test]
    fn any_bytes_find_no_difference(bytes in vec(any::<u8>(), 0..if cfg!(miri) { 100 } else { 1500 })) {
        let verdict = native::case_of_bytes(&bytes, OPS, &Rules::default());
        prop_assert!(verdict.fault.is_none(), "{:?}\n{}", verdict.fault, verdict.program);
    }
}
