//! Questions to the store.

use super::{
    Audit, Chunk, Exception, Handle, HandleStore, NUMBER_MASK, SLOT_BITS, State, Status, split,
};

impl HandleStore {
    /// The fate of a number.
    pub fn status(&self, number: u32) -> Status {
        let number = number & NUMBER_MASK;
        match self.exceptions.get(&number) {
            Some(Exception::Removed) => return Status::Removed,
            Some(Exception::ToldTwice) => return Status::ToldTwice,
            None => {}
        }
        let (chunk, slot) = split(number);
        match self.chunks.get(chunk) {
            None => Status::Unknown,
            Some(Chunk::Retired { .. }) if number == 0 => Status::Unknown,
            Some(Chunk::Retired { .. }) => Status::ToldOnce,
            Some(Chunk::Open(open)) => match open.slots[slot].state {
                // A slot that waits for its next lap was told in the one before.
                State::Fresh if open.generation > 0 && number != 0 => Status::ToldOnce,
                State::Fresh => Status::Unknown,
                State::Live => Status::Live,
                State::Overdue => Status::NeverTold,
                State::Told => Status::ToldOnce,
                State::Removed => Status::Removed,
            },
        }
    }

    /// Handles that are alive now.
    pub fn live_count(&self) -> u64 {
        self.live
    }

    /// The live handles with their numbers, by number.
    pub fn live(&self) -> impl Iterator<Item = (u32, Handle)> {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            let open = match chunk {
                Chunk::Open(open) => Some(open),
                Chunk::Retired { .. } => None,
            };
            open.into_iter().flat_map(move |open| {
                open.slots.iter().enumerate().filter_map(move |(slot, found)| {
                    let alive = matches!(found.state, State::Live | State::Overdue);
                    alive.then_some((
                        (at << SLOT_BITS | slot) as u32,
                        Handle {
                            kind: found.kind,
                            value: found.value,
                            generation: open.generation,
                        },
                    ))
                })
            })
        })
    }

    /// The sum over all handles.
    pub fn audit(&self) -> Audit {
        Audit {
            made: self.made,
            live: self.live - self.overdue,
            told_once: self.told.saturating_sub(self.told_twice),
            told_twice: self.told_twice,
            never_told: self.overdue,
            removed: self.removed,
            unknown: self.unknown,
            wrong_kind: self.wrong_kind,
            faults: self.faults.clone(),
        }
    }
}
