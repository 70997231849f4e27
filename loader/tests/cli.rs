//! The command `rootstock` from outside: exit codes, and what it says.
//!
//! Bad input exits with 2 and a message that names the file and the cause; a failed run exits with 1. Never is there a
//! panic or a backtrace of the command's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the command; checks that it neither panicked nor printed a backtrace of its own.
fn rootstock(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_rootstock"))
        .args(args)
        // a panic would print one, and that must be seen here
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the command starts");
    let errors = stderr(&output);
    for wrong in ["panicked", "stack backtrace:", "RUST_BACKTRACE", "core::", "/rustc/"] {
        assert!(!errors.contains(wrong), "`rootstock {}` says {wrong}:\n{errors}", args.join(" "));
    }
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Bad input: exit code 2, nothing on standard output, one error that says all of `words`.
#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let output = rootstock(args);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "`rootstock {}` said:\n{errors}", args.join(" "));
    assert!(errors.starts_with("error: "), "`rootstock {}` said:\n{errors}", args.join(" "));
    assert_eq!(errors.matches("error: ").count(), 1, "said twice:\n{errors}");
    assert_eq!(stdout(&output), "");
    for word in words {
        assert!(
            errors.contains(word),
            "`rootstock {}` does not say `{word}`:\n{errors}",
            args.join(" ")
        );
    }
}

/// A file of the tests' own, in the folder that cargo has for them.
fn file(name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the folder for temporary files is writable");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

fn guest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(name);
    text(&path).to_owned()
}

/// `rootstock run` of a program that is refused: the message names its file.
#[track_caller]
fn refused_program(name: &str, contents: impl AsRef<[u8]>, words: &[&str]) {
    let path = file(name, contents);
    let all: Vec<&str> = std::iter::once(name).chain(words.iter().copied()).collect();
    refused(&["run", text(&path)], &all);
}

#[test]
fn a_file_that_is_not_wasm() {
    refused_program(
        "picture.wasm",
        b"\x89PNG\r\n\x1a\n",
        &["neither a wasm module", "89 50 4e 47"],
    );
    refused_program("prose.txt", "once upon a time", &["neither a wasm module"]);
    refused_program("nothing.wasm", "", &["empty"]);
}

#[test]
fn a_file_that_is_truncated_or_damaged() {
    let whole =
        wat::parse_str(r#"(module (func (export "main") (result i32) i32.const 1))"#).unwrap();
    refused_program("cut.wasm", &whole[..whole.len() - 3], &["truncated"]);
    refused_program("magic-only.wasm", &whole[..6], &["truncated"]);
    let mut version = whole.clone();
    version[4] = 9;
    refused_program("version.wasm", &version, &["version"]);
    let mut body = whole;
    // the constant's opcode becomes one that needs operands that are not there
    let at = body.iter().rposition(|byte| *byte == 0x41).expect("i32.const");
    body[at] = 0x6a;
    refused_program("damaged.wasm", &body, &[]);
}

#[test]
fn a_text_with_a_syntax_error() {
    refused_program(
        "syntax.wat",
        "(module\n  (func $f (result i32)\n    i32.cosnt 1))\n",
        &["3:", "i32.cosnt"],
    );
    refused_program("unclosed.wat", "(module (func)", &["unclosed.wat:1"]);
    refused_program(
        "types.wat",
        "(module\n  (func (export \"main\") (result i32)\n    i64.const 1))\n",
        &["type mismatch", "i64"],
    );
    refused_program("name.wat", "(module (func call $missing))", &["missing"]);
}

#[test]
fn a_file_that_cannot_be_read() {
    refused(&["run", "no/such/program.wasm"], &["no/such/program.wasm", "No such file"]);
    refused(&["run", env!("CARGO_TARGET_TMPDIR")], &["cannot be read"]);
}

#[test]
fn an_import_that_nobody_exports() {
    refused_program(
        "import.wat",
        r#"(module (import "runtime" "gc_colect" (func)))"#,
        &["runtime.gc_colect", "gc_collect"],
    );
    refused_program(
        "module.wat",
        r#"(module (import "env" "puts" (func)))"#,
        &["env.puts", "no module `env`"],
    );
    refused_program(
        "several.wat",
        r#"(module (import "runtime" "a" (func)) (import "host" "b" (func)) (import "c" "d" (func)))"#,
        &["runtime.a", "host.b", "c.d"],
    );
}

#[test]
fn an_import_of_another_type() {
    refused_program(
        "type.wat",
        r#"(module (import "runtime" "alloc" (func (param i64) (result i64))))"#,
        &["runtime.alloc", "i64", "i32"],
    );
    refused_program(
        "kind.wat",
        r#"(module (import "runtime" "alloc" (global i32)))"#,
        &["runtime.alloc"],
    );
    refused_program(
        "mutable.wat",
        r#"(module (import "runtime" "gc_sp" (global i32)))"#,
        &["runtime.gc_sp", "mut"],
    );
}

#[test]
fn a_memory_of_its_own() {
    refused_program(
        "memory.wat",
        r#"(module (import "runtime" "alloc" (func (param i32) (result i32))) (memory 1))"#,
        &["its own memory", "import"],
    );
}

#[test]
fn another_version_of_the_abi() {
    refused_program(
        "future.wat",
        r#"(module (global (export "gc_abi_required") i32 (i32.const 2)) (func (export "main")))"#,
        &["version 2 of the ABI", "version 1"],
    );
    let runtime = file(
        "runtime2.wat",
        r#"(module (memory (export "memory") 1) (func (export "gc_abi_version") (result i32) i32.const 2))"#,
    );
    refused(
        &["run", &guest("list.wat"), "--runtime", text(&runtime)],
        &["runtime2.wat", "version 2 of the ABI", "version 1"],
    );
    let none = file("noruntime.wat", r#"(module (func (export "alloc")))"#);
    refused(
        &["run", &guest("list.wat"), "--runtime", text(&none)],
        &["noruntime.wat", "gc_abi_version"],
    );
}

#[test]
fn an_unknown_scenario() {
    refused(&["stress", "wrap-brust"], &["wrap-brust", "wrap-burst"]);
    refused(&["stress", "list", "nonsense"], &["nonsense"]);
}

#[test]
fn an_unknown_option() {
    refused(&["run", &guest("list.wat"), "--frobnicate"], &["--frobnicate"]);
    refused(&["run", &guest("list.wat"), "--option", "EAGRE=1"], &["EAGRE", "EAGER"]);
    refused(&["run", &guest("list.wat"), "--option", "EAGER"], &["NAME=VALUE"]);
    refused(
        &["run", &guest("list.wat"), "--option", "WRAP_LIMIT=0"],
        &["WRAP_LIMIT", "out of range"],
    );
    refused(&["run", &guest("list.wat"), "--max-memory", "plenty"], &["--max-memory"]);
    refused(&["stress", "--seed", "x"], &["--seed"]);
    refused(&["stress", "--scale", "huge"], &["--scale"]);
    refused(&["frobnicate"], &["frobnicate"]);
}

#[test]
fn a_function_or_arguments_that_do_not_fit() {
    refused(&["run", &guest("list.wat"), "--invoke", "mian", "3"], &["list.wat", "mian", "main"]);
    refused(&["run", &guest("list.wat"), "--invoke", "main"], &["list.wat", "main"]);
    refused(&["run", &guest("list.wat"), "--invoke", "main", "three"], &["list.wat", "three"]);
    refused(&["run", &guest("list.wat"), "--invoke", "main", "1", "2"], &["list.wat", "main"]);
    refused(
        &["run", &guest("list.wat"), "--invoke", "main", "99999999999"],
        &["list.wat", "99999999999"],
    );
    refused(&["run", &guest("list.wat"), "--invoke", "memory"], &["list.wat", "memory"]);
}

#[test]
fn a_program_runs_and_its_result_is_printed() {
    let output = rootstock(&["run", &guest("list.wat"), "--invoke", "main", "1000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "500500\n");
    let output = rootstock(&["run", &guest("every_export.wat"), "--verify", "--poison"]);
    assert_eq!(stdout(&output), "0\n", "{}", stderr(&output));
}

/// The seed's shapes under the command, with every collection there can be.
#[test]
fn programs_run_with_eager_collection() {
    for (program, invoke, result) in [
        ("reclaim.wat", ["decimal_fold", "200"], "19900"),
        ("closures.wat", ["fold", "100"], "2000"),
        ("list.wat", ["main", "200"], "20100"),
    ] {
        let output = rootstock(&[
            "run",
            &guest(program),
            "--eager",
            "1",
            "--poison",
            "--verify",
            "--invoke",
            invoke[0],
            invoke[1],
        ]);
        assert!(output.status.success(), "{program}: {}", stderr(&output));
        assert_eq!(stdout(&output), format!("{result}\n"), "{program}");
    }
}

#[test]
fn stats_shows_every_statistic_and_the_audit() {
    let output =
        rootstock(&["run", &guest("reclaim.wat"), "--stats", "--invoke", "map_fold", "2000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    for row in runtime::stats::STATS {
        assert!(printed.contains(row.name), "{} is missing:\n{printed}", row.name);
    }
    for word in ["told once", "2,001", "told twice", "never told"] {
        assert!(printed.contains(word), "{word} is missing:\n{printed}");
    }
}

#[test]
fn json_holds_results_statistics_and_audit() {
    let output =
        rootstock(&["run", &guest("reclaim.wat"), "--json", "--invoke", "set_fold", "1000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("standard output is JSON");
    assert_eq!(json["results"], serde_json::json!([1000]));
    assert_eq!(json["error"], serde_json::Value::Null);
    assert_eq!(json["handles"]["made"], 1001);
    assert_eq!(json["handles"]["told_once"], 1001);
    assert_eq!(json["handles"]["told_twice"], 0);
    assert_eq!(json["stats"]["WRAPPERS_REGISTERED"], 1001);
    assert_eq!(
        json["stats"].as_object().map(serde_json::Map::len),
        Some(runtime::stats::STATS.len())
    );
}

/// A trap of the runtime: name, argument and advice in words, the wasm backtrace, the handles that are alive.
#[test]
fn a_trap_of_the_runtime_is_explained() {
    let output = rootstock(&[
        "run",
        &guest("wrappers.wat"),
        "--option",
        "WRAP_LIMIT=100",
        "--invoke",
        "keep",
        "101",
    ]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let row = &runtime::error::ERRORS[4];
    for word in [
        row.name,
        row.meaning,
        "100 entries",
        row.advice,
        "wrappers.wat!wrapper",
        "wrappers.wat!keep",
    ] {
        assert!(errors.contains(word), "`{word}` is missing:\n{errors}");
    }
    assert!(errors.contains("101"), "101 handles are alive:\n{errors}");
    assert_eq!(stdout(&output), "");

    let output = rootstock(&[
        "run",
        &guest("list.wat"),
        "--max-memory",
        "4MiB",
        "--invoke",
        "build",
        "1000000",
    ]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for word in ["HEAP_EXHAUSTED", "16 bytes", "--max-memory", "list.wat!build"] {
        assert!(errors.contains(word), "`{word}` is missing:\n{errors}");
    }
}

/// A trap of the program's own.
#[test]
fn a_trap_of_the_program_is_explained() {
    let path = file(
        "trap.wat",
        "(module\n  (func $inner unreachable)\n  (func $outer (export \"main\") call $inner))\n",
    );
    let output = rootstock(&["run", text(&path)]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for word in ["unreachable", "inner", "outer", "trap.wat:2"] {
        assert!(errors.contains(word), "`{word}` is missing:\n{errors}");
    }
    assert!(!errors.contains("HEAP_EXHAUSTED"));
}

#[test]
fn an_endless_program_is_stopped() {
    let path = file("endless.wat", "(module (func (export \"main\") (loop br 0)))");
    let output = rootstock(&["run", text(&path), "--timeout", "2"]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--timeout"), "{errors}");
}

/// Endless recursion is the program's trap, not the command's end.
#[test]
fn an_endless_recursion_is_a_trap() {
    let path = file(
        "recursion.wat",
        "(module (func $f (export \"main\") (result i32) (i32.add (call $f) (i32.const 1))))",
    );
    let output = rootstock(&["run", text(&path)]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--stack"), "{errors}");
}

/// 100,000 frames with a root each, as in `tests/`: the command's own default stack is enough.
#[test]
fn a_recursion_100_000_deep_runs() {
    let output = rootstock(&["run", &guest("deep.wat"), "--invoke", "main", "100000"]);
    assert_eq!(stdout(&output), "5000050000\n", "{}", stderr(&output));
}

#[test]
fn help_and_version_and_the_list_of_scenarios() {
    for args in [&["--help"][..], &["run", "--help"], &["stress", "--help"], &["--version"]] {
        let output = rootstock(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        assert!(!output.stdout.is_empty());
    }
    let output = rootstock(&["stress", "--list"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let listed = stdout(&output);
    for scenario in [
        "wrap-burst",
        "wrap-live",
        "wrap-nearly-full",
        "list",
        "tree",
        "star",
        "fragmentation",
        "strings",
        "large",
        "deep-roots",
        "host-callback-allocates",
        "memory-limit",
        "random-graph",
    ] {
        assert!(listed.contains(scenario), "{scenario} is missing:\n{listed}");
    }
}

/// A scenario at the smallest scale: its outcome, as a table and as JSON.
#[test]
fn a_scenario_runs_and_reports() {
    let output = rootstock(&["stress", "wrap-live", "--scale", "0.01", "--json", "--seed", "7"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("standard output is JSON");
    assert!(json.to_string().contains("wrap-live"), "{json}");
    let output = rootstock(&["stress", "wrap-live", "--scale", "0.01"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("wrap-live"), "{}", stdout(&output));
}

#[test]
fn a_folder_for_object_files_that_cannot_be_written_is_refused() {
    let file = file("in-the-way", "a file");
    refused(&["sdk", text(&file)], &[text(&file), "cannot be made"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-refused");
    std::fs::create_dir_all(folder.join("libruntime.a")).expect("the folder is writable");
    refused(&["sdk", text(&folder)], &["libruntime.a", "cannot be written"]);
    let left: Vec<_> = std::fs::read_dir(&folder).expect("it is there").collect();
    assert_eq!(left.len(), 1, "no file is left over: {left:?}");
}

/// Whatever the parser of options takes for one.
#[test]
fn negative_numbers_in_any_spelling_are_arguments() {
    let path = file(
        "negative.wat",
        "(module (func (export \"f\") (param f64) (result f64) local.get 0) (func (export \"g\") (param i32 i64) (result i32 i64) local.get 0 local.get 1))",
    );
    let path = text(&path);
    for (number, shown) in [
        ("-1.5e-31", "-0.00000000000000000000000000000015"),
        ("-inf", "-inf"),
        ("-nan", "NaN"),
        ("-.5", "-0.5"),
        ("-0", "-0"),
        ("1e3", "1000"),
    ] {
        for args in
            [&["--invoke", "f", number, "--verify"][..], &["--verify", "--invoke", "f", number]]
        {
            let output = rootstock(&[&["run", path], args].concat());
            assert_eq!(
                stdout(&output).lines().next(),
                Some(shown),
                "{args:?}: {}",
                stderr(&output)
            );
        }
        let output = rootstock(&["doctor", path, "--invoke", "f", number]);
        assert_eq!(stdout(&output).lines().next(), Some(shown), "{number}: {}", stderr(&output));
    }
    let output = rootstock(&["run", path, "--invoke", "g", "-0x10", "-1_000", "--eager"]);
    assert_eq!(stdout(&output), "-16\n-1000\n", "{}", stderr(&output));
    refused(&["run", path, "--invoke", "f", "--quiet"], &["--quiet"]);
    refused(&["run", path, "--invoke"], &["--invoke"]);
}

/// The order that `docs/linking.md` gives: the object, then the handle.
#[test]
fn a_wrapper_that_is_not_allocated_leaves_no_handle() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/linking.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let program =
        page.split("```wat file=wrap.wat\n").nth(1).and_then(|rest| rest.split("```").next());
    let program = program
        .expect("the page has the program")
        .replace("(call $alloc (i32.const 8))", "(call $alloc (i32.const -1))")
        .replace("(call $alloc_atomic (i32.const 8))", "(call $alloc_atomic (i32.const -1))");
    let output =
        rootstock(&["run", text(&file("wrap-refused.wat", program)), "--invoke", "main", "5"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("SIZE_TOO_LARGE") && said.contains("handles     none alive"), "{said}");
}
