//! The static library as an object link needs it: what Rust has no way to say of a symbol is changed in the object files.
//!
//! * Each program has one panic handler. That of the runtime, which is a program to rustc, would clash with that of the
//!   standard library, or of a program without: it gives way.
//! * A program may have functions of its own with the names of the ABI. Each export of the runtime is called
//!   `rootstock_…`, by the runtime's own code too, and has the name of the ABI as a second one, which gives way.
//! * Rust mangles the symbol of the function that it imports from the host, so a program in C could not define it. It gets
//!   its plain name, and stays an import unless the program defines one of that name.
//! * The file that calls the constructors is brought along by a reference to what only a command has. It and its
//!   alternative come first, which is why `runtime/build/parts.rs` says.

use std::collections::BTreeMap;

use super::archive::{self, Changed};
use super::symbols::{self, Symbol};

/// The name of the panic handler ends with this: the rest is mangled.
const PANIC_HANDLER: &str = "rust_begin_unwind";
/// Defined by commands, and beside the constructors.
const START: &str = "_start";

/// The function that the runtime notifies.
const DECREF: &str = "host_decref_handle";

/// The members that come first.
const FIRST: [&str; 2] = ["gc_reactor.o", "gc_ctors.o"];

/// The name of an export that no program has: `rootstock_alloc` is `alloc`, `rootstock_collect` is `gc_collect`.
pub(super) fn own_name(export: &str) -> String {
    format!("rootstock_{}", export.strip_prefix("gc_").unwrap_or(export))
}

/// The library, changed as this module says; `exports` are the functions of the ABI.
pub(super) fn for_programs(library: &[u8], exports: &[&str]) -> Vec<u8> {
    let names: BTreeMap<&str, String> =
        exports.iter().map(|export| (*export, own_name(export))).collect();
    archive::edit(library, &FIRST, |object| {
        let mut added = Vec::new();
        // An index of the symbols or of names is no object file.
        let contents = symbols::edit(object, |symbols| change(symbols, &names, &mut added));
        contents.ok().flatten().map(|contents| Changed { contents, names: added })
    })
}

fn change(symbols: &mut Vec<Symbol>, names: &BTreeMap<&str, String>, added: &mut Vec<String>) {
    let mut aliases = Vec::new();
    for symbol in &mut *symbols {
        if symbol.name == START && !symbol.is_defined_function() {
            symbol.strengthen();
        } else if !symbol.is_defined_function() && symbol.name.contains(DECREF) {
            symbol.name = DECREF.into();
        } else if !symbol.is_defined_function() {
            // References stay as they are: none but the runtime's own file has any, and it has the definitions.
        } else if symbol.name.ends_with(PANIC_HANDLER) {
            symbol.weaken();
        } else if let Some(own) = names.get(symbol.name.as_str()) {
            let mut alias = symbol.clone();
            alias.weaken();
            aliases.push(alias);
            symbol.name.clone_from(own);
            added.push(own.clone());
        }
    }
    symbols.append(&mut aliases);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RUNTIME_LIBRARY;
    use crate::sdk::function_exports;

    fn symbols(library: &[u8]) -> Vec<Symbol> {
        archive::members(library)
            .flat_map(|member| symbols::of(&library[member]).unwrap())
            .collect()
    }

    /// The symbol as another one, for comparisons.
    fn weak(symbol: &Symbol) -> Symbol {
        let mut weak = symbol.clone();
        weak.weaken();
        weak
    }

    #[test]
    fn every_export_has_two_names_of_which_one_gives_way() {
        let exports: Vec<_> = function_exports().collect();
        let library = for_programs(RUNTIME_LIBRARY, &exports);
        let (before, after) = (symbols(RUNTIME_LIBRARY), symbols(&library));
        assert_eq!(after.len(), before.len() + exports.len());
        let find = |symbols: &[Symbol], name: &str| {
            let mut found = symbols.iter().filter(|it| it.name == name && it.is_defined_function());
            let symbol = found.next().unwrap_or_else(|| panic!("{name} is defined")).clone();
            assert_eq!(found.next(), None, "{name} is defined once");
            symbol
        };
        for &export in &exports {
            let (own, plain) = (find(&after, &own_name(export)), find(&after, export));
            assert_eq!(plain, weak(&find(&before, export)));
            assert_ne!(own, weak(&own), "{export}");
            let mut renamed = own;
            renamed.name = export.into();
            assert_eq!(renamed, find(&before, export));
        }
        // The rest: the constructors are asked for, the panic handler is weak, and the import has its plain name.
        let mut changed: Vec<_> = (before.iter())
            .filter(|old| !after.contains(old) && !exports.contains(&old.name.as_str()))
            .map(|old| old.name.as_str())
            .collect();
        changed.sort_by_key(|name| (*name != START, !name.ends_with(PANIC_HANDLER)));
        assert_eq!(changed.len(), 3, "{changed:?}");
        assert_eq!(changed[0], START);
        assert!(changed[1].ends_with(PANIC_HANDLER));
        assert!(changed[2].contains(DECREF) && after.iter().any(|it| it.name == DECREF));
    }

    /// The index leads to the members, and has the new names.
    #[test]
    fn the_index_is_right() {
        let exports: Vec<_> = function_exports().collect();
        let library = for_programs(RUNTIME_LIBRARY, &exports);
        let members: Vec<_> = archive::members(&library).collect();
        let index = &library[members[0].clone()];
        let number = |at: usize| u32::from_be_bytes(index[4 * at..4 * at + 4].try_into().unwrap());
        let count = number(0) as usize;
        let mut own = 0;
        for (at, name) in index[4 * (count + 1)..].split(|byte| *byte == 0).take(count).enumerate()
        {
            let name = str::from_utf8(name).unwrap();
            let start = number(at + 1) as usize + 60;
            let member = members.iter().find(|member| member.start == start).unwrap();
            let symbols = symbols::of(&library[member.clone()]).unwrap();
            assert!(symbols.iter().any(|symbol| symbol.name == name), "{name}");
            own += usize::from(exports.iter().any(|export| own_name(export) == name));
        }
        assert_eq!(own, exports.len());
    }

    #[test]
    fn what_is_no_archive_stays_as_it_is() {
        for bytes in [&b""[..], b"!<arch>\n", b"!<arch>\nshort", &RUNTIME_LIBRARY[..1000]] {
            assert_eq!(for_programs(bytes, &["alloc"]), bytes);
        }
    }
}
