//! The doctor finds the roots that are missing, and none where all are there.

use std::path::Path;

use rootstock_doctor::{Diagnosis, Doctor, Settings, Touch};
use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Error, Frame, Instance, Linked, Program};
use runtime::error::ErrorCode;
use runtime::options::GcOption;

/// The default, but for what is changed.
fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

/// A program and who watches it.
struct Patient {
    instance: Instance,
    doctor: Doctor,
    linked: Linked,
}

fn patient(config: &Config, settings: Settings, program: &Program) -> Result<Patient, Error> {
    let mut instance = Instance::new(config)?;
    let doctor = Doctor::attach(&mut instance, settings)?;
    let linked = doctor.instantiate(&mut instance, program)?;
    Ok(Patient { instance, doctor, linked })
}

impl Patient {
    fn of(program: &Program) -> Self {
        Self::with(Settings::default(), program)
    }

    fn with(settings: Settings, program: &Program) -> Self {
        patient(&Config::default(), settings, program).unwrap_or_else(|error| panic!("{error}"))
    }

    fn call(&mut self, name: &str, args: &[i32]) -> Result<Vec<Val>, Error> {
        let args: Vec<Val> = args.iter().map(|&arg| Val::I32(arg)).collect();
        let results = self.doctor.call(&mut self.instance, &self.linked, name, &args)?;
        self.doctor.finish(&mut self.instance)?;
        Ok(results)
    }

    #[track_caller]
    fn diagnosis(&mut self, name: &str, args: &[i32]) -> Diagnosis {
        let outcome = self.call(name, args);
        assert!(outcome.is_err(), "{name} came to an end: {outcome:?}");
        self.doctor.diagnosis().unwrap_or_else(|| panic!("nothing was found: {outcome:?}"))
    }
}

fn guest(file: &str) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(file);
    Program::open(path).unwrap_or_else(|error| panic!("{error}"))
}

fn text(wat: &str) -> Program {
    Program::from_bytes("text.wat", wat.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.function.as_deref().unwrap_or("?")).collect()
}

fn line(frame: &Frame) -> u32 {
    let source = frame.source.as_deref().expect("the guest has lines");
    source.split(':').nth_back(1).and_then(|line| line.parse().ok()).expect("a line")
}

/// The line of a guest that has this comment.
fn line_of(file: &str, comment: &str) -> u32 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(file);
    let text = std::fs::read_to_string(path).expect("the guest can be read");
    let at = text.lines().position(|line| line.contains(comment)).expect("the comment is there");
    at as u32 + 1
}

#[test]
fn a_root_popped_too_early_is_traced_to_the_function_that_did_it() {
    const FILE: &str = "buggy_popped.wat";
    let found = Patient::of(&guest(FILE)).diagnosis("main", &[]);
    assert_eq!(names(&found.touched), ["sum", "main"]);
    assert_eq!(names(&found.allocated), ["number", "pair", "main"]);
    assert_eq!(names(&found.freed), ["pair", "main"]);
    assert_eq!((found.during, found.made_by, found.allocation), ("alloc", "alloc", 1));
    let culprit = found.culprit.as_ref().expect("a culprit");
    assert_eq!(culprit.function.as_deref(), Some("pair"));
    let bug = line_of(FILE, "the bug");
    assert_eq!(line(culprit), bug + 1, "the call that collects comes after the pop");
    assert!(found.last.starts_with("slot 0 of the shadow stack, until it was popped"), "{found}");
    assert!(found.last.contains("!pop at "), "{found}");
    let (_, stored) = found.carried.as_ref().expect("`pair` stores the address");
    assert_eq!(names(stored), ["pair", "main"]);
}

#[test]
fn a_value_only_on_the_operand_stack_across_register_wrapper_is_traced_to_its_function() {
    const FILE: &str = "buggy_operand.wat";
    let found = Patient::of(&guest(FILE)).diagnosis("main", &[]);
    assert_eq!(names(&found.touched), ["value", "add", "two_and_three", "main"]);
    assert_eq!(names(&found.freed), ["wrap", "two_and_three", "main"]);
    assert_eq!(found.during, "register_wrapper");
    assert_eq!(found.handle, Some((3, 1)));
    let culprit = found.culprit.as_ref().expect("a culprit");
    assert_eq!(culprit.function.as_deref(), Some("two_and_three"));
    assert_eq!(line(culprit), line_of(FILE, "while this is registered"));
    assert!(found.last.contains("operand stack only"), "{found}");
}

/// Without a collection at the wrong moment both give the answers that their authors expect.
#[test]
fn the_planted_bugs_are_not_seen_without_the_doctor() {
    for (file, expected) in [("buggy_popped.wat", Val::I32(42)), ("buggy_operand.wat", Val::I64(5))]
    {
        let mut instance = Instance::new(&Config::default()).unwrap();
        let linked = instance.instantiate(&guest(file)).unwrap();
        let results = linked.call(&mut instance, "main", &[]).unwrap();
        assert_eq!(format!("{results:?}"), format!("{:?}", [expected]), "{file}");
    }
}

/// Every guest that is right, and what it answers: the same as without the doctor.
const CORRECT: [(&str, &str, &[i32]); 19] = [
    ("list.wat", "main", &[3_000]),
    ("list.wat", "churn", &[5, 500]),
    ("list.wat", "garbage", &[20_000, 24]),
    ("wrappers.wat", "burst", &[20_000]),
    ("wrappers.wat", "keep", &[5_000]),
    ("wrappers.wat", "dispose", &[5_000]),
    ("reclaim.wat", "map_fold", &[2_000]),
    ("reclaim.wat", "set_fold", &[2_000]),
    ("reclaim.wat", "decimal_fold", &[2_000]),
    ("every_export.wat", "main", &[]),
    ("fibers.wat", "main", &[20, 30]),
    ("deep.wat", "main", &[2_000]),
    ("closures.wat", "fold", &[500]),
    ("closures.wat", "join", &[500]),
    ("grow.wat", "main", &[10, 2, 50, 100]),
    ("grow.wat", "early", &[3, 1_000]),
    ("inline.wat", "main", &[3_000]),
    ("shapes.wat", "trees", &[3, 8]),
    ("table.wat", "main", &[60, 3_000, 2_000]),
];

#[test]
fn guests_whose_roots_are_complete_come_out_clean_and_answer_as_ever() {
    for (file, name, args) in CORRECT {
        let program = guest(file);
        let mut plain = Instance::new(&Config::default()).unwrap();
        let linked = plain.instantiate(&program).unwrap();
        let values: Vec<Val> = args.iter().map(|&arg| Val::I32(arg)).collect();
        let expected = linked.call(&mut plain, name, &values).unwrap();
        for settings in [
            Settings::default(),
            settings(|it| it.quarantine = 0),
            settings(|it| it.quarantine = 2_000),
        ] {
            let mut patient = Patient::with(settings, &program);
            let results = patient.call(name, args);
            let results = results.unwrap_or_else(|error| panic!("{file} {name}: {error}"));
            // addresses are the runtime's affair, and differ
            if (file, name) != ("closures.wat", "join") {
                assert_eq!(format!("{results:?}"), format!("{expected:?}"), "{file} {name}");
            }
            assert!(patient.doctor.suspects().is_empty(), "{file} {name}");
            assert_eq!(patient.instance.verify().unwrap(), 0, "{file} {name}");
            let told = patient.instance.handles().audit();
            assert_eq!((told.told_twice, told.wrong_kind), (0, 0), "{file} {name}");
        }
    }
}

/// No function of a guest is forgotten above without a reason.
#[test]
fn every_guest_is_examined() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
    // `waits.wat` imports a function that its host suspends: `js/` runs it.
    let elsewhere =
        ["raw.wat", "static_data.wat", "buggy_popped.wat", "buggy_operand.wat", "waits.wat"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = CORRECT.iter().any(|(file, ..)| *file == name);
        assert!(known || elsewhere.contains(&name.as_str()), "{name} is not examined");
    }
}

/// A program of its own for each way to touch a freed object; `$p` was freed.
fn touching(body: &str) -> Program {
    text(&format!(
        r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_pin" (func $gc_pin (param i32)))
  (import "runtime" "gc_unpin" (func $gc_unpin (param i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "runtime" "register_wrapper_sized" (func $register_wrapper_sized (param i32 i32 i32 i32)))
  (import "runtime" "release_wrapper" (func $release_wrapper (param i32) (result i32)))
  (import "host" "print_str" (func $print_str (param i32 i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (import "host" "handle_value" (func $handle_value (param i32) (result i64)))
  (data $bytes "0123456789abcdef")
  (func (export "main")
    (local $p i32) (local $h i32) (local $q i32)
    (local.set $h (call $handle_new (i32.const 3) (i64.const 7)))
    (local.set $p (call $alloc (i32.const 24)))
    (call $register_wrapper (local.get $p) (i32.const 3) (local.get $h))
    (local.set $q (call $alloc (i32.const 100)))
    {body}))"#
    ))
}

#[test]
fn every_instruction_that_touches_freed_memory_is_seen() {
    for (body, instruction, writes, bytes) in [
        ("(drop (i32.load (local.get $p)))", "i32.load", false, 4),
        ("(drop (i32.load8_s offset=23 (local.get $p)))", "i32.load8_s", false, 1),
        // the last of its bytes only
        ("(drop (i64.load offset=1 (i32.sub (local.get $p) (i32.const 8))))", "i64.load", false, 8),
        ("(drop (f32.load offset=4 (local.get $p)))", "f32.load", false, 4),
        ("(drop (f64.load (local.get $p)))", "f64.load", false, 8),
        ("(drop (v128.load (local.get $p)))", "v128.load", false, 16),
        ("(drop (v128.load16_splat (local.get $p)))", "v128.load16_splat", false, 2),
        ("(i32.store16 (local.get $p) (i32.const 1))", "i32.store16", true, 2),
        ("(i64.store (local.get $p) (i64.const 1))", "i64.store", true, 8),
        ("(f32.store (local.get $p) (f32.const 1))", "f32.store", true, 4),
        ("(f64.store (local.get $p) (f64.const 1))", "f64.store", true, 8),
        ("(v128.store (local.get $p) (v128.const i64x2 1 2))", "v128.store", true, 16),
        ("(v128.store8_lane 1 (local.get $p) (v128.const i64x2 1 2))", "v128.store8_lane", true, 1),
        ("(memory.fill (local.get $p) (i32.const 0) (i32.const 3))", "memory.fill", true, 3),
        ("(memory.copy (local.get $q) (local.get $p) (i32.const 5))", "memory.copy", false, 5),
        ("(memory.init $bytes (local.get $p) (i32.const 0) (i32.const 7))", "memory.init", true, 7),
    ] {
        let found = Patient::of(&touching(body)).diagnosis("main", &[]);
        let Touch::Access { writes: w, bytes: b, instruction: i, .. } = &found.touch else {
            panic!("{body}: {found}");
        };
        assert_eq!((i.as_str(), *w, *b), (instruction, writes, bytes), "{found}");
        assert_eq!(found.during, "alloc");
    }
}

#[test]
fn a_freed_object_is_taken_by_no_function() {
    for (body, to) in [
        ("(call $gc_pin (local.get $p))", "runtime.gc_pin"),
        ("(call $gc_unpin (local.get $p))", "runtime.gc_unpin"),
        ("(drop (call $release_wrapper (local.get $p)))", "runtime.release_wrapper"),
        (
            "(call $register_wrapper (local.get $p) (i32.const 1) (i32.const 1))",
            "runtime.register_wrapper",
        ),
        (
            "(call $register_wrapper_sized (local.get $p) (i32.const 1) (i32.const 1) (i32.const 9))",
            "runtime.register_wrapper_sized",
        ),
        ("(call $print_str (local.get $p) (i32.const 2))", "host.print_str"),
    ] {
        let found = Patient::of(&touching(body)).diagnosis("main", &[]);
        let Touch::Passed { to: found_to, address } = &found.touch else { panic!("{found}") };
        assert_eq!((found_to.as_str(), *address), (to, found.base), "{found}");
    }
    let found = Patient::of(&touching("(drop (call $handle_value (local.get $h)))"));
    let found = { found }.diagnosis("main", &[]);
    assert_eq!(found.touch, Touch::Handle { to: "host.handle_value".to_owned(), handle: 1 });
    assert_eq!(found.handle, Some((3, 1)));
}

/// Not an error by itself, as a number may look like an address: but said.
#[test]
fn a_root_that_comes_too_late_is_suspected() {
    let body = "(i32.store (global.get $gc_sp) (local.get $p))";
    let mut patient = Patient::of(&touching(body));
    patient.call("main", &[]).unwrap();
    let suspects = patient.doctor.suspects();
    assert_eq!((suspects.len(), suspects[0].slot, suspects[0].allocation), (1, 0, 1));
    assert_eq!(
        suspects[0].pushed.as_ref().and_then(|frame| frame.function.as_deref()),
        Some("main")
    );
}

#[test]
fn only_collections_in_the_window_count() {
    let program = guest("buggy_popped.wat");
    let window = |from, until| {
        settings(|it| {
            (it.from, it.until) = (from, until);
            it.every = Some(1);
        })
    };
    // The third allocation frees what the first two made.
    assert!(Patient::with(window(4, 100), &program).call("main", &[]).is_ok());
    assert!(Patient::with(window(1, 2), &program).call("main", &[]).is_ok());
    let found = Patient::with(window(3, 3), &program).diagnosis("main", &[]);
    assert_eq!((found.collection, found.allocations), (1, 2));
    let rarely = settings(|it| it.every = Some(4));
    assert!(Patient::with(rarely, &program).call("main", &[]).is_ok());
}

/// With a quarantine nothing is handed out twice before it is full; without one, at once.
#[test]
fn quarantined_memory_is_not_handed_out_again() {
    let program = text(
        r#"(module
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_collect" (func $gc_collect))
  (func (export "main") (param $n i32) (result i32)
    ;; how many of n addresses were the first one
    (local $first i32) (local $same i32)
    (local.set $first (call $alloc (i32.const 24)))
    (loop $next
      ;; the runtime itself collects too, and would hand it out again
      (call $gc_collect)
      (local.set $same
        (i32.add (local.get $same) (i32.eq (call $alloc (i32.const 24)) (local.get $first))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    local.get $same))"#,
    );
    for (quarantine, reused) in [(64 << 20, false), (24 * 100, true), (0, true)] {
        let settings = settings(|it| it.quarantine = quarantine);
        let results = Patient::with(settings, &program).call("main", &[1_000]).unwrap();
        assert_eq!(results[0].unwrap_i32() > 0, reused, "quarantine of {quarantine} bytes");
    }
}

/// What is in quarantine the program can have when it needs it.
#[test]
fn the_quarantine_gives_way_where_memory_is_short() {
    let mut config = Config::default();
    config.options = vec![(GcOption::HeapLimit, 1 << 20)];
    let mut found = patient(&config, Settings::default(), &guest("list.wat")).unwrap();
    assert_eq!(found.call("churn", &[20, 2_000]).unwrap()[0].unwrap_i32(), 1);
    // and what does not fit at all fails as ever
    let mut found = patient(&config, Settings::default(), &guest("list.wat")).unwrap();
    let error = found.call("main", &[70_000]).expect_err("16 bytes each are more than a megabyte");
    assert_eq!(error.code(), Some(ErrorCode::HeapExhausted));
    assert!(found.doctor.diagnosis().is_none());
}

/// A trap that is none of the doctor's has the names and the lines of the program as it was.
#[test]
fn other_traps_are_reported_where_the_program_has_them() {
    let program = text(
        "(module\n  (import \"runtime\" \"memory\" (memory 1))\n  (func $inner (param i32)\n    local.get 0\n    \
         (i32.store (i32.const 0x200000) (i32.const 1))\n    unreachable)\n  (func (export \"main\")\n    \
         (call $inner (i32.const 1))))",
    );
    let mut plain = Instance::new(&Config::default()).unwrap();
    let program_there = plain.instantiate(&program).unwrap();
    let expected = program_there.call(&mut plain, "main", &[]).expect_err("it traps");
    let error = Patient::of(&program).call("main", &[]).expect_err("it traps");
    let frames = |error: &Error| error.trap().expect("a trap").backtrace.clone();
    assert_eq!(frames(&error), frames(&expected));
    assert_eq!(names(&frames(&error)), ["inner", "main"]);
}

/// Tail calls take the place of their caller, and an exception leaves many functions at once.
#[test]
fn backtraces_follow_tail_calls_and_exceptions() {
    let found = Patient::of(&text(
        r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (tag $thrown)
  (func $spin (param $n i32) (param $p i32)
    (if (i32.eqz (local.get $n)) (then (call $touch (local.get $p)) (return)))
    (return_call $spin (i32.sub (local.get $n) (i32.const 1)) (local.get $p)))
  (func $touch (param $p i32)
    (drop (i32.load (local.get $p))))
  (func $throw (param $n i32)
    (if (i32.eqz (local.get $n)) (then (throw $thrown)))
    (call $throw (i32.sub (local.get $n) (i32.const 1))))
  (func $make (result i32)
    (block $caught
      (try_table (catch $thrown $caught) (call $throw (i32.const 30))))
    (call $alloc (i32.const 8)))
  (func (export "main")
    (local $p i32)
    (local.set $p (call $make))
    (drop (call $make))
    (call $spin (i32.const 100000) (local.get $p))))"#,
    ))
    .diagnosis("main", &[]);
    assert_eq!(names(&found.touched), ["touch", "spin", "main"]);
    assert_eq!(names(&found.allocated), ["make", "main"]);
    assert_eq!(names(&found.freed), ["make", "main"]);
    assert_eq!(found.culprit.as_ref().and_then(|frame| frame.function.as_deref()), Some("main"));
}

/// Cells that a program takes without a call are no secret: under the doctor there are none, and so each is a call.
#[test]
fn allocations_without_a_call_are_seen_too() {
    let mut found = Patient::of(&guest("inline.wat"));
    found.call("main", &[500]).unwrap();
    assert_eq!(found.doctor.summary().allocations, 1_000);
}

/// Programs that grow deep and wide still end in time.
#[test]
fn large_programs_are_examined_too() {
    let program = guest("wrappers.wat");
    let mut found = Patient::of(&program);
    found.call("keep", &[20_000]).unwrap();
    let sum = found.doctor.summary();
    assert_eq!((sum.allocations, sum.safepoints, sum.visited), (20_000, 2, 2));
    let mut found = Patient::of(&guest("list.wat"));
    found.call("main", &[100_000]).unwrap();
}
