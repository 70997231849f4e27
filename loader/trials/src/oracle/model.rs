//! What the runtime should have: objects, roots, handles, and the numbers they add up to.
//!
//! The model knows the content of every object and of every root, so it can say exactly what a collection keeps, a
//! number that looks like an address included. It knows nothing of how the runtime goes about it.

use std::collections::{BTreeMap, BTreeSet};

use runtime::addr::BLOCK_SIZE;
use runtime::options::{GcOption, OPTIONS};
use runtime::size_class::MAX_SMALL;

use super::program::{Name, STATIC_WORDS};

/// What the model believes of the runtime. The defaults are what the ABI says; tests of the oracle itself give it a
/// wrong belief each, to see that it finds the difference.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Slots at the top of the shadow stack that are no roots.
    pub(super) slots_ignored: usize,
    /// Whether root ranges are roots.
    pub(super) ranges: bool,
    /// Whether pins are roots.
    pub(super) pins: bool,
    /// Whether what a call has in its hands stays alive.
    pub(super) in_flight: bool,
    /// Whether `alloc_atomic`'s objects are scanned.
    pub(super) scan_atomic: bool,
    /// Words at the end of an object that are not scanned.
    pub(super) words_ignored: usize,
    /// Whether an address inside an object keeps it, whatever INTERIOR says.
    pub(super) always_interior: bool,
    /// What a fresh object is filled with.
    pub(super) fresh: u8,
    /// What POISON fills with.
    pub(super) poison: u8,
    /// How many more wrappers there may be than WRAP_LIMIT.
    pub(super) wrap_slack: u32,
    /// Whether the dead are told about, rather than forgotten.
    pub(super) tells: bool,
    /// Percent of the budget after which a collection must have come.
    pub(super) budget: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            slots_ignored: 0,
            ranges: true,
            pins: true,
            in_flight: true,
            scan_atomic: false,
            words_ignored: 0,
            always_interior: false,
            fresh: 0,
            poison: runtime::sweep::POISON,
            wrap_slack: 0,
            tells: true,
            budget: 100,
        }
    }
}

#[derive(Debug)]
pub(super) struct Object {
    /// All that is usable of it.
    pub(super) content: Vec<u8>,
    pub(super) atomic: bool,
    /// The handle that it stands for.
    pub(super) handle: Option<u32>,
}

impl Object {
    pub(super) fn bytes(&self) -> u32 {
        u32::try_from(self.content.len()).expect("a memory has 4 GiB at most")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandleState {
    Registered,
    /// Its wrapper died or was released; the host is still to be told.
    Dead,
    Told,
}

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) kind: u32,
    pub(super) external: u32,
    pub(super) state: HandleState,
}

/// Every handle there was, and what the handles of each state add up to.
#[derive(Debug, Default)]
pub(super) struct Handles {
    entries: BTreeMap<u32, Handle>,
    pub(super) registered: u64,
    pub(super) dead: u64,
    /// Bytes behind the handles that are registered.
    pub(super) external: u64,
}

impl Handles {
    pub(super) fn insert(&mut self, handle: u32, entry: Handle) {
        self.registered += 1;
        self.external += u64::from(entry.external);
        self.entries.insert(handle, entry);
    }

    pub(super) fn kind(&self, handle: u32) -> Option<u32> {
        self.entries.get(&handle).map(|entry| entry.kind)
    }

    pub(super) fn state(&self, handle: u32) -> Option<HandleState> {
        self.entries.get(&handle).map(|entry| entry.state)
    }

    pub(super) fn set(&mut self, handle: u32, state: HandleState) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        match std::mem::replace(&mut entry.state, state) {
            HandleState::Registered => {
                self.registered -= 1;
                self.external -= u64::from(entry.external);
            }
            HandleState::Dead => self.dead -= 1,
            HandleState::Told => {}
        }
        self.dead += u64::from(state == HandleState::Dead);
    }
}

/// What a call in progress keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InFlight {
    Nothing,
    /// An object that its caller knows.
    Known(u32),
    /// An object that its caller has not heard of yet: of this many bytes.
    Unknown(u32),
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) live_bytes: u64,
    pub(super) live_objects: u64,
    pub(super) allocated_bytes: u64,
    pub(super) allocated_objects: u64,
    pub(super) collections: u64,
    pub(super) registered: u64,
    pub(super) peak: u64,
    pub(super) refused: u64,
    pub(super) stack_high_water: u64,
}

/// What a collection has done.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Address and bytes of each object that it freed.
    pub(super) dead: Vec<(u32, u32)>,
    /// Its work, if nothing was in flight that nobody knows: words, objects and blocks.
    pub(super) work: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    pub(super) objects: BTreeMap<u32, Object>,
    /// Where each named object is, or was.
    pub(super) names: BTreeMap<Name, u32>,
    pub(super) stack: Vec<u32>,
    pub(super) statics: Vec<u32>,
    /// Where static data start.
    pub(super) static_base: u32,
    /// Root ranges, as addresses.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) pins: BTreeMap<u32, u32>,
    pub(super) handles: Handles,
    pub(super) options: Vec<u32>,
    /// The calls in progress, the innermost last.
    pub(super) calls: Vec<InFlight>,
    pub(super) counts: Counts,
    /// Objects that no caller has heard of yet, or ever will after a trap.
    pub(super) hidden: BTreeSet<u32>,
}

impl Model {
    pub(super) fn new(rules: Rules, static_base: u32) -> Self {
        Self {
            rules,
            objects: BTreeMap::new(),
            names: BTreeMap::new(),
            stack: Vec::new(),
            statics: vec![0; STATIC_WORDS as usize],
            static_base,
            ranges: Vec::new(),
            pins: BTreeMap::new(),
            handles: Handles::default(),
            options: OPTIONS.iter().map(|row| row.default).collect(),
            calls: Vec::new(),
            counts: Counts::default(),
            hidden: BTreeSet::new(),
        }
    }

    pub(super) fn option(&self, option: GcOption) -> u32 {
        self.options[option as usize]
    }

    /// The object whose cell holds the byte at `at`.
    pub(super) fn base_of(&self, at: u32) -> Option<u32> {
        let (&base, object) = self.objects.range(..=at).next_back()?;
        (at - base < object.bytes()).then_some(base)
    }

    /// The object that a word keeps alive.
    fn target(&self, word: u32) -> Option<u32> {
        let base = self.base_of(word)?;
        let interior = self.option(GcOption::Interior) == 1 || self.rules.always_interior;
        let most = self.option(GcOption::LargeInterior);
        let small = self.objects[&base].bytes() <= MAX_SMALL;
        let near = most == 0 || word - base < most || small;
        (base == word || interior && near).then_some(base)
    }

    /// Counts an allocation.
    pub(super) fn count_allocated(&mut self, bytes: u32) {
        self.counts.allocated_bytes += u64::from(bytes);
        self.counts.allocated_objects += 1;
        self.counts.live_bytes += u64::from(bytes);
        self.counts.live_objects += 1;
    }

    /// Adds an object; an error if it lies in another one.
    pub(super) fn add_object(
        &mut self,
        base: u32,
        content: Vec<u8>,
        atomic: bool,
    ) -> Result<(), String> {
        let end = u64::from(base) + content.len() as u64;
        if let Some(other) = self.base_of(base) {
            return Err(format!("the new object at {base:#x} lies in the one at {other:#x}"));
        }
        match self.objects.range(base..).next() {
            Some((&above, _)) if u64::from(above) < end => {
                return Err(format!("the new object at {base:#x} reaches into {above:#x}"));
            }
            _ => {}
        }
        self.objects.insert(base, Object { content, atomic, handle: None });
        Ok(())
    }

    /// The words of a root range.
    fn range_words(&self, (start, end): (u32, u32)) -> &[u32] {
        let index = |at: u32| ((at - self.static_base) / 4) as usize;
        &self.statics[index(start)..index(end)]
    }

    /// The words of an object that are scanned.
    fn scanned<'a>(&self, object: &'a Object) -> impl Iterator<Item = u32> + use<'a> {
        let content =
            if object.atomic && !self.rules.scan_atomic { &[][..] } else { &object.content };
        let words = (content.len() / 4).saturating_sub(self.rules.words_ignored);
        let words = content.chunks_exact(4).take(words);
        words.map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes")))
    }

    /// The objects that a collection keeps, but for those in flight that nobody knows.
    pub(super) fn reachable(&self) -> BTreeSet<u32> {
        let slots = self.stack.len().saturating_sub(self.rules.slots_ignored);
        let mut queue: Vec<u32> =
            self.stack[..slots].iter().filter_map(|&word| self.target(word)).collect();
        if self.rules.ranges {
            let words = self.ranges.iter().flat_map(|&range| self.range_words(range));
            queue.extend(words.filter_map(|&word| self.target(word)));
        }
        if self.rules.pins {
            queue.extend(self.pins.keys());
        }
        if self.rules.in_flight {
            queue.extend(self.calls.iter().filter_map(|call| match call {
                InFlight::Known(base) => Some(*base),
                _ => None,
            }));
        }
        let mut reached = BTreeSet::new();
        while let Some(base) = queue.pop() {
            if reached.insert(base) {
                let words = self.scanned(&self.objects[&base]);
                queue.extend(words.filter_map(|word| self.target(word)));
            }
        }
        reached
    }

    /// Whether a collection would free something.
    pub(super) fn has_garbage(&self) -> bool {
        self.reachable().len() != self.objects.len()
    }

    /// A collection: what cannot be reached is gone, and its handles are dead.
    pub(super) fn collect(&mut self) -> Collected {
        let reached = self.reachable();
        let mut collected = Collected { work: self.work(&reached), ..Collected::default() };
        let (handles, tells) = (&mut self.handles, self.rules.tells);
        self.objects.retain(|&base, object| {
            if reached.contains(&base) {
                return true;
            }
            if let Some(handle) = object.handle {
                handles.set(handle, if tells { HandleState::Dead } else { HandleState::Told });
            }
            collected.dead.push((base, object.bytes()));
            false
        });
        self.hidden.retain(|base| reached.contains(base));
        let unknown = self.calls.iter().filter_map(|call| match call {
            InFlight::Unknown(bytes) => Some(*bytes),
            _ => None,
        });
        let cells = self.objects.values().map(Object::bytes).chain(unknown);
        let (bytes, objects) = cells.fold((0, 0), |(b, n), cell| (b + u64::from(cell), n + 1));
        self.counts.live_bytes = bytes;
        self.counts.live_objects = objects;
        let stack = 4 * self.stack.len() as u64;
        self.counts.stack_high_water = self.counts.stack_high_water.max(stack);
        collected
    }

    /// The work that a collection has if its mark stack does not overflow: words scanned, objects marked, blocks swept.
    fn work(&self, reached: &BTreeSet<u32>) -> Option<u64> {
        if self.calls.iter().any(|call| matches!(call, InFlight::Unknown(_))) {
            return None;
        }
        let ranges = self.ranges.iter().map(|&range| self.range_words(range).len());
        let objects = reached.iter().map(|base| &self.objects[base]);
        let scanned = objects.filter(|object| !object.atomic);
        let words = scanned.map(|object| object.content.len() / 4).chain(ranges).sum::<usize>();
        let (mut small, mut large) = (BTreeSet::new(), 0);
        for (base, object) in &self.objects {
            if object.bytes() <= MAX_SMALL {
                small.insert(base / BLOCK_SIZE);
            } else {
                large += 1;
            }
        }
        Some((self.stack.len() + words + reached.len() + small.len() + large) as u64)
    }

    /// Every wrapper is dead: the host shuts down.
    pub(super) fn kill_handles(&mut self) {
        for object in self.objects.values_mut() {
            if let Some(handle) = object.handle.take() {
                self.handles.set(handle, HandleState::Dead);
            }
        }
    }

    /// The blocks in which objects are.
    pub(super) fn blocks(&self) -> BTreeSet<u32> {
        let spans = self.objects.iter().map(|(&base, object)| (base, base + (object.bytes() - 1)));
        spans.flat_map(|(first, last)| first / BLOCK_SIZE..=last / BLOCK_SIZE).collect()
    }
}
