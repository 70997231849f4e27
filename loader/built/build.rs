//! Builds the runtime for wasm32 and leaves it where `src/lib.rs` embeds it from.
//!
//! A package outside the workspace has no sources of the runtime to build. It has the folder `prebuilt` instead, with the
//! files of [`FILES`] in it, which a release fills. Inside the workspace the sources are built, whatever lies there: what is
//! embedded is never older than they are.
//!
//! The inner cargo has its own target folder inside `OUT_DIR`: the outer one holds the lock of the shared folder for as
//! long as this script runs.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

/// All that is embedded, and where in the workspace those files are that are not built.
const FILES: [(&str, Option<&str>); 6] = [
    ("runtime.wasm", None),
    ("libruntime.a", None),
    ("rootstock.h", Some("runtime/include/rootstock.h")),
    ("component.wat", Some("runtime/include/component.wat")),
    ("component.h", Some("runtime/include/component.h")),
    ("component.c", Some("runtime/include/component.c")),
];

const TARGET: &str = "wasm32-unknown-unknown";

/// What the outer cargo sets for its own target and its own compiler wrapper (clippy is one): none of it is meant for
/// the runtime, and flags such as `-C target-cpu` or sanitizers would break it.
const FOREIGN: &[&str] = &[
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

fn main() {
    let package =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let workspace =
        package.ancestors().nth(2).filter(|folder| folder.join("runtime/core").is_dir());
    match workspace {
        Some(workspace) => from_sources(workspace, &out),
        None => from_prebuilt(&package.join("prebuilt"), &out),
    }
}

/// Takes what a release has built.
fn from_prebuilt(folder: &Path, out: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for (name, _) in FILES {
        copy(&folder.join(name), &out.join(name));
    }
}

fn copy(from: &Path, to: &Path) {
    if let Err(error) = fs::copy(from, to) {
        fail(&[&format!("cannot copy {} to {}: {error}", from.display(), to.display())]);
    }
}

/// Builds the runtime in its workspace.
fn from_sources(workspace: &Path, out: &Path) {
    for watched in [
        "runtime/src",
        "runtime/core/src",
        "runtime/core/Cargo.toml",
        "runtime/build.rs",
        "runtime/build",
        "runtime/include",
        "runtime/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        ".cargo",
    ] {
        // A path that does not exist would make cargo run this script each time.
        let path = workspace.join(watched);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }

    require_target();
    let built = build(workspace, &out.join("runtime"));
    for (name, source) in FILES {
        let from = source.map_or_else(|| built.join(name), |source| workspace.join(source));
        copy(&from, &out.join(name));
    }
}

/// Says in one line what to install, instead of rustc's "can't find crate for `core`".
fn require_target() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) =
        Command::new(&rustc).args(["--print", "target-libdir", "--target", TARGET]).output()
    else {
        fail(&[&format!("cannot run {}", Path::new(&rustc).display())]);
    };
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !output.status.success() || !libraries.is_dir() {
        fail(&[
            &format!("the Rust target {TARGET} is not installed, and the runtime is built for it"),
            &format!("install it with: rustup target add {TARGET}"),
        ]);
    }
}

/// Builds the runtime; returns the folder with the module and the static library.
fn build(workspace: &Path, target_dir: &Path) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["build", "--release", "--package", "runtime", "--lib"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir);
    for (name, _) in env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| {
            FOREIGN.contains(&name)
                || name.starts_with("CARGO_PROFILE_")
                || name.starts_with("CARGO_TARGET_")
        });
        if foreign {
            command.env_remove(&name);
        }
    }
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let mut lines = vec!["the runtime does not build for wasm32:"];
            lines.extend(text.lines());
            fail(&lines);
        }
        Err(error) => fail(&[&format!("cannot run cargo to build the runtime: {error}")]),
    }
    target_dir.join(TARGET).join("release")
}

fn fail(lines: &[&str]) -> ! {
    for line in lines {
        println!("cargo::error={line}");
    }
    exit(1)
}
