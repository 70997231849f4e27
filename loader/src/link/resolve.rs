//! Where each import comes from, and what is wrong with those that cannot be had.

use std::fmt::Write;

use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{FuncType, Import, MemoryType};

use super::module::Module;
use super::space::Origin;
use crate::error::InputError;
use crate::{host, imports};

/// The module that the runtime's exports are imported from.
pub(super) const RUNTIME: &str = "runtime";

/// Looks up the imports of module `at` in the modules before it. What none of them is called stays an import.
pub(super) fn imports(modules: &[Module<'_>], at: usize) -> Result<Vec<Origin>, InputError> {
    let module = &modules[at];
    let mut faults = Vec::new();
    let mut origins = Vec::new();
    for import in &module.imports {
        match origin(modules, at, import) {
            Ok(origin) => origins.push(origin),
            Err(fault) => faults.push(fault),
        }
    }
    imports::listed(&faults, 0).map_err(|cause| InputError::new(&module.file, cause))?;
    Ok(origins)
}

fn origin(modules: &[Module<'_>], at: usize, import: &Import<'_>) -> Result<Origin, String> {
    let wanted = modules[at].import_type(import);
    let what = format!("{}.{}", import.module, import.name);
    if at > 0 && (import.module, import.name) == (host::MODULE, host::DECREF) {
        // As in `loader run`: a program that called it would forge a death.
        return Err(format!("it imports {what}, which is for the runtime alone"));
    }
    let Some(from) = modules[..at].iter().position(|other| other.name == import.module) else {
        if let Some(EntityType::Memory(_)) = wanted {
            return Err(format!(
                "it imports a memory of the host, {what}: a linked program has one memory, the runtime's; import it \
                 with (import \"runtime\" \"memory\" (memory 1))"
            ));
        }
        return Ok(Origin::Host);
    };
    let source = &modules[from];
    let Some(export) = source.export(import.name) else {
        let whose = if from == 0 { "the runtime" } else { &source.file };
        let mut names: Vec<String> =
            source.exports.iter().map(|export| export.name.to_owned()).collect();
        names.sort();
        let choice = imports::choice(import.name, &names);
        return Err(format!("it imports {what}, which {whose} does not export{choice}"));
    };
    let offered = source.export_type(export);
    if let (Some(offered), Some(wanted)) = (offered, wanted)
        && !fits((offered, source.entities()), (wanted, modules[at].entities()))
    {
        return Err(format!(
            "it imports {what} as {}, but that is {}",
            describe(wanted, modules[at].entities()),
            describe(offered, source.entities())
        ));
    }
    Ok(Origin::Linked(from, export.index))
}

/// Whether the offer is what is wanted. Limits of memories are no matter: the merged memory is made to fit.
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
