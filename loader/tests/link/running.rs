//! That merged modules run, and what `rootstock run` says of them.

use rootstock_host::wasmtime::{Trap, Val};
use rootstock_host::{Config, Instance, Program};

use crate::*;

pub(super) const START: &str = r#"(module
    (import "runtime" "memory" (memory 1))
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
    (import "runtime" "gc_init" (func $init (param i32)))
    (import "runtime" "gc_program_base" (global $base i32))
    (import "host" "print_i32" (func $print (param i32)))
    (global $state (mut i32) (i32.const 0))
    (data $text "\2a\00\00\00")
    (func $start
        (call $init (i32.add (global.get $base) (i32.const 4)))
        (memory.init $text (global.get $base) (i32.const 0) (i32.const 4))
        (global.set $state (i32.load (global.get $base))))
    (start $start)
    (func (export "main") (result i32) (drop (call $alloc (i32.const 8))) (global.get $state)))"#;

#[test]
fn the_start_function_runs() {
    for args in [&[][..], &["--prefix", "gc."]] {
        let (output, _, _) = link_text("start", START, args);
        let done = rootstock(["run".as_ref(), output.as_os_str()]);
        assert_eq!(
            (text(&done.stdout).as_str(), done.status.code()),
            ("42\n", Some(0)),
            "{}",
            text(&done.stderr)
        );
    }
}

#[test]
fn a_start_function_that_traps_is_explained() {
    let wat = START
        .replace("(global.set $state", "(drop (call $alloc (i32.const -1))) (global.set $state");
    for args in [&[][..], &["--export-runtime"]] {
        let (output, _, _) = link_text("start-trap", &wat, args);
        let done = rootstock(["run".as_ref(), output.as_os_str()]);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{errors}");
        assert!(errors.contains("SIZE_TOO_LARGE") && errors.contains("!start at"), "{errors}");
    }
}

#[test]
fn active_segments_lie_where_the_globals_say() {
    let wat = format!(
        r#"(module {IMPORTS}
            (data (global.get $base) "abc")
            (data (i32.const 0x200000) "far")
            (func (export "main") (result i32)
                (drop (call $alloc (i32.const 100)))
                (i32.add (i32.load8_u (global.get $base)) (i32.load8_u (i32.const 0x200000)))))"#
    );
    let (output, wasm, _) = link_text("active", &wat, &[]);
    assert_eq!(seen(&wasm).pages, 0x21, "as many pages as the data need");
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_eq!(
        text(&done.stdout),
        format!("{}\n", u32::from(b'a') + u32::from(b'f')),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn programs_share_a_runtime() {
    let folder = folder("libraries");
    let library = folder.join("pairs.wat");
    let text_of = |start: &str, body: &str| format!("(module {IMPORTS} {start} {body})");
    std::fs::write(
        &library,
        text_of(
            r#"(import "host" "print_i32" (func $print (param i32)))
               (global $count (export "count") (mut i32) (i32.const 0))
               (global $two (export "two") i32 (i32.const 2))
               (func $start (call $print (i32.const 1)))"#,
            r#"(start $start)
               (func (export "pair") (param i32 i32) (result i32)
                 (local $p i32)
                 (global.set $count (i32.add (global.get $count) (i32.const 1)))
                 (local.set $p (call $alloc (i32.const 8)))
                 (i32.store (local.get $p) (local.get 0))
                 (i32.store offset=4 (local.get $p) (local.get 1))
                 (local.get $p))"#,
        ),
    )
    .unwrap();
    let program = folder.join("program.wat");
    std::fs::write(
        &program,
        text_of(
            // a group of types is one entry of the section, and two types
            r#"(rec (type (struct)) (type (array i8)))
               (import "lib" "pair" (func $pair (param i32 i32) (result i32)))
               (import "lib" "count" (global $count (mut i32)))
               (import "lib" "two" (global $two i32))
               (import "host" "print_i32" (func $print (param i32)))
               (global $twice i32 (global.get $two))
               (func $start (call $print (global.get $twice)))"#,
            r#"(start $start)
               (func (export "main") (result i32)
                 (local $p i32)
                 (local.set $p (call $pair (i32.const 30) (i32.const 11)))
                 (i32.add (global.get $count)
                   (i32.add (i32.load (local.get $p)) (i32.load offset=4 (local.get $p)))))"#,
        ),
    )
    .unwrap();
    let with = format!("lib={}", library.display());
    let (wasm, _) = link(&program, &folder.join("out.wasm"), &["--with", &with]);
    assert_eq!(seen(&wasm).exported()[..2], ["main", "memory"]);
    let merged = rootstock(["run".as_ref(), folder.join("out.wasm").as_os_str()]);
    let apart = rootstock(["run", program.to_str().unwrap(), "--with", &with]);
    // the start functions run in the order of the modules
    assert_eq!(text(&merged.stdout), "1\n2\n42\n", "{}", text(&merged.stderr));
    assert_eq!(text(&apart.stdout), text(&merged.stdout));

    let twice = rootstock([
        "link",
        program.to_str().unwrap(),
        "-o",
        "never.wasm",
        "--with",
        &with,
        "--with",
        &with,
    ]);
    assert_refused(twice, &["has the module name `lib` already", "NAME=FILE"]);
    let missing = program.with_file_name("missing.wat");
    std::fs::write(&missing, r#"(module (import "lib" "pairs" (func)))"#).unwrap();
    let done = rootstock(["link", missing.to_str().unwrap(), "-o", "never.wasm", "--with", &with]);
    assert_refused(done, &["imports lib.pairs", "did you mean `pair`?"]);
}

#[test]
fn a_linked_program_runs_within_the_same_limits() {
    let (output, _, _) =
        link_text("limits", &ALLOC_ONLY.replace("(i32.const 16)", "(i32.const 0x4000000)"), &[]);
    let run = |args: &[&str]| {
        let done = rootstock(["run", output.to_str().unwrap()].iter().chain(args));
        (done.status.code(), text(&done.stderr))
    };
    let (code, errors) = run(&["--max-memory", "8MiB"]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("HEAP_EXHAUSTED") && errors.contains("--max-memory sets it"),
        "{errors}"
    );
    assert_eq!(run(&[]).0, Some(0));
    for (args, word) in [
        (&["--eager"][..], "no option can be set"),
        (&["--stats"], "no statistics"),
        (&["--with", "x.wasm"], "x.wasm"),
        (&["--runtime", "x.wasm"], "of its own"),
        (&["--eager-from", "3"], "cannot be counted"),
    ] {
        let (code, errors) = run(args);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(word), "{word}: {errors}");
    }
}

#[test]
fn a_linked_program_is_not_for_the_doctor() {
    let (output, _, _) = link_text("doctor", ALLOC_ONLY, &[]);
    assert_refused(rootstock(["doctor".as_ref(), output.as_os_str()]), &["it cannot be watched"]);
}

/// An error that the runtime stored earlier is not the reason of a trap of the program's own.
#[test]
fn a_trap_of_the_programs_own_is_not_the_runtimes() {
    let wat = r#"(module
        (import "runtime" "try_alloc" (func $try (param i32) (result i32)))
        (func (export "main") (drop (call $try (i32.const -1))) unreachable))"#;
    let (output, _, _) = link_text("own-trap", wat, &[]);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1));
    assert!(errors.contains("`unreachable`") && !errors.contains("SIZE_TOO_LARGE"), "{errors}");
}

/// Binaryen makes it smaller, and what it makes runs; names stay, lines do not.
#[test]
fn the_optimiser_is_called_where_it_is_installed() {
    if let Err(error) = rootstock_link::optimize::Optimizer::find() {
        left_out(&format!("the optimiser: {error}"));
        return;
    }
    for args in [&["-O"][..], &["-O=3", "--prefix", "gc."], &["--optimize=z", "--strip"]] {
        let (_, plain, _) = link_text("unoptimised", START, &args[1..]);
        let (output, wasm, errors) = link_text("optimised", START, args);
        assert!(wasm.len() < plain.len(), "{} bytes, and {} before", wasm.len(), plain.len());
        assert_eq!(
            errors.contains("debug information is dropped"),
            !args.contains(&"--strip"),
            "{errors}"
        );
        let seen = seen(&wasm);
        assert_eq!(!seen.functions.is_empty(), !args.contains(&"--strip"));
        assert!(seen.custom(".debug_line").is_none());
        let done = rootstock(["run".as_ref(), output.as_os_str()]);
        assert_eq!(text(&done.stdout), "42\n", "{args:?}: {}", text(&done.stderr));
        if args.contains(&"gc.") {
            let run = ["run", output.to_str().unwrap(), "--eager", "--poison", "--verify"];
            assert_eq!(text(&rootstock(run).stdout), "42\n");
        }
    }
}

/// Else the registers of the program's loop would go to what hardly ever runs.
#[test]
fn the_fast_path_of_alloc_is_inlined_alone() {
    if let Err(error) = rootstock_link::optimize::Optimizer::find() {
        left_out(&format!("the optimiser: {error}"));
        return;
    }
    for level in ["-O", "-O=3"] {
        let (_, wasm, _) = link_text("inlined", ALLOC_ONLY, &[level]);
        let seen = seen(&wasm);
        assert_eq!(seen.function("alloc"), None, "{level}");
        let slow = seen.functions.iter().filter(|(_, name)| name.contains("alloc_slow"));
        assert_eq!(slow.count(), 1, "{level}: {:?}", seen.functions);
    }
}

#[test]
fn an_optimiser_that_is_missing_or_fails() {
    let folder = folder("no-optimiser");
    let program = folder.join("program.wat");
    std::fs::write(&program, ALLOC_ONLY).unwrap();
    let run = |tool: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rootstock"));
        command.arg("link").arg(&program).arg("-o").arg(folder.join("out.wasm")).arg("-O");
        command.env("ROOTSTOCK_WASM_OPT", tool).output().unwrap()
    };
    assert_refused(run("no/such/tool"), &["ROOTSTOCK_WASM_OPT", "there is no file no/such/tool"]);
    // one that fails, and one that writes nothing
    for (tool, words) in [("/bin/false", "it failed"), ("/bin/true", "it has written nothing")] {
        if Path::new(tool).exists() {
            assert_refused(run(tool), &[tool, words]);
        }
    }
    assert!(!folder.join("out.wasm").exists());
    let level = rootstock(["link", program.to_str().unwrap(), "-o", "never.wasm", "-O=9"]);
    assert_eq!(level.status.code(), Some(2));
    assert!(text(&level.stderr).contains("possible values: 0, 1, 2, 3, 4, s, z"));
}

#[test]
fn a_reactor_is_initialized_once_before_anything_else() {
    let program = |text: &str| Program::from_bytes("reactor.wat", text.as_bytes()).unwrap();
    let text = r#"(module
        (global $runs (mut i32) (i32.const 0)) (global $started (mut i32) (i32.const 0))
        (start $start)
        (func $start (global.set $started (i32.const 100)))
        (func (export "_initialize")
            (global.set $runs (i32.add (global.get $runs) (i32.add (global.get $started) (i32.const 1)))))
        (func (export "main") (result i32) (global.get $runs)))"#;
    let reactor = program(text);
    let linked = rootstock_link::Linker::new().link(&reactor).unwrap();
    let merged = Program::from_bytes("merged.wasm", linked.wasm()).unwrap();
    for reactor in [reactor, merged] {
        let mut vm = Instance::for_program(&reactor, &Config::default()).unwrap();
        for _ in 0..2 {
            let linked = vm.instantiate(&reactor).unwrap();
            for _ in 0..2 {
                let runs = linked.call(&mut vm, "main", &[]).unwrap();
                assert!(matches!(runs[..], [Val::I32(101)]), "{}: {runs:?}", reactor.name());
            }
        }
    }
    let mut vm = Instance::new(&Config::default()).unwrap();
    let taking = r#"(module (func (export "_initialize") (param i32) unreachable))"#;
    vm.instantiate(&program(taking)).unwrap();
    let failing = r#"(module (func (export "_initialize") unreachable))"#;
    let error = vm.instantiate(&program(failing)).map(drop).unwrap_err();
    assert_eq!(error.trap().unwrap().trap, Some(Trap::UnreachableCodeReached));
}
