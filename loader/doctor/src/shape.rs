//! The facts that instrumenting needs of a module before it begins: the numbers of what is imported, and how many
//! parameters each function has.

use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef};

/// The numbers of a module that come before its code.
#[derive(Default)]
pub(super) struct Shape {
    /// The number of types.
    pub(super) types: u32,
    /// For each type how many parameters it has, if it is a function's.
    params: Vec<u32>,
    /// The type of each function that the module defines.
    defined: Vec<u32>,
    /// The number of functions that are imported.
    pub(super) imported: u32,
    /// Of these, the ones that may collect.
    pub(super) safepoints: Vec<u32>,
    /// The runtime's memory.
    pub(super) memory: Option<u32>,
    /// The runtime's `gc_sp`.
    pub(super) gc_sp: Option<u32>,
}

/// The runtime's exports that may collect.
pub(super) const SAFEPOINTS: [&str; 8] = [
    "alloc",
    "alloc_atomic",
    "try_alloc",
    "try_alloc_atomic",
    "register_wrapper",
    "register_wrapper_sized",
    "try_register_wrapper",
    "gc_collect",
];

impl Shape {
    pub(super) fn read(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        let mut memories = 0;
        let mut globals = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        for ty in group?.types() {
                            shape.params.push(match &ty.composite_type.inner {
                                CompositeInnerType::Func(ty) => ty.params().len() as u32,
                                _ => 0,
                            });
                            shape.types += 1;
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        let runtime = import.module == "runtime";
                        match import.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                if runtime && SAFEPOINTS.contains(&import.name) {
                                    shape.safepoints.push(shape.imported);
                                }
                                shape.imported += 1;
                            }
                            TypeRef::Memory(_) => {
                                if runtime && import.name == "memory" {
                                    shape.memory.get_or_insert(memories);
                                }
                                memories += 1;
                            }
                            TypeRef::Global(_) => {
                                if runtime && import.name == "gc_sp" {
                                    shape.gc_sp.get_or_insert(globals);
                                }
                                globals += 1;
                            }
                            TypeRef::Table(_) | TypeRef::Tag(_) => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        shape.defined.push(ty?);
                    }
                    break;
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Tells whether there is anything to instrument.
    pub(super) fn has_code_for_the_runtime(&self) -> bool {
        !self.defined.is_empty() && (self.memory.is_some() || !self.safepoints.is_empty())
    }

    /// The number of parameters of the function that is the `defined`th of the module's own.
    pub(super) fn params(&self, defined: u32) -> u32 {
        let ty = self.defined.get(defined as usize).copied().unwrap_or(0);
        self.params.get(ty as usize).copied().unwrap_or(0)
    }
}
