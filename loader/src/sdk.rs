//! What `wasm-ld` needs to link object files with the runtime, as a folder.
//!
//! The library has the runtime and the object file with its wasm globals. What it can't say is where the linker should
//! put things: that is in a response file, made from the addresses that the runtime was built with.
//!
//! ```text
//! 0               gc_stack_base     gc_stack_limit   gc_program_base                 __heap_base
//! +---------------+-----------------+----------------+-------------------------------+--------->
//! | linear stack, | shadow stack    | guard word,    | data of program and runtime,  | GC heap
//! | grows down    | (roots) ->      | gap            | as the linker orders them     |
//! +---------------+-----------------+----------------+-------------------------------+--------->
//! ```

mod archive;
mod library;
mod symbols;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use wasmparser::{ConstExpr, ExternalKind, Operator, Parser, Payload};

use crate::error::InputError;
use crate::link::phases;
use crate::{RUNTIME_LIBRARY, RUNTIME_WASM};

/// The ABI in C.
pub const HEADER: &str = include_str!("../../runtime/include/rootstock.h");

/// What components need, for `loader link` and in C.
const COMPONENT: [(&str, &str); 3] = [
    ("component.wat", include_str!("../../runtime/include/component.wat")),
    ("component.h", include_str!("../../runtime/include/component.h")),
    ("component.c", include_str!("../../runtime/include/component.c")),
];

/// Writes the folder, which is made if need be; returns the files in it.
///
/// # Errors
///
/// If the folder can't be made or a file can't be written, with its name. No file is left half written.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    fs::create_dir_all(folder).map_err(|error| {
        InputError::new(folder.display().to_string(), format!("cannot be made: {error}"))
    })?;
    let runtime = Exports::read(RUNTIME_WASM);
    let files: [(&str, &[u8]); 4] = [
        (
            "libruntime.a",
            &library::for_programs(RUNTIME_LIBRARY, &runtime.functions, &runtime.on_demand),
        ),
        ("rootstock.h", HEADER.as_bytes()),
        ("rootstock.rsp", &runtime.memory_map().into_bytes()),
        ("rootstock-exports.rsp", &runtime.export_flags().into_bytes()),
    ];
    let component = COMPONENT.map(|(name, contents)| (name, contents.as_bytes()));
    files
        .into_iter()
        .chain(component)
        .map(|(name, contents)| {
            let path = folder.join(name);
            replace(&path, contents).map_err(|error| {
                InputError::new(path.display().to_string(), format!("cannot be written: {error}"))
            })?;
            Ok(path)
        })
        .collect()
}

/// The names of what the runtime exports, but for its memory.
pub(crate) fn runtime_exports() -> impl Iterator<Item = &'static str> {
    let Exports { functions, globals, .. } = Exports::read(RUNTIME_WASM);
    functions.into_iter().chain(globals.into_iter().map(|(name, _)| name))
}

/// Writes a file beside the old one, and then puts it into its place.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // A temporary file is its owner's alone, but this one is for whoever may read what the owner writes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(contents)?;
    file.persist(path)?;
    Ok(())
}

/// What the runtime exports, by the linker's own account.
struct Exports<'a> {
    functions: Vec<&'a str>,
    /// Those of the ABI, with their values at instantiation.
    globals: Vec<(&'a str, u32)>,
    /// Functions that need a phase of a collection.
    on_demand: Vec<&'a str>,
}

impl<'a> Exports<'a> {
    /// Those of a module that was built with this crate.
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
                Payload::CustomSection(section) if section.name() == phases::SECTION => {
                    let groups = phases::groups(str::from_utf8(section.data()).unwrap_or(""));
                    exports.on_demand.extend(groups.flat_map(|(_, exports)| exports));
                }
                _ => {}
            }
        }
        exports
    }

    fn value(&self, name: &str) -> u32 {
        let found = self.globals.iter().find(|(global, _)| *global == name);
        found.expect("the runtime has the globals of the ABI").1
    }

    /// The flags that leave room for the shadow stack. Newer linkers put the linear stack first anyhow.
    fn memory_map(&self) -> String {
        format!(
            "--stack-first\n-zstack-size={}\n--global-base={}\n",
            self.value("gc_stack_base"),
            self.data_base()
        )
    }

    /// Where data start. Between them and the shadow stack lies as much again: pages that cost nothing, and that take
    /// what a program pushes too much, until that is found out.
    fn data_base(&self) -> u32 {
        const PAGE: u32 = 65_536;
        let slots = self.value("gc_stack_limit") - self.value("gc_stack_base");
        self.value("gc_program_base") + slots.next_multiple_of(PAGE)
    }

    /// The flags that export all of the ABI from the program.
    fn export_flags(&self) -> String {
        let globals = self.globals.iter().map(|(name, _)| name);
        self.functions.iter().chain(globals).map(|name| format!("--export={name}\n")).collect()
    }
}

fn constant(init: &ConstExpr<'_>) -> u32 {
    match init.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => value.cast_unsigned(),
        other => panic!("the linker writes constants, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use runtime::ABI_VERSION;
    use runtime::options::OPTIONS;
    use runtime::stats::STATS;

    use super::*;

    /// The same bytes come from any folder, so no path of the builder may be in them.
    #[test]
    fn no_path_of_the_builder_is_in_what_is_built() {
        let folder = env!("CARGO_MANIFEST_DIR").trim_end_matches("loader");
        let home = std::env::var("HOME").unwrap_or_default();
        for bytes in [RUNTIME_WASM, RUNTIME_LIBRARY] {
            let text = String::from_utf8_lossy(bytes);
            for path in [folder, "/.cargo/", "registry/src", home.as_str()] {
                assert!(path.len() < 3 || !text.contains(path), "{path}");
            }
        }
    }

    #[test]
    fn the_header_has_the_tables_of_the_abi() {
        let has = |line: &str| assert!(HEADER.contains(line), "rootstock.h does not say `{line}`");
        has(&format!("#define GC_ABI_VERSION {ABI_VERSION}\n"));
        for row in OPTIONS {
            has(&format!(" GC_{} = {},\n", row.name, row.option as u32));
        }
        for row in STATS {
            has(&format!(" GC_{} = {},\n", row.name, row.stat as u32));
        }
        let rows = HEADER.lines().filter(|line| line.starts_with("    GC_")).count();
        assert_eq!(rows, OPTIONS.len() + STATS.len());
    }

    #[test]
    fn the_header_declares_every_export() {
        let exports = Exports::read(RUNTIME_WASM);
        assert_eq!(exports.functions.len(), 30);
        for name in exports.functions {
            for name in [name, &library::own_name(name)] {
                assert!(
                    HEADER.contains(&format!(" {name}(")) || HEADER.contains(&format!("*{name}(")),
                    "rootstock.h does not declare {name}"
                );
            }
        }
    }

    #[test]
    fn the_flags_are_what_the_runtime_was_built_with() {
        let exports = Exports::read(RUNTIME_WASM);
        let stack = exports.value("gc_stack_base");
        let base = exports.data_base();
        assert!(stack > 65_536 && stack.is_multiple_of(16), "room for a linear stack: {stack}");
        let limit = exports.value("gc_stack_limit");
        assert!(base - limit >= limit - stack && base.is_multiple_of(65_536), "{base}");
        assert_eq!(
            exports.memory_map(),
            format!("--stack-first\n-zstack-size={stack}\n--global-base={base}\n")
        );
        let flags = exports.export_flags();
        for name in ["alloc", "gc_verify", "gc_sp", "gc_program_base"] {
            assert!(flags.lines().any(|line| line == format!("--export={name}")), "{name}");
        }
        assert!(!flags.contains("--export=__"), "not part of the ABI");
    }
}
