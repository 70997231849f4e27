//! The folder that `wasm-ld` needs for an object link with the runtime.
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

use rootstock_built::{COMPONENT, Exports, HEADER, RUNTIME_LIBRARY};
use rootstock_program::InputError;

/// Writes the folder, which is made if need be; returns the files in it.
///
/// # Errors
///
/// If the folder can't be made or a file can't be written, with its name. No file is left half written.
pub fn write(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    fs::create_dir_all(folder).map_err(|error| {
        InputError::new(folder.display().to_string(), format!("cannot be made: {error}"))
    })?;
    let runtime = Exports::of_runtime();
    let files: [(&str, &[u8]); 4] = [
        (
            "libruntime.a",
            &library::for_programs(RUNTIME_LIBRARY, &runtime.functions, &runtime.on_demand),
        ),
        ("rootstock.h", HEADER.as_bytes()),
        ("rootstock.rsp", &memory_map(&runtime).into_bytes()),
        ("rootstock-exports.rsp", &export_flags(&runtime).into_bytes()),
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

/// The flags that leave room for the shadow stack. Newer linkers put the linear stack first anyhow.
fn memory_map(exports: &Exports<'_>) -> String {
    format!(
        "--stack-first\n-zstack-size={}\n--global-base={}\n",
        exports.value("gc_stack_base"),
        data_base(exports)
    )
}

/// The address at which data start. Between them and the shadow stack lies as much again: pages that cost nothing, and that take
/// what a program pushes too much, until that is found out.
fn data_base(exports: &Exports<'_>) -> u32 {
    const PAGE: u32 = 65_536;
    let slots = exports.value("gc_stack_limit") - exports.value("gc_stack_base");
    exports.value("gc_program_base") + slots.next_multiple_of(PAGE)
}

/// The flags that export all of the ABI from the program.
fn export_flags(exports: &Exports<'_>) -> String {
    let globals = exports.globals.iter().map(|(name, _)| name);
    exports.functions.iter().chain(globals).map(|name| format!("--export={name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use runtime::ABI_VERSION;
    use runtime::options::OPTIONS;
    use runtime::stats::STATS;

    use super::*;

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
        let exports = Exports::of_runtime();
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
        let exports = Exports::of_runtime();
        let stack = exports.value("gc_stack_base");
        let base = data_base(&exports);
        assert!(stack > 65_536 && stack.is_multiple_of(16), "room for a linear stack: {stack}");
        let limit = exports.value("gc_stack_limit");
        assert!(base - limit >= limit - stack && base.is_multiple_of(65_536), "{base}");
        assert_eq!(
            memory_map(&exports),
            format!("--stack-first\n-zstack-size={stack}\n--global-base={base}\n")
        );
        let flags = export_flags(&exports);
        for name in ["alloc", "gc_verify", "gc_sp", "gc_program_base"] {
            assert!(flags.lines().any(|line| line == format!("--export={name}")), "{name}");
        }
        assert!(!flags.contains("--export=__"), "not part of the ABI");
    }
}
