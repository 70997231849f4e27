//! The steps of a random program.

use proptest::prelude::*;

/// A step; numbers choose among what there is, by remainder.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Allocates, and pushes the object.
    Alloc {
        size: u32,
        atomic: bool,
    },
    /// Allocates, and hangs the object into a word of another.
    Hang {
        size: u32,
        holder: usize,
        word: usize,
    },
    /// Stores a pointer to a reachable object into a word of another.
    Link {
        to: usize,
        holder: usize,
        word: usize,
    },
    /// Stores a number into a word.
    Number {
        value: u32,
        holder: usize,
        word: usize,
    },
    /// Overwrites a slot of the shadow stack in place.
    Slot {
        slot: usize,
        to: usize,
    },
    /// Pops slots.
    Pop {
        count: usize,
    },
    /// Pushes a word that is no pointer.
    Junk {
        value: u32,
    },
    /// A word of the root range in static data.
    Global {
        word: usize,
        to: Option<usize>,
    },
    Pin {
        object: usize,
    },
    Unpin {
        object: usize,
    },
    Register {
        object: usize,
        sized: u32,
    },
    Release {
        object: usize,
    },
    /// Objects nobody holds.
    Garbage {
        count: u32,
        size: u32,
    },
    Collect,
    /// The host traps when it is told this many more handles.
    Trap {
        calls: u32,
    },
    Eager {
        every: u32,
    },
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0_u32..130,
        3 => 130_u32..2_100,
        1 => 2_100_u32..20_000,
        1 => prop::sample::select(vec![4_096, 8_192, 16_384, 16_400, 65_536, 90_000]),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let pick = 0_usize..1_000_000;
    let word = pick.clone();
    prop_oneof![
        12 => (size(), any::<bool>()).prop_map(|(size, atomic)| Step::Alloc { size, atomic }),
        12 => (size(), pick.clone(), word.clone())
            .prop_map(|(size, holder, word)| Step::Hang { size, holder, word }),
        12 => (pick.clone(), pick.clone(), word.clone())
            .prop_map(|(to, holder, word)| Step::Link { to, holder, word }),
        3 => (any::<u32>(), pick.clone(), word.clone())
            .prop_map(|(value, holder, word)| Step::Number { value, holder, word }),
        5 => (pick.clone(), pick.clone()).prop_map(|(slot, to)| Step::Slot { slot, to }),
        8 => (1_usize..6).prop_map(|count| Step::Pop { count }),
        2 => any::<u32>().prop_map(|value| Step::Junk { value }),
        3 => (0..GLOBALS, prop::option::of(pick.clone())).prop_map(|(word, to)| Step::Global { word, to }),
        2 => pick.clone().prop_map(|object| Step::Pin { object }),
        2 => pick.clone().prop_map(|object| Step::Unpin { object }),
        8 => (pick.clone(), prop_oneof![3 => Just(0_u32), 1 => 1_u32..200_000])
            .prop_map(|(object, sized)| Step::Register { object, sized }),
        2 => pick.prop_map(|object| Step::Release { object }),
        4 => (1_u32..300, size()).prop_map(|(count, size)| Step::Garbage { count: count.min(400_000 / (size + 1) + 1), size }),
        4 => Just(Step::Collect),
        2 => (1_u32..8).prop_map(|calls| Step::Trap { calls }),
        1 => prop::sample::select(vec![0_u32, 0, 1, 3]).prop_map(|every| Step::Eager { every }),
    ]
}

/// Words of static data that hold roots.
pub(super) const GLOBALS: usize = 8;
