//! Binaryen's optimiser, where it is installed. What it does to a linked module no linker can: it inlines the runtime's
//! fast paths into the program.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rootstock_built::names::MARKER_SECTION;
use rootstock_program::{InputError, Marker};
use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use crate::LINKER;

/// The variable that names the optimiser.
pub const VARIABLE: &str = "ROOTSTOCK_WASM_OPT";

/// The levels that it has: for speed, or for size.
pub const LEVELS: [&str; 7] = ["0", "1", "2", "3", "4", "s", "z"];

const TOOL: &str = "wasm-opt";

/// Unless the code is to be as small as can be, only small functions are inlined for having one caller: the fast path of
/// `alloc`, and not the slow one, which the optimiser would else put beside it, where it takes its registers
/// (docs/tuning.md).
pub const INLINING: &str = "--one-caller-inline-max-function-size=60";

/// The features that a module may use beyond the first version of wasm, as the parser and as Binaryen call it.
const FEATURES: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::MUTABLE_GLOBAL, "mutable-globals"),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, "nontrapping-float-to-int"),
    (WasmFeatures::SIGN_EXTENSION, "sign-ext"),
    (WasmFeatures::REFERENCE_TYPES, "reference-types"),
    (WasmFeatures::MULTI_VALUE, "multivalue"),
    (WasmFeatures::BULK_MEMORY, "bulk-memory"),
    (WasmFeatures::SIMD, "simd"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::EXCEPTIONS, "exception-handling"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exception-handling"),
    (WasmFeatures::EXTENDED_CONST, "extended-const"),
    (WasmFeatures::GC, "gc"),
];

/// An installed optimiser.
#[derive(Debug)]
pub struct Optimizer {
    path: PathBuf,
}

impl Optimizer {
    /// Looks for it: what the variable names, then the PATH, then the folders that npm installs into, from here and from
    /// the command upwards.
    ///
    /// # Errors
    ///
    /// If it is in none of these places.
    pub fn find() -> Result<Self, InputError> {
        if let Some(named) = env::var_os(VARIABLE) {
            let path = PathBuf::from(named);
            if path.is_file() {
                return Ok(Self { path });
            }
            return Err(InputError::new(VARIABLE, format!("there is no file {}", path.display())));
        }
        let on_path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&on_path).map(|folder| folder.join(TOOL));
        let starts = [env::current_dir().ok(), env::current_exe().ok()];
        let installed =
            starts.iter().flatten().flat_map(|start| start.ancestors()).flat_map(|folder| {
                ["node_modules/.bin", "tools/node_modules/.bin", "target/tools/node_modules/.bin"]
                    .map(|below| folder.join(below).join(TOOL))
            });
        on_path.chain(installed).find(|path| path.is_file()).map(|path| Self { path }).ok_or_else(|| {
            let cause = format!(
                "{TOOL} is not there: install Binaryen (npm install binaryen, or a package of the system), put it on \
                 the PATH, or name it in {VARIABLE}"
            );
            InputError::new("--optimize", cause)
        })
    }

    /// The path of the optimiser.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Optimises a linked module. Names are kept unless they are to be stripped; debug information is not.
    ///
    /// # Errors
    ///
    /// If it cannot be run, fails, or makes something that is no valid module.
    pub fn run(&self, wasm: &[u8], level: &str, strip: bool) -> Result<Vec<u8>, InputError> {
        let failed = |cause: String| InputError::new(self.path.display().to_string(), cause);
        let clean = for_optimiser(wasm).map_err(|error| failed(error.to_string()))?;
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let (from, to) = (folder.path().join("linked.wasm"), folder.path().join("optimised.wasm"));
        std::fs::write(&from, &clean).map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(&self.path);
        command.arg(format!("-O{level}")).args(features(&clean));
        if !matches!(level, "0" | "1" | "z") {
            command.arg(INLINING);
        }
        command.args([OsStr::new("-o"), to.as_ref(), from.as_ref()]);
        if !strip {
            command.arg("--debuginfo");
        }
        let done = command.output().map_err(|error| failed(format!("cannot be run: {error}")))?;
        if !done.status.success() {
            let words = String::from_utf8_lossy(&done.stderr);
            return Err(failed(format!("it failed ({}): {}", done.status, words.trim())));
        }
        let optimised = std::fs::read(&to)
            .map_err(|error| failed(format!("it has written nothing: {error}")))?;
        match Validator::new_with_features(LINKER).validate_all(&optimised) {
            Ok(_) => Ok(optimised),
            Err(error) => Err(failed(format!("what it made is not valid: {error}"))),
        }
    }
}

/// A module as it is, but for what an optimiser makes wrong: the numbers in the marker, and debug information.
fn for_optimiser(wasm: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload {
            if section.name().starts_with(".debug_") {
                continue;
            }
            if section.name() == MARKER_SECTION
                && let Ok(marker) = Marker::decode(section.data())
            {
                let data = Marker { functions: None, ..marker }.encode();
                module.section(&CustomSection { name: MARKER_SECTION.into(), data: data.into() });
                continue;
            }
        }
        if let Some((id, range)) = payload.as_section() {
            module.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(module.finish())
}

/// The features that the module is not valid without: what it does not use, it is not to be given.
fn features(wasm: &[u8]) -> Vec<String> {
    let needed = FEATURES.iter().filter(|(feature, _)| {
        Validator::new_with_features(LINKER.difference(*feature)).validate_all(wasm).is_err()
    });
    let mut flags: Vec<String> = needed.map(|(_, name)| format!("--enable-{name}")).collect();
    // Binaryen has one name for both kinds of exceptions.
    flags.dedup();
    flags
}
