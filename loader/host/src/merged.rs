//! Programs that were linked with the runtime: one instance is both.

use std::collections::HashSet;

use rootstock_built::names::AFTER_A_TRAP;
use rootstock_program::{InputError, Marker, Program};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{Parser, Payload};

use crate::config::Config;
use crate::engine::RuntimeModule;
use crate::error::Error;
use crate::instance::Instance;
use crate::linked::Linked;

/// The name under which the start function is exported, for the host to call it itself, unless the program has that name.
const START: &str = "rootstock.start";

/// A program that is in one instance with the runtime.
pub(crate) struct Merged {
    marker: Marker,
    instance: wasmtime::Instance,
    /// The name under which its start function is exported, until it has run.
    start: Option<String>,
    /// Exports that are there for a host: none of the program's.
    hidden: HashSet<String>,
    /// None of its code has run yet.
    is_new: bool,
}

impl Merged {
    pub(crate) fn is_complete(&self) -> bool {
        self.marker.complete
    }

    /// Tells whether the runtime notifies the host of dead handles, and not a function of the program's.
    pub(crate) fn notifies_host(&self) -> bool {
        self.marker.decref.is_host()
    }

    /// Tells whether an export was added for a host.
    pub(crate) fn hides(&self, export: &str) -> bool {
        self.hidden.contains(export)
    }
}

impl Instance {
    /// An instance for this program: of the runtime that is built with this crate, or of the program itself where that was
    /// linked with a runtime. [`instantiate`](Self::instantiate) comes next, and runs its start function.
    ///
    /// The options in `config` are in force before that. They can be set in a linked program if it was linked with the
    /// runtime's exports.
    ///
    /// # Errors
    ///
    /// If the program is not valid, imports what there is not, or was linked with a runtime of another version of the ABI or
    /// without the exports that the configuration needs.
    pub fn for_program(program: &Program, config: &Config) -> Result<Self, Error> {
        let wrong = |cause: String| Error::from(InputError::new(program.name(), cause));
        let Some(marker) = program.marker()? else { return Self::new(config) };
        if marker.abi != runtime::ABI_VERSION {
            return Err(Error::AbiVersion {
                what: program.name().to_owned(),
                expected: runtime::ABI_VERSION,
                found: marker.abi,
            });
        }
        if !marker.complete && !config.options.is_empty() {
            return Err(wrong(
                "it was linked without the runtime's exports, so no option can be set: link it with --export-runtime"
                    .into(),
            ));
        }
        let (wasm, start) = without_start(program.wasm())
            .map_err(|error| wrong(format!("not a valid module: {error}")))?;
        let module = RuntimeModule::linked(&program.with_wasm(wasm), &marker.decref, config)?;
        let (mut instance, made) = Self::make(&module, config, Some(&marker))?;
        instance.give_wasi(&module.module)?;
        let mut hidden: HashSet<String> = start.clone().into_iter().collect();
        if !marker.complete {
            hidden.extend(AFTER_A_TRAP.map(|name| format!("{}{name}", marker.prefix)));
        }
        instance.merged = Some(Merged { marker, instance: made, start, hidden, is_new: true });
        instance.configured(config)
    }

    /// The program that is in this instance, started.
    pub(crate) fn start_merged(&mut self, program: &Program) -> Result<Option<Linked>, Error> {
        let Some(merged) = &mut self.merged else { return Ok(None) };
        let linked = Linked::new(program, merged.instance);
        if std::mem::take(&mut merged.is_new) {
            if let Some(start) = merged.start.take() {
                linked.call(self, &start, &[])?;
            }
            linked.initialize(self)?;
        }
        Ok(Some(linked))
    }
}

/// The module with its start function as an export, and what that is called, if it has one.
fn without_start(wasm: &[u8]) -> Result<(Vec<u8>, Option<String>), wasm_encoder::reencode::Error> {
    let mut start = None;
    let mut taken = HashSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::StartSection { func, .. } => start = Some(func),
            Payload::ExportSection(exports) => {
                for export in exports {
                    taken.insert(export?.name);
                }
            }
            _ => {}
        }
    }
    let Some(start) = start else { return Ok((wasm.to_vec(), None)) };
    let mut name = START.to_owned();
    let mut number = 1;
    while taken.contains(name.as_str()) {
        number += 1;
        name = format!("{START}.{number}");
    }
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::StartSection { .. } => {}
            // There is one: memory is exported.
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                RoundtripReencoder.parse_export_section(&mut exports, section)?;
                exports.export(&name, ExportKind::Func, start);
                module.section(&exports);
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Ok((module.finish(), Some(name)))
}
