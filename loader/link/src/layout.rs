//! The one memory: its size, and that no two modules have data in one place.

use std::ops::Range;

use rootstock_program::{InputError, text};
use wasmparser::{DataKind, MemoryType, TypeRef};

use crate::constant::Constant;
use crate::remap::Plan;
use crate::space::Origin;

const PAGE: u64 = 64 * 1024;
/// Bytes of a 32-bit memory.
const ADDRESS_SPACE: u64 = 1 << 32;

/// An active segment of a program whose place is known before it runs.
struct Region {
    module: usize,
    segment: usize,
    bytes: Range<u64>,
}

impl Region {
    fn describe(&self, plan: &Plan<'_>) -> String {
        format!(
            "data segment {} of {} ({:#x} to {:#x})",
            self.segment, plan.modules[self.module].file, self.bytes.start, self.bytes.end
        )
    }
}

/// The type of the merged memory. Warnings are added to `warnings`.
pub(super) fn memory(
    plan: &Plan<'_>,
    warnings: &mut Vec<String>,
) -> Result<MemoryType, InputError> {
    let runtime = &plan.modules[0];
    let mut memory = *runtime.memories.first().ok_or_else(|| {
        InputError::new(&runtime.file, "not a build of the runtime: it has no memory")
    })?;
    let regions = regions(plan)?;
    overlaps(plan, &regions, warnings)?;
    let mut wanted = memory.initial;
    for region in &regions {
        wanted = wanted.max(region.bytes.end.div_ceil(PAGE));
    }
    let mut bound: Option<(u64, usize)> = None;
    for (at, module) in plan.modules.iter().enumerate() {
        for import in &module.imports {
            if let TypeRef::Memory(ty) = import.ty {
                wanted = wanted.max(ty.initial);
                if let Some(maximum) = ty.maximum
                    && bound.is_none_or(|(least, _)| maximum < least)
                {
                    bound = Some((maximum, at));
                }
            }
        }
    }
    if let Some((maximum, at)) = bound {
        if let Some(cause) = text::no_room(Some(maximum), wanted) {
            return Err(InputError::new(&plan.modules[at].file, cause));
        }
        memory.maximum = Some(memory.maximum.map_or(maximum, |own| own.min(maximum)));
    }
    memory.initial = wanted;
    Ok(memory)
}

/// The places of the programs' active segments, as far as they are known; ascending.
fn regions(plan: &Plan<'_>) -> Result<Vec<Region>, InputError> {
    let program_base = plan.modules[0]
        .export("gc_program_base")
        .and_then(|export| plan.global((0, export.index)))
        .and_then(|place| plan.constants.get(plan, place))
        .and_then(address);
    let mut regions = Vec::new();
    for (module, found) in plan.modules.iter().enumerate().skip(1) {
        for (segment, data) in found.data.iter().enumerate() {
            let DataKind::Active { offset_expr, .. } = &data.kind else { continue };
            let start = plan.constants.evaluate(plan, module, offset_expr);
            let Some(start) = start.as_ref().and_then(address).map(u64::from) else { continue };
            let region = Region { module, segment, bytes: start..start + data.data.len() as u64 };
            if region.bytes.is_empty() {
                continue;
            }
            if let Some(base) = program_base.map(u64::from).filter(|base| start < *base) {
                let cause = format!(
                    "data segment {segment} ({:#x} to {:#x}) overlaps the runtime's own memory, which ends at {base:#x}: \
                     static data start at gc_program_base",
                    region.bytes.start, region.bytes.end
                );
                return Err(InputError::new(&found.file, cause));
            }
            if region.bytes.end > ADDRESS_SPACE {
                let cause = format!("data segment {segment} at {start:#x} ends beyond 4 GiB");
                return Err(InputError::new(&found.file, cause));
            }
            regions.push(region);
        }
    }
    regions.sort_by_key(|region| (region.bytes.start, region.bytes.end));
    Ok(regions)
}

/// An address of the 32-bit memory, where it does not depend on the host.
fn address(constant: &Constant) -> Option<u32> {
    match constant {
        Constant::I32(address) => Some(*address),
        _ => None,
    }
}

/// Two programs must not share bytes. Within one program the later segment wins, as wasm has it, but that is hardly meant.
fn overlaps(
    plan: &Plan<'_>,
    regions: &[Region],
    warnings: &mut Vec<String>,
) -> Result<(), InputError> {
    let mut last: Option<&Region> = None;
    for region in regions {
        if let Some(last) = last.filter(|last| region.bytes.start < last.bytes.end) {
            let cause = format!("{} overlaps {}", region.describe(plan), last.describe(plan));
            if last.module != region.module {
                let cause = format!("{cause}: programs that are linked together share one memory");
                return Err(InputError::new(&plan.modules[region.module].file, cause));
            }
            warnings.push(format!("{cause}; the later one wins"));
        }
        if last.is_none_or(|last| region.bytes.end > last.bytes.end) {
            last = Some(region);
        }
    }
    Ok(())
}

/// A program that has a memory beside the runtime's cannot be merged: engines of the age that the runtime runs in have one.
pub(super) fn one_memory(plan: &Plan<'_>) -> Result<(), InputError> {
    for (module, origins) in plan.modules.iter().zip(&plan.origins).skip(1) {
        if module.memories.is_empty() {
            continue;
        }
        let uses_runtime = origins.iter().any(|origin| matches!(origin, Origin::Linked(0, _)));
        let cause = if uses_runtime {
            "it has a memory beside the runtime's: a linked program has one memory, the runtime's"
        } else {
            "it imports nothing from module `runtime` and has a memory of its own: there is nothing to link"
        };
        return Err(InputError::new(&module.file, cause));
    }
    Ok(())
}
