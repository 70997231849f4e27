//! Debug information of the linked module.

use rootstock_program::address::AddressMap;
use rootstock_program::dwarf;

use crate::module::Module;
use crate::remap::Plan;
use crate::space::Space;

/// Tells whether a module has debug information of its own.
pub(super) fn is_there(module: &Module<'_>) -> bool {
    module.custom(".debug_info").is_some()
}

/// Debug information that cannot be rewritten is dropped: wrong lines are worse than none.
pub(super) fn add(
    plan: &Plan<'_>,
    addresses: &[AddressMap],
    module: &mut wasm_encoder::Module,
    warnings: &mut Vec<String>,
) {
    let parts: Vec<_> = (0..plan.modules.len())
        .map(|at| {
            let module = &plan.modules[at];
            let global = move |index| plan.numbers.get(Space::Global, (at, index));
            (module, move |name: &str| module.custom(name).map(|custom| custom.data), global)
        })
        .collect();
    let programs = parts.iter().zip(addresses).skip(1);
    let moved: Vec<dwarf::Moved<'_>> = programs
        .filter(|((module, ..), _)| is_there(module))
        .map(|((module, section, global), addresses)| dwarf::Moved {
            file: &module.file,
            section,
            addresses,
            global,
        })
        .collect();
    match dwarf::convert(&moved) {
        Ok(sections) => {
            for section in &sections {
                module.section(section);
            }
        }
        Err(error) => warnings
            .push(format!("debug information is dropped, as it cannot be rewritten: {error}")),
    }
}
