//! The static library as an object link needs it: what Rust has no way to say of a symbol is changed in the object files.
//!
//! * Each program has one panic handler. That of the runtime, which is a program to rustc, would clash with that of the
//!   standard library, or of a program without: it gives way.
//! * A program may have functions of its own with the names of the ABI. Each export of the runtime is called
//!   `rootstock_…`, by the runtime's own code too, and has the name of the ABI as a second one, which gives way.
//! * Rust mangles the symbol of the function that it imports from the host, so a program in C could not define it. It gets
//!   its plain name, and stays an import unless the program defines one of that name.
//! * A program has only the phases of a collection that it needs: `runtime/build/phases.rs` has the picture.
//! * The file that calls the constructors is brought along by a reference to what only a command has. It and its
//!   alternative come first, which is why `runtime/build/parts.rs` says.

use std::collections::BTreeMap;

use rootstock_built::names::{DECREF, PHASES_SECTION};

use super::archive::{self, Changed};
use super::symbols::{self, Symbol};

/// The name of the panic handler ends with this: the rest is mangled.
const PANIC_HANDLER: &str = "rust_begin_unwind";
/// Defined by commands, and beside the constructors.
const START: &str = "_start";

/// The end of the names that `runtime/build/phases.rs` refers to.
const REAL: &str = ".real";
/// A phase begins with this, and one does nothing.
const PHASE: &str = "__phase_";
const NOTHING: &str = "__phase_none";

/// The members that come first.
const FIRST: [&str; 2] = ["gc_reactor.o", "gc_ctors.o"];

/// The name of an export that no program has: `rootstock_alloc` is `alloc`, `rootstock_collect` is `gc_collect`.
pub(super) fn own_name(export: &str) -> String {
    format!("rootstock_{}", export.strip_prefix("gc_").unwrap_or(export))
}

/// The library, changed as this module says; `exports` are the functions of the ABI, and `on_demand` those of them that
/// need a phase.
pub(super) fn for_programs(library: &[u8], exports: &[&str], on_demand: &[&str]) -> Vec<u8> {
    let names = |export: &&str| match on_demand.contains(export) {
        true => Names::OnDemand(format!("{export}{REAL}")),
        false => Names::Two(own_name(export)),
    };
    let names: BTreeMap<&str, Names> =
        exports.iter().map(|export| (*export, names(export))).collect();
    archive::edit(library, &FIRST, |object| {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        // An index of the symbols or of names is no object file.
        let contents = symbols::edit(object, |symbols| {
            // The files of the phases have what they define already.
            if symbols.iter().any(|symbol| symbol.name == NOTHING) {
                move_phases(symbols, &mut added);
                change(symbols, &names, &mut added, &mut removed);
            } else {
                change(symbols, &BTreeMap::new(), &mut added, &mut removed);
            }
        });
        let contents = contents.ok().flatten()?;
        // The groups of phases are for `rootstock link`.
        let contents = symbols::empty_section(&contents, PHASES_SECTION).unwrap_or(contents);
        Some(Changed { contents, added, removed })
    })
}

/// The names of an export in the runtime's file.
enum Names {
    /// Its own, and that of the ABI, which gives way.
    Two(String),
    /// One, to which another file leads.
    OnDemand(String),
}

/// Each phase gives way to a definition of its name elsewhere, and does nothing where there is none; its body gets
/// another name.
fn move_phases(symbols: &mut Vec<Symbol>, added: &mut Vec<String>) {
    let Some(nothing) = symbols.iter().find(|symbol| symbol.name == NOTHING).cloned() else {
        return;
    };
    let mut bodies = Vec::new();
    for symbol in &mut *symbols {
        if symbol.is_defined_function() && symbol.name.starts_with(PHASE) && symbol.name != NOTHING
        {
            let mut body = symbol.clone();
            body.name.push_str(REAL);
            added.push(body.name.clone());
            bodies.push(body);
            symbol.points_to(&nothing);
            symbol.weaken();
        }
    }
    symbols.append(&mut bodies);
}

fn change(
    symbols: &mut Vec<Symbol>,
    names: &BTreeMap<&str, Names>,
    added: &mut Vec<String>,
    removed: &mut Vec<String>,
) {
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
        } else if let Some(names) = names.get(symbol.name.as_str()) {
            let name = match names {
                Names::Two(own) => {
                    let mut alias = symbol.clone();
                    alias.weaken();
                    aliases.push(alias);
                    own
                }
                Names::OnDemand(real) => {
                    removed.push(symbol.name.clone());
                    real
                }
            };
            symbol.name.clone_from(name);
            added.push(name.clone());
        }
    }
    symbols.append(&mut aliases);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootstock_built::{Exports, RUNTIME_LIBRARY};

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

    /// The library as programs get it, the exports that are always there, and those that need a phase.
    fn changed() -> (Vec<u8>, Vec<&'static str>, Vec<&'static str>) {
        let Exports { functions, on_demand, .. } = Exports::of_runtime();
        let library = for_programs(RUNTIME_LIBRARY, &functions, &on_demand);
        let always = functions.into_iter().filter(|export| !on_demand.contains(export)).collect();
        (library, always, on_demand)
    }

    /// The function of this name, which is defined once.
    #[track_caller]
    fn find(symbols: &[Symbol], name: &str) -> Symbol {
        let mut found = symbols.iter().filter(|it| it.name == name && it.is_defined_function());
        let symbol = found.next().unwrap_or_else(|| panic!("{name} is defined")).clone();
        assert_eq!(found.next(), None, "{name} is defined once");
        symbol
    }

    #[test]
    fn every_export_has_two_names_of_which_one_gives_way() {
        let (library, always, on_demand) = changed();
        let (before, after) = (symbols(RUNTIME_LIBRARY), symbols(&library));
        for &export in &always {
            let (own, plain) = (find(&after, &own_name(export)), find(&after, export));
            assert_eq!(plain, weak(&find(&before, export)));
            assert_ne!(own, weak(&own), "{export}");
            let mut renamed = own;
            renamed.name = export.into();
            assert_eq!(renamed, find(&before, export));
        }
        for &export in &on_demand {
            let (own, plain) = (find(&after, &own_name(export)), find(&after, export));
            assert_eq!(plain, weak(&plain), "{export}");
            assert_ne!(own, weak(&own), "{export}");
            find(&after, &format!("{export}{REAL}"));
        }
        assert!(always.contains(&"alloc") && on_demand.contains(&"gc_pin"));
        // The rest: the constructors are asked for, the panic handler is weak, and the import has its plain name.
        let mut changed: Vec<_> = (before.iter())
            .filter(|old| !after.contains(old))
            .map(|old| old.name.as_str())
            .filter(|name| !always.contains(name) && !on_demand.contains(name))
            .filter(|name| !name.starts_with(PHASE))
            .collect();
        changed.sort_by_key(|name| (*name != START, !name.ends_with(PANIC_HANDLER)));
        assert_eq!(changed.len(), 3, "{changed:?}");
        assert_eq!(changed[0], START);
        assert!(changed[1].ends_with(PANIC_HANDLER));
        assert!(changed[2].contains(DECREF) && after.iter().any(|it| it.name == DECREF));
    }

    #[test]
    fn each_phase_gives_way_to_another_file() {
        let (library, ..) = changed();
        let after = symbols(&library);
        let phases = after.iter().filter(|symbol| symbol.name.starts_with(PHASE));
        let bodies: Vec<_> =
            phases.filter(|it| it.is_defined_function() && it.name.ends_with(REAL)).collect();
        assert!(bodies.len() >= 10, "{bodies:?}");
        let nothing = find(&after, NOTHING);
        for body in bodies {
            let name = body.name.strip_suffix(REAL).unwrap();
            let both: Vec<_> =
                after.iter().filter(|it| it.name == name && it.is_defined_function()).collect();
            let (gives_way, stays): (Vec<&Symbol>, Vec<&Symbol>) =
                both.iter().partition(|symbol| ***symbol == weak(symbol));
            assert!(gives_way.len() == 1 && stays.len() == 1, "{name}: {both:?}");
            let mut renamed = nothing.clone();
            renamed.name = name.into();
            assert_eq!(*gives_way[0], weak(&renamed));
        }
    }

    /// The index leads to the members, and has the new names.
    #[test]
    fn the_index_is_right() {
        let (library, always, on_demand) = changed();
        let exports = [always, on_demand].concat();
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
            assert_eq!(for_programs(bytes, &["alloc"], &[]), bytes);
        }
    }
}
