//! The guests give the results that they must, with whatever allocates for them, and the command is clear about what
//! it cannot do.

use std::process::{Command, Output};
use std::time::Duration;

use bench::engine::{Prepared, Purpose};
use bench::guest;
use bench::report::Report;
use bench::rival::{self, Rival};
use bench::rounds::Plan;
use bench::tools::Tools;
use bench::workload::{self, Scale};

/// Runs each workload in small with one rival. An engine that counts is built more quickly than it runs, so this uses none.
fn every_workload(rival: &Rival) {
    let tools = Tools::here();
    for workload in workload::ALL.iter().filter(|workload| guest::takes_part(rival, workload)) {
        let code = guest::code(rival, workload, &tools, false).unwrap();
        let prepared =
            Prepared::new(&code, &rival.source, &rival.options, workload, Purpose::Timing).unwrap();
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
fn every_workload_gives_its_result_with_cells_taken_inline() {
    every_workload(&rival("ours-run"));
    every_workload(&rival("ours-run").with_options(&[(0, 5_000), (2, 1)]));
}

#[test]
fn cells_taken_inline_are_zero() {
    let rival = rival("ours-run");
    let code = guest::code(&rival, &workload::ZERO, &Tools::here(), false).unwrap();
    let prepared =
        Prepared::new(&code, &rival.source, &[], &workload::ZERO, Purpose::Timing).unwrap();
    bench::engine::check_zeroes(&prepared).unwrap();
}

#[test]
fn only_guests_that_know_a_size_take_cells_inline() {
    let inline = rival("ours-run");
    let takes_part = |id| guest::takes_part(&inline, workload::find(id).unwrap());
    assert!(
        ["dead16", "dead64", "trees", "trees16", "live4m", "wrappers"].map(takes_part) == [true; 6]
    );
    assert!(["mixed", "slots", "list", "graph"].map(takes_part) == [false; 4]);
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
    let prepared = Prepared::new(&code, &rival.source, &[], workload, Purpose::Timing).unwrap();
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
    let prepared = Prepared::new(&code, &rival.source, &[], workload, Purpose::Timing).unwrap();
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

/// A rival whose module `rivals/build` could not make is in the report with the reason, and the others are measured.
#[test]
fn a_rival_that_was_not_built_is_left_out_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rivals = folder.path().join("target/rivals");
    std::fs::create_dir_all(&rivals).unwrap();
    std::fs::write(rivals.join("talc.failed"), "error: no matching package\n").unwrap();
    let plan = Plan {
        workloads: vec![workload::find("dead16").unwrap()],
        rivals: ["ours-x", "talc", "dlmalloc"].map(rival).into(),
        rounds: 1,
        scale: Scale::Small,
        patience: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        turn: Duration::ZERO,
        details: false,
    };
    let rows = bench::rounds::run(&plan, &Tools::of(folder.path()), |_| {});
    let cells: Vec<_> = rows[0].cells.iter().map(|cell| cell.missing.as_deref()).collect();
    assert_eq!(cells[0], None);
    assert!(cells[1].unwrap().contains("talc.wasm was not built: error: no matching package"));
    assert!(cells[2].unwrap().contains("run bench/rivals/build"));
    assert_eq!(rows[0].cells[0].times.len(), 1);
    let text = bench::report::tables(&Report::new(&rows, Vec::new()));
    assert!(text.contains("left out: talc: talc.wasm was not built"), "{text}");
}

#[test]
fn the_json_has_every_sample_and_the_targets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let path = file.to_str().unwrap();
    let limits = ["--rivals", "ours-x,bumpwrap,bump", "--only", "dead16", "--times-only"];
    let output =
        bench(&[&["run", "--quick", "--rounds", "2", "--json", path], &limits[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["format"], 1);
    let row = &report["rows"][0];
    assert_eq!((&row["id"], &row["unit"]), (&"dead16".into(), &"ns".into()));
    let cells = row["cells"].as_array().unwrap();
    for (cell, id) in cells.iter().zip(["ours-x", "bumpwrap", "bump"]) {
        assert_eq!(cell["id"], id);
        assert_eq!(cell["samples"].as_array().unwrap().len(), 2);
        let [min, median, max] =
            ["min", "median", "max"].map(|name| cell["time"][name].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max);
        assert!(cell["by_bumpwrap"].as_f64().unwrap() > 0.0);
    }
    let targets = row["targets"].as_array().unwrap();
    assert!(targets.iter().any(|target| target["met"].is_boolean()));
    assert!(targets.iter().any(|target| target["met"].is_null()));
}

/// Wasm GC needs no other files, so it can be tested wherever the tests run.
#[test]
fn every_workload_gives_its_result_with_wasm_gc() {
    every_workload(&rival("gc-copying"));
    every_workload(&rival("gc-drc"));
    every_workload(&rival("gc-null"));
}

#[test]
fn pauses_and_instructions_are_found() {
    let plan = Plan {
        workloads: vec![workload::find("trees").unwrap()],
        rivals: vec![rival("ours-x"), rival("gc-copying")],
        rounds: 1,
        scale: Scale::Small,
        patience: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        turn: Duration::ZERO,
        details: true,
    };
    let rows = bench::rounds::run(&plan, &Tools::here(), |_| {});
    let trees = rows[0].workload;
    // What it returns is how many nodes it made.
    let nodes = trees.expected(trees.args(Scale::Small)).result;
    for cell in &rows[0].cells {
        let pauses = cell.pauses.as_ref().unwrap().summary().unwrap();
        assert_eq!(pauses.allocations, nodes as u64, "{}", cell.rival.id);
        assert!(pauses.pauses > 0 && pauses.max >= pauses.p50, "{pauses:?}");
        assert!(cell.fuel.unwrap() > 10.0);
    }
}

#[test]
fn the_same_build_did_not_move() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runtime.wasm");
    std::fs::write(&file, rootstock_built::RUNTIME_WASM).unwrap();
    let path = file.to_str().unwrap();
    let build = Rival::build("a", &file);
    let workload = workload::find("trees").unwrap();
    let found =
        bench::compare::compare(&build, &build, workload, 3, Scale::Small, &Tools::here()).unwrap();
    assert_eq!(found.fuel, 1.0);
    assert!(found.interval.low <= found.ratio && found.ratio <= found.interval.high);
    refused(&["compare", path, "no/such.wasm"], "no/such.wasm cannot be read");
}
