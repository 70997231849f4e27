//! `loader link` from outside: what it refuses, what the merged module keeps, and that it runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wasmparser::{Export, ExternalKind, Name, NameSectionReader, Parser, Payload, TypeRef};

/// Bytes that a program which needs nothing but `alloc` may have, names left out. Measured: see docs/merging.md.
const ALLOC_ONLY_BUDGET: usize = 15_500;

/// The folder of one test, empty.
fn folder(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("link").join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the folder can be emptied");
    }
    std::fs::create_dir_all(&path).expect("the folder can be made");
    path
}

fn loader<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loader"));
    command.args(args).env("RUST_BACKTRACE", "1").output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(name)
}

/// Links; the arguments come after the program and the output.
#[track_caller]
fn link(program: &Path, output: &Path, args: &[&str]) -> (Vec<u8>, String) {
    let mut all = vec!["link".as_ref(), program.as_os_str(), "-o".as_ref(), output.as_os_str()];
    all.extend(args.iter().map(std::ffi::OsStr::new));
    let done = loader(all);
    let errors = text(&done.stderr);
    assert!(done.status.success(), "{errors}");
    (std::fs::read(output).expect("the output is there"), errors)
}

/// Links a program that is given as text.
#[track_caller]
fn link_text(test: &str, wat: &str, args: &[&str]) -> (PathBuf, Vec<u8>, String) {
    let folder = folder(test);
    let (program, output) = (folder.join("program.wat"), folder.join("out.wasm"));
    std::fs::write(&program, wat).expect("the program can be written");
    let (wasm, errors) = link(&program, &output, args);
    (output, wasm, errors)
}

/// Bad input: exit code 2, one error with all of `words`, and no output, not even a part.
#[track_caller]
fn refused(test: &str, contents: impl AsRef<[u8]>, args: &[&str], words: &[&str]) {
    let folder = folder(&format!("refused/{test}"));
    let program = folder.join("program.wasm");
    std::fs::write(&program, contents).expect("the program can be written");
    let output = folder.join("out.wasm");
    let mut all = vec!["link".as_ref(), program.as_os_str(), "-o".as_ref(), output.as_os_str()];
    all.extend(args.iter().map(std::ffi::OsStr::new));
    assert_refused(loader(all), words);
    let left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["program.wasm"]);
}

#[track_caller]
fn assert_refused(done: Output, words: &[&str]) {
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{errors}");
    assert_eq!(text(&done.stdout), "");
    assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    for word in words {
        assert!(errors.contains(word), "`{word}` is not in:\n{errors}");
    }
}

fn wasm(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the text is right")
}

/// What of a module the tests look at.
#[derive(Default)]
struct Seen {
    imports: Vec<(String, String)>,
    exports: Vec<(String, ExternalKind)>,
    customs: Vec<(String, Vec<u8>)>,
    functions: Vec<(u32, String)>,
    locals: Vec<(u32, u32, String)>,
    globals: Vec<String>,
    pages: u64,
    maximum: Option<u64>,
    memories: u32,
}

fn seen(wasm: &[u8]) -> Seen {
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("the module can be read") {
            Payload::ImportSection(section) => {
                for import in section.into_imports().map(Result::unwrap) {
                    assert!(!matches!(import.ty, TypeRef::Memory(_)));
                    seen.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::MemorySection(section) => {
                seen.memories = section.count();
                for memory in section.into_iter().map(Result::unwrap) {
                    (seen.pages, seen.maximum) = (memory.initial, memory.maximum);
                }
            }
            Payload::ExportSection(section) => {
                for Export { name, kind, .. } in section.into_iter().map(Result::unwrap) {
                    seen.exports.push((name.to_owned(), kind));
                }
            }
            Payload::CustomSection(section) => {
                seen.customs.push((section.name().to_owned(), section.data().to_vec()));
                if section.name() == "name" {
                    let reader = wasmparser::BinaryReader::new(section.data(), 0);
                    names(NameSectionReader::new(reader), &mut seen);
                }
            }
            _ => {}
        }
    }
    seen
}

fn names(section: NameSectionReader<'_>, seen: &mut Seen) {
    for name in section.into_iter().map(Result::unwrap) {
        match name {
            Name::Function(map) => {
                let map = map.into_iter().map(Result::unwrap);
                seen.functions = map.map(|naming| (naming.index, naming.name.to_owned())).collect();
            }
            Name::Global(map) => {
                let map = map.into_iter().map(Result::unwrap);
                seen.globals = map.map(|naming| naming.name.to_owned()).collect();
            }
            Name::Local(map) => {
                for function in map.into_iter().map(Result::unwrap) {
                    for local in function.names.into_iter().map(Result::unwrap) {
                        seen.locals.push((function.index, local.index, local.name.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Seen {
    fn exported(&self) -> Vec<&str> {
        self.exports.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn custom(&self, name: &str) -> Option<&[u8]> {
        self.customs.iter().find(|custom| custom.0 == name).map(|custom| &custom.1[..])
    }

    fn function(&self, name: &str) -> Option<u32> {
        self.functions.iter().find(|found| found.1 == name).map(|found| found.0)
    }
}

const IMPORTS: &str = r#"
    (import "runtime" "memory" (memory 1))
    (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
    (import "runtime" "gc_program_base" (global $base i32))
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))"#;

const ALLOC_ONLY: &str = r#"(module
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
    (func (export "main") (result i32) (call $alloc (i32.const 16))))"#;

#[test]
fn only_the_host_is_left_to_import() {
    let (_, wasm, _) = link_text("imports", ALLOC_ONLY, &[]);
    let seen = seen(&wasm);
    assert_eq!(seen.imports, [("host".to_owned(), "host_decref_handle".to_owned())]);
    assert_eq!(seen.exported()[..2], ["main", "memory"]);
    let mut added = seen.exported()[2..].to_vec();
    added.sort_unstable();
    let prefixed = ["gc_last_error", "gc_last_error_arg", "gc_sp"];
    assert_eq!(added, prefixed.map(|name| format!("rootstock.{name}")));
    assert_eq!(seen.memories, 1);
}

#[test]
fn what_the_program_does_not_use_is_dropped() {
    let (_, small, _) = link_text("small", ALLOC_ONLY, &["--strip"]);
    let (_, named, _) = link_text("named", ALLOC_ONLY, &[]);
    let (_, whole, _) = link_text("whole", ALLOC_ONLY, &["--strip", "--export-runtime"]);
    println!(
        "alloc only: {} bytes, {} with names; with all of the runtime {}",
        small.len(),
        named.len(),
        whole.len()
    );
    assert!(small.len() < ALLOC_ONLY_BUDGET, "{} bytes", small.len());
    assert!(small.len() + 4096 < whole.len(), "{} bytes and {}", small.len(), whole.len());
    let functions = seen(&named).functions;
    assert!(functions.iter().any(|(_, name)| name == "alloc"));
    assert!(!functions.iter().any(|(_, name)| name == "register_wrapper" || name == "gc_pin"));
}

#[test]
fn two_links_give_the_same_bytes() {
    for name in ["list.wat", "every_export.wat", "closures.wat"] {
        let folder = folder(&format!("twice-{name}"));
        let first = link(&guest(name), &folder.join("a.wasm"), &["--prefix", "gc."]).0;
        let second = link(&guest(name), &folder.join("b.wasm"), &["--prefix", "gc."]).0;
        assert!(first == second, "{name}");
    }
}

#[test]
fn the_runtime_is_exported_where_asked() {
    let (_, wasm, _) = link_text("exported", ALLOC_ONLY, &["--export-runtime"]);
    let exports = seen(&wasm);
    for name in
        ["main", "memory", "alloc", "gc_sp", "gc_program_base", "register_wrapper", "gc_verify"]
    {
        assert!(exports.exported().contains(&name), "{name}");
    }
    assert!(
        !exports
            .exported()
            .iter()
            .any(|name| name.starts_with("__") || name.starts_with("rootstock."))
    );

    let (_, wasm, _) = link_text("prefixed", ALLOC_ONLY, &["--prefix", "vera."]);
    let exports = seen(&wasm);
    for name in ["main", "memory", "vera.memory", "vera.alloc", "vera.gc_sp", "vera.gc_last_error"]
    {
        assert!(exports.exported().contains(&name), "{name}");
    }
    assert!(!exports.exported().contains(&"alloc"));
}

#[test]
fn a_name_that_both_export() {
    let wat = format!(r#"(module {IMPORTS} (func (export "alloc")))"#);
    refused(
        "clash",
        wat.clone(),
        &["--export-runtime"],
        &["it exports `alloc` itself", "--prefix"],
    );
    link_text("no-clash", &wat, &["--prefix", "gc."]);
    // the runtime's own, passed on by the program, is no clash
    let wat = format!(r#"(module {IMPORTS} (export "alloc" (func $alloc)))"#);
    link_text("same", &wat, &["--export-runtime"]);
}

#[test]
fn names_of_both_are_kept_and_told_apart() {
    let wat = format!(
        r#"(module $whole {IMPORTS}
            (global $mine (mut i32) (i32.const 3))
            (func $try_alloc (export "main") (param $size i32) (result i32)
                (local $block i32)
                (local.set $block (call $alloc (local.get $size)))
                (global.set $mine (local.get $block))
                (local.get $block))
            (import "runtime" "try_alloc" (func $other (param i32) (result i32)))
            (func (export "second") (result i32) (call $other (i32.const 4))))"#
    );
    let wat =
        wat.replace(r#"(import "runtime" "try_alloc" (func $other (param i32) (result i32)))"#, "");
    let wat = wat.replace(
        IMPORTS,
        &format!(
            r#"{IMPORTS} (import "runtime" "try_alloc" (func $other (param i32) (result i32)))"#
        ),
    );
    let (_, wasm, _) = link_text("names", &wat, &[]);
    let seen = seen(&wasm);
    // the program's name wins, and the runtime's says whose it is
    let mine = seen.function("try_alloc").expect("the program's function has its name");
    let theirs = seen.function("runtime.try_alloc").expect("the runtime's has another");
    assert_ne!(mine, theirs);
    // of what is imported the name is its owner's
    assert!(seen.function("alloc").is_some() && seen.function("other").is_none());
    let locals: Vec<_> = seen.locals.iter().filter(|local| local.0 == mine).collect();
    assert_eq!(locals, [&(mine, 0, "size".to_owned()), &(mine, 1, "block".to_owned())]);
    assert!(seen.globals.iter().any(|name| name == "mine"));
    assert!(seen.globals.iter().any(|name| name == "gc_sp"));
}

#[test]
fn custom_sections_are_kept_merged_or_dropped() {
    let wat = format!(
        r#"(module {IMPORTS}
            (@custom "my.notes" "keep me")
            (@custom "sourceMappingURL" "\05x.map")
            (@custom "target_features" "\01+\0bbulk-memory")
            (@producers (language "Vera" "0.2") (processed-by "verac" "7"))
            (func (export "main") (drop (call $alloc (i32.const 1)))))"#
    );
    let (_, wasm, errors) = link_text("customs", &wat, &[]);
    let seen = seen(&wasm);
    assert_eq!(seen.custom("my.notes"), Some(&b"keep me"[..]));
    assert_eq!(seen.custom("sourceMappingURL"), None);
    assert!(errors.contains("`sourceMappingURL` is dropped"), "{errors}");
    let producers = text(seen.custom("producers").expect("it is written"));
    for tool in ["Vera", "verac", "rootstock", "rustc"] {
        assert!(producers.contains(tool), "{tool}: {producers}");
    }
    let features = text(seen.custom("target_features").expect("both have one"));
    assert!(
        features.contains("+\u{b}bulk-memory") && features.contains("mutable-globals"),
        "{features}"
    );
    let marker = text(seen.custom("rootstock").expect("it is written"));
    assert!(marker.contains(r#""abi":1"#) && marker.contains(r#""complete":false"#), "{marker}");
}

/// A trap in a merged module is at the line where it was, though all code has moved and calls have other lengths.
#[test]
fn debug_information_moves_with_the_code() {
    let calls = "    (drop (call $alloc (i32.const 8)))\n".repeat(60);
    let wat = format!(
        "(module {IMPORTS}\n  (func $before\n{calls}  )\n  (func $inner (param i32) (result i32)\n{calls}    local.get 0\n    i32.const 0\n    \
         i32.div_u)\n  (func (export \"main\") (result i32)\n    (call $before)\n    (call $inner (i32.const 1))))"
    );
    let line =
        |what: &str| wat.lines().position(|line| line.contains(what)).expect("it is there") + 1;
    let (output, wasm, errors) = link_text("lines", &wat, &[]);
    assert_eq!(errors, "");
    assert!(seen(&wasm).custom(".debug_line").is_some());
    let done = loader(["run".as_ref(), output.as_os_str()]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("program.wat:{}:", line("i32.div_u"))), "{errors}");
    assert!(errors.contains(&format!("program.wat:{}:", line("(call $inner"))), "{errors}");

    let (_, wasm, _) = link_text("no-lines", &wat, &["--strip"]);
    let seen = seen(&wasm);
    assert!(seen.customs.iter().all(|(name, _)| !name.starts_with(".debug_") && name != "name"));
}

#[test]
fn debug_information_that_cannot_be_read_is_dropped() {
    let wat = format!(
        r#"(module {IMPORTS} (@custom ".debug_info" "\ff\00\00\00nonsense") (func (export "main")))"#
    );
    let folder = folder("bad-dwarf");
    let program = folder.join("program.wasm");
    std::fs::write(&program, wasm(&wat)).unwrap();
    let (wasm, errors) = link(&program, &folder.join("out.wasm"), &[]);
    assert!(errors.contains("debug information is dropped"), "{errors}");
    assert!(seen(&wasm).custom(".debug_info").is_none());
}

const START: &str = r#"(module
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
        let done = loader(["run".as_ref(), output.as_os_str()]);
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
        let done = loader(["run".as_ref(), output.as_os_str()]);
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
    let done = loader(["run".as_ref(), output.as_os_str()]);
    assert_eq!(
        text(&done.stdout),
        format!("{}\n", u32::from(b'a') + u32::from(b'f')),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn the_memory_is_as_the_program_wants_it() {
    let sized = |limits: &str| {
        ALLOC_ONLY.replace(
            "(module",
            &format!(r#"(module (import "runtime" "memory" (memory {limits}))"#),
        )
    };
    let (_, wasm, _) = link_text("large", &sized("100"), &[]);
    assert_eq!(seen(&wasm).pages, 100);
    let (_, wasm, _) = link_text("bounded", &sized("1 500"), &[]);
    assert_eq!(seen(&wasm).maximum, Some(500));
    refused("too-small", sized("1 3"), &[], &["at most 3 pages, but 16 are needed"]);
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
            r#"(import "lib" "pair" (func $pair (param i32 i32) (result i32)))
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
    let merged = loader(["run".as_ref(), folder.join("out.wasm").as_os_str()]);
    let apart = loader(["run", program.to_str().unwrap(), "--with", &with]);
    // the start functions run in the order of the modules
    assert_eq!(text(&merged.stdout), "1\n2\n42\n", "{}", text(&merged.stderr));
    assert_eq!(text(&apart.stdout), text(&merged.stdout));

    let twice = loader([
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
    let done = loader(["link", missing.to_str().unwrap(), "-o", "never.wasm", "--with", &with]);
    assert_refused(done, &["imports lib.pairs", "did you mean `pair`?"]);
}

#[test]
fn data_that_overlap() {
    let data = |segments: &str| format!("(module {IMPORTS} {segments} (func (export \"main\")))");
    refused(
        "low",
        data(r#"(data (i32.const 0xff000) "x")"#),
        &[],
        &["data segment 0", "0xff000", "overlaps the runtime's own memory", "0x100000"],
    );
    let (_, _, errors) = link_text(
        "own",
        &data(r#"(data (i32.const 0x100000) "abcd") (data (i32.const 0x100003) "x")"#),
        &[],
    );
    assert!(
        errors.contains("data segment 1") && errors.contains("overlaps data segment 0"),
        "{errors}"
    );
    let folder = folder("overlap");
    for name in ["a.wat", "b.wat"] {
        std::fs::write(folder.join(name), data(r#"(data (global.get $base) "x")"#)).unwrap();
    }
    let done = loader([
        "link".as_ref(),
        folder.join("a.wat").as_os_str(),
        "-o".as_ref(),
        folder.join("out.wasm").as_os_str(),
        "--with".as_ref(),
        folder.join("b.wat").as_os_str(),
    ]);
    assert_refused(done, &["a.wat", "b.wat", "overlaps", "share one memory"]);
    assert!(!folder.join("out.wasm").exists());
}

#[test]
fn programs_that_cannot_be_linked() {
    refused(
        "own-memory",
        format!(
            "(module {} (memory 1))",
            r#"(import "runtime" "alloc" (func (param i32) (result i32)))"#
        ),
        &[],
        &["defines its own memory"],
    );
    refused(
        "two-memories",
        format!("(module {IMPORTS} (memory 1))"),
        &[],
        &["a memory beside the runtime's"],
    );
    refused(
        "host-memory",
        r#"(module (import "env" "memory" (memory 1)))"#,
        &[],
        &["imports a memory of the host, env.memory"],
    );
    refused("nothing", "(module (memory 1))", &[], &["imports nothing from module `runtime`"]);
    refused(
        "missing",
        r#"(module (import "runtime" "aloc" (func)))"#,
        &[],
        &["imports runtime.aloc", "did you mean `alloc`?"],
    );
    refused(
        "type",
        r#"(module (import "runtime" "alloc" (func (param i64) (result i32))))"#,
        &[],
        &["(func (param i64) (result i32))", "(func (param i32) (result i32))"],
    );
    refused(
        "mutability",
        r#"(module (import "runtime" "gc_sp" (global i32)))"#,
        &[],
        &["(global i32)", "(global (mut i32))"],
    );
    refused(
        "many",
        r#"(module (import "runtime" "a" (func)) (import "runtime" "alloc" (func)))"#,
        &[],
        &["2 of its imports"],
    );
    refused(
        "forged",
        r#"(module (import "host" "host_decref_handle" (func (param i32 i32))))"#,
        &[],
        &["for the runtime alone"],
    );
    refused(
        "object",
        wasm(r#"(module (@custom "linking" "\02"))"#),
        &[],
        &["an object file, not a module", "wasm-ld", "libruntime.a"],
    );
    refused("component", b"\0asm\x0d\0\x01\0", &[], &["a component"]);
    refused("shared", wasm(r#"(module (@custom "dylink.0" ""))"#), &[], &["a shared library"]);
    refused("not-wasm", b"\x7fELF\x02\x01", &[], &["neither a wasm module"]);
    let whole = wasm(ALLOC_ONLY);
    refused("truncated", &whole[..whole.len() - 4], &[], &["truncated"]);
    refused("start", "(module (func $s (param i32)) (start $s))", &[], &["start"]);
    refused(
        "version",
        r#"(module (global (export "gc_abi_required") i32 (i32.const 9)))"#,
        &[],
        &["version 9 of the ABI"],
    );
    let (output, linked, _) = link_text("linked", ALLOC_ONLY, &[]);
    refused("again", linked, &[], &["linked with the runtime already"]);
    assert!(output.exists());
}

#[test]
fn a_program_without_the_runtime_is_linked_with_a_warning() {
    let (output, _, errors) = link_text(
        "no-runtime",
        r#"(module (func (export "main") (result i32) (i32.const 5)))"#,
        &[],
    );
    assert!(
        errors.contains("warning: ") && errors.contains("imports nothing from module `runtime`"),
        "{errors}"
    );
    let done = loader(["run".as_ref(), output.as_os_str()]);
    assert_eq!(text(&done.stdout), "5\n");
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = folder("outputs");
    let program = folder.join("program.wat");
    std::fs::write(&program, ALLOC_ONLY).unwrap();
    let to = |output: &Path| {
        loader(["link".as_ref(), program.as_os_str(), "-o".as_ref(), output.as_os_str()])
    };
    assert_refused(
        to(&folder.join("no/such/out.wasm")),
        &["no/such/out.wasm: cannot be written", "No such file"],
    );
    assert_refused(to(&folder), &["it is a folder"]);
    assert_refused(to(&program), &["would replace the program's text"]);
    assert_eq!(std::fs::read_to_string(&program).unwrap(), ALLOC_ONLY);
    // a full disk, where there is a device that always is
    if Path::new("/dev/full").exists() {
        assert_refused(
            to(Path::new("/dev/full")),
            &["/dev/full: cannot be written", "No space left"],
        );
    }
    let left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["program.wat"]);
    // a module may be replaced by what is made of it
    let module = folder.join("module.wasm");
    std::fs::write(&module, wasm(ALLOC_ONLY)).unwrap();
    link(&module, &module, &[]);
    let again = loader(["link".as_ref(), module.as_os_str(), "-o".as_ref(), module.as_os_str()]);
    assert_refused(again, &["linked with the runtime already"]);
}

#[test]
fn a_linked_program_runs_within_the_same_limits() {
    let (output, _, _) =
        link_text("limits", &ALLOC_ONLY.replace("(i32.const 16)", "(i32.const 0x4000000)"), &[]);
    let run = |args: &[&str]| {
        let done = loader(["run", output.to_str().unwrap()].iter().chain(args));
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
    assert_refused(loader(["doctor".as_ref(), output.as_os_str()]), &["it cannot be watched"]);
}

/// An error that the runtime stored earlier is not the reason of a trap of the program's own.
#[test]
fn a_trap_of_the_programs_own_is_not_the_runtimes() {
    let wat = r#"(module
        (import "runtime" "try_alloc" (func $try (param i32) (result i32)))
        (func (export "main") (drop (call $try (i32.const -1))) unreachable))"#;
    let (output, _, _) = link_text("own-trap", wat, &[]);
    let done = loader(["run".as_ref(), output.as_os_str()]);
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1));
    assert!(errors.contains("`unreachable`") && !errors.contains("SIZE_TOO_LARGE"), "{errors}");
}
