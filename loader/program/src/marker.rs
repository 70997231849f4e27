//! The signs of a linked module: a custom section, or where `wasm-ld` linked it, its imports and exports.

use std::collections::HashSet;
use std::ops::Range;

use rootstock_built::names::{AFTER_A_TRAP, DECREF, HOST, MARKER_SECTION, MEMORY};
use rootstock_built::runtime_exports;
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

/// The facts that a linked module states about itself.
///
/// ```
/// use rootstock_program::Marker;
///
/// let plain = b"\0asm\x01\0\0\0";
/// assert_eq!(Marker::find(plain), Ok(None));
/// // A section of that name in which there is no marker.
/// let wrong = [&plain[..], b"\0\x0a\x09rootstock"].concat();
/// assert!(Marker::find(&wrong).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The version of the ABI that its runtime has.
    pub abi: u32,
    /// The prefix of the names under which exports of the runtime are exported.
    pub prefix: String,
    /// True if all of them are; false if only those are that a host needs after a trap.
    pub complete: bool,
    /// The numbers of the runtime's functions, where they are known: an optimiser changes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Range<u32>>,
    /// The function by which its runtime notifies of dead handles.
    #[serde(default, skip_serializing_if = "Decref::is_host")]
    pub decref: Decref,
}

impl Marker {
    /// Looks for the section in a module, or for what an object link leaves; an error if there is a section that cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// If there is a section of that name that cannot be read.
    pub fn find(wasm: &[u8]) -> Result<Option<Self>, String> {
        for payload in Parser::new(0).parse_all(wasm) {
            // A file that is no module is refused elsewhere.
            let Ok(payload) = payload else { return Ok(None) };
            if let Payload::CustomSection(section) = payload
                && section.name() == MARKER_SECTION
            {
                return Self::decode(section.data()).map(Some);
            }
        }
        Ok(Self::of_object_link(wasm).unwrap_or_default())
    }

    /// The marker that a module linked with `libruntime.a` would have: it imports what only the runtime does, and exports
    /// what a host needs.
    fn of_object_link(wasm: &[u8]) -> wasmparser::Result<Option<Self>> {
        let mut has_runtime = false;
        let mut exported = HashSet::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        has_runtime |= (import.module, import.name) == (HOST, DECREF);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        exported.insert(export?.name);
                    }
                }
                _ => {}
            }
        }
        let mut after_a_trap = AFTER_A_TRAP.iter().chain([&MEMORY]);
        if !has_runtime || !after_a_trap.all(|name| exported.contains(name)) {
            return Ok(None);
        }
        Ok(Some(Self {
            // If the function that says so is exported it is asked before anything else.
            abi: runtime::ABI_VERSION,
            prefix: String::new(),
            complete: runtime_exports().all(|name| exported.contains(name)),
            functions: None,
            decref: Decref::Host,
        }))
    }

    /// The marker that the contents of the section are.
    ///
    /// # Errors
    ///
    /// If they are no marker.
    pub fn decode(data: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(data)
            .map_err(|error| format!("its section `{MARKER_SECTION}` cannot be read: {error}"))
    }

    /// The contents of the section.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The fate of the runtime's import `host.host_decref_handle`.
///
/// ```
/// use rootstock_program::Decref;
///
/// let import = Decref::Import("env".into(), "dead".into());
/// assert_eq!(Decref::parse_import("env.dead"), Ok(import));
/// assert!(Decref::default().is_host());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decref {
    /// It stays as it is, for the host.
    #[default]
    Host,
    /// It is bound to the function of this name that the program or a library exports, and so is no import any more.
    Export(String),
    /// It is imported from this module, under this name.
    Import(String, String),
}

impl Decref {
    /// An import as the command line gives it: `MODULE.NAME`, where the name has no dot.
    ///
    /// # Errors
    ///
    /// If there is no dot, or nothing on one side of it.
    pub fn parse_import(text: &str) -> Result<Self, String> {
        match text.rsplit_once('.') {
            Some((module, name)) if !module.is_empty() && !name.is_empty() => {
                Ok(Self::Import(module.to_owned(), name.to_owned()))
            }
            _ => Err("an import is given as MODULE.NAME".to_owned()),
        }
    }

    /// Tells whether the import stays as it is.
    pub fn is_host(&self) -> bool {
        *self == Self::Host
    }
}
