//! The tools for modules: binaryen, and the output of `rivals/build`.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use rootstock_link::optimize::INLINING;
use thiserror::Error;
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

use crate::pins;

/// The prefix of a guest's own functions. Everything else that a merged module exports is dropped, so that
/// what nobody calls goes, and what one place calls can be inlined there.
const GUEST_EXPORTS: &[&str] = &["run", "setup", "check", "memory", "gc_configure", "gc_stat"];

/// Why a module was not made.
#[derive(Debug, Error)]
pub enum ToolError {
    /// A file that is not there.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that cannot be made.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// `rivals/build` has not made it.
    #[error("{0}.wasm was not built: {1}")]
    NotBuilt(String, String),
    /// A tool that is not installed.
    #[error("{0} is not installed; bench/rivals/build installs it")]
    Missing(&'static str),
    /// A tool of another version than the pinned one: what it makes cannot be compared.
    #[error(
        "{tool} is of version {found}, and tools/pins.txt has {pinned}; bench/rivals/build installs it"
    )]
    Version {
        /// Which.
        tool: &'static str,
        /// The version that is there.
        found: String,
        /// The version that is meant.
        pinned: &'static str,
    },
    /// A tool that failed.
    #[error("{tool} failed: {message}")]
    Failed {
        /// Which.
        tool: &'static str,
        /// Its first line of output.
        message: String,
    },
    /// A module that cannot be read.
    #[error("a merged module cannot be read: {0}")]
    Module(#[from] wasmparser::BinaryReaderError),
}

/// The places of things.
#[derive(Clone, Debug)]
pub struct Tools {
    binaryen: PathBuf,
    rivals: PathBuf,
}

impl Tools {
    /// Those of the repository at `root`.
    pub fn of(root: &Path) -> Self {
        Self {
            binaryen: root.join("target/tools/node_modules"),
            rivals: root.join("target/rivals"),
        }
    }

    /// The repository that this command was built in.
    pub fn here() -> Self {
        Self::of(&root())
    }

    /// A module that `rivals/build` has made.
    pub fn built(&self, name: &str) -> Result<Vec<u8>, ToolError> {
        let path = self.rivals.join(format!("{name}.wasm"));
        fs::read(&path).map_err(|_| {
            let why = self.rivals.join(format!("{name}.failed"));
            let why = fs::read_to_string(why);
            let why = why.unwrap_or_else(|_| "run bench/rivals/build".to_owned());
            ToolError::NotBuilt(name.to_owned(), why.trim().to_owned())
        })
    }

    /// A node whose V8 has Wasm GC.
    pub fn node(&self) -> Result<PathBuf, String> {
        let node = self.rivals.join("node");
        if node.exists() {
            return Ok(node);
        }
        let why = fs::read_to_string(self.rivals.join("node.failed"));
        Err(format!(
            "no node: {}",
            why.unwrap_or_else(|_| "run bench/rivals/build".to_owned()).trim()
        ))
    }

    /// A file.
    pub fn file(&self, path: &Path) -> Result<Vec<u8>, ToolError> {
        read(path)
    }

    /// One module of an allocator and a guest.
    pub fn merge(&self, allocator: &[u8], guest: &[u8]) -> Result<Vec<u8>, ToolError> {
        let arguments = [
            "guest.wasm",
            "guest",
            "runtime.wasm",
            "runtime",
            "--all-features",
            "--disable-compact-imports",
            "--skip-export-conflicts",
        ];
        let inputs = [("runtime.wasm", allocator), ("guest.wasm", guest)];
        without_exports(&self.run("wasm-merge", &inputs, &arguments)?)
    }

    /// A module after `wasm-opt -O3`, as `rootstock link -O=3` has it.
    pub fn optimise(&self, module: &[u8]) -> Result<Vec<u8>, ToolError> {
        let arguments = ["in.wasm", "--all-features", "--disable-compact-imports", "-O3", INLINING];
        self.run("wasm-opt", &[("in.wasm", module)], &arguments)
    }

    /// A module after `wasm-opt -Oz`.
    pub fn smallest(&self, module: &[u8]) -> Result<Vec<u8>, ToolError> {
        let arguments = [
            "in.wasm",
            "--all-features",
            "--disable-compact-imports",
            "-Oz",
            "--converge",
            "--strip-debug",
            "--strip-producers",
        ];
        self.run("wasm-opt", &[("in.wasm", module)], &arguments)
    }

    /// The module that a tool of binaryen makes of some others. It takes seconds, so the result is kept.
    fn run(
        &self,
        tool: &'static str,
        inputs: &[(&str, &[u8])],
        arguments: &[&str],
    ) -> Result<Vec<u8>, ToolError> {
        let pinned = pins::version("binaryen").ok_or(ToolError::Missing(tool))?;
        let kept = self.kept(&(tool, pinned, inputs, arguments));
        if let Ok(module) = fs::read(&kept) {
            return Ok(module);
        }
        let path = self.binaryen.join(".bin").join(tool);
        if !path.exists() {
            return Err(ToolError::Missing(tool));
        }
        let found = self.binaryen_version()?;
        if found != pinned {
            return Err(ToolError::Version { tool, found, pinned });
        }
        let path = path.canonicalize().map_err(|error| ToolError::Read { path, error })?;
        let folder = tempfile::tempdir()
            .map_err(|error| ToolError::Write { path: std::env::temp_dir(), error })?;
        for (name, bytes) in inputs {
            write(&folder.path().join(name), bytes)?;
        }
        let failed = |message: String| ToolError::Failed { tool, message };
        let output = Command::new(path)
            .current_dir(&folder)
            .args(arguments)
            .args(["-o", "out.wasm"])
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(said.lines().next().unwrap_or_default().to_owned()));
        }
        let module = read(&folder.path().join("out.wasm"))?;
        // Two may write the same file at once: each puts a whole one in its place.
        if fs::create_dir_all(self.rivals.join("kept")).is_ok() {
            let part = kept.with_extension(format!("{}", std::process::id()));
            let _ = fs::write(&part, &module).and_then(|()| fs::rename(&part, &kept));
        }
        Ok(module)
    }

    /// The version that is installed, as its package says it.
    fn binaryen_version(&self) -> Result<String, ToolError> {
        let package = read(&self.binaryen.join("binaryen/package.json"))?;
        let package: serde_json::Value = serde_json::from_slice(&package).unwrap_or_default();
        Ok(package["version"].as_str().unwrap_or("unknown").to_owned())
    }

    /// Where the module is kept that was made of this. The version of the tool is part of it.
    fn kept(&self, of: &impl Hash) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        self.rivals.join(format!("kept/{:016x}.wasm", hasher.finish()))
    }
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    fs::read(path).map_err(|error| ToolError::Read { path: path.to_owned(), error })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ToolError> {
    fs::write(path, bytes).map_err(|error| ToolError::Write { path: path.to_owned(), error })
}

/// The module, exporting only what a guest exports.
fn without_exports(module: &[u8]) -> Result<Vec<u8>, ToolError> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let export = export?;
                if GUEST_EXPORTS.contains(&export.name) {
                    kept.export(export.name, kind(export.kind), export.index);
                }
            }
            out.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            out.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(out.finish())
}

fn kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::of(folder.path());
        let error = tools.optimise(b"").unwrap_err().to_string();
        assert!(error.contains("wasm-opt is not installed"), "{error}");
        for name in [".bin", "binaryen"] {
            fs::create_dir_all(tools.binaryen.join(name)).unwrap();
        }
        write(&tools.binaryen.join(".bin/wasm-opt"), b"").unwrap();
        write(&tools.binaryen.join("binaryen/package.json"), br#"{ "version": "1.2.3" }"#).unwrap();
        let error = tools.optimise(b"").unwrap_err().to_string();
        let pinned = pins::version("binaryen").unwrap();
        for word in ["wasm-opt", "1.2.3", pinned, "tools/pins.txt"] {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
