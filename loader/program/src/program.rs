//! Programs: what a compiler emitted, read from a file and checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rootstock_built::names::ABI_REQUIRED;

use crate::error::{AbiMismatch, InputError};
use crate::lines;
use crate::locate;
use crate::marker::Marker;
use crate::outline::Outline;

/// Bytes that a file may have.
const MAX_FILE: u64 = 512 << 20;

/// A program that was read and is a core module, as far as can be seen without compiling it.
///
/// ```
/// use rootstock_program::Program;
///
/// let program = Program::from_bytes("empty.wat", b"(module)")?;
/// assert_eq!((program.name(), program.wasm().len() >= 8), ("empty.wat", true));
/// assert!(Program::from_bytes("empty.wasm", b"").is_err());
/// # Ok::<(), rootstock_program::InputError>(())
/// ```
pub struct Program {
    name: String,
    wasm: Vec<u8>,
    abi_required: Option<u32>,
    /// Names of exported functions by number, the first of each.
    function_exports: BTreeMap<u32, String>,
}

impl Program {
    /// Reads a `.wasm` or `.wat` file; the contents decide which it is.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or [`from_bytes`](Self::from_bytes) refuses what is in it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, InputError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // A path may lead to something that has no end.
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        read.map_err(|error| InputError::new(&name, format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_FILE {
            let cause = format!("is larger than any program may be: {} MiB", MAX_FILE >> 20);
            return Err(InputError::new(&name, cause));
        }
        Self::from_bytes(name, &bytes)
    }

    /// The same, from the contents of a file; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If the bytes are neither a module nor text of one, are damaged, or are a component or an object file. The error names the
    /// file, and for text the line.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Result<Self, InputError> {
        let name = name.into();
        let wasm =
            if bytes.starts_with(b"\0asm") { bytes.to_vec() } else { assemble(&name, bytes)? };
        let outline = Outline::read(&wasm)
            .map_err(|cause| InputError::new(&name, locate::in_source(&wasm, cause)))?;
        if let Some(cause) = outline.objection() {
            return Err(InputError::new(name, cause));
        }
        Ok(Self {
            name,
            wasm,
            abi_required: outline.abi_required,
            function_exports: outline.function_exports,
        })
    }

    /// The file's name, as messages give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module. Where it was text, and not too long, it carries line numbers as DWARF.
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// The same program in other bytes, in which functions have kept their numbers.
    pub fn with_wasm(&self, wasm: Vec<u8>) -> Self {
        Self {
            name: self.name.clone(),
            wasm,
            abi_required: self.abi_required,
            function_exports: self.function_exports.clone(),
        }
    }

    /// The names of exported functions by number, the first of each.
    pub fn function_exports(&self) -> &BTreeMap<u32, String> {
        &self.function_exports
    }

    /// Tells whether the program was linked with the runtime: it has a [`Marker`], or one that cannot be read.
    pub fn is_linked(&self) -> bool {
        !matches!(Marker::find(self.wasm()), Ok(None))
    }

    /// The program's marker, if it was linked with the runtime.
    ///
    /// # Errors
    ///
    /// If there is a marker that cannot be read.
    pub fn marker(&self) -> Result<Option<Marker>, InputError> {
        Marker::find(self.wasm()).map_err(|cause| InputError::new(self.name(), cause))
    }

    /// Refuses a program that says it was compiled for another version of the ABI.
    ///
    /// # Errors
    ///
    /// If it was: both versions are in the error.
    pub fn check_abi(&self) -> Result<(), AbiMismatch> {
        match self.abi_required {
            Some(found) if found != runtime::ABI_VERSION => Err(AbiMismatch {
                what: format!("{} ({ABI_REQUIRED})", self.name),
                expected: runtime::ABI_VERSION,
                found,
            }),
            _ => Ok(()),
        }
    }
}

fn assemble(name: &str, bytes: &[u8]) -> Result<Vec<u8>, InputError> {
    if bytes.is_empty() {
        return Err(InputError::new(name, "the file is empty"));
    }
    let is_text_file = Path::new(name).extension().is_some_and(|ext| ext == "wat" || ext == "wast");
    let Ok(text) = std::str::from_utf8(bytes) else {
        let cause =
            if is_text_file { "it is not UTF-8, as text is".to_owned() } else { neither(bytes) };
        return Err(InputError::new(name, cause));
    };
    // In text, the first thing is a parenthesis or a comment.
    if !is_text_file && !text.trim_start().starts_with(['(', ';']) {
        return Err(InputError::new(name, neither(bytes)));
    }
    /// Finding the lines of a text takes time in proportion to the square of its length: a second, of this one.
    const LINED: usize = 1 << 20;
    let mut parser = wat::Parser::new();
    let lined = text.len() <= LINED;
    if lined {
        parser.generate_dwarf(wat::GenerateDwarf::Lines);
    }
    let wasm = parser
        .parse_str(Some(Path::new(name)), text)
        .map_err(|error| InputError::new(name, error.to_string()))?;
    Ok(if lined { lines::corrected(wasm) } else { wasm })
}

fn neither(bytes: &[u8]) -> String {
    let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "neither a wasm module (which begins with the bytes 00 61 73 6d) nor wasm text: \
         it begins with {}",
        start.join(" ")
    )
}

#[cfg(test)]
mod tests;
