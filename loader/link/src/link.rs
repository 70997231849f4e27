//! The link itself: what is decided before anything is written, and the order in which it is written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rootstock_built::RUNTIME_WASM;
use rootstock_built::names::{AFTER_A_TRAP, MARKER_SECTION, MEMORY, RUNTIME};
use rootstock_program::{Decref, Error, InputError, Marker, Program};
use wasm_encoder::CustomSection;
use wasm_encoder::reencode;
use wasmparser::{Operator, Validator};

use crate::LINKER;
use crate::constant::Constants;
use crate::linker::{LinkOutput, LinkReport, Linker};
use crate::merge::{Exported, Merged};
use crate::module::Module;
use crate::numbers::Numbers;
use crate::reach::Reached;
use crate::remap::Plan;
use crate::space::{Origin, Space};
use crate::types::{self, RuntimeTypes};
use crate::{custom, debug, decref, layout, merge, names, phases, resolve};

/// The prefix of their names if the others are not exported.
const OWN_PREFIX: &str = "rootstock.";

impl Linker<'_> {
    /// Links a program. Equal inputs give equal bytes.
    ///
    /// # Errors
    ///
    /// If an input is no module that can be linked, imports what nobody exports, or was compiled for another version of
    /// the ABI. The error names the file.
    pub fn link(&self, program: &Program) -> Result<LinkOutput, Error> {
        link(program, self)
    }
}

/// Links a program as the linker says.
fn link(program: &Program, linker: &Linker<'_>) -> Result<LinkOutput, Error> {
    for input in linker.libraries.iter().map(|(_, library)| *library).chain([program]) {
        input.check_abi()?;
    }
    let modules = read(program, linker)?;
    let wanted = runtime_exports(&modules[0], linker);
    let Planned { plan, reached, types } = plan(modules, &wanted, &linker.decref)?;
    layout::one_memory(&plan)?;
    let mut warnings = Vec::new();
    if !plan.origins.iter().flatten().any(|origin| matches!(origin, Origin::Linked(0, _))) {
        warnings.push(format!(
            "{}: it imports nothing from module `runtime`, so the output has no use for it",
            program.name()
        ));
    }
    let memory = layout::memory(&plan, &mut warnings)?;
    let exports = exports(&plan, wanted, program)?;
    let merged = merge::merge(&plan, &types, memory, &exports, &reached)
        .map_err(|error| refused(program.name(), error))?;

    let report =
        LinkReport { kept: merged.runtime_functions.len(), of: plan.modules[0].functions.len() };
    let has_debug_info = !linker.strip && plan.modules[1..].iter().any(debug::is_there);
    let wasm = finish(&plan, merged, linker, &mut warnings);
    validate(program, &wasm)?;
    Ok(LinkOutput { wasm, warnings, report, has_debug_info })
}

/// Everything that is decided before anything is written.
struct Planned<'a> {
    plan: Plan<'a>,
    /// The parts of the runtime that are kept.
    reached: Reached,
    types: RuntimeTypes,
}

/// Decides where imports come from, what of the runtime is kept, and what number everything has.
fn plan<'a>(
    mut modules: Vec<Module<'a>>,
    wanted: &[Exported],
    decref: &'a Decref,
) -> Result<Planned<'a>, InputError> {
    let mut origins: Vec<Vec<Origin>> = Vec::new();
    for at in 0..modules.len() {
        origins.push(resolve::imports(&modules, at)?);
    }
    decref::bind(decref, &modules, &mut origins)?;
    let linked = origins.iter().zip(&modules).flat_map(|(origins, module)| {
        module.imports.iter().zip(origins).filter_map(|(import, origin)| match origin {
            Origin::Linked(0, index) => Some((Space::of_import(&import.ty), *index)),
            _ => None,
        })
    });
    let roots: Vec<_> =
        linked.chain(wanted.iter().map(|export| (export.space, export.index))).collect();
    let emptied = phases::unneeded(&modules[0], &roots);
    let reached = Reached::from(&modules[0], roots, emptied)
        .map_err(|error| refused(&modules[0].file, error))?;
    let mut tables = (0..).zip(&modules[0].tables);
    if !tables.any(|(table, _)| reached.is_live(Space::Table, table)) {
        modules[0].elements.clear();
    }
    let live = |space, (at, index)| at > 0 || reached.is_live(space, index);
    let mut numbers = Numbers::new(&modules, &origins, live);
    let (numbered, types) = types::number(&modules, &reached.types);
    numbers.types = numbered;
    let mut plan = Plan { modules, origins, numbers, constants: Constants::default(), decref };
    plan.constants = Constants::of(&plan);
    Ok(Planned { plan, reached, types })
}

/// The runtime, the libraries, the program.
fn read<'a>(program: &'a Program, linker: &'a Linker<'_>) -> Result<Vec<Module<'a>>, InputError> {
    let (file, wasm) = match linker.runtime {
        Some(runtime) => (runtime.name(), runtime.wasm()),
        None => ("the runtime", RUNTIME_WASM),
    };
    let runtime = Module::read(file, RUNTIME, wasm)?;
    check_runtime(&runtime)?;
    let mut modules = vec![runtime];
    for (name, library) in &linker.libraries {
        if let Some(other) = modules.iter().find(|other| other.name == *name) {
            let cause = format!(
                "{} has the module name `{name}` already; give another with NAME=FILE",
                other.file
            );
            return Err(InputError::new(library.name(), cause));
        }
        modules.push(Module::read(library.name(), name, library.wasm())?);
    }
    modules.push(Module::read(program.name(), "", program.wasm())?);
    for module in &modules[1..] {
        if module.custom(MARKER_SECTION).is_some() {
            return Err(InputError::new(&module.file, "it is linked with the runtime already"));
        }
        if module.custom("dylink.0").is_some() {
            return Err(InputError::new(
                &module.file,
                "a shared library for dynamic linking, not a program",
            ));
        }
    }
    Ok(modules)
}

/// The version is a constant, so it can be seen without running anything.
fn check_runtime(runtime: &Module<'_>) -> Result<(), InputError> {
    let not_one = |cause: &str| {
        InputError::new(&runtime.file, format!("not a build of the runtime: {cause}"))
    };
    let version = runtime
        .export("gc_abi_version")
        .ok_or_else(|| not_one("it does not export gc_abi_version"))?;
    let body = version.index.checked_sub(runtime.imported(Space::Function));
    let body = body.and_then(|at| runtime.bodies.get(at as usize));
    let first = body.and_then(|body| body.get_operators_reader().ok()?.read().ok());
    match first {
        Some(Operator::I32Const { value }) if value.cast_unsigned() == runtime::ABI_VERSION => {}
        Some(Operator::I32Const { value }) => {
            return Err(not_one(&format!(
                "it has version {value} of the ABI; this build of Rootstock speaks version {}",
                runtime::ABI_VERSION
            )));
        }
        _ => return Err(not_one("its gc_abi_version is not a constant")),
    }
    for name in AFTER_A_TRAP.into_iter().chain([MEMORY]) {
        runtime.export(name).ok_or_else(|| not_one(&format!("it does not export {name}")))?;
    }
    Ok(())
}

/// The runtime's exports that the output has, by the runtime's numbers.
fn runtime_exports(runtime: &Module<'_>, linker: &Linker<'_>) -> Vec<Exported> {
    let prefix = linker.prefix.as_deref().unwrap_or(OWN_PREFIX);
    // What begins with underscores is the linker's, and no part of the ABI.
    let of_the_abi = runtime.exports.iter().filter(|export| !export.name.starts_with("__"));
    let mut exports = Vec::new();
    for export in of_the_abi {
        let exported = |name: String| Exported {
            name,
            space: Space::of_export(export.kind),
            index: export.index,
        };
        if export.name == MEMORY {
            exports.push(exported(MEMORY.to_owned()));
        }
        if linker.prefix.is_some() || AFTER_A_TRAP.contains(&export.name) {
            exports.push(exported(format!("{prefix}{}", export.name)));
        }
    }
    exports
}

/// All exports, by the numbers of the merged module: the program's, then the runtime's.
fn exports(
    plan: &Plan<'_>,
    runtime: Vec<Exported>,
    program: &Program,
) -> Result<Vec<Exported>, InputError> {
    let last = plan.modules.len() - 1;
    let own = plan.modules[last].exports.iter().map(|export| {
        let space = Space::of_export(export.kind);
        (export.name.to_owned(), space, (last, export.index))
    });
    let all =
        own.chain(runtime.into_iter().map(|export| (export.name, export.space, (0, export.index))));
    let mut known: BTreeMap<String, (Space, u32)> = BTreeMap::new();
    let mut exports = Vec::new();
    for (name, space, place) in all {
        let Some(index) = plan.numbers.get(space, place) else { continue };
        match known.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert((space, index));
                exports.push(Exported { name, space, index });
            }
            // The program exports the runtime's own under the same name, or has a `memory` that it means more.
            Entry::Occupied(entry) if *entry.get() == (space, index) || name == MEMORY => {}
            Entry::Occupied(_) => {
                let cause = format!(
                    "it exports `{name}` itself, which is the name of an export of the runtime; keep them apart with \
                     --prefix"
                );
                return Err(InputError::new(program.name(), cause));
            }
        }
    }
    Ok(exports)
}

/// Adds the custom sections.
fn finish(
    plan: &Plan<'_>,
    merged: Merged,
    linker: &Linker<'_>,
    warnings: &mut Vec<String>,
) -> Vec<u8> {
    let Merged { mut module, addresses, runtime_functions } = merged;
    for section in custom::kept(&plan.modules, warnings) {
        module.section(&section);
    }
    if !linker.strip {
        debug::add(plan, &addresses, &mut module, warnings);
        if let Some(names) = names::merge(plan, warnings) {
            module.section(&names);
        }
    }
    module.section(&custom::producers(&plan.modules));
    if let Some(features) = custom::target_features(&plan.modules) {
        module.section(&features);
    }
    let marker = Marker {
        abi: runtime::ABI_VERSION,
        prefix: linker.prefix.clone().unwrap_or_else(|| OWN_PREFIX.to_owned()),
        complete: linker.prefix.is_some(),
        functions: Some(runtime_functions),
        decref: linker.decref.clone(),
    };
    module.section(&CustomSection { name: MARKER_SECTION.into(), data: marker.encode().into() });
    module.finish()
}

fn validate(program: &Program, wasm: &[u8]) -> Result<(), InputError> {
    let valid = Validator::new_with_features(LINKER).validate_all(wasm);
    valid.map(drop).map_err(|error| {
        InputError::new(
            program.name(),
            format!("cannot be linked: the result is not valid: {error}"),
        )
    })
}

fn refused<E: std::fmt::Display>(file: &str, error: reencode::Error<E>) -> InputError {
    match error {
        reencode::Error::ParseError(error) => {
            InputError::new(file, format!("cannot be linked: {error}"))
        }
        error => InputError::new(file, format!("cannot be linked: {error}")),
    }
}
