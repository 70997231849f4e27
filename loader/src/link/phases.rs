//! Phases on demand: parts of a collection that are replaced by "nothing to do" where no program needs them.
//!
//! A section of the runtime has a line for each group of phases: the names under which their functions are exported, a
//! colon, and the exports of the ABI that need them. Where a link uses none of these, the bodies become `i32.const 0`,
//! and all that only the phases call is not reached. A runtime without the section, or with a line that does not fit, keeps its
//! phases: that is larger, never wrong.

use std::collections::BTreeSet;

use wasm_encoder::{Function, Instruction};
use wasmparser::{ExternalKind, ValType};

use super::module::{Module, plain_function};
use super::space::Space;

/// The name of the section.
pub(crate) const SECTION: &str = "rootstock.phases";

/// The groups of phases that the section's text has: the functions of each, and the exports that need them.
pub(crate) fn groups(
    text: &str,
) -> impl Iterator<Item = (impl Iterator<Item = &str>, impl Iterator<Item = &str>)> {
    let groups = text.lines().filter_map(|line| line.split_once(':'));
    groups.map(|(phases, exports)| (phases.split_whitespace(), exports.split_whitespace()))
}

/// The functions of the runtime, by number, whose phase nothing among `used` needs.
pub(super) fn unneeded(runtime: &Module<'_>, used: &[(Space, u32)]) -> BTreeSet<u32> {
    let Some(section) = runtime.custom(SECTION) else { return BTreeSet::new() };
    let used: BTreeSet<u32> = used
        .iter()
        .filter(|(space, _)| *space == Space::Function)
        .map(|(_, index)| *index)
        .collect();
    let function = |name: &str| {
        let export = runtime.export(name).filter(|export| export.kind == ExternalKind::Func)?;
        Some(export.index)
    };
    let text = String::from_utf8_lossy(section.data);
    let unneeded = groups(&text).filter_map(|(phases, exports)| {
        let needed = exports.filter_map(function).any(|export| used.contains(&export));
        (!needed).then_some(phases)
    });
    unneeded.flatten().filter_map(function).filter(|index| is_phase(runtime, *index)).collect()
}

/// A phase takes the runtime and an argument, and returns a number.
fn is_phase(runtime: &Module<'_>, index: u32) -> bool {
    let ty = runtime.function_type(index).and_then(|ty| runtime.sub_types().nth(ty as usize));
    let function = ty.and_then(|(ty, _)| plain_function(ty));
    index >= runtime.imported(Space::Function)
        && function.is_some_and(|function| {
            function.params() == [ValType::I32, ValType::I32]
                && function.results() == [ValType::I32]
        })
}

/// The body of a phase that is not needed, without its size.
pub(super) fn nothing_to_do() -> Vec<u8> {
    let mut function = Function::new([]);
    function.instruction(&Instruction::I32Const(0)).instruction(&Instruction::End);
    function.into_raw_body()
}
