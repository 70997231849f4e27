//! The origin of each import, and the faults of those that cannot be satisfied.

use std::collections::HashMap;
use std::fmt::Write;

use rootstock_built::names::{DECREF, HOST};
use rootstock_program::{InputError, text};
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{Export, FuncType, Import, MemoryType};

use crate::module::Module;
use crate::space::Origin;

/// Looks up the imports of module `at` in the modules before it. What none of them is called stays an import.
pub(super) fn imports(modules: &[Module<'_>], at: usize) -> Result<Vec<Origin>, InputError> {
    let module = &modules[at];
    let before: HashMap<&str, usize> =
        modules[..at].iter().enumerate().map(|(at, other)| (other.name.as_str(), at)).collect();
    let mut faults = Vec::new();
    let mut more = 0;
    let mut origins = Vec::new();
    for import in &module.imports {
        let from = before.get(import.module).copied();
        match origin(modules, at, import, from) {
            Ok(origin) => origins.push(origin),
            // Words for a fault take time, and there may be a hundred thousand.
            Err(fault) if faults.len() < text::LISTED => faults.push(fault.words(modules, at)),
            Err(_) => more += 1,
        }
    }
    text::listed(&faults, more).map_err(|cause| InputError::new(&module.file, cause))?;
    Ok(origins)
}

/// The fault of an import.
enum Fault<'i, 'a> {
    /// A program that called it would forge a death.
    Forged(&'i Import<'a>),
    HostMemory(&'i Import<'a>),
    /// The module with this number does not export it.
    Missing(&'i Import<'a>, usize),
    /// That module exports it with another type.
    Type(&'i Import<'a>, usize, EntityType, EntityType),
}

/// The origin of an import; `from` is the module of this link that it names.
fn origin<'i, 'a>(
    modules: &[Module<'_>],
    at: usize,
    import: &'i Import<'a>,
    from: Option<usize>,
) -> Result<Origin, Fault<'i, 'a>> {
    let wanted = modules[at].import_type(import);
    if at > 0 && (import.module, import.name) == (HOST, DECREF) {
        return Err(Fault::Forged(import));
    }
    let Some(from) = from else {
        if let Some(EntityType::Memory(_)) = wanted {
            return Err(Fault::HostMemory(import));
        }
        return Ok(Origin::Host);
    };
    let source = &modules[from];
    let Some(export) = source.export(import.name) else {
        return Err(Fault::Missing(import, from));
    };
    if let (Some(offered), Some(wanted)) = (source.export_type(export), wanted)
        && !fits((offered, source.entities()), (wanted, modules[at].entities()))
    {
        return Err(Fault::Type(import, from, offered, wanted));
    }
    Ok(Origin::Linked(from, export.index))
}

impl Fault<'_, '_> {
    fn words(&self, modules: &[Module<'_>], at: usize) -> String {
        let (Self::Forged(import)
        | Self::HostMemory(import)
        | Self::Missing(import, _)
        | Self::Type(import, ..)) = self;
        let what = format!("{}.{}", import.module, import.name);
        match *self {
            Self::Forged(_) => format!("it imports {what}, which is for the runtime alone"),
            Self::HostMemory(_) => format!(
                "it imports a memory of the host, {what}: a linked program has one memory, the runtime's; import it \
                 with (import \"runtime\" \"memory\" (memory 1))"
            ),
            Self::Missing(_, from) => {
                let source = &modules[from];
                let whose = if from == 0 { "the runtime" } else { &source.file };
                let mut names: Vec<String> =
                    source.exports.iter().map(|export| export.name.to_owned()).collect();
                names.sort();
                let choice = text::choice(import.name, &names);
                format!("it imports {what}, which {whose} does not export{choice}")
            }
            Self::Type(_, from, offered, wanted) => format!(
                "it imports {what} as {}, but that is {}",
                describe(wanted, modules[at].entities()),
                describe(offered, modules[from].entities())
            ),
        }
    }
}

/// Compares the type of an export with that of an import of another module; an error is both in words.
pub(super) fn check(
    (source, export): (&Module<'_>, &Export<'_>),
    (module, import): (&Module<'_>, &Import<'_>),
) -> Result<(), (String, String)> {
    let (offered, wanted) = (source.export_type(export), module.import_type(import));
    match (offered, wanted) {
        (Some(offered), Some(wanted))
            if !fits((offered, source.entities()), (wanted, module.entities())) =>
        {
            Err((describe(offered, source.entities()), describe(wanted, module.entities())))
        }
        _ => Ok(()),
    }
}

/// Tells whether the offer is what is wanted. Limits of memories are no matter: the merged memory is made to fit.
fn fits(
    (offered, offerer): (EntityType, TypesRef<'_>),
    (wanted, wanter): (EntityType, TypesRef<'_>),
) -> bool {
    match (offered, wanted) {
        (
            EntityType::Func(a) | EntityType::FuncExact(a),
            EntityType::Func(b) | EntityType::FuncExact(b),
        )
        | (EntityType::Tag(a), EntityType::Tag(b)) => {
            match (offerer[a].composite_type.inner.clone(), wanter[b].composite_type.inner.clone())
            {
                (
                    wasmparser::CompositeInnerType::Func(offered),
                    wasmparser::CompositeInnerType::Func(wanted),
                ) => signatures_fit(&offered, &wanted),
                _ => false,
            }
        }
        (EntityType::Global(a), EntityType::Global(b)) => {
            a.mutable == b.mutable && values_fit(a.content_type, b.content_type)
        }
        (EntityType::Memory(a), EntityType::Memory(b)) => {
            (a.memory64, a.shared, a.page_size_log2) == (b.memory64, b.shared, b.page_size_log2)
        }
        (EntityType::Table(a), EntityType::Table(b)) => {
            a.initial >= b.initial && a.table64 == b.table64
        }
        _ => false,
    }
}

fn signatures_fit(a: &FuncType, b: &FuncType) -> bool {
    let same = |a: &[wasmparser::ValType], b: &[wasmparser::ValType]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| values_fit(*a, *b))
    };
    same(a.params(), b.params()) && same(a.results(), b.results())
}

/// References to types have numbers of their module; validation of the merged module compares those.
fn values_fit(a: wasmparser::ValType, b: wasmparser::ValType) -> bool {
    a == b || (a.is_reference_type() && b.is_reference_type())
}

/// A type as the text format writes it.
fn describe(ty: EntityType, types: TypesRef<'_>) -> String {
    match ty {
        EntityType::Func(id) | EntityType::FuncExact(id) => match &types[id].composite_type.inner {
            wasmparser::CompositeInnerType::Func(ty) => signature(ty),
            _ => "a function".to_owned(),
        },
        EntityType::Global(ty) if ty.mutable => format!("(global (mut {}))", ty.content_type),
        EntityType::Global(ty) => format!("(global {})", ty.content_type),
        EntityType::Memory(ty) => memory(&ty),
        EntityType::Table(_) => "a table".to_owned(),
        EntityType::Tag(_) => "an exception tag".to_owned(),
    }
}

pub(super) fn signature(ty: &FuncType) -> String {
    let mut text = "(func".to_owned();
    for (word, types) in [("param", ty.params()), ("result", ty.results())] {
        if !types.is_empty() {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            let _ = write!(text, " ({word} {})", types.join(" "));
        }
    }
    text.push(')');
    text
}

fn memory(ty: &MemoryType) -> String {
    let mut text = "(memory".to_owned();
    if ty.memory64 {
        text.push_str(" i64");
    }
    let _ = write!(text, " {}", ty.initial);
    if let Some(maximum) = ty.maximum {
        let _ = write!(text, " {maximum}");
    }
    if ty.shared {
        text.push_str(" shared");
    }
    text.push(')');
    text
}
