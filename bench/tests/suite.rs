//! The guests give the results that they must, with whatever allocates for them, and the command is clear about what
//! it cannot do.

use std::process::{Command, Output};

use bench::engine::Prepared;
use bench::guest;
use bench::rival::{self, Rival};
use bench::tools::Tools;
use bench::workload::{self, Scale};

/// Runs each workload in small with one rival. An engine that counts is built more quickly than it runs, so this uses none.
fn every_workload(rival: &Rival) {
    let tools = Tools::here();
    for workload in workload::ALL.iter().filter(|workload| guest::takes_part(rival, workload)) {
        let code = guest::code(rival, workload, &tools, false).unwrap();
        let prepared =
            Prepared::new(&code, &rival.source, &rival.options, workload, false).unwrap();
        let args = workload.args(Scale::Small);
        let sample = prepared.sample(args, workload.expected(args));
        assert!(sample.is_ok(), "{} {}: {:?}", workload.id, rival.id, sample.err());
    }
}

fn rival(id: &str) -> Rival {
    rival::all().into_iter().find(|rival| rival.id == id).unwrap()
}

#[test]
fn every_workload_gives_its_result_with_our_runtime() {
    every_workload(&rival("ours-x"));
}

#[test]
fn every_workload_gives_its_result_with_collections_at_odd_moments() {
    every_workload(&rival("ours-x").with_options(&[(0, 5_000), (2, 1)]));
}

#[test]
fn every_workload_gives_its_result_with_bump() {
    every_workload(&rival("bump"));
}

#[test]
fn a_wrong_result_is_no_sample() {
    let rival = rival("ours-x");
    let workload = workload::find("dead16").unwrap();
    let code = guest::code(&rival, workload, &Tools::here(), false).unwrap();
    let prepared = Prepared::new(&code, &rival.source, &[], workload, false).unwrap();
    let args = workload.args(Scale::Small);
    let mut expected = workload.expected(args);
    expected.result += 1;
    let error = prepared.sample(args, expected).unwrap_err();
    assert!(error.to_string().contains("wrong result"), "{error}");
}

#[test]
fn allocators_that_reuse_memory_in_use_are_found_out() {
    let mut rival = rival("bumpwrap");
    rival.zeroes = true;
    let workload = &workload::ZERO;
    let code = guest::code(&rival, workload, &Tools::here(), false).unwrap();
    let prepared = Prepared::new(&code, &rival.source, &[], workload, false).unwrap();
    assert!(bench::engine::check_zeroes(&prepared).is_err());
}

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap()
}

fn refused(arguments: &[&str], says: &str) {
    let output = bench(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(text.contains(says), "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn what_cannot_be_done_is_said_with_exit_code_2() {
    refused(&["run", "--only", "dead17"], "no workload is named dead17; there are dead16,");
    refused(&["run", "--rivals", "boehm"], "no rival is named boehm; there are ours-x,");
    refused(&["run", "--rounds", "0"], "--rounds");
    refused(&["run", "--option", "4"], "NUMBER=VALUE");
    refused(&["run", "--build", "runtime.wasm"], "NAME=FILE");
    refused(&["run", "--build", "mine=no/such.wasm"], "no/such.wasm cannot be read");
    refused(&["compare", "no/such.wasm", "no/such.wasm"], "no/such.wasm cannot be read");
    refused(&["compare", file!(), file!()], "suite.rs");
}
