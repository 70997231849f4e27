//! Whether a program's imports can be had, and if not, what is wrong with each of them.

use std::fmt::Write;

use wasmtime::{AsContextMut, ExternType, FuncType, GlobalType, Linker, MemoryType, Module};

use crate::host::{self, HostState};

/// More faults than this are counted, not listed.
const LISTED: usize = 10;

/// All that is wrong with a program's imports, in words. With the runtime inside, it may import what the runtime does.
pub(crate) fn check(
    module: &Module,
    linker: &Linker<HostState>,
    mut store: impl AsContextMut<Data = HostState>,
    has_runtime: bool,
) -> Result<(), String> {
    let mut faults = Vec::new();
    for import in module.imports() {
        let wanted = import.ty();
        let found = linker.get(&mut store, import.module(), import.name()).ok();
        let Some(offer) = found.filter(|_| {
            // The runtime's own import: a program that called it would forge a death.
            has_runtime || (import.module(), import.name()) != (host::MODULE, host::DECREF)
        }) else {
            faults.push(missing(import.module(), import.name(), linker, &mut store));
            continue;
        };
        let offered = offer.ty(&store);
        if !fits(&offered, &wanted) {
            faults.push(format!(
                "it imports {}.{} as {}, but that is {}",
                import.module(),
                import.name(),
                describe(&wanted),
                describe(&offered)
            ));
        }
    }
    listed(&faults)
}

/// One error of many faults; none is none.
pub(crate) fn listed(faults: &[String]) -> Result<(), String> {
    match faults {
        [] => Ok(()),
        [fault] => Err(fault.clone()),
        many => {
            let mut text = format!("{} of its imports cannot be had:", many.len());
            for fault in many.iter().take(LISTED) {
                let _ = write!(text, "\n  {fault}");
            }
            if many.len() > LISTED {
                let _ = write!(text, "\n  ... and {} more", many.len() - LISTED);
            }
            Err(text)
        }
    }
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
        if offered_module == module
            && (offered_module, offered_name) != (host::MODULE, host::DECREF)
        {
            names.push(offered_name.to_owned());
        }
    }
    if names.is_empty() {
        modules.sort();
        let all = modules.join("`, `");
        return format!(
            "it imports {module}.{name}, but there is no module `{module}`: there are `{all}`"
        );
    }
    names.sort();
    let whose = match module {
        "runtime" => "the runtime".to_owned(),
        host::MODULE => "the host".to_owned(),
        other => format!("module `{other}`"),
    };
    let hint = if (module, name) == (host::MODULE, host::DECREF) {
        " to programs; if the runtime is linked into it, export what a host needs: @rootstock-exports.rsp".to_owned()
    } else {
        choice(name, &names)
    };
    format!("it imports {module}.{name}, which {whose} does not export{hint}")
}

/// "; did you mean ...", or the list of what there is, or nothing.
pub(crate) fn choice(name: &str, offered: &[String]) -> String {
    /// Names that are further apart are not meant.
    const CLOSE: f64 = 0.8;
    let likely = offered
        .iter()
        .map(|offer| (strsim::jaro_winkler(name, offer), offer))
        .filter(|&(closeness, _)| closeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match likely {
        Some((_, offer)) => format!("; did you mean `{offer}`?"),
        None if offered.is_empty() => "; it exports none".to_owned(),
        None if offered.len() <= 40 => format!("; there are: {}", offered.join(", ")),
        None => String::new(),
    }
}

/// Whether the offer is at least what is wanted, by the rules of linking.
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
pub(crate) fn signature(ty: &FuncType) -> String {
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
