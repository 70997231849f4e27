//! The list of what the runtime exports, by the linker's own account.

use wasmparser::{ConstExpr, ExternalKind, Operator, Parser, Payload};

use crate::RUNTIME_WASM;
use crate::names::{PHASES_SECTION, phase_groups};

/// The exports of the ABI that a build of the runtime has.
///
/// ```
/// use rootstock_built::Exports;
///
/// let exports = Exports::of_runtime();
/// assert!(exports.functions.contains(&"gc_collect"));
/// assert!(exports.on_demand.contains(&"gc_pin") && !exports.on_demand.contains(&"alloc"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exports<'a> {
    /// The functions.
    pub functions: Vec<&'a str>,
    /// The globals, with their values at instantiation.
    pub globals: Vec<(&'a str, u32)>,
    /// The functions that need a phase of a collection.
    pub on_demand: Vec<&'a str>,
}

impl Exports<'static> {
    /// The exports of the runtime that is built with this crate.
    pub fn of_runtime() -> Self {
        Self::read(RUNTIME_WASM)
    }
}

impl<'a> Exports<'a> {
    /// The exports of a module that was built with this crate.
    fn read(wasm: &'a [u8]) -> Self {
        let mut values = Vec::new();
        let mut exports =
            Self { functions: Vec::new(), globals: Vec::new(), on_demand: Vec::new() };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("the runtime is a module") {
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        let global = global.expect("the runtime is a module");
                        values.push(constant(&global.init_expr));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.expect("the runtime is a module");
                        match export.kind {
                            // Those with underscores are no part of the ABI: the linker's, and phases of a collection.
                            ExternalKind::Func if !export.name.starts_with("__") => {
                                exports.functions.push(export.name);
                            }
                            ExternalKind::Global if export.name.starts_with("gc_") => {
                                exports.globals.push((export.name, values[export.index as usize]));
                            }
                            _ => {}
                        }
                    }
                }
                Payload::CustomSection(section) if section.name() == PHASES_SECTION => {
                    let groups = phase_groups(str::from_utf8(section.data()).unwrap_or(""));
                    exports.on_demand.extend(groups.flat_map(|(_, exports)| exports));
                }
                _ => {}
            }
        }
        exports
    }

    /// The value that a global of the ABI has at instantiation.
    ///
    /// # Panics
    ///
    /// If the ABI has no global of this name.
    pub fn value(&self, name: &str) -> u32 {
        let found = self.globals.iter().find(|(global, _)| *global == name);
        found.expect("the runtime has the globals of the ABI").1
    }
}

/// The names of what the runtime exports, but for its memory.
pub fn runtime_exports() -> impl Iterator<Item = &'static str> {
    let Exports { functions, globals, .. } = Exports::of_runtime();
    functions.into_iter().chain(globals.into_iter().map(|(name, _)| name))
}

fn constant(init: &ConstExpr<'_>) -> u32 {
    match init.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => value.cast_unsigned(),
        other => panic!("the linker writes constants, not {other:?}"),
    }
}
