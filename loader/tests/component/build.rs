//! The components under test: programs linked with the runtime, encoded by `wit-component`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::common::left_out;

/// The components, by way of `rootstock link` and by way of wasm-ld; the second only where clang is installed.
pub(crate) fn all() -> Vec<Vec<u8>> {
    static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let mut all = vec![encode(&linked())];
        if Command::new("clang").arg("--version").output().is_ok_and(|found| found.status.success())
        {
            all.push(encode(&from_c()));
        } else {
            left_out("the component in C, as clang is not installed");
        }
        all
    });
    ALL.clone()
}

/// The folder that `rootstock sdk` has written, and which the tests write to.
fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("component");
        run(env!("CARGO_BIN_EXE_rootstock"), ["sdk".as_ref(), folder.as_os_str()]);
        folder
    });
    &FOLDER
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/component").join(name)
}

fn run<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = A>) {
    let output = Command::new(program).args(args).output().expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `words.wat` and the library of the folder, linked.
fn linked() -> Vec<u8> {
    let (library, output) = (folder().join("component.wat"), folder().join("words-wat.wasm"));
    let program = source("words.wat");
    let args = [
        "link".as_ref(),
        program.as_os_str(),
        "--with".as_ref(),
        library.as_os_str(),
        "--decref".as_ref(),
        "let_go".as_ref(),
        "-o".as_ref(),
        output.as_os_str(),
    ];
    run(env!("CARGO_BIN_EXE_rootstock"), args);
    fs::read(output).expect("the linker has written the module")
}

/// `words.c` and the library of the folder, compiled and linked.
fn from_c() -> Vec<u8> {
    let [words, component] = [source("words.c"), folder().join("component.c")].map(|source| {
        let object = folder().join(source.file_name().expect("a file")).with_extension("o");
        let mut args: Vec<&OsStr> =
            ["--target=wasm32", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", "-I"]
                .map(OsStr::new)
                .to_vec();
        args.extend([folder().as_os_str(), source.as_os_str(), "-o".as_ref(), object.as_os_str()]);
        run("clang", args);
        object
    });
    let map = format!("@{}", folder().join("rootstock.rsp").display());
    let (library, output) = (folder().join("libruntime.a"), folder().join("words-c.wasm"));
    let args = [
        "--no-entry".as_ref(),
        map.as_ref(),
        words.as_os_str(),
        component.as_os_str(),
        library.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
    ];
    run(rust_lld(), args);
    fs::read(output).expect("the linker has written the module")
}

/// The linker that comes with Rust.
fn rust_lld() -> PathBuf {
    let print = |what: &str| {
        let output = Command::new("rustc").args(["--print", what]).output().expect("rustc runs");
        String::from_utf8(output.stdout).expect("rustc prints text").trim().to_owned()
    };
    let (sysroot, host) = (print("sysroot"), print("host-tuple"));
    Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/gcc-ld/wasm-ld")
}

/// What `wasm-tools component embed` and `new` make of a module.
fn encode(module: &[u8]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = fs::read_to_string(source("words.wit")).expect("the interface is there");
    let package = resolve.push_str("words.wit", &wit).expect("the interface is right");
    let world = resolve.select_world(&[package], None).expect("there is one world");
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the interface fits into a section");
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap_or_else(|error| panic!("{error:?}"));
    encoder.encode().unwrap_or_else(|error| panic!("{error:?}"))
}
