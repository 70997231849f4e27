//! The comparison after each operation, and at the start of each callback.

use runtime::addr::{BLOCK_SIZE, BLOCKS_PER_PAGE};
use runtime::options::GcOption;
use runtime::stats::{STATS, Stat};

use crate::machine::{Machine, Step, equal, fault};
use crate::model::InFlight;
use crate::program::STATIC_WORDS;
use crate::runner::{FOREIGN, Runner, State, UNTOUCHED, slots};

/// A heap of this many bytes is compared byte for byte after each operation; a larger one after each collection, and each
/// 64th operation.
const SMALL_HEAP: u64 = 16 << 10;
const RARELY: u32 = 64;

impl Runner {
    /// Compares what is cheap to compare, and now and then everything.
    pub(crate) fn check(&self, m: &mut dyn Machine) -> Step<()> {
        let mut state = self.state();
        let state = &mut *state;
        check_stack(m, state)?;
        check_stats(m, state)?;
        state.checks += 1;
        let collected = state.checked_at != state.model.counts.collections;
        let small = state.model.counts.live_bytes <= SMALL_HEAP;
        if collected || small || state.checks >= RARELY {
            check_all(m, state)?;
        }
        Ok(())
    }

    /// Compares everything.
    pub(crate) fn check_thoroughly(&self, m: &mut dyn Machine) -> Step<()> {
        let mut state = self.state();
        check_stack(m, &state)?;
        check_stats(m, &mut state)?;
        check_all(m, &mut state)?;
        let unknown = u32::try_from(STATS.len()).expect("a short table");
        equal("an unknown statistic", m.raw_stat(unknown)?, -1)
    }

    /// After a collection the blocks in use are those in which something lives.
    pub(crate) fn check_blocks(&self, m: &mut dyn Machine) -> Step<()> {
        let state = self.state();
        let model = &state.model;
        if model.calls.iter().any(|call| matches!(call, InFlight::Unknown(_))) {
            return Ok(());
        }
        let blocks = m.stat(Stat::HeapBytes)? - m.stat(Stat::TableBytes)?;
        let expected = model.blocks().len() as u64 * u64::from(BLOCK_SIZE);
        equal("blocks of objects after a collection, in bytes", blocks, expected)
    }
}

fn check_stack(m: &mut dyn Machine, state: &State) -> Step<()> {
    let base = m.stack_base();
    let stack = &state.model.stack;
    equal("gc_sp", m.sp(), base + 4 * slots(stack.len()))?;
    let words = m.bytes(base, 4 * slots(stack.len()))?;
    match words.chunks_exact(4).zip(stack).position(|(word, held)| word != held.to_le_bytes()) {
        None => Ok(()),
        Some(slot) => {
            let found = m.word(base + 4 * slots(slot))?;
            equal(format_args!("slot {slot} of the shadow stack"), found, stack[slot])
        }
    }
}

fn check_all(m: &mut dyn Machine, state: &mut State) -> Step<()> {
    state.checks = 0;
    state.checked_at = state.model.counts.collections;
    check_objects(m, state)?;
    check_others(m, state)?;
    equal("gc_verify", m.verify()?, 0)
}

fn check_objects(m: &mut dyn Machine, state: &State) -> Step<()> {
    for (&base, object) in &state.model.objects {
        let bytes = object.bytes();
        if m.base(base)? != base {
            return fault(format!("the object at {base:#x} ({bytes} bytes) is gone"));
        }
        equal(format_args!("the size of the object at {base:#x}"), m.size(base)?, bytes)?;
        let found = m.bytes(base, bytes)?;
        if found == object.content {
            continue;
        }
        if let Some(at) = found.iter().zip(&object.content).position(|(a, b)| a != b) {
            let (found, held) = (found[at], object.content[at]);
            equal(
                format_args!("byte {at} of the object at {base:#x} ({bytes} bytes)"),
                found,
                held,
            )?;
        }
    }
    Ok(())
}

/// Static data, and the pages of another allocator.
fn check_others(m: &mut dyn Machine, state: &State) -> Step<()> {
    let (base, bytes) = (m.program_base(), state.program.statics);
    let words = STATIC_WORDS.min(bytes / 4);
    for (word, &held) in state.model.statics.iter().take(words as usize).enumerate() {
        let found = m.word(base + 4 * slots(word))?;
        equal(format_args!("word {word} of static data"), found, held)?;
    }
    let rest = m.bytes(base + 4 * words, bytes - 4 * words)?;
    if !is_filled(&rest, UNTOUCHED) {
        return fault("static data that nobody writes to have changed");
    }
    for &(first, pages) in &state.foreign {
        let content = m.bytes(first << 16, pages << 16)?;
        if !is_filled(&content, FOREIGN) {
            return fault(format!(
                "page {first} or one after it, of another allocator, was written to"
            ));
        }
        for block in first * BLOCKS_PER_PAGE..(first + pages) * BLOCKS_PER_PAGE {
            equal("gc_base in foreign pages", m.base(block * BLOCK_SIZE)?, 0)?;
        }
    }
    Ok(())
}

/// Tells whether all bytes are the same. Without a way out in the middle, the compiler looks at many at once.
fn is_filled(bytes: &[u8], with: u8) -> bool {
    bytes.iter().fold(0, |different, &byte| different | (byte ^ with)) == 0
}

fn check_stats(m: &mut dyn Machine, state: &mut State) -> Step<()> {
    let model = &state.model;
    let counts = &model.counts;
    let (registered, dead) = (model.handles.registered, model.handles.dead);
    let expected = [
        (Stat::LiveBytes, counts.live_bytes),
        (Stat::LiveObjects, counts.live_objects),
        (Stat::AllocatedBytes, counts.allocated_bytes),
        (Stat::AllocatedObjects, counts.allocated_objects),
        (Stat::Collections, counts.collections),
        (Stat::Wrappers, registered),
        (Stat::WrappersPeak, counts.peak),
        (Stat::WrappersRegistered, counts.registered),
        (Stat::WrappersTold, counts.registered - registered - dead),
        (Stat::DeadQueued, dead),
        (Stat::StackHighWater, counts.stack_high_water),
        (Stat::NestedRefused, counts.refused),
        (Stat::ExternalBytes, model.handles.external),
        (Stat::Pins, model.pins.len() as u64),
        (Stat::RootRanges, model.ranges.len() as u64),
        (Stat::MemoryPages, u64::from(m.pages())),
    ];
    for (stat, value) in expected {
        equal(STATS[stat as usize].name, m.stat(stat)?, value)?;
    }
    if let Some(work) = state.last_work {
        equal("LAST_WORK", m.stat(Stat::LastWork)?, work)?;
    }
    let heap = m.stat(Stat::HeapBytes)?;
    let bounds = [
        ("PEAK_BYTES is below HEAP_BYTES", m.stat(Stat::PeakBytes)? < heap),
        ("TABLE_BYTES is above HEAP_BYTES", m.stat(Stat::TableBytes)? > heap),
        ("MAX_WORK is below LAST_WORK", m.stat(Stat::MaxWork)? < m.stat(Stat::LastWork)?),
        ("WRAP_CAPACITY is below the entries", m.stat(Stat::WrapCapacity)? < registered + dead),
    ];
    if let Some((what, _)) = bounds.iter().find(|(_, broken)| *broken) {
        return fault(*what);
    }
    // A limit that is set when more is in use lets nothing be added.
    let limit = u64::from(model.option(GcOption::HeapLimit));
    if limit != 0 && heap > limit.max(state.heap_bytes) {
        return fault(format!("HEAP_BYTES is {heap}, above HEAP_LIMIT, {limit}"));
    }
    state.heap_bytes = heap;
    Ok(())
}
