//! The oracle against itself: it is quiet where all is well, and each of its checks can fail. Faults are made by giving
//! the model a wrong belief, which looks the same to it as a runtime that is wrong.

use std::sync::LazyLock;

use super::*;

static SUBJECT: LazyLock<Subject> = LazyLock::new(|| Subject::embedded().expect("the runtime"));

/// The first fault in random programs, by a model with wrong rules.
fn found(rules: Rules) -> (Subject, Program, Fault) {
    let subject = SUBJECT.clone().with_rules(rules);
    let failing = (0..60).find_map(|number| {
        let verdict = case(&subject, 7, number, 120).expect("an instance");
        verdict.fault.map(|fault| (verdict.program, fault))
    });
    let (program, fault) = failing.expect("it is found");
    (subject, program, fault)
}

/// One of these words is in the fault.
#[track_caller]
fn is_found(rules: Rules, words: &[&str]) {
    let (_, program, fault) = found(rules);
    let text = fault.to_string();
    assert!(words.iter().any(|word| text.contains(word)), "{text}\n{program}");
}

/// Words of the faults where the model lets a living object die, or keeps a dead one.
const ALIVE: [&str; 6] =
    ["is gone", "lies in", "LIVE_", "told of handle", "LAST_WORK", "blocks of objects"];

#[test]
fn a_failing_program_is_made_short() {
    let rules = Rules { pins: false, ..Rules::default() };
    let (subject, program, _) = found(rules);
    let short = shrink(&subject, &program, Duration::from_secs(300));
    assert!(short.len() <= 4 && short.len() < program.len(), "{short}");
    // A file says the same.
    let again = Program::parse(&short.to_string()).expect("what is written can be read");
    assert_eq!(again, short);
    assert!(run(&subject, &again).expect("an instance").fault.is_some());
    assert!(run(&SUBJECT, &again).expect("an instance").fault.is_none());
}

#[test]
fn a_case_is_the_same_each_time() {
    let cases = [(); 2].map(|()| case(&SUBJECT, 3, 17, 100).expect("an instance"));
    assert_eq!(cases[0].program, cases[1].program);
    assert!(!cases[0].program.is_empty());
    assert_ne!(cases[0].program, case(&SUBJECT, 4, 17, 100).expect("an instance").program);
}

#[test]
fn a_recorded_case_runs_as_it_did() {
    for number in 0..5 {
        let made_up = case(&SUBJECT, 5, number, 100).expect("an instance");
        let text = made_up.program.to_string();
        let again = run(&SUBJECT, &Program::parse(&text).expect("a program")).expect("an instance");
        assert!(again.fault.is_none(), "{:?}", again.fault);
        assert_eq!(made_up.coverage.ops, again.coverage.ops);
        assert_eq!(made_up.coverage.collections, again.coverage.collections);
    }
}

#[test]
fn a_slot_that_is_no_root_is_found() {
    is_found(Rules { slots_ignored: 1, ..Rules::default() }, &ALIVE);
}

#[test]
fn ranges_that_are_no_roots_are_found() {
    is_found(Rules { ranges: false, ..Rules::default() }, &ALIVE);
}

#[test]
fn pins_that_are_no_roots_are_found() {
    is_found(Rules { pins: false, ..Rules::default() }, &ALIVE);
}

#[test]
fn a_wrapper_in_flight_that_is_no_root_is_found() {
    is_found(Rules { in_flight: false, ..Rules::default() }, &ALIVE);
}

#[test]
fn atomic_objects_that_are_scanned_are_found() {
    is_found(Rules { scan_atomic: true, ..Rules::default() }, &ALIVE);
}

#[test]
fn a_word_that_is_not_scanned_is_found() {
    is_found(Rules { words_ignored: 1, ..Rules::default() }, &ALIVE);
}

#[test]
fn an_address_inside_that_keeps_an_object_is_found() {
    is_found(Rules { always_interior: true, ..Rules::default() }, &ALIVE);
}

#[test]
fn objects_that_are_not_zeroed_are_found() {
    is_found(Rules { fresh: 1, ..Rules::default() }, &["is not filled with 1"]);
}

#[test]
fn freed_cells_that_are_not_poisoned_are_found() {
    is_found(Rules { poison: 0xDC, ..Rules::default() }, &["is freed, and not poisoned"]);
}

#[test]
fn a_wrap_table_with_another_limit_is_found() {
    is_found(Rules { wrap_slack: 1, ..Rules::default() }, &["WrapTableFull"]);
}

#[test]
fn a_handle_that_is_told_when_it_should_not_be_is_found() {
    is_found(Rules { tells: false, ..Rules::default() }, &ALIVE);
}

#[test]
fn a_collection_that_is_late_is_found() {
    is_found(Rules { budget: 50, ..Rules::default() }, &["is due"]);
}

#[test]
fn bad_text_names_the_line_and_the_cause() {
    let cases = [
        ("", "1: the first line is `rootstock replay 1`"),
        ("rootstock replay 2", "1: the first line is"),
        ("rootstock replay 1\n# nothing\nalloc 8", "3: `alloc` is no operation"),
        ("rootstock replay 1\nx1 alloc 8", "2: `=` is missing after `x1`"),
        ("rootstock replay 1\nx1 = alloc", "2: a size is missing"),
        ("rootstock replay 1\nx1 = alloc 8\nx1 = alloc 8", "3: there is an x1 above"),
        ("rootstock replay 1\nx1 = alloc -8", "2: `-8` is not a size"),
        ("rootstock replay 1\nx1 = aloc 8", "2: `aloc` does not allocate"),
        (
            "rootstock replay 1\ngc_colect",
            "2: `gc_colect` is no operation; did you mean `gc_collect`?",
        ),
        ("rootstock replay 1\ngc_collect now", "2: `now` is one word too many"),
        ("rootstock replay 1\ntrap", "2: only the host traps"),
        ("rootstock replay 1\nend", "2: there is no `told`"),
        ("rootstock replay 1\ntold 1\ngc_collect", "3: `end` of `told 1` is missing"),
        ("rootstock replay 1\ntold 1\ntold 2", "3: `end` of `told 1` is missing before `told`"),
        ("rootstock replay 1\ntold 1\nend\ntold 1", "4: there is a `told 1` above"),
        ("rootstock replay 1\ntold 1 always", "2: `always` is not `catches`"),
        ("rootstock replay 1\npages 3", "2: pages are 17 to 65536"),
        ("rootstock replay 1\npush y", "2: `y` is neither an object"),
        ("rootstock replay 1\nstore 8 0 0", "2: `8` is no object"),
        (
            "rootstock replay 1\ngc_configure EGER 1",
            "2: `EGER` is no option; did you mean `EAGER`?",
        ),
        (
            "rootstock replay 1\nregister_wrapper x0 1 5\nburst 10 8 1 0",
            "3: handle 5 is registered above",
        ),
        ("rootstock replay 1\nx0 = fan 1000001 8", "2: 1000001 is too much"),
    ];
    for (text, expected) in cases {
        let (line, cause) = Program::parse(text).expect_err(text);
        let found = format!("{line}: {cause}");
        assert!(found.starts_with(expected), "{text:?}: {found}");
    }
}

#[test]
fn another_module_is_no_subject() {
    let error = Subject::new("empty.wasm", b"\0asm\x01\0\0\0").err().expect("no runtime");
    assert!(error.is_bad_input() && error.to_string().contains("empty.wasm"), "{error}");
}
