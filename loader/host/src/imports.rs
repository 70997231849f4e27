//! The check of a program's imports: each that cannot be satisfied, with its fault.

use std::fmt::Write;

use rootstock_built::names::{DECREF, HOST, RUNTIME};
use rootstock_program::text::{LISTED, choice, listed, no_room, shown};
use wasmtime::{AsContextMut, ExternType, FuncType, GlobalType, Linker, MemoryType, Module};

use crate::state::HostState;

/// All that is wrong with a program's imports, in words. With the runtime inside, it may import what the runtime does.
pub(crate) fn check(
    module: &Module,
    linker: &Linker<HostState>,
    mut store: impl AsContextMut<Data = HostState>,
    has_runtime: bool,
) -> Result<(), String> {
    let mut faults = Vec::new();
    let mut more = 0;
    for import in module.imports() {
        let wanted = import.ty();
        let found = linker.get(&mut store, import.module(), import.name()).ok();
        // Words for a fault take time, and there may be a hundred thousand.
        let worded = faults.len() < LISTED;
        let Some(offer) = found.filter(|_| {
            // The runtime's own import: a program that called it would forge a death.
            has_runtime || (import.module(), import.name()) != (HOST, DECREF)
        }) else {
            if worded {
                faults.push(missing(import.module(), import.name(), linker, &mut store));
            } else {
                more += 1;
            }
            continue;
        };
        let offered = offer.ty(&store);
        if fits(&offered, &wanted) {
            continue;
        }
        if worded
            && let (ExternType::Memory(offered), ExternType::Memory(wanted)) = (&offered, &wanted)
            && let Some(fault) = no_room(wanted.maximum(), offered.minimum().max(wanted.minimum()))
        {
            faults.push(fault);
        } else if worded {
            faults.push(format!(
                "it imports {}.{} as {}, but that is {}",
                shown(import.module()),
                shown(import.name()),
                describe(&wanted),
                describe(&offered)
            ));
        } else {
            more += 1;
        }
    }
    listed(&faults, more)
}

fn missing(
    module: &str,
    name: &str,
    linker: &Linker<HostState>,
    mut store: impl AsContextMut<Data = HostState>,
) -> String {
    let mut modules: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (offered_module, offered_name, _) in linker.iter(&mut store) {
        if !modules.iter().any(|known| known == offered_module) {
            modules.push(offered_module.to_owned());
        }
        if offered_module == module && (offered_module, offered_name) != (HOST, DECREF) {
            names.push(offered_name.to_owned());
        }
    }
    let (module_shown, name_shown) = (shown(module), shown(name));
    if names.is_empty() {
        modules.sort();
        let all = modules.join("`, `");
        return format!(
            "it imports {module_shown}.{name_shown}, but there is no module `{module_shown}`: there are `{all}`"
        );
    }
    names.sort();
    let whose = match module {
        RUNTIME => "the runtime".to_owned(),
        HOST => "the host".to_owned(),
        _ => format!("module `{module_shown}`"),
    };
    let hint = if (module, name) == (HOST, DECREF) {
        " to programs; if the runtime is linked into it, export what a host needs: @rootstock-exports.rsp".to_owned()
    } else {
        choice(name, &names)
    };
    format!("it imports {module_shown}.{name_shown}, which {whose} does not export{hint}")
}

/// Tells whether the offer is at least what is wanted, by the rules of linking.
fn fits(offered: &ExternType, wanted: &ExternType) -> bool {
    match (offered, wanted) {
        (ExternType::Func(offered), ExternType::Func(wanted)) => offered.matches(wanted),
        (ExternType::Global(offered), ExternType::Global(wanted)) => {
            offered.mutability() == wanted.mutability()
                && offered.content().matches(wanted.content())
        }
        (ExternType::Memory(offered), ExternType::Memory(wanted)) => memory_fits(offered, wanted),
        // Programs share tables among each other only; the engine compares those.
        (ExternType::Table(_), ExternType::Table(_)) | (ExternType::Tag(_), ExternType::Tag(_)) => {
            true
        }
        _ => false,
    }
}

fn memory_fits(offered: &MemoryType, wanted: &MemoryType) -> bool {
    let bounded = match (offered.maximum(), wanted.maximum()) {
        (_, None) => true,
        (Some(offered), Some(wanted)) => offered <= wanted,
        (None, Some(_)) => false,
    };
    bounded
        && offered.minimum() >= wanted.minimum()
        && offered.is_64() == wanted.is_64()
        && offered.is_shared() == wanted.is_shared()
        && offered.page_size() == wanted.page_size()
}

/// A type as the text format writes it.
pub(crate) fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(ty) => signature(ty),
        ExternType::Global(ty) => global(ty),
        ExternType::Memory(ty) => memory(ty),
        ExternType::Table(_) => "a table".to_owned(),
        ExternType::Tag(_) => "an exception tag".to_owned(),
    }
}

/// A function's type as the text format writes it.
pub fn signature(ty: &FuncType) -> String {
    let mut text = "(func".to_owned();
    for (word, types) in [
        ("param", ty.params().map(|ty| ty.to_string()).collect::<Vec<_>>()),
        ("result", ty.results().map(|ty| ty.to_string()).collect()),
    ] {
        if !types.is_empty() {
            let _ = write!(text, " ({word} {})", types.join(" "));
        }
    }
    text.push(')');
    text
}

fn global(ty: &GlobalType) -> String {
    if ty.mutability().is_var() {
        format!("(global (mut {}))", ty.content())
    } else {
        format!("(global {})", ty.content())
    }
}

fn memory(ty: &MemoryType) -> String {
    let mut text = "(memory".to_owned();
    if ty.is_64() {
        text.push_str(" i64");
    }
    let _ = write!(text, " {}", ty.minimum());
    if let Some(maximum) = ty.maximum() {
        let _ = write!(text, " {maximum}");
    }
    if ty.is_shared() {
        text.push_str(" shared");
    }
    text.push(')');
    text
}
