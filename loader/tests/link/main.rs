//! `rootstock link` from outside: what it refuses, what the merged module keeps, and that it runs.

#[path = "../common/mod.rs"]
mod common;
mod contents;
mod decref;
mod inputs;
mod lines;
mod phases;
mod random;
mod refusals;
mod running;
mod scale;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::left_out;
use wasmparser::{Export, ExternalKind, Name, NameSectionReader, Parser, Payload, TypeRef};

/// The folder of one test, empty.
fn folder(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("link").join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the folder can be emptied");
    }
    std::fs::create_dir_all(&path).expect("the folder can be made");
    path
}

fn rootstock<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rootstock"));
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
    let done = rootstock(all);
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
    assert_refused(rootstock(all), words);
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
