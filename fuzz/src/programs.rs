//! Programs made of the fuzzer's bytes, run on the collector's core and on the model of the oracle.
//!
//! A difference is a panic, which libFuzzer reports with the bytes that led to it. The panic has the program as a text, made
//! short, which `rootstock replay` runs on the built runtime.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::{Corpus, fuzz_target};
use rootstock_oracle::{Rules, native, shrink};

/// Longer programs take longer and find nothing else.
const MOST_OPS: usize = 200;
/// Time for making a failing program short.
const SHRINKING: Duration = Duration::from_secs(60);

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let rules = Rules::default();
    let verdict = native::case_of_bytes(bytes, MOST_OPS, &rules);
    if let Some(fault) = verdict.fault {
        let fails = |program: &_| native::run(program, &rules).fault.is_some();
        panic!("{fault}\n{}", shrink(&verdict.program, SHRINKING, fails));
    }
    if verdict.program.is_empty() { Corpus::Reject } else { Corpus::Keep }
});
