//! How a linked module is known again: by a custom section, or where `wasm-ld` linked it, by its imports and exports.

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Parser, Payload};

use super::Decref;
use crate::host;
use crate::sdk;

/// The name of the section. Its contents are JSON.
pub const SECTION: &str = "rootstock";

/// What a linked module says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The version of the ABI that its runtime has.
    pub abi: u32,
    /// What is before the names under which exports of the runtime are exported.
    pub prefix: String,
    /// Whether all of them are, or only those that a host cannot do without after a trap.
    pub complete: bool,
    /// The numbers of the runtime's functions, where they are known: an optimiser numbers them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Range<u32>>,
    /// Where its runtime notifies of dead handles.
    #[serde(default, skip_serializing_if = "Decref::is_host")]
    pub decref: Decref,
}

impl Marker {
    /// Looks for the section in a module, or for what an object link leaves; an error if there is a section that cannot be
    /// read.
    pub fn find(wasm: &[u8]) -> Result<Option<Self>, String> {
        for payload in Parser::new(0).parse_all(wasm) {
            // What is no module is somebody else's to complain of.
            let Ok(payload) = payload else { return Ok(None) };
            if let Payload::CustomSection(section) = payload
                && section.name() == SECTION
            {
                return serde_json::from_slice(section.data())
                    .map(Some)
                    .map_err(|error| format!("its section `{SECTION}` cannot be read: {error}"));
            }
        }
        Ok(Self::of_object_link(wasm).unwrap_or_default())
    }

    /// What a module that was linked with `libruntime.a` would say: it imports what only the runtime does, and exports
    /// what a host needs.
    fn of_object_link(wasm: &[u8]) -> wasmparser::Result<Option<Self>> {
        let mut has_runtime = false;
        let mut exported = HashSet::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        has_runtime |= (import.module, import.name) == (host::MODULE, host::DECREF);
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
        let after_a_trap = ["memory", "gc_sp", "gc_last_error", "gc_last_error_arg"];
        if !has_runtime || !after_a_trap.iter().all(|name| exported.contains(name)) {
            return Ok(None);
        }
        Ok(Some(Self {
            // If the function that says so is exported it is asked before anything else.
            abi: runtime::ABI_VERSION,
            prefix: String::new(),
            complete: sdk::runtime_exports().all(|name| exported.contains(name)),
            functions: None,
            decref: Decref::Host,
        }))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A module as it is, but for what an optimiser makes wrong: the numbers in the marker, and debug information.
pub(super) fn for_optimiser(wasm: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload {
            if section.name().starts_with(".debug_") {
                continue;
            }
            if section.name() == SECTION
                && let Ok(marker) = serde_json::from_slice::<Marker>(section.data())
            {
                let data = Marker { functions: None, ..marker }.encode();
                module.section(&CustomSection { name: SECTION.into(), data: data.into() });
                continue;
            }
        }
        if let Some((id, range)) = payload.as_section() {
            module.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(module.finish())
}
