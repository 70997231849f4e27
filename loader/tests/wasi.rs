//! WASI preview 1 in `rootstock run` and `rootstock doctor`: what a program is shown, and which limits hold.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn file(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the folder for temporary files is writable");
    path.to_str().expect("the path is text").to_owned()
}

/// Runs the command with this on its standard input; checks that it did not panic.
fn fed(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rootstock"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("it is piped");
    // A program that reads nothing closes it.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("the command ends");
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    output
}

fn rootstock(args: &[&str]) -> Output {
    fed(args, "")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that has the runtime's memory and these functions of WASI. `$at` is the first address of its own, of 4096
/// bytes.
fn program(imports: &str, body: &str) -> String {
    format!(
        r#"(module
  {imports}
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_program_base" (global $at i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "host" "print_i32" (func $print (param i32)))
  (import "host" "print_str" (func $print_str (param i32 i32)))
  (func $check (param $errno i32) (if (local.get $errno) (then (call $print (local.get $errno)) unreachable)))
  (start $init)
  (func $init (call $gc_init (i32.add (global.get $at) (i32.const 4096))) (drop (call $alloc (i32.const 8))))
  ;; prints a number of bytes from 1024 on to a stream
  (func $buffer (param $len i32)
    (i32.store (global.get $at) (i32.add (global.get $at) (i32.const 1024)))
    (i32.store offset=4 (global.get $at) (local.get $len)))
  {body})"#
    )
}

const FD_WRITE: &str = r#"(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))"#;
const FD_READ: &str = r#"(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))"#;
const EXIT: &str = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;

/// Prints its arguments and its environment, as they lie in memory, with zeros between them as spaces.
fn listing() -> String {
    let imports = ["args", "environ"].map(|what| {
        format!(
            r#"(import "wasi_snapshot_preview1" "{what}_sizes_get" (func ${what}_sizes (param i32 i32) (result i32)))
               (import "wasi_snapshot_preview1" "{what}_get" (func ${what} (param i32 i32) (result i32)))"#
        )
    });
    let body = r#"
  (func $show (param $bytes i32) (local $i i32)
    (loop $next
      (if (i32.eqz (i32.load8_u offset=1024 (i32.add (global.get $at) (local.get $i))))
        (then (i32.store8 offset=1024 (i32.add (global.get $at) (local.get $i)) (i32.const 32))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $bytes))))
    (call $print_str (i32.add (global.get $at) (i32.const 1024)) (local.get $bytes)))
  (func (export "_start")
    (call $check (call $args_sizes (global.get $at) (i32.add (global.get $at) (i32.const 4))))
    (call $print (i32.load (global.get $at)))
    (call $check (call $args (i32.add (global.get $at) (i32.const 8)) (i32.add (global.get $at) (i32.const 1024))))
    (call $show (i32.load offset=4 (global.get $at)))
    (call $check (call $environ_sizes (global.get $at) (i32.add (global.get $at) (i32.const 4))))
    (call $print (i32.load (global.get $at)))
    (call $check (call $environ (i32.add (global.get $at) (i32.const 8)) (i32.add (global.get $at) (i32.const 1024))))
    (if (i32.load (global.get $at)) (then (call $show (i32.load offset=4 (global.get $at))))))"#;
    program(&imports.join("\n"), body)
}

#[test]
fn arguments_and_environment_are_those_of_the_command_line_and_no_others() {
    let path = file("wasi-listing.wat", listing());
    for command in ["run", "doctor"] {
        let said = stdout(&rootstock(&[command, &path]));
        assert_eq!(said, "1\nwasi-listing.wat 0\n", "{command}");
        let output = rootstock(&[
            command,
            &path,
            "--env",
            "A=1",
            "--env",
            "B=x=y",
            "--",
            "--invoke",
            "-1",
            "two words",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(
            stdout(&output),
            "4\nwasi-listing.wat --invoke -1 two words 2\nA=1 B=x=y ",
            "{command}"
        );
    }
    // Merged, the program has the memory itself.
    let merged = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasi-merged.wasm");
    let merged = merged.to_str().expect("the path is text");
    let linked = rootstock(&["link", &path, "-o", merged]);
    assert!(linked.status.success(), "{}", stderr(&linked));
    assert_eq!(stdout(&rootstock(&["run", merged, "--", "x"])), "2\nwasi-merged.wasm x 0\n");
    for bad in
        [&["--env", "A"][..], &["--env", "=1"], &["--dir", "::x"], &["--dir", "no/such/folder"]]
    {
        let output = rootstock(&[&["run", path.as_str()], bad].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {}", stderr(&output));
    }
}

/// Prints a line to a stream a number of times, then exits with a code.
fn printing(stream: i32, times: i32, code: i32) -> String {
    let body = format!(
        r#"
  (data $text "a line of text\0a")
  (func (export "_start") (local $left i32)
    (memory.init $text (i32.add (global.get $at) (i32.const 1024)) (i32.const 0) (i32.const 15))
    (call $buffer (i32.const 15))
    (local.set $left (i32.const {times}))
    (loop $next
      (call $check (call $fd_write (i32.const {stream}) (global.get $at) (i32.const 1) (i32.add (global.get $at) (i32.const 8))))
      (if (i32.ne (i32.load offset=8 (global.get $at)) (i32.const 15)) (then unreachable))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $exit (i32.const {code}))
    unreachable)"#
    );
    program(&format!("{FD_WRITE}{EXIT}"), &body)
}

#[test]
fn exit_codes_are_the_programs_and_both_streams_are_printed() {
    for (stream, code, expected) in [(1, 0, 0), (2, 0, 0), (1, 7, 7), (2, 256, 1), (1, -1, 255)] {
        let path = file(&format!("wasi-exit-{stream}-{code}.wat"), printing(stream, 2, code));
        for command in ["run", "doctor"] {
            let output = rootstock(&[command, &path]);
            assert_eq!(output.status.code(), Some(expected), "{command}: {}", stderr(&output));
            let printed = if stream == 1 { stdout(&output) } else { stderr(&output) };
            assert!(
                printed.starts_with("a line of text\na line of text\n"),
                "{command}: {printed}"
            );
            assert!(!stderr(&output).contains("error: "), "{command}: {}", stderr(&output));
        }
        let output = rootstock(&["run", &path, "--json", "--verify", "--stats"]);
        assert_eq!(output.status.code(), Some(expected));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let captured = if stream == 1 { "a line of text\na line of text\n" } else { "" };
        assert_eq!(json["output"], captured);
        assert_eq!(
            (&json["error"], &json["stats"]["ALLOCATED_OBJECTS"]),
            (&serde_json::Value::Null, &1.into())
        );
    }
}

#[test]
fn output_by_either_stream_is_bounded() {
    for stream in [1, 2] {
        let path = file(&format!("wasi-flood-{stream}.wat"), printing(stream, 1_000_000, 0));
        let output = rootstock(&["run", &path, "--max-output", "64KiB"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("printed more than the 65536 bytes"), "{stream}");
        let printed = if stream == 1 { output.stdout.len() } else { output.stderr.len() };
        assert!(printed < 70_000, "{stream}: {printed}");
    }
}

#[test]
fn standard_input_is_read_to_its_end() {
    let body = r#"
  (func (export "_start")
    (call $buffer (i32.const 100))
    (loop $next
      (call $check (call $fd_read (i32.const 0) (global.get $at) (i32.const 1) (i32.add (global.get $at) (i32.const 8))))
      (call $print_str (i32.add (global.get $at) (i32.const 1024)) (i32.load offset=8 (global.get $at)))
      (br_if $next (i32.load offset=8 (global.get $at)))))"#;
    let path = file("wasi-cat.wat", program(FD_READ, body));
    let text = "some text\n".repeat(50);
    assert_eq!(stdout(&fed(&["run", &path], &text)), text);
}

/// A function that waits is given up when the time is up: for input that does not come, for a clock.
#[test]
fn waiting_is_bounded() {
    let reading = program(
        FD_READ,
        r#"(func (export "_start") (call $buffer (i32.const 100))
             (call $check (call $fd_read (i32.const 0) (global.get $at) (i32.const 1) (global.get $at))))"#,
    );
    let sleeping = program(
        r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
        // A clock is type 0; 1 is the monotonic one; an hour
        r#"(func (export "_start")
             (i32.store offset=16 (global.get $at) (i32.const 1))
             (i64.store offset=24 (global.get $at) (i64.const 3600000000000))
             (call $check (call $poll (global.get $at) (i32.add (global.get $at) (i32.const 64)) (i32.const 1)
               (i32.add (global.get $at) (i32.const 128)))))"#,
    );
    for (name, wat) in [("wasi-reading.wat", reading), ("wasi-sleeping.wat", sleeping)] {
        let path = file(name, wat);
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rootstock"))
            .args(["run", &path, "--timeout", "1"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        // Open, and nothing comes.
        let pipe = child.stdin.take();
        let output = child.wait_with_output().expect("the command ends");
        drop(pipe);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("it ran past its time limit"), "{}", stderr(&output));
        assert!(began.elapsed() < Duration::from_secs(60), "{name}: {:?}", began.elapsed());
    }
}

#[test]
fn files_are_those_of_the_folders_that_were_given() {
    let imports = r#"(import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#;
    // Creates `made.txt` in the first folder, which has the number 3, and writes to it.
    let body = r#"
  (data $name "made.txt")
  (func (export "_start") (local $errno i32)
    (memory.init $name (i32.add (global.get $at) (i32.const 1024)) (i32.const 0) (i32.const 8))
    (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.add (global.get $at) (i32.const 1024)) (i32.const 8)
      (i32.const 1) (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.add (global.get $at) (i32.const 12))))
    (if (local.get $errno) (then (call $print (local.get $errno)) (return)))
    (call $buffer (i32.const 8))
    (call $check (call $fd_write (i32.load offset=12 (global.get $at)) (global.get $at) (i32.const 1)
      (i32.add (global.get $at) (i32.const 8)))))"#;
    let path = file("wasi-file.wat", program(&format!("{imports}{FD_WRITE}"), body));
    // 8 is EBADF
    assert_eq!(stdout(&rootstock(&["run", &path])), "8\n");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasi-folder");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let output = rootstock(&["run", &path, "--dir", &format!("{}::/", folder.display())]);
    assert_eq!(
        (stdout(&output), output.status.code()),
        (String::new(), Some(0)),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_to_string(folder.join("made.txt")).expect("it was made"), "made.txt");
}

#[test]
fn clocks_and_random_numbers_are_there_and_so_is_the_older_module() {
    let imports = r#"
  (import "wasi_unstable" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_unstable" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_unstable" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))"#;
    let body = r#"
  (func (export "_start")
    (call $check (call $clock (i32.const 0) (i64.const 1) (global.get $at)))
    ;; after the year 2020
    (if (i64.lt_u (i64.load (global.get $at)) (i64.const 1577836800000000000)) (then unreachable))
    (call $check (call $random (global.get $at) (i32.const 16)))
    (if (i64.eqz (i64.or (i64.load (global.get $at)) (i64.load offset=8 (global.get $at)))) (then unreachable))
    (call $check (call $yield))
    ;; addresses outside memory are no harm
    (call $print (i32.ne (call $random (i32.const -4) (i32.const 16)) (i32.const 0)))
    (call $check (call $close (i32.const 1))))"#;
    let path = file("wasi-clock.wat", program(imports, body));
    let output = rootstock(&["run", &path]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    assert!(!stderr(&output).contains("unreachable"), "{}", stderr(&output));
}

/// A stream that is closed, or another file by now, is no standard output.
#[test]
fn a_stream_that_was_closed_prints_nothing() {
    let imports = format!(
        r#"{FD_WRITE}
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))"#
    );
    let body = r#"
  (func $write (param $stream i32) (result i32)
    (i32.store8 offset=1024 (global.get $at) (i32.const 0x78))
    (call $buffer (i32.const 1))
    (call $fd_write (local.get $stream) (global.get $at) (i32.const 1) (i32.add (global.get $at) (i32.const 8))))
  (func (export "_start")
    ;; standard error becomes standard output's number
    (call $check (call $renumber (i32.const 2) (i32.const 1)))
    (call $check (call $write (i32.const 1)))
    (call $check (call $close (i32.const 1)))
    (call $print (call $write (i32.const 1)))
    (call $print (call $write (i32.const 2))))"#;
    let path = file("wasi-closed.wat", program(&imports, body));
    let output = rootstock(&["run", &path]);
    assert_eq!((stdout(&output), stderr(&output)), ("8\n8\n".to_owned(), "x".to_owned()));
}

#[test]
fn a_function_that_wasi_does_not_have_is_named() {
    let wat = r#"(module (import "wasi_snapshot_preview1" "fd_wriet" (func)))"#;
    let output = rootstock(&["run", &file("wasi-wrong.wat", wat)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `fd_write`?"), "{}", stderr(&output));
}

/// A program's own module of that name, given with `--with`, is the program's affair.
#[test]
fn a_library_may_stand_in_for_wasi() {
    let library = file("wasi-own.wat", r#"(module (func (export "proc_exit") (param i32)))"#);
    let program = file(
        "wasi-with.wat",
        format!(r#"(module {EXIT} (func (export "main") (call $exit (i32.const 7))))"#),
    );
    assert_eq!(rootstock(&["run", &program]).status.code(), Some(7));
    let with = format!("wasi_snapshot_preview1={library}");
    assert_eq!(rootstock(&["run", &program, "--with", &with]).status.code(), Some(0));
}

/// A program with a memory of its own that has nothing to do with the runtime, as any compiler emits it.
#[test]
fn a_program_with_its_own_memory_is_served_from_that() {
    let wat = format!(
        r#"(module {FD_WRITE} (memory (export "memory") 1) (data (i32.const 16) "hello\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "main") (param i32 i32) unreachable))"#
    );
    let output = rootstock(&["run", &file("wasi-hello.wat", wat)]);
    assert_eq!(
        (stdout(&output), output.status.code()),
        ("hello\n".to_owned(), Some(0)),
        "{}",
        stderr(&output)
    );
}
