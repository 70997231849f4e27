use runtime::error::{ERRORS, error_info};

use super::*;

fn trap(code: ErrorCode, arg: u32) -> TrapReport {
    TrapReport { code: error_info(code as u32), arg, ..TrapReport::default() }
}

fn text(trap: &TrapReport) -> String {
    let handles = HandleStore::default();
    let report = Report { trap, handles: &handles, hints: Vec::new() };
    report.to_string()
}

#[test]
fn every_error_has_its_name_its_meaning_and_its_advice() {
    for row in ERRORS {
        let text = text(&trap(row.code, 16));
        for part in [row.name, row.meaning, row.argument, row.advice] {
            assert!(text.contains(part), "{}: {part:?} is missing in\n{text}", row.name);
        }
    }
}

#[test]
fn arguments_have_their_units() {
    for (code, arg, words) in [
        (ErrorCode::HeapExhausted, 40, "  argument    40 bytes: "),
        (ErrorCode::HeapExhausted, 65536, "  argument    65536 bytes (64.0 KiB): "),
        (
            ErrorCode::SizeTooLarge,
            0xffff_fff0,
            "4294967280 bytes (4.0 GiB; -16 as a signed number)",
        ),
        (ErrorCode::NotAnObject, 0x10_0040, "  argument    0x00100040: "),
        (ErrorCode::WrapTableFull, 4096, "  argument    4096 entries: "),
        (
            ErrorCode::HeapCorrupt,
            3,
            "  argument    3 (alloc bits are set for cells that a block does not have): ",
        ),
        (ErrorCode::HeapCorrupt, 99, "  argument    99: "),
    ] {
        let text = text(&trap(code, arg));
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
}

#[test]
fn a_poisoned_pointer_is_recognised() {
    assert!(text(&trap(ErrorCode::NotAnObject, POISON)).contains("the pointer is poison"));
    assert!(!text(&trap(ErrorCode::NotAnObject, 64)).contains("poison"));
}

#[test]
fn a_refused_growth_explains_an_exhausted_heap() {
    let mut exhausted = trap(ErrorCode::HeapExhausted, 16);
    assert!(!text(&exhausted).contains("the host refused"));
    exhausted.refused_growth = Some(64 << 20);
    assert!(text(&exhausted).contains("the host refused to let memory grow to 64.0 MiB"));
}

#[test]
fn a_trap_of_the_program_has_no_argument() {
    let own = TrapReport {
        trap: Some(Trap::StackOverflow),
        message: "call stack exhausted".into(),
        ..TrapReport::default()
    };
    let text = text(&own);
    assert!(text.starts_with("the program trapped: call stack exhausted\n"), "{text}");
    assert!(text.contains("what to do  look for endless recursion"), "{text}");
    assert!(!text.contains("argument"), "{text}");
}

fn frames(count: u32) -> Vec<Frame> {
    let frame = |index| Frame {
        module: "p.wat".into(),
        function: (index % 2 == 0).then(|| format!("f{index}")),
        index,
        offset: Some(0x40),
        source: (index == 0).then(|| "p.wat:3:5".into()),
    };
    (0..count).map(frame).collect()
}

#[test]
fn frames_name_module_function_and_place() {
    let found = TrapReport { backtrace: frames(2), ..TrapReport::default() };
    let text = text(&found);
    assert!(text.contains("\n  backtrace    0: p.wat!f0 at p.wat:3:5\n"), "{text}");
    assert!(text.contains("\n               1: p.wat!func[1] at offset 0x40\n"), "{text}");
}

#[test]
fn a_deep_backtrace_keeps_both_ends() {
    let found = TrapReport { backtrace: frames(100), ..TrapReport::default() };
    let text = text(&found);
    assert!(text.contains("... 76 more frames"), "{text}");
    assert!(text.contains("11: p.wat!func[11]") && text.contains("88: p.wat!f88"), "{text}");
    assert!(!text.contains("12: p.wat!f12 ") && !text.contains("87: p.wat"), "{text}");
    assert!(text.contains("\n              ... and the frames that called these\n"), "{text}");
}

#[test]
fn handles_that_are_alive_are_counted_by_kind() {
    let mut handles = HandleStore::default();
    for kind in [3, 3, 1, 3, 3, 3, 3] {
        handles.insert(kind, 0);
    }
    let trap = TrapReport::default();
    let report = Report { trap: &trap, handles: &handles, hints: vec!["a hint".into()] };
    let text = report.to_string();
    assert!(text.contains("\n  handles     7 alive\n"), "{text}");
    assert!(text.contains("\n              kind 1: 1 (3)\n"), "{text}");
    assert!(text.contains("\n              kind 3: 6 (1, 2, 4, 5, 6, ...)"), "{text}");
    assert!(text.contains("\n  what to do  a hint\n"), "{text}");
}
