//! The folder that `rootstock sdk` writes, the two compilers, and the linker that comes with Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::left_out;

/// The command under test.
pub(super) const ROOTSTOCK: &str = env!("CARGO_BIN_EXE_rootstock");

/// The folder that the command has written.
pub(super) static SDK: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = temporary("sdk");
    let output =
        Command::new(ROOTSTOCK).arg("sdk").arg(&folder).output().expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        assert!(Path::new(line).is_file(), "{line}");
    }
    folder
});

/// A path of the tests' own.
pub(super) fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The folder of the programs.
pub(super) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/link")
}

/// The linker that comes with Rust.
pub(super) static RUST_LLD: LazyLock<PathBuf> = LazyLock::new(|| {
    let print = |what: &str| {
        let output = Command::new("rustc").args(["--print", what]).output().expect("rustc runs");
        String::from_utf8(output.stdout).expect("rustc prints text").trim().to_owned()
    };
    Path::new(&print("sysroot"))
        .join("lib/rustlib")
        .join(print("host-tuple"))
        .join("bin/gcc-ld/wasm-ld")
});

/// The `wasm-ld` that comes with clang, if there is one.
pub(super) fn system_lld() -> Option<&'static Path> {
    let found = Command::new("wasm-ld").arg("--version").output();
    found.is_ok_and(|output| output.status.success()).then_some(Path::new("wasm-ld"))
}

/// A language that the program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Rust,
}

impl Language {
    /// Those whose compiler is here; that of C may not be, and then the test says so.
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Rust];
        if Command::new("clang").arg("--version").output().is_ok_and(|found| found.status.success())
        {
            all.push(Self::C);
        } else {
            left_out("the program in C, as clang is not installed");
        }
        all
    }

    /// The program, compiled.
    fn object(self) -> &'static Path {
        static C: LazyLock<PathBuf> = LazyLock::new(|| Language::C.compile());
        static RUST: LazyLock<PathBuf> = LazyLock::new(|| Language::Rust.compile());
        match self {
            Self::C => &C,
            Self::Rust => &RUST,
        }
    }

    fn compile(self) -> PathBuf {
        let (source, object) = match self {
            Self::C => ("program.c", "program-c.o"),
            Self::Rust => ("program.rs", "program-rs.o"),
        };
        let object = temporary(object);
        let mut command = match self {
            Self::C => {
                let mut clang = Command::new("clang");
                clang.args(["--target=wasm32", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror"]);
                clang.arg("-I").arg(&*SDK).arg("-c");
                clang
            }
            Self::Rust => {
                let mut rustc = Command::new("rustc");
                rustc.args(["--edition=2024", "--target=wasm32-unknown-unknown", "-Copt-level=2"]);
                rustc.args(["--crate-type=lib", "--emit=obj", "-Cpanic=abort", "-Dwarnings"]);
                rustc
            }
        };
        let output = command.arg(sources().join(source)).arg("-o").arg(&object).output();
        let output = output.expect("the compiler runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        object
    }
}

/// The program's own exports.
const EXPORTS: [&str; 7] =
    ["dictionary", "recurse", "handles", "forget", "statics", "linear", "overflow"];

/// A link of the program: flags, and whether the library is there.
pub(super) fn link(
    lld: &Path,
    language: Language,
    flags: &[&str],
    library: bool,
) -> Result<Vec<u8>, String> {
    // Tests run side by side.
    static LINKS: AtomicU32 = AtomicU32::new(0);
    let module = temporary(&format!("linked-{}.wasm", LINKS.fetch_add(1, Ordering::Relaxed)));
    let mut command = Command::new(lld);
    command.arg("--no-entry").args(flags).arg(language.object());
    command.args(EXPORTS.map(|name| format!("--export={name}")));
    if library {
        command.arg(format!("@{}", SDK.join("rootstock-exports.rsp").display()));
        command.arg(SDK.join("libruntime.a"));
    }
    let output = command.arg("-o").arg(&module).output().expect("the linker runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let wasm = fs::read(&module).expect("the linker has written the module");
    fs::remove_file(&module).expect("it was just read");
    Ok(wasm)
}

/// The memory map as the command wrote it, as an argument.
pub(super) fn memory_map() -> String {
    format!("@{}", SDK.join("rootstock.rsp").display())
}

/// A program in Rust without a standard library, compiled and linked with the runtime by each linker that there is: the
/// modules.
pub(super) fn linked_rust(name: &str, program: &str, exports: &[&str]) -> Vec<PathBuf> {
    let (source, object) = (temporary(&format!("{name}.rs")), temporary(&format!("{name}.o")));
    fs::write(&source, program).expect("the program can be written");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--target=wasm32-unknown-unknown", "-Copt-level=2"]);
    rustc.args(["-Dwarnings", "--crate-type=lib", "--emit=obj", "-Cpanic=abort"]).arg(&source);
    let compiled = rustc.arg("-o").arg(&object).output().expect("rustc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

    let system =
        system_lld().map(|lld| (lld, vec!["-zstack-size=524224", "--global-base=1048576"]));
    let map = memory_map();
    let links = [(RUST_LLD.as_path(), vec![map.as_str()])].into_iter().chain(system);
    let link = |(number, (lld, flags)): (usize, (&Path, Vec<&str>))| {
        let module = temporary(&format!("{name}-{number}.wasm"));
        let mut command = Command::new(lld);
        command.arg("--no-entry").args(exports.iter().map(|export| format!("--export={export}")));
        command.args(flags).arg(&object).arg(SDK.join("libruntime.a")).arg("-o").arg(&module);
        let linked = command.output().expect("the linker runs");
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        module
    };
    links.enumerate().map(link).collect()
}
