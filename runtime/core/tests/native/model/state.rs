//! What the runtime should have: objects, roots, handles, and the numbers they add up to.
//!
//! The model knows the contents of every object and every root, so it can say exactly what a
//! collection keeps. It knows nothing of blocks and bitmaps.

use std::collections::{BTreeMap, BTreeSet};

use rootstock_core::addr::BLOCK_SIZE;
use rootstock_core::options::{GcOption, OPTIONS};

/// The cell sizes, written down a second time so that a change of them is seen.
pub(crate) const CELL_SIZES: [u32; 31] = [
    8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896,
    1024, 1168, 1360, 1632, 2048, 2336, 2720, 3264, 4096, 5456, 8192,
];

/// Bytes of the cell that serves a request: the first size that fits, or whole blocks.
pub(crate) fn cell_for(size: u32) -> u32 {
    let small = CELL_SIZES.into_iter().find(|&cell| cell >= size);
    small.unwrap_or_else(|| size.next_multiple_of(BLOCK_SIZE))
}

#[derive(Debug)]
pub(crate) struct Object {
    /// Its whole cell; the length is the usable size.
    pub(crate) content: Vec<u8>,
    pub(crate) atomic: bool,
    /// The handle that it stands for.
    pub(crate) handle: Option<u32>,
}

impl Object {
    pub(crate) fn cell(&self) -> u32 {
        self.content.len() as u32
    }

    fn words(&self) -> impl Iterator<Item = u32> {
        let scanned = if self.atomic { &[][..] } else { &self.content };
        scanned.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleState {
    Registered,
    /// Its wrapper died; the host is still to be told.
    Dead,
    Told,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) kind: u32,
    pub(crate) external: u32,
    pub(crate) state: HandleState,
}

/// What a call in progress keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Nothing,
    /// An object that its caller knows.
    Known(u32),
    /// An object that its caller has not heard of yet: of this many bytes.
    Unknown(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) live_bytes: u64,
    pub(crate) live_objects: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_objects: u64,
    pub(crate) collections: u64,
    pub(crate) registered: u64,
    pub(crate) peak: u64,
    /// Collections asked for from inside the callback.
    pub(crate) nested: u64,
    /// Of these, such that need not be refused: much was allocated since the one before.
    pub(crate) believable: u64,
    /// Objects allocated before the last of the others.
    pub(crate) allocated_at_nested: Option<u64>,
    pub(crate) stack_high_water: u64,
}

/// An object that a collection freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dead {
    pub(crate) base: u32,
    pub(crate) cell: u32,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<u32, Object>,
    pub(crate) stack: Vec<u32>,
    pub(crate) statics: Vec<u32>,
    /// Ranges of words in `statics`.
    pub(crate) ranges: Vec<(usize, usize)>,
    pub(crate) pins: BTreeMap<u32, u32>,
    pub(crate) handles: Vec<Handle>,
    pub(crate) options: Vec<u32>,
    /// The calls in progress, the innermost last.
    pub(crate) calls: Vec<InFlight>,
    pub(crate) counts: Counts,
    /// Objects that no caller has heard of yet, or ever will after a trap.
    pub(crate) hidden: BTreeSet<u32>,
    /// Where objects were that are gone.
    pub(crate) graves: Vec<u32>,
}

impl Model {
    pub(crate) fn new(static_words: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            stack: Vec::new(),
            statics: vec![0; static_words],
            ranges: Vec::new(),
            pins: BTreeMap::new(),
            handles: Vec::new(),
            options: OPTIONS.iter().map(|row| row.default).collect(),
            calls: Vec::new(),
            counts: Counts::default(),
            hidden: BTreeSet::new(),
            graves: Vec::new(),
        }
    }

    pub(crate) fn option(&self, option: GcOption) -> u32 {
        self.options[option as usize]
    }

    pub(crate) fn handles_in(&self, state: HandleState) -> u64 {
        self.handles.iter().filter(|handle| handle.state == state).count() as u64
    }

    pub(crate) fn external(&self) -> u64 {
        let registered = self.handles.iter().filter(|h| h.state == HandleState::Registered);
        registered.map(|handle| u64::from(handle.external)).sum()
    }

    /// The object whose cell holds the byte at `at`.
    pub(crate) fn base_of(&self, at: u32) -> Option<u32> {
        let (&base, object) = self.objects.range(..=at).next_back()?;
        (at - base < object.cell()).then_some(base)
    }

    /// The object that a word keeps alive.
    fn target(&self, word: u32) -> Option<u32> {
        let base = self.base_of(word)?;
        (base == word || self.option(GcOption::Interior) == 1).then_some(base)
    }

    /// Counts an allocation of `cell` bytes.
    pub(crate) fn count_allocated(&mut self, cell: u32) {
        self.counts.allocated_bytes += u64::from(cell);
        self.counts.allocated_objects += 1;
        self.counts.live_bytes += u64::from(cell);
        self.counts.live_objects += 1;
    }

    pub(crate) fn add_object(&mut self, base: u32, content: Vec<u8>, atomic: bool) {
        let end = u64::from(base) + content.len() as u64;
        if let Some((&below, object)) = self.objects.range(..base).next_back() {
            assert!(below + object.cell() <= base, "{base:#x} lies in the object at {below:#x}");
        }
        if let Some((&above, _)) = self.objects.range(base..).next() {
            assert!(end <= u64::from(above), "{base:#x} reaches into the object at {above:#x}");
        }
        self.objects.insert(base, Object { content, atomic, handle: None });
    }

    fn reachable(&self) -> BTreeSet<u32> {
        let ranges = self.ranges.iter().flat_map(|&(start, end)| &self.statics[start..end]);
        let known = self.calls.iter().filter_map(|call| match call {
            InFlight::Known(base) => Some(base),
            _ => None,
        });
        let mut queue: Vec<u32> =
            self.stack.iter().chain(ranges).filter_map(|&word| self.target(word)).collect();
        queue.extend(self.pins.keys().chain(known));
        let mut reached = BTreeSet::new();
        while let Some(base) = queue.pop() {
            if reached.insert(base) {
                queue.extend(self.objects[&base].words().filter_map(|word| self.target(word)));
            }
        }
        reached
    }

    /// Whether a collection would free something.
    pub(crate) fn has_garbage(&self) -> bool {
        self.reachable().len() != self.objects.len()
    }

    /// A collection: what cannot be reached is gone, and its handles are dead.
    pub(crate) fn collect(&mut self) -> Vec<Dead> {
        let reached = self.reachable();
        let mut dead = Vec::new();
        let handles = &mut self.handles;
        self.objects.retain(|&base, object| {
            if reached.contains(&base) {
                return true;
            }
            if let Some(handle) = object.handle {
                handles[handle as usize].state = HandleState::Dead;
            }
            dead.push(Dead { base, cell: object.cell() });
            false
        });
        self.hidden.retain(|base| reached.contains(base));
        self.graves.extend(dead.iter().map(|dead| dead.base));
        let unknown = self.calls.iter().filter_map(|call| match call {
            InFlight::Unknown(cell) => Some(*cell),
            _ => None,
        });
        let cells = self.objects.values().map(Object::cell).chain(unknown);
        let (bytes, objects) = cells.fold((0, 0), |(b, n), cell| (b + u64::from(cell), n + 1));
        self.counts.live_bytes = bytes;
        self.counts.live_objects = objects;
        let stack = 4 * self.stack.len() as u64;
        self.counts.stack_high_water = self.counts.stack_high_water.max(stack);
        dead
    }

    /// Every wrapper is dead: the host shuts down.
    pub(crate) fn kill_handles(&mut self) {
        for handle in &mut self.handles {
            if handle.state == HandleState::Registered {
                handle.state = HandleState::Dead;
            }
        }
        for object in self.objects.values_mut() {
            object.handle = None;
        }
    }

    /// The blocks in which objects are.
    pub(crate) fn blocks(&self) -> BTreeSet<u32> {
        let spans = self.objects.iter().map(|(&base, object)| (base, base + (object.cell() - 1)));
        spans.flat_map(|(first, last)| first / BLOCK_SIZE..=last / BLOCK_SIZE).collect()
    }
}
