//! Statistics: one table of what `gc_stat` reports.

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
}

/// One row of the statistics table.
#[derive(Clone, Copy, Debug)]
pub struct StatInfo {
    /// The number.
    pub stat: Stat,
    /// The name in the ABI.
    pub name: &'static str,
    /// What it counts.
    pub meaning: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

macro_rules! stats {
    ($($variant:ident, $name:literal, $unit:literal, $meaning:literal;)*) => {
        impl Stat {
            /// The statistic with this number.
            pub const fn from_id(id: u32) -> Option<Self> {
                $(if id == Self::$variant as u32 {
                    return Some(Self::$variant);
                })*
                None
            }
        }

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
    DeadQueued, "DEAD_QUEUED", "entries", "dead handles that the host has not been told about yet";
    Pins, "PINS", "objects", "pinned objects";
    RootRanges, "ROOT_RANGES", "ranges", "ranges registered with gc_add_roots";
    MarkOverflows, "MARK_OVERFLOWS", "times", "times the mark stack was full and the heap was walked instead";
    TableBytes, "TABLE_BYTES", "bytes", "memory of the collector's tables that is taken from the heap";
}

const _: () = {
    let mut i = 0;
    while i < STATS.len() {
        assert!(
            STATS[i].stat as usize == i,
            "the table is indexed by number"
        );
        i += 1;
    }
};

/// What is counted, as opposed to computed when it is asked for.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) collections: u64,
    /// Found live by the last collection, plus what was counted since: runs are counted when
    /// they end.
    pub(crate) live_bytes: u64,
    pub(crate) live_objects: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_objects: u64,
    pub(crate) registered: u64,
    pub(crate) told: u64,
    pub(crate) wrappers_peak: u32,
    pub(crate) stack_high_water: u32,
    pub(crate) last_work: u64,
    pub(crate) max_work: u64,
    pub(crate) nested_refused: u64,
    pub(crate) external: u64,
    pub(crate) mark_overflows: u64,
}

impl Counters {
    pub(crate) const EMPTY: Self = Self {
        collections: 0,
        live_bytes: 0,
        live_objects: 0,
        allocated_bytes: 0,
        allocated_objects: 0,
        registered: 0,
        told: 0,
        wrappers_peak: 0,
        stack_high_water: 0,
        last_work: 0,
        max_work: 0,
        nested_refused: 0,
        external: 0,
        mark_overflows: 0,
    };
}

impl<M: Memory> Runtime<M> {
    /// Counts what was handed out: `bytes` in cells of `size`.
    pub(crate) fn count_allocated(&mut self, bytes: u32, size: u32) {
        let objects = u64::from(bytes / size);
        let bytes = u64::from(bytes);
        let counters = &mut self.counters;
        counters.allocated_bytes += bytes;
        counters.allocated_objects += objects;
        counters.live_bytes += bytes;
        counters.live_objects += objects;
    }

    /// The value of a statistic; -1 for an unknown one.
    pub fn stat(&self, id: u32) -> i64 {
        let Some(stat) = Stat::from_id(id) else {
            return -1;
        };
        let counters = &self.counters;
        let (bytes, objects) = self.uncounted();
        let blocks = |count: u32| u64::from(count) * u64::from(BLOCK_SIZE);
        let value = match stat {
            Stat::LiveBytes => counters.live_bytes + bytes,
            Stat::LiveObjects => counters.live_objects + objects,
            Stat::PeakBytes => blocks(self.heap.peak),
            Stat::MemoryPages => u64::from(self.mem.pages()),
            Stat::Collections => counters.collections,
            Stat::AllocatedBytes => counters.allocated_bytes + bytes,
            Stat::AllocatedObjects => counters.allocated_objects + objects,
            Stat::Wrappers => u64::from(self.wraps.live),
            Stat::WrappersPeak => u64::from(counters.wrappers_peak),
            Stat::WrappersRegistered => counters.registered,
            Stat::WrappersTold => counters.told,
            Stat::StackHighWater => u64::from(counters.stack_high_water),
            Stat::LastWork => counters.last_work,
            Stat::MaxWork => counters.max_work,
            Stat::NestedRefused => counters.nested_refused,
            Stat::ExternalBytes => counters.external,
            Stat::WrapCapacity => u64::from(self.wrap_capacity()),
            Stat::HeapBytes => blocks(self.heap.used),
            Stat::DeadQueued => u64::from(self.wraps.used - self.wraps.live),
            Stat::Pins => u64::from(self.roots.pinned()),
            Stat::RootRanges => u64::from(self.roots.ranges()),
            Stat::MarkOverflows => counters.mark_overflows,
            Stat::TableBytes => blocks(self.heap.internal),
        };
        value as i64
    }
}
