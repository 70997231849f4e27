//! Numbers of types in the merged module.

use std::collections::HashMap;

use crate::module::{Module, plain_function};

/// Types that the merged module has beside those of the programs.
pub(super) struct RuntimeTypes {
    /// The runtime's, by their numbers there.
    pub(super) added: Vec<u32>,
    /// The number of types in all.
    pub(super) count: u32,
}

/// Numbers the types: the programs' as they are, one module behind the other, then what the runtime uses and none of
/// them has.
pub(super) fn number(
    modules: &[Module<'_>],
    used: &[bool],
) -> (Vec<Vec<Option<u32>>>, RuntimeTypes) {
    let mut numbers = vec![Vec::new(); modules.len()];
    let mut count = 0;
    let mut known = HashMap::new();
    for (at, module) in modules.iter().enumerate().skip(1) {
        for (ty, alone) in module.sub_types() {
            numbers[at].push(Some(count));
            if let Some(function) = plain_function(ty).filter(|_| alone) {
                known.entry(function).or_insert(count);
            }
            count += 1;
        }
    }
    let mut added = Vec::new();
    for (index, (ty, _)) in (0..).zip(modules[0].sub_types()) {
        if !used[index as usize] {
            numbers[0].push(None);
            continue;
        }
        let mut add = || {
            added.push(index);
            count += 1;
            count - 1
        };
        numbers[0].push(Some(match plain_function(ty) {
            Some(function) => *known.entry(function).or_insert_with(add),
            None => add(),
        }));
    }
    (numbers, RuntimeTypes { added, count })
}
