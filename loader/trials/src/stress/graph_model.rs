//! A model of a heap whose words are all known: what a conservative collection has to keep, exactly.

use std::collections::BTreeMap;

use rootstock_host::Instance;

use super::cx::{Failure, Outcome, check};

/// An object of the model.
pub(super) struct Object {
    /// Bytes of its cell: what `gc_size` says.
    cell: u32,
    /// True if the collector is to look for pointers in it.
    atomic: bool,
    /// The words that were asked for; the rest of a scanned cell is zero.
    words: Vec<u32>,
    /// The handle it stands for.
    handle: Option<u32>,
    marked: bool,
}

impl Object {
    pub(super) fn new(cell: u32, atomic: bool, words: Vec<u32>) -> Self {
        Self { cell, atomic, words, handle: None, marked: false }
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }
}

/// All objects that are allocated, by address: what was dead at the last collection is not among them.
pub(super) struct Model {
    objects: BTreeMap<u32, Object>,
    /// True if any address inside an object keeps it alive, not only its base.
    interior: bool,
}

impl Model {
    pub(super) fn new(interior: bool) -> Self {
        Self { objects: BTreeMap::new(), interior }
    }

    pub(super) fn count(&self) -> i64 {
        self.objects.len() as i64
    }

    /// Bytes of all cells.
    pub(super) fn bytes(&self) -> i64 {
        self.objects.values().map(|object| i64::from(object.cell)).sum()
    }

    pub(super) fn contains(&self, base: u32) -> bool {
        self.objects.contains_key(&base)
    }

    pub(super) fn get(&self, base: u32) -> Option<&Object> {
        self.objects.get(&base)
    }

    /// Adds a fresh object, which must not overlap another.
    pub(super) fn insert(&mut self, base: u32, object: Object) -> Outcome<()> {
        let end = u64::from(base) + u64::from(object.cell);
        let needed = object.words.len() * 4;
        check!(
            object.cell as usize >= needed,
            "gc_size of the fresh object at {base:#x}: {}, asked for {needed}",
            object.cell
        );
        if let Some((&below, neighbour)) = self.objects.range(..=base).next_back() {
            check!(
                u64::from(below) + u64::from(neighbour.cell) <= u64::from(base),
                "the fresh object at {base:#x} lies in the live one of {} bytes at {below:#x}",
                neighbour.cell
            );
        }
        if let Some((&above, _)) = self.objects.range(base..).next() {
            check!(
                end <= u64::from(above),
                "the fresh object of {} bytes at {base:#x} reaches into the live one at {above:#x}",
                object.cell
            );
        }
        self.objects.insert(base, object);
        Ok(())
    }

    /// Changes a word of an object.
    pub(super) fn set(&mut self, base: u32, word: usize, value: u32) {
        if let Some(object) = self.objects.get_mut(&base) {
            object.words[word] = value;
        }
    }

    /// Makes an object stand for a handle; false if it does already.
    pub(super) fn wrap(&mut self, base: u32, handle: u32) -> bool {
        match self.objects.get_mut(&base) {
            Some(object) if object.handle.is_none() => {
                object.handle = Some(handle);
                true
            }
            _ => false,
        }
    }

    /// The object that a word keeps alive.
    fn resolve(&self, word: u32) -> Option<u32> {
        if !self.interior {
            return self.objects.contains_key(&word).then_some(word);
        }
        let (&base, object) = self.objects.range(..=word).next_back()?;
        (word - base < object.cell).then_some(base)
    }

    /// Forgets what no root reaches; returns the handles of what is gone.
    pub(super) fn collect(&mut self, roots: &[u32]) -> Vec<u32> {
        let mut pending: Vec<u32> = roots.iter().filter_map(|&root| self.resolve(root)).collect();
        while let Some(base) = pending.pop() {
            let Some(object) = self.objects.get_mut(&base) else { continue };
            if std::mem::replace(&mut object.marked, true) || object.atomic {
                continue;
            }
            let object = &self.objects[&base];
            pending.extend(object.words.iter().filter_map(|&word| self.resolve(word)));
        }
        let mut dead = Vec::new();
        self.objects.retain(|_, object| {
            let live = std::mem::replace(&mut object.marked, false);
            if !live {
                dead.extend(object.handle);
            }
            live
        });
        dead
    }

    /// Every object holds what the model says.
    pub(super) fn check_contents(&self, vm: &Instance) -> Outcome<()> {
        let mut bytes = Vec::new();
        for (&base, object) in &self.objects {
            bytes.resize(object.words.len() * 4, 0);
            vm.read(base, &mut bytes)?;
            let found = bytes
                .chunks_exact(4)
                .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            if let Some(at) = found.zip(&object.words).position(|(found, &word)| found != word) {
                return Err(Failure::Check(format!(
                    "word {at} of the live object of {} words at {base:#x} changed",
                    object.words.len()
                )));
            }
        }
        Ok(())
    }
}
