//! What the runtime should have: objects, roots, handles, and the numbers they add up to.
//!
//! The model knows the contents of every object and every root, so it can say exactly what a collection keeps. It knows
//! nothing of blocks and bitmaps.

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
    /// Its wrapper died; the host is still to be notified.
    Dead,
    Told,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) kind: u32,
    pub(crate) external: u32,
    pub(crate) state: HandleState,
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
    pub(crate) stack_high_water: u64,
}

/// The call in progress.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call {
    /// The object that it registers.
    pub(crate) registers: Option<u32>,
    /// The handle that it releases.
    pub(crate) releases: Option<u32>,
    /// It asks for notification, whatever NOTIFY says.
    pub(crate) asks: bool,
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
    pub(crate) call: Call,
    pub(crate) counts: Counts,
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
            call: Call::default(),
            counts: Counts::default(),
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

    /// The object that a word keeps alive.
    fn target(&self, word: u32) -> Option<u32> {
        let (&base, object) = self.objects.range(..=word).next_back()?;
        let is_inside = word - base < object.cell() && self.option(GcOption::Interior) == 1;
        (base == word || is_inside).then_some(base)
    }

    pub(crate) fn add_object(&mut self, base: u32, content: Vec<u8>, atomic: bool) {
        let cell = content.len() as u64;
        if let Some((&below, object)) = self.objects.range(..base).next_back() {
            assert!(below + object.cell() <= base, "{base:#x} lies in the object at {below:#x}");
        }
        if let Some((&above, _)) = self.objects.range(base..).next() {
            let end = u64::from(base) + cell;
            assert!(end <= u64::from(above), "{base:#x} reaches into the object at {above:#x}");
        }
        self.objects.insert(base, Object { content, atomic, handle: None });
        self.counts.allocated_bytes += cell;
        self.counts.allocated_objects += 1;
        self.counts.live_bytes += cell;
        self.counts.live_objects += 1;
    }

    fn reachable(&self) -> BTreeSet<u32> {
        let ranges = self.ranges.iter().flat_map(|&(start, end)| &self.statics[start..end]);
        let mut queue: Vec<u32> =
            self.stack.iter().chain(ranges).filter_map(|&word| self.target(word)).collect();
        queue.extend(self.pins.keys().chain(&self.call.registers));
        let mut reached = BTreeSet::new();
        while let Some(base) = queue.pop() {
            if reached.insert(base) {
                queue.extend(self.objects[&base].words().filter_map(|word| self.target(word)));
            }
        }
        reached
    }

    /// A collection: what cannot be reached is gone, and its handles are dead.
    pub(crate) fn collect(&mut self) {
        let reached = self.reachable();
        let (handles, graves) = (&mut self.handles, &mut self.graves);
        self.objects.retain(|&base, object| {
            if reached.contains(&base) {
                return true;
            }
            if let Some(handle) = object.handle {
                handles[handle as usize].state = HandleState::Dead;
            }
            graves.push(base);
            false
        });
        let cells = self.objects.values().map(|object| u64::from(object.cell()));
        (self.counts.live_objects, self.counts.live_bytes) = (cells.len() as u64, cells.sum());
        let stack = 4 * self.stack.len() as u64;
        self.counts.stack_high_water = self.counts.stack_high_water.max(stack);
    }

    /// Every wrapper is dead: the host shuts down.
    pub(crate) fn kill_handles(&mut self) {
        for object in self.objects.values_mut() {
            if let Some(handle) = object.handle.take() {
                self.handles[handle as usize].state = HandleState::Dead;
            }
        }
    }

    /// The number of blocks in which objects are.
    pub(crate) fn blocks(&self) -> usize {
        let spans = self.objects.iter().map(|(&base, object)| (base, base + (object.cell() - 1)));
        let blocks = spans.flat_map(|(first, last)| first / BLOCK_SIZE..=last / BLOCK_SIZE);
        blocks.collect::<BTreeSet<_>>().len()
    }
}
