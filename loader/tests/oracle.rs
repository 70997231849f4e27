//! `rootstock fuzz` and `rootstock replay` from outside.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn rootstock(args: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_rootstock")).args(args).output();
    command.expect("the command starts")
}

#[track_caller]
fn check(args: &[&str], code: i32, words: &[&str]) -> String {
    let output = rootstock(args);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    for word in words {
        assert!(text.contains(word), "{args:?} does not say `{word}`: {text}");
    }
    text
}

fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

#[test]
fn a_program_that_agrees_passes() {
    let program = file("agrees.txt", "rootstock replay 1\nx0 = alloc 8\npush x0\ngc_collect\n");
    let program = program.to_str().expect("text");
    check(&["replay", program, program], 0, &["agrees.txt: passed, 3 operations"]);
    let words = ["agrees.txt: passed, 3 operations"];
    check(&["replay", "--machine", "native", program], 0, &words);
}

#[test]
fn bad_files_are_named_with_their_lines() {
    let program = file("bad.txt", "rootstock replay 1\n\nx0 = alloc eight\n");
    let words = ["error: ", "bad.txt: line 3: `eight` is not a size"];
    check(&["replay", program.to_str().expect("text")], 2, &words);
    check(&["replay", "nowhere.txt"], 2, &["nowhere.txt"]);
    let binary = file("binary.txt", b"\xff\xfe\0");
    check(&["replay", binary.to_str().expect("text")], 2, &["binary.txt"]);
    let module = file("empty.wat", "(module)");
    let args = ["fuzz", "--cases", "1", "--runtime", module.to_str().expect("text")];
    check(&args, 2, &["gc_abi_version"]);
    let args = ["fuzz", "--machine", "native", "--runtime", module.to_str().expect("text")];
    check(&args, 2, &["empty.wat", "not on `native`"]);
    check(&["fuzz", "--time", "soon"], 2, &["a number of seconds"]);
    check(&["fuzz", "--ops", "0"], 2, &["--ops"]);
}

#[test]
fn random_programs_repeat_and_are_counted() {
    let args = ["fuzz", "--cases", "4", "--ops", "60", "--seed", "5", "--time", "0"];
    let counts = |text: String| {
        let rows = text.lines().filter(|line| line.contains('┆')).map(str::to_owned);
        rows.collect::<Vec<_>>()
    };
    let words = ["4 programs", "no difference between the runtime and the model", "seed 5"];
    let first = counts(check(&args, 0, &words));
    assert!(first.len() > 30, "{first:?}");
    assert_eq!(first, counts(check(&args, 0, &words)));
    check(&[&args[..], &["--machine", "native"]].concat(), 0, &words);
}

/// A runtime that hands out what is not zeroed: `alloc` is what `alloc_atomic` was.
#[test]
fn a_broken_runtime_is_found_and_the_program_written() {
    let broken =
        swap_exports(rootstock_built::RUNTIME_WASM, b"\x05alloc\x00", b"\x0calloc_atomic\x00");
    let broken = file("broken.wasm", broken);
    let broken = broken.to_str().expect("text");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("found");
    let out = out.to_str().expect("text");
    let args = ["fuzz", "--seed", "1", "--runtime", broken, "--out", out, "--time", "100"];
    let text = check(&args, 1, &["again: rootstock replay "]);
    let again = text.rsplit("again: rootstock replay ").next().expect("the last line");
    let path = again.split_whitespace().next().expect("a file");
    check(&["replay", path, "--runtime", broken], 1, &["FAILED: "]);
    check(&["replay", path], 0, &["passed"]);
    let lines = std::fs::read_to_string(path).expect("the file").lines().count();
    assert!(lines <= 12, "{lines} lines");
}

/// Exchanges the numbers of two exported functions, each given as its name and kind in the export section.
fn swap_exports(wasm: &[u8], one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    let number = |entry: &[u8]| {
        let at = wasm.windows(entry.len()).position(|bytes| bytes == entry).expect("the export");
        at + entry.len()
    };
    let (one, other) = (number(one), number(other));
    assert!(wasm[one] < 128 && wasm[other] < 128, "numbers of one byte");
    wasm.swap(one, other);
    wasm
}
