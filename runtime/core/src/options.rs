//! Options: one table of what `gc_configure` takes.

/// An option, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum GcOption {
    /// Collect at every Nth allocation or registration; 0 is off, 1 is each.
    Eager = 0,
    /// Fill freed cells with 0xDB.
    Poison = 1,
    /// Check the whole heap after each collection.
    Verify = 2,
    /// Bytes of blocks that objects and tables may occupy; 0 is no limit.
    HeapLimit = 3,
    /// The bytes that may be allocated between collections, in percent of the live ones.
    GrowthPercent = 4,
    /// Bytes that may always be allocated between collections.
    MinHeap = 5,
    /// The most entries the wrap-table may have.
    WrapLimit = 6,
    /// True if any address inside an object keeps it alive.
    Interior = 7,
    /// Pages of 64 KiB that memory may be grown to by the runtime.
    MaxPages = 8,
    /// Bytes the mark stack may have beyond its built-in part.
    MarkStackLimit = 9,
    /// True if the host is notified of dead handles at once.
    Notify = 10,
    /// The bytes from the base of a large object in which an interior pointer may point; 0 is anywhere.
    LargeInterior = 11,
    /// True if free blocks that stray words point into are avoided.
    Blacklist = 12,
}

/// One row of the option table. Values are compared as unsigned.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// The number.
    pub option: GcOption,
    /// The name in the ABI.
    pub name: &'static str,
    /// Its effect.
    pub meaning: &'static str,
    /// The value before the first `gc_configure`.
    pub default: u32,
    /// The least value allowed.
    pub min: u32,
    /// The greatest value allowed.
    pub max: u32,
}

/// Values above this could not be distinguished from -1 when they are returned.
const MAX_VALUE: u32 = i32::MAX as u32;

macro_rules! options {
    ($($variant:ident, $name:literal, $default:expr, $min:expr, $max:expr, $meaning:literal;)*) => {
        /// The option table, in the order of the numbers.
        pub const OPTIONS: &[OptionInfo] = &[$(OptionInfo {
            option: GcOption::$variant,
            name: $name,
            meaning: $meaning,
            default: $default,
            min: $min,
            max: $max,
        }),*];
    };
}

options! {
    Eager, "EAGER", 0, 0, MAX_VALUE,
        "collect at every Nth allocation or registration; 0 is off, 1 is each";
    Poison, "POISON", 0, 0, 1,
        "fill freed cells with 0xDB";
    Verify, "VERIFY", 0, 0, 1,
        "check the whole heap after each collection; a broken invariant traps with HEAP_CORRUPT";
    HeapLimit, "HEAP_LIMIT", 0, 0, MAX_VALUE,
        "bytes of blocks that objects and tables of the collector may occupy; 0 is no limit but MAX_PAGES";
    GrowthPercent, "GROWTH_PERCENT", 100, 1, 10_000,
        "how much may be allocated between two collections, in percent of what the first found live";
    MinHeap, "MIN_HEAP", 256 * 1024, 0, MAX_VALUE,
        "bytes that may be allocated between two collections however little is live";
    WrapLimit, "WRAP_LIMIT", 16_777_216, 1, 134_217_728,
        "the most entries the wrap-table may have";
    Interior, "INTERIOR", 0, 0, 1,
        "1: any address inside an object keeps it alive, not only its base";
    MaxPages, "MAX_PAGES", 32_768, 16, 65_536,
        "pages of 64 KiB that the runtime grows memory to; 32,768 (2 GiB) keeps bit 31 of a pointer clear, 65,536 is 4 GiB";
    MarkStackLimit, "MARK_STACK_LIMIT", MAX_VALUE, 0, MAX_VALUE,
        "bytes the mark stack may have beyond its built-in part; less memory makes marking slower, never wrong";
    Notify, "NOTIFY", 1, 0, 1,
        "1: the host is notified of dead handles by the collection that finds them; 0: they are queued for gc_notify";
    LargeInterior, "LARGE_INTERIOR", 0, 0, MAX_VALUE,
        "with INTERIOR, how far into an object above 8 KiB an address that keeps it alive may point, in bytes; 0 is anywhere in it";
    Blacklist, "BLACKLIST", 0, 0, 1,
        "1: objects go, where there is a choice, to blocks that no stray word points into, so that less is kept by accident";
}

/// Least and greatest value of each option: what the runtime needs of the table, so that its texts
/// are not in the wasm file.
pub(crate) static RANGES: [[u32; 2]; OPTIONS.len()] = {
    let mut ranges = [[0; 2]; OPTIONS.len()];
    let mut i = 0;
    while i < OPTIONS.len() {
        ranges[i] = [OPTIONS[i].min, OPTIONS[i].max];
        i += 1;
    }
    ranges
};

/// The options before the first `gc_configure`.
pub(crate) const DEFAULTS: [u32; OPTIONS.len()] = {
    let mut values = [0; OPTIONS.len()];
    let mut i = 0;
    while i < OPTIONS.len() {
        values[i] = OPTIONS[i].default;
        i += 1;
    }
    values
};

const _: () = {
    let mut i = 0;
    while i < OPTIONS.len() {
        let row = &OPTIONS[i];
        assert!(row.option as usize == i, "the table is indexed by number");
        assert!(row.min <= row.default && row.default <= row.max && row.max <= MAX_VALUE);
        i += 1;
    }
};
