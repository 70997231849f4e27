//! Phases on demand: parts of a collection that are replaced by "nothing to do" where no program needs them.
//!
//! A section of the runtime has a line for each group of phases: the names under which their functions are exported, a
//! colon, and the exports of the ABI that need them. Where a link uses none of these, the bodies become `i32.const 0`,
//! and all that only the phases call is not reached. A runtime without the section, or with a line that does not fit, keeps its
//! phases: that is larger, never wrong.

use std::collections::BTreeSet;

use rootstock_built::names::{PHASES_SECTION, phase_groups};
use wasm_encoder::{Function, Instruction};
use wasmparser::{ExternalKind, ValType};

use crate::module::{Module, plain_function};
use crate::space::Space;

/// The functions of the runtime, by number, whose phase nothing among `used` needs.
pub(super) fn unneeded(runtime: &Module<'_>, used: &[(Space, u32)]) -> BTreeSet<u32> {
    let Some(section) = runtime.custom(PHASES_SECTION) else { return BTreeSet::new() };
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
    let unneeded = phase_groups(&text).filter_map(|(phases, exports)| {
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
