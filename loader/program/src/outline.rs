//! The parts of a module that show before anything compiles it.

use std::collections::BTreeMap;

use rootstock_built::names::{ABI_REQUIRED, RUNTIME};
use wasmparser::{Encoding, ExternalKind, Operator, Parser, Payload, TypeRef};

use crate::locate::Cause;

/// The parts of a module that can be seen without an engine.
#[derive(Default)]
pub(crate) struct Outline {
    is_component: bool,
    /// It has sections by which a linker knows what to do with an object file; `--emit-relocs` keeps them.
    has_relocations: bool,
    /// It imports the memory that compilers leave to the linker.
    imports_linear_memory: bool,
    has_entries: bool,
    imports_runtime: bool,
    imports_memory: bool,
    defines_memory: bool,
    pub(crate) abi_required: Option<u32>,
    /// The constants of immutable globals, by number; `None` for others.
    globals: Vec<Option<u32>>,
    pub(crate) function_exports: BTreeMap<u32, String>,
}

impl Outline {
    pub(crate) fn read(wasm: &[u8]) -> Result<Self, Cause> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            outline
                .visit(payload.map_err(|error| truncated(&error))?)
                .map_err(|error| truncated(&error))?;
            if outline.is_component {
                break;
            }
        }
        Ok(outline)
    }

    fn visit(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.is_component = encoding == Encoding::Component
            }
            Payload::CustomSection(section) => {
                self.has_relocations |=
                    section.name() == "linking" || section.name().starts_with("reloc.");
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    self.imports_runtime |= import.module == RUNTIME;
                    let is_memory = matches!(import.ty, TypeRef::Memory(_));
                    self.imports_memory |= is_memory;
                    self.imports_linear_memory |= is_memory && import.name == "__linear_memory";
                    if matches!(import.ty, TypeRef::Global(_)) {
                        self.globals.push(None);
                    }
                }
            }
            Payload::MemorySection(memories) => self.defines_memory |= memories.count() > 0,
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    let value = match global.init_expr.get_operators_reader().read()? {
                        Operator::I32Const { value } if !global.ty.mutable => {
                            Some(value.cast_unsigned())
                        }
                        _ => None,
                    };
                    self.globals.push(value);
                }
            }
            Payload::StartSection { .. } => self.has_entries = true,
            Payload::ExportSection(exports) => {
                self.has_entries |= exports.count() > 0;
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        let names = &mut self.function_exports;
                        names.entry(export.index).or_insert_with(|| export.name.to_owned());
                    }
                    if export.kind == ExternalKind::Global && export.name == ABI_REQUIRED {
                        self.abi_required =
                            self.globals.get(export.index as usize).copied().flatten();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells whether nobody has linked it yet: object files export nothing, and leave memory to the linker.
    fn is_object(&self) -> bool {
        self.has_relocations && (self.imports_linear_memory || !self.has_entries)
    }

    /// Why this module cannot be a program, whatever the engine says to it.
    pub(crate) fn objection(&self) -> Option<&'static str> {
        if self.is_component {
            Some("a component, not a core module; compile the program without componentising it")
        } else if self.is_object() {
            Some("an object file, not a module: link it with wasm-ld and libruntime.a")
        } else if self.imports_runtime && self.defines_memory && !self.imports_memory {
            Some(
                "it defines its own memory, but pointers of the runtime are addresses in the runtime's: \
                 import it instead, with (import \"runtime\" \"memory\" (memory 1))",
            )
        } else {
            None
        }
    }
}

/// The parser's words for a file that ends too early say nothing of a file.
fn truncated(error: &wasmparser::BinaryReaderError) -> Cause {
    let mut cause = Cause::from(error);
    if cause.message.contains("unexpected end") {
        cause.message.push_str(": the file is truncated or damaged");
    }
    cause
}
