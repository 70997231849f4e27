use rootstock_host::{ErrorCode, GcOption, RuntimeModule, Stat};

use super::cx::{Cx, Failure, check_eq, expect_trap};
use super::report::{Outcome, Report};
use super::{SCENARIOS, Scenario, Settings, run};

fn embedded() -> RuntimeModule {
    RuntimeModule::embedded(&rootstock_host::Config::default())
        .expect("the runtime that is built in")
}

/// The scenarios of these names, or all.
fn report(names: &[&str], settings: &Settings) -> Report {
    let selected =
        SCENARIOS.iter().filter(|scenario| names.is_empty() || names.contains(&scenario.name));
    run(settings, &embedded(), selected, |_| Box::new(())).expect("the runtime that is built in")
}

fn small() -> Settings {
    Settings { scale: 0.0001, ..Settings::default() }
}

/// The columns that must not differ from run to run: all but the time.
fn outcomes(report: &Report) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    report
        .scenarios
        .iter()
        .map(|row| {
            let usage = (row.peak_bytes, row.memory_pages, row.collections, row.wrappers_told);
            (row.name, row.outcome, row.error.clone(), row.operations, usage)
        })
        .collect()
}

fn assert_passed(report: &Report) {
    for row in &report.scenarios {
        assert_eq!(row.outcome, Outcome::Passed, "{}: {:?}", row.name, row.error);
    }
}

#[test]
fn every_scenario_passes_and_is_the_same_each_time() {
    let settings = Settings { seed: 7, ..small() };
    let first = report(&[], &settings);
    assert_passed(&first);
    assert_eq!(first.scenarios.len(), SCENARIOS.len());
    for row in &first.scenarios {
        assert!(row.operations > 0, "{} counts no operations", row.name);
        assert!(row.collections > 0, "{} never collects", row.name);
        assert!(row.peak_bytes > 0 && row.memory_pages > 0, "{} reports no memory", row.name);
    }
    assert_eq!(outcomes(&first), outcomes(&report(&[], &settings)));
}

#[test]
fn another_seed_makes_other_choices() {
    let [a, b] = [1, 2].map(|seed| report(&["random-graph"], &Settings { seed, ..small() }));
    assert_passed(&a);
    assert_passed(&b);
    assert_ne!(outcomes(&a), outcomes(&b));
}

#[test]
fn scenarios_pass_with_eager_and_verify() {
    // Without those whose least work is too much for a collection at every step.
    let names =
        ["wrap-sized", "wrap-release", "host-callback-allocates", "pins-and-ranges", "strings"];
    let eager = report(&names, &Settings { eager: 7, verify: true, ..small() });
    assert_passed(&eager);
    let plain = report(&["wrap-sized"], &small());
    assert!(eager.scenarios[0].collections > plain.scenarios[0].collections);
}

#[test]
fn a_scenario_alone_does_what_it_does_among_others() {
    let alone = report(&["fragmentation"], &small());
    let among = report(&["fragmentation", "strings"], &small());
    assert_eq!(outcomes(&alone)[0], outcomes(&among)[0]);
}

#[test]
fn what_is_no_build_of_the_runtime_is_refused() {
    let config = rootstock_host::Config::default();
    let wasm = wat::parse_str("(module)").expect("a module");
    let other = RuntimeModule::new("other.wasm", &wasm, &config).expect("a module");
    let error = run(&small(), &other, SCENARIOS, |_| Box::new(())).expect_err("not a runtime");
    assert!(error.is_bad_input(), "{error}");
    assert!(error.to_string().contains("gc_abi_version"), "{error}");
}

#[test]
fn a_failure_is_reported_and_the_rest_still_runs() {
    const FAILING: &[Scenario] = &[
        Scenario {
            name: "trap",
            about: "a trap that nobody expected",
            run: |cx| {
                let mut vm = cx.instance(&[(GcOption::HeapLimit, 1 << 20)])?;
                vm.alloc(2 << 20)?;
                cx.finish(&mut vm)
            },
        },
        Scenario {
            name: "leak",
            about: "an object that stays reachable",
            run: |cx| {
                let mut vm = cx.instance(&[])?;
                let ptr = vm.alloc(8)?;
                vm.pin(ptr)?;
                cx.finish(&mut vm)
            },
        },
        Scenario {
            name: "unregistered",
            about: "a handle that nobody is ever told about",
            run: |cx| {
                let mut vm = cx.instance(&[])?;
                vm.handles_mut().insert(1, 1);
                cx.finish(&mut vm)
            },
        },
        Scenario {
            name: "well",
            about: "nothing wrong",
            run: |cx| {
                let mut vm = cx.instance(&[])?;
                vm.alloc(8)?;
                cx.done(1u32);
                cx.finish(&mut vm)
            },
        },
    ];
    let settings = Settings { seed: 5, ..Settings::default() };
    let report = run(&settings, &embedded(), FAILING, |_| Box::new(()))
        .expect("the runtime that is built in");
    let errors: Vec<&str> =
        report.scenarios.iter().map(|row| row.error.as_deref().unwrap_or("passed")).collect();
    assert!(errors[0].starts_with("HEAP_EXHAUSTED"), "{errors:?}");
    assert_eq!(errors[1], "objects without any root: found 1, expected 0");
    assert_eq!(errors[2], "handles never told: found 1, expected 0");
    assert_eq!(errors[3], "passed");
    assert_eq!(report.failed, 3);

    assert_eq!(report.passed, 1);
}

#[test]
fn json_has_the_documented_fields() {
    let report = report(&["list", "star"], &Settings { seed: 9, ..small() });
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
    assert_eq!(json["abi_version"], runtime::ABI_VERSION);
    assert!(json["runtime"].is_null());
    assert_eq!(json["seed"], 9);
    assert_eq!(json["scale"], 0.0001);
    assert_eq!(json["eager"], 0);
    assert_eq!(json["verify"], false);
    assert_eq!(json["passed"], 2);
    assert_eq!(json["failed"], 0);
    assert!(json["seconds"].is_f64());
    let row = json["scenarios"][1].as_object().expect("a row");
    assert_eq!(row["name"], "star");
    assert_eq!(row["outcome"], "passed");
    assert_eq!(row["operations"], 10_000);
    let fields: Vec<&str> = row.keys().map(String::as_str).collect();
    let mut expected = [
        "name",
        "outcome",
        "error",
        "operations",
        "seconds",
        "ns_per_operation",
        "peak_bytes",
        "memory_pages",
        "collections",
        "wrappers_told",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
}

#[test]
fn an_expected_trap_must_happen_and_be_the_right_one() {
    let cx = Cx::new(&Settings::default(), &embedded(), "test", Box::new(()));
    let mut vm = cx.instance(&[]).expect("an instance");
    let failure = |outcome: Result<(), Failure>| outcome.expect_err("must fail").to_string();

    let result = vm.alloc(8);
    let text = failure(expect_trap(&mut vm, "alloc", result, ErrorCode::HeapExhausted, None));
    assert_eq!(text, "alloc: did not trap, expected HeapExhausted");
    let result = vm.alloc(u32::MAX);
    let text = failure(expect_trap(&mut vm, "alloc", result, ErrorCode::HeapExhausted, None));
    assert!(text.contains("SizeTooLarge"), "{text}");
    let result = vm.alloc(u32::MAX);
    let text = failure(expect_trap(&mut vm, "alloc", result, ErrorCode::SizeTooLarge, Some(1)));
    assert!(text.contains("argument"), "{text}");

    check_eq("collections", vm.stat(Stat::Collections), 0).expect("nothing was live");
}
