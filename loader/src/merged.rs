//! Programs that were linked with the runtime: one instance is both.

use std::ops::Range;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{Parser, Payload};
use wasmtime::{FrameInfo, ValType};

use crate::config::Config;
use crate::engine::RuntimeModule;
use crate::error::{Error, InputError};
use crate::instance::Instance;
use crate::link::marker::Marker;
use crate::program::{Linked, Program};

/// What the start function is exported as, for the loader to call it itself.
const START: &str = "rootstock.start";

/// A program that is in one instance with the runtime.
pub(crate) struct Merged {
    marker: Marker,
    instance: wasmtime::Instance,
    /// Its start function has not run yet.
    is_to_start: bool,
}

impl Merged {
    pub(crate) fn is_complete(&self) -> bool {
        self.marker.complete
    }
}

impl Program {
    /// Whether the program was linked with the runtime by [`link`](crate::link::link).
    pub fn is_linked(&self) -> bool {
        !matches!(Marker::find(self.wasm()), Ok(None))
    }

    /// What the program says of itself if it was.
    pub fn marker(&self) -> Result<Option<Marker>, InputError> {
        Marker::find(self.wasm()).map_err(|cause| InputError::new(self.name(), cause))
    }
}

impl Instance {
    /// An instance for this program: of the runtime that is built with this crate, or of the program itself where that was
    /// linked with a runtime. [`instantiate`](Self::instantiate) comes next, and runs its start function.
    ///
    /// The options in `config` are in force before that. They can be set in a linked program if it was linked with the
    /// runtime's exports.
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
        let (wasm, is_to_start) = without_start(program.wasm())
            .map_err(|error| wrong(format!("not a valid module: {error}")))?;
        let module = RuntimeModule::linked(&program.with_wasm(wasm), config)?;
        let (mut instance, made) = Self::make(&module, config, Some(&marker))?;
        instance.merged = Some(Merged { marker, instance: made, is_to_start });
        instance.configured(config)
    }

    /// The program that is in this instance, started.
    pub(crate) fn start_merged(&mut self, program: &Program) -> Result<Option<Linked>, Error> {
        let Some(merged) = &mut self.merged else { return Ok(None) };
        let linked = Linked::new(program, merged.instance);
        if std::mem::take(&mut merged.is_to_start) {
            linked.call(self, START, &[])?;
        }
        Ok(Some(linked))
    }
}

/// Where the runtime's own code is: what traps there has stored why.
pub(crate) enum RuntimeCode {
    /// A module of its own.
    Module(wasmtime::Module),
    /// Functions of a linked module. An optimiser may have mixed them with others: then any of them may be.
    Linked(wasmtime::Module, Option<Range<u32>>),
}

impl RuntimeCode {
    pub(crate) fn has(&self, frame: &FrameInfo) -> bool {
        match self {
            Self::Module(module) | Self::Linked(module, None) => {
                wasmtime::Module::same(frame.module(), module)
            }
            Self::Linked(module, Some(functions)) => {
                wasmtime::Module::same(frame.module(), module)
                    && functions.contains(&frame.func_index())
            }
        }
    }
}

/// Types of arguments and results, for functions that a linked module does not export.
pub(crate) trait Signature {
    fn types() -> Vec<ValType>;
}

macro_rules! signatures {
    ($($name:ty: [$($ty:ident),*];)*) => {
        $(impl Signature for $name {
            fn types() -> Vec<ValType> {
                vec![$(ValType::$ty),*]
            }
        })*
    };
}

signatures! {
    (): [];
    u32: [I32];
    i32: [I32];
    i64: [I64];
    (u32, u32): [I32, I32];
    (u32, u32, u32): [I32, I32, I32];
    (u32, u32, u32, u32): [I32, I32, I32, I32];
}

/// The module with its start function as an export; whether it has one.
fn without_start(wasm: &[u8]) -> Result<(Vec<u8>, bool), wasm_encoder::reencode::Error> {
    let start = Parser::new(0).parse_all(wasm).find_map(|payload| match payload {
        Ok(Payload::StartSection { func, .. }) => Some(func),
        _ => None,
    });
    let Some(start) = start else { return Ok((wasm.to_vec(), false)) };
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::StartSection { .. } => {}
            // There is one: memory is exported.
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                RoundtripReencoder.parse_export_section(&mut exports, section)?;
                exports.export(START, ExportKind::Func, start);
                module.section(&exports);
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Ok((module.finish(), true))
}
