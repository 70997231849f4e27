//! `rootstock doctor` from outside, and `docs/doctor.md`, whose examples are run.
//!
//! `ROOTSTOCK_UPDATE=1 cargo test -p rootstock --test doctor` writes what the commands say into the page.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the command at the root of the repository; checks that it did not panic.
fn rootstock(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_rootstock"))
        .args(args)
        .current_dir(root())
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the command starts");
    let errors = stderr(&output);
    assert!(!errors.contains("panicked"), "`rootstock {}` says\n{errors}", args.join(" "));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the folder for temporary files is writable");
    path.to_str().expect("the path is text").to_owned()
}

/// Each block of the page that begins with a prompt holds what the command says.
#[test]
fn the_page_shows_what_the_command_says() {
    const OPEN: &str = "```console\n$ rootstock ";
    let path = root().join("docs/doctor.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let mut fresh = String::new();
    let mut rest = page.as_str();
    let mut commands = 0;
    while let Some((before, from)) = rest.split_once(OPEN) {
        let (command, after) = from.split_once('\n').expect("the command has an end");
        let (_, after) = after.split_once("```").expect("the block has an end");
        let output = rootstock(&command.split(' ').collect::<Vec<_>>());
        // The first block is an invitation.
        let said = if commands == 0 { String::new() } else { stdout(&output) + &stderr(&output) };
        fresh.push_str(&format!("{before}{OPEN}{command}\n{said}```"));
        rest = after;
        commands += 1;
    }
    fresh.push_str(rest);
    assert_eq!(commands, 4);
    if std::env::var_os("ROOTSTOCK_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, fresh).expect("the page can be written");
    } else {
        assert_eq!(
            page, fresh,
            "refresh it: ROOTSTOCK_UPDATE=1 cargo test -p rootstock --test doctor"
        );
    }
}

#[test]
fn exit_codes_are_those_of_run() {
    let code = |args: &[&str]| rootstock(args).status.code();
    assert_eq!(code(&["doctor", "tests/guests/list.wat", "--invoke", "main", "100"]), Some(0));
    assert_eq!(code(&["doctor", "tests/guests/buggy_popped.wat"]), Some(1));
    let trap = file("doctor-trap.wat", r#"(module (func (export "main") unreachable))"#);
    assert_eq!(code(&["doctor", &trap]), Some(1));
    for bad in [
        &["doctor", "no/such/file.wat"][..],
        &["doctor", "tests/guests/list.wat", "--invoke", "main", "many"],
        &["doctor", "tests/guests/list.wat", "--invoke", "mian", "1"],
        &["doctor", "tests/guests/list.wat", "--eager=0"],
        &["doctor", "tests/guests/buggy_popped.wat", "--eager-from", "5", "--eager-until", "4"],
        &["run", "tests/guests/buggy_popped.wat", "--eager-from", "5", "--eager-until", "4"],
        &["doctor", &file("doctor-type.wat", "(module (func (result i32) (i64.const 1)))")],
        &["doctor", &file("doctor-import.wat", r#"(module (import "runtime" "aloc" (func)))"#)],
    ] {
        let output = rootstock(bad);
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn json_has_the_whole_diagnosis() {
    let output = rootstock(&["doctor", "tests/guests/buggy_operand.wat", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let found = &json["diagnosis"];
    assert_eq!(found["culprit"]["function"], "two_and_three");
    assert_eq!(found["freed"]["during"], "register_wrapper");
    assert_eq!(found["freed"]["backtrace"][0]["function"], "wrap");
    assert_eq!(found["touch"]["kind"], "read");
    assert_eq!(found["object"]["handle"]["kind"], 3);
    let output =
        rootstock(&["doctor", "tests/guests/list.wat", "--json", "--invoke", "main", "50"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(json["diagnosis"], serde_json::Value::Null);
    assert_eq!((&json["results"][0], &json["allocations"]), (&1275.into(), &50.into()));
}

/// A library that pops too early, and a program that calls it: backtraces go through both.
#[test]
fn several_programs_are_examined_together() {
    let library = file(
        "doctor-library.wat",
        r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func $two (export "two") (param $first i32) (result i32)
    (drop (call $alloc (i32.const 8)))
    (local.get $first)))"#,
    );
    let program = file(
        "doctor-program.wat",
        r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "library" "two" (func $two (param i32) (result i32)))
  (func $use (export "main") (result i32)
    (i32.load (call $two (call $alloc (i32.const 8))))))"#,
    );
    let output = rootstock(&["doctor", &program, "--with", &format!("library={library}")]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["doctor-library.wat!two at", "doctor-program.wat!use at", "held across"] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
}

/// The bug shows with EAGER and POISON exactly if the third allocation collects; the fourth line of the report says what
/// poison is.
#[test]
fn run_collects_in_a_window_of_allocations() {
    let sum = |window: &[&str]| {
        let mut args = vec!["run", "tests/guests/buggy_popped.wat", "--poison"];
        args.extend(window);
        rootstock(&args)
    };
    for harmless in [
        &["--eager-until", "2"][..],
        &["--eager-from", "4"],
        &["--eager", "--eager-from", "1", "--eager-until", "2"],
        &["--eager=3", "--eager-until", "2"],
    ] {
        let output = sum(harmless);
        assert_eq!(stdout(&output), "42\n", "{harmless:?}: {}", stderr(&output));
    }
    for harmful in [
        &["--eager"][..],
        &["--eager-from", "3"],
        &["--eager-from", "3", "--eager-until", "3"],
        &["--eager=3", "--eager-until", "3"],
    ] {
        assert_ne!(stdout(&sum(harmful)), "42\n", "{harmful:?}");
    }
}

/// The window counts what a program allocates without a call as well: the last of 2,000 is in it.
#[test]
fn the_window_counts_allocations_without_a_call() {
    let collections = |window: &[&str]| {
        let mut args = vec!["run", "tests/guests/inline.wat", "--json"];
        args.extend(window);
        args.extend(["--invoke", "main", "1000"]);
        let output = rootstock(&args);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        assert_eq!(json["results"][0], 500_500, "{}", stderr(&output));
        json["stats"]["COLLECTIONS"].as_i64()
    };
    assert_eq!(collections(&["--eager-from", "1991"]), Some(10));
    assert_eq!(collections(&["--eager-from", "2001"]), Some(0));
    assert_eq!(collections(&["--eager-from", "11", "--eager-until", "20"]), Some(10));
}

#[test]
fn a_poisoned_address_is_explained() {
    let program = file(
        "doctor-poison.wat",
        r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (func (export "main") (result i32)
    (local $p i32)
    ;; keeps the block in use, and so the poison where it is
    (i32.store (global.get $gc_sp) (call $alloc (i32.const 16)))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (local.set $p (call $alloc (i32.const 16)))
    (i32.store (local.get $p) (call $alloc (i32.const 24)))
    (i32.load offset=4 (i32.load offset=8 (local.get $p)))))"#,
    );
    let output = rootstock(&["run", &program, "--eager", "--poison"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("0xdbdbdbdf is poison"), "{said}");
}

/// What has been caught needs the payload after a collection that came while the exception was on its way.
#[test]
fn advice_for_an_exceptions_payload_can_be_followed() {
    let program = |before: &str, after: &str, thrower: &str| {
        format!(
            r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_pin" (func $pin (param i32)))
  (import "runtime" "gc_unpin" (func $unpin (param i32)))
  (tag $e (param i32))
  (global $kept (mut i32) (i32.const 0))
  (func $new (result i32) (call $alloc (i32.const 8)))
  (func $thrower (result i32)
    (local $o i32)
    (local.set $o (call $new))
    (i32.store (local.get $o) (i32.const 42))
    {before}
    {thrower})
  (func $middle (result i32)
    (local $x exnref) (local $o i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (local.set $o (call $thrower)))
      (drop (call $new))
      (return (local.get $o)))
    (local.set $x)
    (drop (call $new))
    (throw_ref (local.get $x)))
  (func (export "main") (result i32)
    (local $o i32)
    (block $done
      (block $h (result i32)
        (try_table (catch $e $h) (local.set $o (call $middle)))
        (br $done))
      (local.set $o))
    {after}
    (i32.load (local.get $o))))"#
        )
    };
    let thrown = program("", "", "(throw $e (local.get $o))");
    let said = stderr(&rootstock(&["doctor", &file("doctor-thrown.wat", thrown)]));
    let advice = said.lines().find(|line| line.contains("what to do")).unwrap_or_default();
    assert!(
        advice.contains("`thrower` throws the object")
            && advice.contains("gc_pin before `throw`")
            && advice.contains("such as `main`"),
        "{said}"
    );
    // The advice, followed.
    let pinned = program(
        "(call $pin (local.get $o))",
        "(call $unpin (local.get $o))",
        "(throw $e (local.get $o))",
    );
    let output = rootstock(&["doctor", &file("doctor-pinned.wat", pinned)]);
    assert_eq!(
        (stdout(&output).trim(), output.status.code()),
        ("42", Some(0)),
        "{}",
        stderr(&output)
    );
    // An object that is returned is at hand where it came to: `main` has it later.
    let returned = program("", "", "(local.get $o)");
    let output = rootstock(&["doctor", &file("doctor-returned.wat", returned), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let found = &json["diagnosis"];
    assert_eq!(found["culprit"]["function"], "middle", "{found:#}");
    assert!(
        found["advice"].as_str().unwrap_or_default().starts_with("`middle` has the object"),
        "{found:#}"
    );
}

/// The same call again: the object is from the call before, and can be rooted before this one.
#[test]
fn an_object_from_an_earlier_call_is_rooted_before_the_next() {
    let wat = r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func $new (result i32) (call $alloc (i32.const 8)))
  (func (export "main") (result i32)
    (local $first i32) (local $last i32)
    (loop $again
      (local.set $first (local.get $last))
      (local.set $last (call $new))
      (br_if $again (i32.eqz (local.get $first))))
    (i32.load (local.get $first))))"#;
    let output = rootstock(&["doctor", &file("doctor-again.wat", wat), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let found = &json["diagnosis"];
    assert_eq!(found["culprit"]["function"], "main", "{found:#}");
    assert!(
        found["advice"].as_str().unwrap_or_default().starts_with("`main` needs the object after"),
        "{found:#}"
    );
}

/// An overrun spoils memory: it is said, with or without a collection, and no root is looked for.
#[test]
fn an_overrun_of_the_shadow_stack_is_not_taken_for_a_missing_root() {
    let wat = r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func $deep (param $n i32)
    (i32.store (global.get $gc_sp) (local.get $n))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1)))))
    (global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const 4))))
  (func $main (export "main") (param $n i32) (result i32)
    (call $gc_init (i32.add (global.get $base) (i32.const 8)))
    (i32.store offset=4 (global.get $base) (i32.const 42))
    (drop (call $alloc (i32.const 8)))
    (call $deep (local.get $n))
    (i32.load offset=4 (global.get $base)))
  (func (export "allocating") (param $n i32) (result i32)
    (drop (call $main (local.get $n)))
    (call $alloc (i32.const 8)))
  (func (export "trapping") (param $n i32) (result i32)
    (i32.load (i32.sub (call $main (local.get $n)) (i32.const 100000)))))"#;
    let path = file("doctor-overrun.wat", wat);
    for command in ["run", "doctor"] {
        let call = |entry: &str, n: &str| rootstock(&[command, &path, "--invoke", entry, n]);
        let fine = call("main", "100000");
        assert_eq!(
            (stdout(&fine).trim(), fine.status.code()),
            ("42", Some(0)),
            "{}",
            stderr(&fine)
        );
        for entry in ["main", "allocating", "trapping"] {
            let output = call(entry, "140000");
            let said = stderr(&output);
            assert_eq!(
                (stdout(&output), output.status.code()),
                (String::new(), Some(1)),
                "{command} {entry}: {said}"
            );
            assert!(
                said.starts_with("error: SHADOW_STACK_OVERFLOW: "),
                "{command} {entry}: {said}"
            );
            assert!(!said.contains("root"), "{command} {entry}: {said}");
        }
    }
}

/// A function that has no room for checks is left out, and said to be; the others are watched.
#[test]
fn a_function_that_is_too_large_for_checks_is_left_out_with_a_warning() {
    let wat = |locals: usize, padding: usize| {
        let padding = "(i32.store (i32.const 0) (i32.const 0))".repeat(padding);
        format!(
            r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func $large (result i32) (local $p i32) (local {}) (local.set $p (call $alloc (i32.const 8))) {padding} (local.get $p))
  (func $small (result i32)
    (local $p i32)
    (local.set $p (call $large))
    (drop (call $large))
    (i32.load (local.get $p)))
  (func (export "main") (result i32) (call $small)))"#,
            "i64 ".repeat(locals)
        )
    };
    let binary = |wat: String| wat::parse_str(wat).expect("it is valid");
    for (name, locals, padding, is_warned) in [
        ("locals", 49_999, 0, true),
        ("fitting", 49_990, 0, false),
        // 7.6 MB with checks, and well below that without
        ("body", 10, 300_000, true),
    ] {
        let path = file(&format!("doctor-{name}.wasm"), binary(wat(locals, padding)));
        let output = rootstock(&["doctor", &path]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert_eq!(said.contains("!large is too large to be watched"), is_warned, "{name}: {said}");
        assert!(said.contains("a root is missing") && said.contains("!small"), "{name}: {said}");
        assert!(said.contains("`small` needs the object after this call"), "{name}: {said}");
    }
}
