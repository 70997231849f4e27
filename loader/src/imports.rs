//! Whether a program's imports can be had, and if not, what is wrong with each of them.

use std::fmt::Write;

use wasmtime::{AsContextMut, ExternType, FuncType, GlobalType, Linker, MemoryType, Module};

use crate::host::{self, HostState};
use crate::report::shown;

/// More faults than this are counted, not listed.
pub(crate) const LISTED: usize = 10;

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
            has_runtime || (import.module(), import.name()) != (host::MODULE, host::DECREF)
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

/// Why nothing could be allocated in a memory with this maximum, if that is so: `needed` pages are there from the start.
pub(crate) fn no_room(maximum: Option<u64>, needed: u64) -> Option<String> {
    let maximum = maximum.filter(|maximum| *maximum <= needed)?;
    Some(format!(
        "it imports the memory with at most {maximum} pages, but {needed} are needed before any object is allocated, and \
         the heap takes only pages that memory grows by; leave the maximum out, or raise it"
    ))
}

/// One error of many faults, and `more` that are not in words; none is none.
pub(crate) fn listed(faults: &[String], more: usize) -> Result<(), String> {
    match faults {
        [] => Ok(()),
        [fault] => Err(fault.clone()),
        many => {
            let mut text = format!("{} of its imports cannot be had:", many.len() + more);
            for fault in many.iter().take(LISTED) {
                let _ = write!(text, "\n  {fault}");
            }
            let more = more + many.len().saturating_sub(LISTED);
            if more > 0 {
                let _ = write!(text, "\n  ... and {more} more");
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
        "runtime" => "the runtime".to_owned(),
        host::MODULE => "the host".to_owned(),
        _ => format!("module `{module_shown}`"),
    };
    let hint = if (module, name) == (host::MODULE, host::DECREF) {
        " to programs; if the runtime is linked into it, export what a host needs: @rootstock-exports.rsp".to_owned()
    } else {
        choice(name, &names)
    };
    format!("it imports {module_shown}.{name_shown}, which {whose} does not export{hint}")
}

/// Lists of more names than this help nobody.
const LISTED_NAMES: usize = 40;

/// Names, and how many more there are than are shown.
pub(crate) fn list(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(LISTED_NAMES).map(|name| shown(name)).collect();
    match names.len().checked_sub(LISTED_NAMES) {
        None | Some(0) => first.join(", "),
        Some(more) => format!("{}, ... and {more} more", first.join(", ")),
    }
}

/// "; did you mean ...", or the list of what there is, or nothing.
pub(crate) fn choice(name: &str, offered: &[String]) -> String {
    /// Names that are further apart are not meant.
    const CLOSE: f64 = 0.8;
    /// Names that are longer are not mistyped, and comparing takes time in proportion to the square of their length.
    const LONGEST: usize = 100;
    /// So many are compared.
    const COMPARED: usize = 1000;
    let likely = offered
        .iter()
        .take(COMPARED)
        .filter(|offer| offer.len() <= LONGEST && name.len() <= LONGEST)
        .map(|offer| (strsim::jaro_winkler(name, offer), offer))
        .filter(|&(closeness, _)| closeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match likely {
        Some((_, offer)) => format!("; did you mean `{}`?", shown(offer)),
        None if offered.is_empty() => "; it exports none".to_owned(),
        None if offered.len() <= LISTED_NAMES => format!("; there are: {}", list(offered)),
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
