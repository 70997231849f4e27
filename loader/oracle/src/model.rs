//! The state that the runtime should have: objects, roots, handles, and the numbers they add up to.
//!
//! The model knows the content of every object and of every root, so it can say exactly what a collection keeps, a
//! number that looks like an address included. It knows nothing of how the runtime goes about it.

use std::collections::{BTreeMap, BTreeSet};

use runtime::addr::BLOCK_SIZE;
use runtime::options::{GcOption, OPTIONS};
use runtime::size_class::MAX_SMALL;

use crate::program::{Name, STATIC_WORDS};

/// The beliefs of the model about the runtime. The defaults are what the ABI says; tests of the oracle itself give it a
/// wrong belief each, to see that it finds the difference.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Slots at the top of the shadow stack that are no roots.
    pub slots_ignored: usize,
    /// Root ranges are roots.
    pub ranges: bool,
    /// Pins are roots.
    pub pins: bool,
    /// The objects in the hands of a call stay alive.
    pub in_flight: bool,
    /// `alloc_atomic`'s objects are scanned.
    pub scan_atomic: bool,
    /// Words at the end of an object that are not scanned.
    pub words_ignored: usize,
    /// An address inside an object keeps it, whatever INTERIOR says.
    pub always_interior: bool,
    /// The byte that a fresh object is filled with.
    pub fresh: u8,
    /// The byte that POISON fills with.
    pub poison: u8,
    /// The wrappers that there may be beyond WRAP_LIMIT.
    pub wrap_slack: u32,
    /// The host is notified of the dead, which are not just forgotten.
    pub tells: bool,
    /// Percent of the budget after which a collection must have come.
    pub budget: u64,
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
pub(crate) struct Object {
    /// All that is usable of it.
    pub(crate) content: Vec<u8>,
    pub(crate) atomic: bool,
    /// The handle that it stands for.
    pub(crate) handle: Option<u32>,
}

impl Object {
    pub(crate) fn bytes(&self) -> u32 {
        u32::try_from(self.content.len()).expect("a memory has 4 GiB at most")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleState {
    Registered,
    /// Its wrapper died or was released; the host is still to be told.
    Dead,
    Told,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) kind: u32,
    pub(crate) external: u32,
    pub(crate) state: HandleState,
}

/// Every handle there was, and what the handles of each state add up to.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    entries: BTreeMap<u32, Handle>,
    pub(crate) registered: u64,
    pub(crate) dead: u64,
    /// Bytes behind the handles that are registered.
    pub(crate) external: u64,
}

impl Handles {
    pub(crate) fn insert(&mut self, handle: u32, entry: Handle) {
        self.registered += 1;
        self.external += u64::from(entry.external);
        self.entries.insert(handle, entry);
    }

    pub(crate) fn kind(&self, handle: u32) -> Option<u32> {
        self.entries.get(&handle).map(|entry| entry.kind)
    }

    pub(crate) fn state(&self, handle: u32) -> Option<HandleState> {
        self.entries.get(&handle).map(|entry| entry.state)
    }

    pub(crate) fn set(&mut self, handle: u32, state: HandleState) {
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

/// The object that a call in progress keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Nothing,
    /// An object that its caller knows.
    Known(u32),
    /// An object that its caller has not heard of yet: of this many bytes.
    Unknown(u32),
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) live_bytes: u64,
    pub(crate) live_objects: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_objects: u64,
    pub(crate) collections: u64,
    pub(crate) registered: u64,
    pub(crate) peak: u64,
    pub(crate) refused: u64,
    pub(crate) stack_high_water: u64,
}

/// The effects of a collection.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Address and bytes of each object that it freed.
    pub(crate) dead: Vec<(u32, u32)>,
    /// Its work, if nothing was in flight that nobody knows: words, objects and blocks.
    pub(crate) work: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) rules: Rules,
    pub(crate) objects: BTreeMap<u32, Object>,
    /// The address of each named object, or its last.
    pub(crate) names: BTreeMap<Name, u32>,
    pub(crate) stack: Vec<u32>,
    pub(crate) statics: Vec<u32>,
    /// The start of static data.
    pub(crate) static_base: u32,
    /// Root ranges, as addresses.
    pub(crate) ranges: Vec<(u32, u32)>,
    pub(crate) pins: BTreeMap<u32, u32>,
    pub(crate) handles: Handles,
    pub(crate) options: Vec<u32>,
    /// The calls in progress, the innermost last.
    pub(crate) calls: Vec<InFlight>,
    pub(crate) counts: Counts,
    /// Objects that no caller has heard of yet, or ever will after a trap.
    pub(crate) hidden: BTreeSet<u32>,
}

impl Model {
    pub(crate) fn new(rules: Rules, static_base: u32) -> Self {
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

    pub(crate) fn option(&self, option: GcOption) -> u32 {
        self.options[option as usize]
    }

    /// The object whose cell holds the byte at `at`.
    pub(crate) fn base_of(&self, at: u32) -> Option<u32> {
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
    pub(crate) fn count_allocated(&mut self, bytes: u32) {
        self.counts.allocated_bytes += u64::from(bytes);
        self.counts.allocated_objects += 1;
        self.counts.live_bytes += u64::from(bytes);
        self.counts.live_objects += 1;
    }

    /// Adds an object; an error if it lies in another one.
    pub(crate) fn add_object(
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
    pub(crate) fn reachable(&self) -> BTreeSet<u32> {
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

    /// Tells whether a collection would free something.
    pub(crate) fn has_garbage(&self) -> bool {
        self.reachable().len() != self.objects.len()
    }

    /// A collection: what cannot be reached is gone, and its handles are dead.
    pub(crate) fn collect(&mut self) -> Collected {
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
        // A range that was added twice is looked at once.
        let distinct: BTreeSet<_> = self.ranges.iter().copied().collect();
        let ranges = distinct.into_iter().map(|range| self.range_words(range).len());
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
    pub(crate) fn kill_handles(&mut self) {
        for object in self.objects.values_mut() {
            if let Some(handle) = object.handle.take() {
                self.handles.set(handle, HandleState::Dead);
            }
        }
    }

    /// The blocks in which objects are.
    pub(crate) fn blocks(&self) -> BTreeSet<u32> {
        let spans = self.objects.iter().map(|(&base, object)| (base, base + (object.bytes() - 1)));
        spans.flat_map(|(first, last)| first / BLOCK_SIZE..=last / BLOCK_SIZE).collect()
    }
}
