//! Statistics: one table of what `gc_stat` reports.

use core::ops::{Index, IndexMut};

use crate::addr::BLOCK_SIZE;
use crate::memory::Memory;
use crate::runtime::Runtime;

/// A statistic, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the table below says what each one is")]
pub enum Stat {
    LiveBytes = 0,
    LiveObjects = 1,
    PeakBytes = 2,
    MemoryPages = 3,
    Collections = 4,
    AllocatedBytes = 5,
    AllocatedObjects = 6,
    Wrappers = 7,
    WrappersPeak = 8,
    WrappersRegistered = 9,
    WrappersTold = 10,
    StackHighWater = 11,
    LastWork = 12,
    MaxWork = 13,
    NestedRefused = 14,
    ExternalBytes = 15,
    WrapCapacity = 16,
    HeapBytes = 17,
    DeadQueued = 18,
    Pins = 19,
    RootRanges = 20,
    MarkOverflows = 21,
    TableBytes = 22,
    Stacks = 23,
}

/// One row of the statistics table.
#[derive(Clone, Copy, Debug)]
pub struct StatInfo {
    /// The number.
    pub stat: Stat,
    /// The name in the ABI.
    pub name: &'static str,
    /// Its meaning, as a clause.
    pub meaning: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

macro_rules! stats {
    ($($variant:ident, $name:literal, $unit:literal, $meaning:literal;)*) => {
        /// The statistics table, in the order of the numbers.
        pub const STATS: &[StatInfo] = &[$(StatInfo {
            stat: Stat::$variant,
            name: $name,
            meaning: $meaning,
            unit: $unit,
        }),*];
    };
}

stats! {
    LiveBytes, "LIVE_BYTES", "bytes", "found live by the last collection, plus allocated since (cells, not requests)";
    LiveObjects, "LIVE_OBJECTS", "objects", "found live by the last collection, plus allocated since";
    PeakBytes, "PEAK_BYTES", "bytes", "the most bytes of blocks ever in use";
    MemoryPages, "MEMORY_PAGES", "pages", "size of the memory, in pages of 64 KiB";
    Collections, "COLLECTIONS", "times", "collections so far";
    AllocatedBytes, "ALLOCATED_BYTES", "bytes", "allocated since the start (cells, not requests)";
    AllocatedObjects, "ALLOCATED_OBJECTS", "objects", "allocated since the start";
    Wrappers, "WRAPPERS", "entries", "wrappers registered now";
    WrappersPeak, "WRAPPERS_PEAK", "entries", "the most wrappers ever registered at once";
    WrappersRegistered, "WRAPPERS_REGISTERED", "entries", "registrations since the start";
    WrappersTold, "WRAPPERS_TOLD", "calls", "calls of host_decref_handle since the start";
    StackHighWater, "STACK_HIGH_WATER", "bytes", "the deepest shadow stack seen by a collection";
    LastWork, "LAST_WORK", "work units", "work of the last collection: words scanned, plus objects marked, plus blocks swept";
    MaxWork, "MAX_WORK", "work units", "work of the longest collection";
    NestedRefused, "NESTED_REFUSED", "times", "collections asked for from inside the host callback, and refused";
    ExternalBytes, "EXTERNAL_BYTES", "bytes", "host memory behind the wrappers that are registered now";
    WrapCapacity, "WRAP_CAPACITY", "entries", "size of the wrap-table";
    HeapBytes, "HEAP_BYTES", "bytes", "blocks in use now, by objects and by tables of the collector";
    DeadQueued, "DEAD_QUEUED", "entries", "dead handles that the host has not been notified of yet";
    Pins, "PINS", "objects", "pinned objects";
    RootRanges, "ROOT_RANGES", "ranges", "ranges registered with gc_add_roots";
    MarkOverflows, "MARK_OVERFLOWS", "times", "times the mark stack was full and the heap was walked instead";
    TableBytes, "TABLE_BYTES", "bytes", "memory of the collector's tables that is taken from the heap";
    Stacks, "STACKS", "stacks", "shadow stacks made with gc_stack_new and not freed";
}

const _: () = {
    let mut i = 0;
    while i < STATS.len() {
        assert!(STATS[i].stat as usize == i, "the table is indexed by number");
        i += 1;
    }
};

/// The value of each statistic. Those that can be read off the state of the runtime are brought up
/// to date when one is asked for; the others count as things happen, but for allocation, which is
/// counted when a run ends or a statistic is asked for.
#[derive(Debug)]
pub(crate) struct Counters([u64; STATS.len()]);

impl Counters {
    pub(crate) const EMPTY: Self = Self([0; STATS.len()]);
}

impl Counters {
    /// Raises a statistic that is the most of something to at least `value`.
    #[inline(never)]
    pub(crate) fn raise(&mut self, stat: Stat, value: u64) {
        self[stat] = self[stat].max(value);
    }
}

impl Index<Stat> for Counters {
    type Output = u64;

    #[inline(always)]
    fn index(&self, stat: Stat) -> &u64 {
        &self.0[stat as usize]
    }
}

impl IndexMut<Stat> for Counters {
    #[inline(always)]
    fn index_mut(&mut self, stat: Stat) -> &mut u64 {
        &mut self.0[stat as usize]
    }
}

impl<M: Memory> Runtime<M> {
    /// Counts what was handed out.
    #[inline(never)]
    pub(crate) fn count_allocated(&mut self, bytes: u32, objects: u32) {
        self.counters[Stat::AllocatedBytes] += u64::from(bytes);
        self.counters[Stat::AllocatedObjects] += u64::from(objects);
    }

    /// The value of a statistic; -1 for an unknown one.
    pub fn stat(&mut self, id: u32) -> i64 {
        self.count_runs();
        self.note_wrappers();
        let counters = &mut self.counters;
        counters[Stat::LiveBytes] = counters[Stat::AllocatedBytes] - self.pace.dead_bytes;
        counters[Stat::LiveObjects] = counters[Stat::AllocatedObjects] - self.pace.dead_objects;
        counters[Stat::WrappersRegistered] =
            counters[Stat::WrappersTold] + u64::from(self.wraps.used);
        let dead = self.dead();
        let mut set = |stat, value: u32| self.counters[stat] = u64::from(value);
        set(Stat::MemoryPages, self.mem.pages());
        set(Stat::Wrappers, self.wraps.live);
        set(Stat::DeadQueued, dead);
        set(Stat::WrapCapacity, self.wraps.capacity);
        set(Stat::Pins, self.roots.pinned());
        set(Stat::RootRanges, self.roots.ranges());
        set(Stat::Stacks, self.roots.stacks());
        let mut set = |stat, blocks: u32| {
            self.counters[stat] = u64::from(blocks) * u64::from(BLOCK_SIZE);
        };
        set(Stat::PeakBytes, self.heap.peak);
        set(Stat::HeapBytes, self.heap.used);
        set(Stat::TableBytes, self.heap.internal);
        self.counters.0.get(id as usize).map_or(-1, |&value| value as i64)
    }
}
