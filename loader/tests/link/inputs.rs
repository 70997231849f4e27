//! Modules that compilers and linkers write and that were refused, or linked wrongly, once.

use crate::running::START;
use crate::*;

/// Whoever has the name of an export that the host adds keeps it.
#[test]
fn the_start_function_runs_whatever_names_the_program_has() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!(r#"(func (export "{name}") (result i32) (i32.const 7))"#))
            .collect::<String>()
    };
    for taken in
        [&["rootstock.start"][..], &["rootstock.start", "rootstock.start.2", "rootstock.x"]]
    {
        let wat = START.replace("(start $start)", &format!("(start $start) {}", names(taken)));
        let (output, _, _) = link_text("start-name", &wat, &[]);
        let run = |args: &[&str]| rootstock(["run", output.to_str().unwrap()].iter().chain(args));
        let done = run(&[]);
        assert_eq!(text(&done.stdout), "42\n", "{}", text(&done.stderr));
        for name in taken {
            let done = run(&["--invoke", name]);
            assert_eq!(text(&done.stdout), "7\n", "{}", text(&done.stderr));
        }
        // What a host may call is what the program exports.
        let mut instance = rootstock_host::Instance::for_program(
            &rootstock_host::Program::open(&output).unwrap(),
            &rootstock_host::Config::default(),
        )
        .unwrap();
        let linked =
            instance.instantiate(&rootstock_host::Program::open(&output).unwrap()).unwrap();
        let functions = linked.functions(&mut instance);
        assert_eq!(functions.len(), taken.len() + 1, "{functions:?}");
    }
}

/// A function that only an export declared may be named by `ref.func` when that export is gone.
#[test]
fn references_to_functions_of_libraries() {
    let folder = folder("references");
    let (library, program) = (folder.join("rlib.wat"), folder.join("rmain.wat"));
    std::fs::write(
        &library,
        r#"(module (type $t (func (result i32)))
            (func $seven (export "seven") (result i32) (i32.const 7))
            (func $five (result i32) (i32.const 5))
            (elem declare func $five)
            (global $constant (export "constant") funcref (ref.func $nine))
            (func $nine (export "nine") (result i32) (i32.const 9))
            (func (export "get") (result funcref) (ref.func $seven))
            (func (export "other") (result funcref) (ref.func $five)))"#,
    )
    .unwrap();
    std::fs::write(
        &program,
        r#"(module (type $t (func (result i32)))
            (import "rlib" "get" (func $get (result funcref)))
            (import "rlib" "other" (func $other (result funcref)))
            (import "rlib" "nine" (func $nine (result i32)))
            (import "rlib" "constant" (global $constant funcref))
            (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
            (table $table 4 funcref)
            (elem declare func $alloc $nine)
            (func (export "main") (result i32)
                (table.set (i32.const 0) (call $get))
                (table.set (i32.const 1) (call $other))
                (table.set (i32.const 2) (global.get $constant))
                (table.set (i32.const 3) (ref.func $nine))
                (drop (ref.func $alloc))
                (i32.add
                    (i32.add (call_indirect (type $t) (i32.const 0))
                             (call_indirect (type $t) (i32.const 1)))
                    (i32.add (call_indirect (type $t) (i32.const 2))
                             (call_indirect (type $t) (i32.const 3))))))"#,
    )
    .unwrap();
    let output = folder.join("out.wasm");
    link(&program, &output, &["--with", library.to_str().unwrap()]);
    let merged = rootstock(["run".as_ref(), output.as_os_str()]);
    let with = library.to_str().unwrap();
    let apart = rootstock(["run", program.to_str().unwrap(), "--with", with]);
    assert_eq!(text(&merged.stdout), "30\n", "{}", text(&merged.stderr));
    assert_eq!(text(&apart.stdout), text(&merged.stdout));
}

/// Each library's constant is made of that of the one before, twice: written out they would double with each.
#[test]
fn constants_of_many_libraries() {
    let folder = folder("constants");
    let mut with = Vec::new();
    for at in 0..40 {
        let wat = match at {
            0 => r#"(module (import "env" "host" (global $host i32)) (export "host" (global $host))
                     (global (export "known") i32 (i32.const 1))
                     (global (export "unknown") i32 (global.get $host)))"#
                .to_owned(),
            _ => {
                let before = format!("l{}", at - 1);
                format!(
                    r#"(module (import "{before}" "known" (global $k i32)) (import "{before}" "unknown" (global $u i32))
                        (global (export "known") i32 (i32.add (global.get $k) (global.get $k)))
                        (global (export "unknown") i32 (i32.add (global.get $u) (global.get $u))))"#
                )
            }
        };
        let path = folder.join(format!("l{at}.wat"));
        std::fs::write(&path, wat).unwrap();
        with.extend(["--with".to_owned(), path.display().to_string()]);
    }
    let program = folder.join("program.wat");
    let wat = r#"(module (import "l20" "known" (global $base i32)) (import "l39" "unknown" (global $u i32))
        (import "runtime" "memory" (memory 1))
        (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
        (global $copy i32 (global.get $u))
        (data (global.get $base) "*")
        (func (export "main") (result i32) (i32.load8_u (i32.const 0x100000))))"#;
    std::fs::write(&program, wat).unwrap();
    let args: Vec<&str> = with.iter().map(String::as_str).collect();
    let (wasm, _) = link(&program, &folder.join("out.wasm"), &[&args[..], &["--strip"]].concat());
    assert!(wasm.len() < 40_000, "{} bytes", wasm.len());
    assert!(seen(&wasm).imports.contains(&("env".to_owned(), "host".to_owned())));
}

/// What toolchains still emit from before wasm 3.0 is linked; an engine that lacks it is named for that.
#[test]
fn legacy_exceptions_are_linked() {
    let wat = r#"(module
        (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
        (tag $t (param i32))
        (func (export "main") (result i32)
            try (result i32)
                try (result i32) i32.const 5 throw $t delegate 0
            catch $t
                drop i32.const 8 call $alloc
            catch_all
                rethrow 0
            end))"#;
    let (output, wasm, errors) = link_text("legacy-exceptions", wat, &[]);
    assert_eq!(errors, "");
    let operators = |wasm: &[u8]| {
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                for operator in body.get_operators_reader().unwrap() {
                    let word = format!("{:?}", operator.unwrap());
                    let word = word.split([' ', '{']).next().unwrap().to_owned();
                    if ["Try", "Catch", "CatchAll", "Delegate", "Rethrow", "Throw"]
                        .contains(&&*word)
                    {
                        found.push(word);
                    }
                }
            }
        }
        found
    };
    assert_eq!(
        operators(&wasm),
        ["Try", "Try", "Throw", "Delegate", "Catch", "CatchAll", "Rethrow"]
    );
    let named = ["legacy exceptions", "which the engine does not support"];
    assert_refused(rootstock(["run".as_ref(), output.as_os_str()]), &named);
    let program = output.with_file_name("program.wat");
    assert_refused(rootstock(["run".as_ref(), program.as_os_str()]), &named);
    assert_refused(rootstock(["doctor".as_ref(), program.as_os_str()]), &named);
    let wat = r#"(module (import "runtime" "memory" (memory 1 (pagesize 1))))"#;
    refused("page-size", wat, &[], &["custom page sizes", "which the linker does not support"]);
}

/// `--emit-relocs` keeps sections that object files have.
#[test]
fn a_linked_module_with_relocations_is_no_object_file() {
    let sections = r#"(@custom "linking" "\02") (@custom "reloc.CODE" "\0a\00")"#;
    let wat = ALLOC_ONLY.replacen("(func (export", &format!("{sections} (func (export"), 1);
    let (output, wasm, errors) = link_text("relocations", &wat, &[]);
    let seen = seen(&wasm);
    assert!(seen.custom("linking").is_none() && seen.custom("reloc.CODE").is_none());
    assert!(errors.contains("`linking` is dropped") && errors.contains("`reloc.CODE`"), "{errors}");
    for file in [output.clone(), output.with_file_name("program.wat")] {
        let done = rootstock(["run".as_ref(), file.as_os_str()]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    let object = r#"(module (import "env" "__linear_memory" (memory 0)) (@custom "linking" "\02")
        (func (export "f")))"#;
    refused("object-memory", crate::wasm(object), &[], &["an object file, not a module"]);
}

/// The engine's compiler panics at this module, which is valid: that is said in one line, and nothing is printed by it.
#[test]
fn a_limit_of_the_engine_is_named() {
    let folder = folder("engine-limit");
    let program = folder.join("program.wat");
    let globals: String = (0..66_000).map(|at| format!("(global i32 (global.get {at}))")).collect();
    let wat = format!(
        r#"(module (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
            (global i32 (i32.const 7)) {globals}
            (func (export "main") (result i32) (global.get 66000)))"#
    );
    std::fs::write(&program, wat).unwrap();
    let limit = ["program.wat: the engine cannot compile it: a limit of the compiler was reached"];
    // With a time limit it is compiled on a thread of its own.
    for timeout in ["0", "60"] {
        let run = ["run", program.to_str().unwrap(), "--timeout", timeout];
        assert_refused(rootstock(run), &limit);
    }
}
