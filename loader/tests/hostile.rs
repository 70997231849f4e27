//! Programs that mean harm: what they can do to the host through the command is bounded, and said in words.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the command; checks that it ends, and did not panic.
fn rootstock(args: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rootstock"))
        .args(args)
        .env("RUST_BACKTRACE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (thread::spawn(|| all(out)), thread::spawn(|| all(err)));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the command can be waited for") {
            break status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("`rootstock {}` hangs", args.join(" "));
        }
        thread::sleep(Duration::from_millis(5));
    };
    let read = |reader: thread::JoinHandle<Vec<u8>>| reader.join().expect("the pipe is read");
    let output = Output { status, stdout: read(out), stderr: read(err) };
    let errors = stderr(&output);
    assert!(!errors.contains("panicked"), "`rootstock {}` says\n{errors}", args.join(" "));
    output
}

fn all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).expect("the folder for temporary files is writable");
    path.to_str().expect("the path is text").to_owned()
}

/// Runs a program that is given as text; its exit code and what is said on standard error.
#[track_caller]
fn run(name: &str, wat: &str, args: &[&str]) -> (Option<i32>, String) {
    let path = file(name, wat);
    let mut all = vec!["run", path.as_str()];
    all.extend(args);
    let output = rootstock(&all);
    (output.status.code(), stderr(&output))
}

/// One call of the corpus: a few hundred modules, in seconds. `docs/failure-modes.md` has the long run.
#[test]
fn hostile_modules_do_no_harm() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let output = rootstock(&["fuzz-modules", "--count", "150", "--time", "120", "--keep", folder]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", stderr(&output));
    for part in [
        "150 modules in",
        "; 0 faults",
        "Smith: ended",
        "Calls: NOT_AN_OBJECT",
        "Mutant: refused",
        "Linked: ",
        "Lying: ",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
}

/// Control characters and lines in names do not reach the terminal; a name that has no end is cut off.
#[test]
fn names_are_shown_and_not_obeyed() {
    let evil = format!("\\1b[2J\\0aerror: forged\\e2\\80\\ae{}", "x".repeat(5000));
    for (name, wat, args) in [
        (
            "evil-function.wat",
            format!("(module (func (export \"{evil}\")) (func (export \"main\") unreachable))"),
            &[][..],
        ),
        (
            "evil-trap.wat",
            format!("(module (func (export \"{evil}\") unreachable) (start 0))"),
            &[],
        ),
        ("evil-import.wat", format!("(module (import \"{evil}\" \"{evil}\" (func)))"), &[]),
        ("evil-runtime.wat", format!("(module (import \"runtime\" \"{evil}\" (func)))"), &[]),
        ("evil-choice.wat", format!("(module (func (export \"{evil}\")))"), &[]),
        ("evil-invoke.wat", format!("(module (func (export \"{evil}\")))"), &["--invoke", "f"]),
        (
            "evil-twice.wat",
            format!("(module (func (export \"{evil}\")) (func (export \"{evil}\")))"),
            &[],
        ),
    ] {
        let (_, said) = run(name, &wat, args);
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{name}: {said:?}");
        assert!(said.lines().all(|line| !line.starts_with("error: forged")), "{name}: {said}");
        assert!(said.len() < 12_000, "{name}: {} bytes are said", said.len());
    }
}

/// Names that C++ would write out with 2^40 parameters each.
#[test]
fn a_name_that_takes_for_ever_to_be_demangled_is_left_as_it_is() {
    let mut rest = "St4pairIiiE".to_owned();
    for level in 0..40_u32 {
        let digit = |n: u32| char::from_digit(n % 36, 36).unwrap_or('0').to_ascii_uppercase();
        let number =
            if level < 36 { digit(level).to_string() } else { format!("1{}", digit(level - 36)) };
        rest.push_str(&format!("S_IS{number}_S{number}_E"));
    }
    let mut wat = "(module (func $last unreachable)".to_owned();
    let mut callee = "last".to_owned();
    for letter in 'a'..='j' {
        let name = format!("_Z1{letter}{rest}");
        wat.push_str(&format!("(func $\"{name}\" call $\"{callee}\")"));
        callee = name;
    }
    wat.push_str(&format!("(export \"main\" (func $\"{callee}\")))"));
    let began = Instant::now();
    let (code, said) = run("bomb.wat", &wat, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("bomb.wat!_Z1jSt4pair"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn output_is_bounded() {
    let wat = r#"(module
  (import "runtime" "memory" (memory 1))
  (import "host" "print_str" (func $print (param i32 i32)))
  (func (export "main") (loop $next (call $print (i32.const 0) (i32.const 65536)) (br $next))))"#;
    let path = file("flood.wat", wat);
    let output = rootstock(&["run", &path, "--max-output", "1MiB"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.len() <= 1 << 20, "{} bytes", output.stdout.len());
    assert!(stderr(&output).contains("printed more than the 1048576 bytes"), "{}", stderr(&output));
}

/// All memories count together, and all tables, and what the engine's own collector has for structs.
#[test]
fn memories_tables_and_structs_are_bounded() {
    let tables = "(table 3000000 funcref)".repeat(4);
    let (code, said) = run("tables.wat", &format!("(module {tables})"), &[]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(
        "growing.wat",
        r#"(module (table $t 1 funcref) (func (export "main")
             (loop $next (br_if $next (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1))))
             unreachable))"#,
        &["--timeout", "20"],
    );
    assert!(said.contains("unreachable"), "{code:?} {said}");
    let memories = "(memory 1000)".repeat(50);
    let (code, said) =
        run("memories.wat", &format!("(module {memories})"), &["--max-memory", "64MiB"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(
        "structs.wat",
        "(module (type $s (struct (field (ref null $s)))) (func (export \"main\") (local $x (ref null $s))
           (loop $next (local.set $x (struct.new $s (local.get $x))) (br $next))))",
        &["--max-memory", "64MiB"],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--max-memory sets it"), "{said}");
}

/// A function that takes longer to compile than the program may run.
#[test]
fn compiling_is_bounded_and_so_is_the_module() {
    let path = file("large.wasm", large_function(150_000));
    let began = Instant::now();
    let output = rootstock(&["run", &path, "--timeout", "0.05"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("could not be compiled in the time"), "{}", stderr(&output));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let output = rootstock(&["run", &path, "--max-module", "100KiB"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--max-module sets it"), "{}", stderr(&output));
}

/// A function of many branches, as a module without lines.
fn large_function(branches: usize) -> Vec<u8> {
    let body = "(if (i32.const 1) (then nop)) ".repeat(branches);
    wat::parse_str(format!("(module (func (export \"main\") {body}))")).expect("it is valid")
}

/// Lines are found in time that is quadratic in the length of a text, so a long one has none.
#[test]
fn a_long_text_is_assembled_in_time() {
    let body = "(drop (i32.const 1)) ".repeat(200_000);
    let began = Instant::now();
    let (code, said) = run("long.wat", &format!("(module (func (export \"main\") {body}))"), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_refused() {
    let output = rootstock(&["run", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("larger than any program may be"), "{}", stderr(&output));
}

/// The runtime's own questions end too, when the program has spoilt what they look at.
#[test]
fn a_heap_that_was_overwritten_is_looked_at_for_a_bounded_time() {
    let mut ended = 0;
    for (at, value) in [(0x1000, 1), (0x4000, 0xff), (0x8000, 3), (0xc000, 0x80), (0x2_0000, 7)] {
        let wat = format!(
            r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (func (export "main")
    (drop (call $alloc (i32.const 100000)))
    (drop (call $alloc (i32.const 16)))
    (memory.fill (i32.const {at}) (i32.const {value}) (i32.const 40000))))"#
        );
        let began = Instant::now();
        let (code, said) = run("spoilt.wat", &wat, &["--verify", "--timeout", "2"]);
        assert!(matches!(code, Some(0 | 1)), "{at:#x}: {code:?} {said}");
        assert!(began.elapsed() < Duration::from_secs(40), "{at:#x}: {:?}", began.elapsed());
        ended += 1;
    }
    assert_eq!(ended, 5);
}

/// A module that says it has the runtime in it, and whose runtime does not answer: no question goes on for ever, and the
/// second is not even asked.
#[test]
fn a_runtime_that_does_not_answer_is_left_alone() {
    let functions = [
        ("gc_init", "(param i32)"),
        ("alloc", "(param i32) (result i32)"),
        ("alloc_atomic", "(param i32) (result i32)"),
        ("try_alloc", "(param i32) (result i32)"),
        ("try_alloc_atomic", "(param i32) (result i32)"),
        ("register_wrapper", "(param i32 i32 i32)"),
        ("register_wrapper_sized", "(param i32 i32 i32 i32)"),
        ("release_wrapper", "(param i32) (result i32)"),
        ("try_register_wrapper", "(param i32 i32 i32) (result i32)"),
        ("gc_wrapper", "(param i32) (result i32)"),
        ("gc_notify", "(param i32) (result i32)"),
        ("gc_collect", ""),
        ("gc_shutdown", ""),
        ("gc_add_roots", "(param i32 i32)"),
        ("gc_remove_roots", "(param i32 i32)"),
        ("gc_pin", "(param i32)"),
        ("gc_unpin", "(param i32)"),
        ("gc_stack_new", "(param i32) (result i32)"),
        ("gc_stack_switch", "(param i32) (result i32)"),
        ("gc_stack_free", "(param i32)"),
        ("gc_stack_end", "(result i32)"),
        ("gc_configure", "(param i32 i32) (result i32)"),
        ("gc_stat", "(param i32) (result i64)"),
        ("gc_base", "(param i32) (result i32)"),
        ("gc_size", "(param i32) (result i32)"),
        ("gc_verify", "(result i32)"),
        ("gc_last_error", "(result i32)"),
        ("gc_last_error_arg", "(result i32)"),
    ];
    let forged = |version: &str, main: &str| {
        let mut wat = r#"(module
  (import "host" "host_decref_handle" (func (param i32 i32)))
  (memory (export "memory") 16)
  (global (export "gc_sp") (mut i32) (i32.const 1024))
  (global (export "gc_stack_base") i32 (i32.const 1024))
  (global (export "gc_stack_limit") i32 (i32.const 2048))
  (global (export "gc_program_base") i32 (i32.const 4096))
"#
        .to_owned();
        wat.push_str(&format!("(func (export \"gc_abi_version\") (result i32) {version})"));
        wat.push_str(&format!("(func (export \"main\") {main})"));
        for (name, ty) in functions {
            wat.push_str(&format!("(func (export \"{name}\") {ty} (loop $l (br $l)) unreachable)"));
        }
        wat + ")"
    };
    let endless = "(loop $l (br $l)) unreachable";
    for (name, wat, args) in [
        ("forged-version.wat", forged(endless, ""), &["--stats"][..]),
        ("forged-option.wat", forged("i32.const 1", ""), &["--stats", "--verify"]),
        ("forged-end.wat", forged("i32.const 1", ""), &["--stats"]),
        ("forged-trap.wat", forged("i32.const 1", "unreachable"), &["--stats"]),
    ] {
        let began = Instant::now();
        let (code, said) = run(name, &wat, &[args, &["--timeout", "1"]].concat());
        assert!(matches!(code, Some(1 | 2)), "{name}: {code:?} {said}");
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
    }
}

/// A trap is explained by a question to the runtime, and the question traps: it is not explained in its turn.
#[test]
fn a_question_that_traps_asks_no_other() {
    let program = |last_error: &str, extra: &str, main: &str| {
        format!(
            r#"(module
  (import "host" "host_decref_handle" (func $told (param i32 i32)))
  (import "host" "print_i32" (func $print (param i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (memory (export "memory") 17)
  (table $t 1 funcref)
  (global (export "gc_sp") (mut i32) (i32.const 524224))
  (func $last (export "gc_last_error") (result i32) {last_error})
  (func (export "gc_last_error_arg") (result i32) {last_error})
  {extra}
  (func (export "main") {main}))"#
        )
    };
    for (name, last_error) in [
        ("asked-trap.wat", "unreachable"),
        ("asked-wild.wat", "(i32.load (i32.const -1))"),
        ("asked-self.wat", "(call $last)"),
        (
            "asked-memory.wat",
            "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const 0)",
        ),
        (
            "asked-table.wat",
            "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (i32.const 0)",
        ),
        ("asked-print.wat", "(loop $l (call $print (i32.const 1)) (br $l)) (i32.const 1)"),
        (
            "asked-handles.wat",
            "(loop $l (drop (call $handle_new (i32.const 1) (i64.const 1))) (br $l)) (i32.const 1)",
        ),
        (
            "asked-told.wat",
            "(loop $l (call $told (i32.const 1) (i32.const 1)) (br $l)) (i32.const 1)",
        ),
        ("asked-endless.wat", "(loop $l (br $l)) (i32.const 1)"),
        ("asked-nonsense.wat", "(i32.const -7)"),
    ] {
        for (form, main) in [("", "unreachable"), ("deep-", "(call $deep (i32.const 5000))")] {
            let deep = "(func $deep (param i32) (if (i32.eqz (local.get 0)) (then unreachable)) \
                        (call $deep (i32.sub (local.get 0) (i32.const 1))))";
            let began = Instant::now();
            let wat = program(last_error, deep, main);
            let (code, said) = run(&format!("{form}{name}"), &wat, &["--timeout", "3"]);
            assert_eq!(code, Some(1), "{name}: {said}");
            assert!(
                said.contains("the program trapped: ") && said.contains("handles     none alive"),
                "{name}: {said}"
            );
            assert!(said.len() < 5000, "{name}: {} bytes are said", said.len());
            // One question has two seconds of its own when the program's are over.
            assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        }
    }
}

/// A hundred thousand imports that nobody has are counted, not all put in words.
#[test]
fn many_missing_imports_are_counted() {
    let imports: String =
        (0..60_000).map(|n| format!("(import \"runtime\" \"f{n}\" (func))")).collect();
    let began = Instant::now();
    let (code, said) = run("imports.wat", &format!("(module {imports})"), &["--timeout", "0"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("60000 imports") && said.contains("and 59990 more"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
