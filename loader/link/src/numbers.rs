//! The plan of numbers: what the numbers of every module become in the merged module.

use crate::module::Module;
use crate::space::{ItemId, Origin, Space};

/// The number in the merged module, for each module, space and number there; none for what is dropped.
#[derive(Default)]
pub(super) struct Numbers {
    spaces: Vec<[Vec<Option<u32>>; 5]>,
    /// For each module, the numbers of its types.
    pub(super) types: Vec<Vec<Option<u32>>>,
    /// For each module, the number of its first element segment and of its first data segment.
    pub(super) elements: Vec<u32>,
    pub(super) data: Vec<u32>,
}

impl Numbers {
    /// Numbers all things but types: imports first, then each module's own in the order of the modules.
    ///
    /// `origins` has an entry for each import of each module; an import may come only from a module before its own,
    /// but for the runtime's.
    pub(super) fn new(
        modules: &[Module<'_>],
        origins: &[Vec<Origin>],
        live: impl Fn(Space, ItemId) -> bool,
    ) -> Self {
        let mut numbers =
            Self { spaces: vec![Default::default(); modules.len()], ..Self::default() };
        let mut next = [0; 5];
        let mut take = |space: Space| {
            let number = next[space as usize];
            next[space as usize] += 1;
            number
        };
        for (at, module) in modules.iter().enumerate() {
            for (import, origin) in module.imports.iter().zip(&origins[at]) {
                let space = Space::of_import(&import.ty);
                let index = numbers.count(space, at);
                let kept = *origin == Origin::Host && live(space, (at, index));
                numbers.spaces[at][space as usize].push(kept.then(|| take(space)));
            }
        }
        for (at, module) in modules.iter().enumerate() {
            numbers.link(at, module, &origins[at]);
            for space in Space::ALL {
                for _ in 0..module.defined(space) {
                    let kept = live(space, (at, numbers.count(space, at)));
                    numbers.spaces[at][space as usize].push(kept.then(|| take(space)));
                }
            }
            numbers.elements.push(sum(&modules[..at], |module| module.elements.len()));
            numbers.data.push(sum(&modules[..at], |module| module.data.len()));
        }
        if let (Some(runtime), Some(origins)) = (modules.first(), origins.first()) {
            // It comes first, and what it notifies may be in any module.
            numbers.link(0, runtime, origins);
        }
        numbers
    }

    /// Gives imports that are linked the number of what they mean.
    fn link(&mut self, at: usize, module: &Module<'_>, origins: &[Origin]) {
        let mut seen = [0; 5];
        for (import, origin) in module.imports.iter().zip(origins) {
            let space = Space::of_import(&import.ty);
            let index: usize = seen[space as usize];
            seen[space as usize] += 1;
            if let Origin::Linked(module, target) = *origin {
                self.spaces[at][space as usize][index] = self.get(space, (module, target));
            }
        }
    }

    fn count(&self, space: Space, at: usize) -> u32 {
        u32::try_from(self.spaces[at][space as usize].len()).unwrap_or(u32::MAX)
    }

    /// The number of a thing in the merged module.
    pub(super) fn get(&self, space: Space, (at, index): ItemId) -> Option<u32> {
        self.spaces[at][space as usize].get(index as usize).copied().flatten()
    }
}

fn sum(modules: &[Module<'_>], count: impl Fn(&Module<'_>) -> usize) -> u32 {
    u32::try_from(modules.iter().map(count).sum::<usize>()).unwrap_or(u32::MAX)
}
