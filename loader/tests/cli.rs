//! The command `rootstock` from outside, where what it says is held to tables of the code, or is JSON. The rest is in
//! `commands/`.

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
}

#[test]
fn help_and_version() {
    for args in [&["--help"][..], &["run", "--help"], &["stress", "--help"], &["--version"]] {
        let output = rootstock(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        assert!(!output.stdout.is_empty());
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
