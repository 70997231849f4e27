//! The host's handle store, and the audit of what became of each handle.
//!
//! A *handle* is a number that stands for a value of the host inside a program. The runtime promises to tell the host
//! exactly once when the object that stood for it is dead; the store holds it to that.
//!
//! Numbers run from 1 upwards and are not given out again before all 2^31 of them have been: a number that is told
//! twice, or used after it was told, is therefore found out for as long as anybody is likely to run. Bit 31 is never
//! set in a number, and is ignored in one that comes back, so that clients may tag words with it.
//!
//! ```text
//! number   = generation's next serial, 31 bits: [ chunk: 19 | slot: 12 ]
//! chunks   = [ Retired{generation} | Retired{..} | Open -> [slot; 4096] | Open | (none yet) ]
//! ```
//!
//! Slots live in chunks of 4,096. A chunk whose handles were all told is dropped to one word, so memory follows the
//! handles that are alive, not those that ever were.

mod audit;
mod look;

use std::collections::BTreeMap;

pub use audit::{Audit, Fault, FaultKind, Handle, Status};

const SLOT_BITS: u32 = 12;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u32 = SLOTS as u32 - 1;
/// A bit 31 that clients may set is not part of the number.
const NUMBER_MASK: u32 = 0x7fff_ffff;
const CHUNKS: usize = 1 << (31 - SLOT_BITS);
/// More faults than this are counted, not kept.
const KEPT_FAULTS: usize = 64;
/// The numbers that are remembered to have been reported twice; a program can make that happen as often as it likes.
const KEPT_EXCEPTIONS: usize = 1_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Live,
    /// Live, and should have been told.
    Overdue,
    Told,
    Removed,
}

#[derive(Clone, Copy)]
struct Slot {
    value: i64,
    kind: u32,
    state: State,
}

const FRESH: Slot = Slot { value: 0, kind: 0, state: State::Fresh };

struct Open {
    slots: Box<[Slot; SLOTS]>,
    /// Slots that are neither fresh nor finished with.
    live: u32,
    generation: u32,
}

enum Chunk {
    Open(Open),
    /// Every number in it was given out `generation` times and is finished with.
    Retired {
        generation: u32,
    },
}

/// Handles by number.
///
/// ```
/// use rootstock_host::{HandleStore, Status};
///
/// let mut handles = HandleStore::default();
/// let file = handles.insert(1, 42);
/// assert_eq!(handles.get(file).map(|handle| handle.value), Some(42));
/// assert!(handles.tell(1, file).is_ok());
/// // A second notification is a fault, which the audit keeps.
/// assert!(handles.tell(1, file).is_err());
/// assert_eq!(handles.status(file), Status::ToldTwice);
/// assert!(!handles.audit().is_clean());
/// ```
pub struct HandleStore {
    chunks: Vec<Chunk>,
    next: u32,
    /// A dropped chunk's slots, kept for the next one.
    spare: Option<Box<[Slot; SLOTS]>>,
    /// Numbers that were removed, or told more than once, with what their retired chunk can no longer say.
    exceptions: BTreeMap<u32, Exception>,
    limit: u64,
    live: u64,
    overdue: u64,
    made: u64,
    told: u64,
    told_twice: u64,
    removed: u64,
    unknown: u64,
    wrong_kind: u64,
    faults: Vec<Fault>,
    log: Option<Vec<(u32, u32)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exception {
    Removed,
    ToldTwice,
}

/// The store has as many live handles as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host's handle store is full: {0} handles are alive")]
pub struct StoreFull(pub u64);

impl Default for HandleStore {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            next: 1,
            spare: None,
            exceptions: BTreeMap::new(),
            limit: u64::from(NUMBER_MASK),
            live: 0,
            overdue: 0,
            made: 0,
            told: 0,
            told_twice: 0,
            removed: 0,
            unknown: 0,
            wrong_kind: 0,
            faults: Vec::new(),
            log: None,
        }
    }
}

fn split(number: u32) -> (usize, usize) {
    ((number >> SLOT_BITS) as usize, (number & SLOT_MASK) as usize)
}

impl HandleStore {
    /// A store that refuses to hold more than `limit` live handles.
    pub fn with_limit(limit: u64) -> Self {
        Self { limit: limit.min(u64::from(NUMBER_MASK)), ..Self::default() }
    }

    /// Makes a handle within the store's limit; what programs ask for goes through here.
    ///
    /// # Errors
    ///
    /// If no number is left, or as many are alive as may be.
    pub fn try_insert(&mut self, kind: u32, value: i64) -> Result<u32, StoreFull> {
        if self.live >= self.limit {
            return Err(StoreFull(self.live));
        }
        Ok(self.insert(kind, value))
    }

    /// Makes a handle, whatever the limit; its number is not 0 and has bit 31 clear.
    ///
    /// # Panics
    ///
    /// With 2^31 handles alive (32 GiB of them), when no number is left.
    pub fn insert(&mut self, kind: u32, value: i64) -> u32 {
        assert!(self.live < u64::from(NUMBER_MASK), "no handle number is left");
        let number = self.next_number();
        let (chunk, slot) = split(number);
        let Chunk::Open(open) = &mut self.chunks[chunk] else {
            unreachable!("next_number opens the chunk");
        };
        open.slots[slot] = Slot { value, kind, state: State::Live };
        open.live += 1;
        self.live += 1;
        self.made += 1;
        self.next = (number + 1) & NUMBER_MASK;
        number
    }

    /// The first number from `next` on that can be given out; opens its chunk.
    ///
    /// Chunks that still hold live handles from the lap before are passed over whole, because a finished slot in them
    /// must keep its history.
    fn next_number(&mut self) -> u32 {
        loop {
            if self.next == 0 {
                // 0 is nobody's handle.
                self.next = 1;
            }
            let (chunk, slot) = split(self.next);
            let generation = match self.chunks.get(chunk) {
                Some(Chunk::Open(open)) if open.slots[slot].state == State::Fresh => {
                    return self.next;
                }
                Some(Chunk::Open(_)) => {
                    self.next = (((chunk + 1) % CHUNKS) << SLOT_BITS) as u32;
                    continue;
                }
                Some(Chunk::Retired { generation }) => *generation,
                None => 0,
            };
            self.open(chunk, generation);
        }
    }

    fn open(&mut self, chunk: usize, generation: u32) {
        let slots = match self.spare.take() {
            Some(mut slots) => {
                slots.fill(FRESH);
                slots
            }
            None => Box::new([FRESH; SLOTS]),
        };
        let open = Chunk::Open(Open { slots, live: 0, generation });
        if chunk == self.chunks.len() {
            self.chunks.push(open);
        } else {
            // A new lap: what the numbers were before no longer matters.
            let first = (chunk << SLOT_BITS) as u32;
            let stale: Vec<u32> = self
                .exceptions
                .range(first..=first | SLOT_MASK)
                .map(|(&number, _)| number)
                .collect();
            for number in stale {
                self.exceptions.remove(&number);
            }
            self.chunks[chunk] = open;
        }
    }

    /// The live handle behind a number.
    pub fn get(&self, number: u32) -> Option<Handle> {
        let (chunk, slot) = split(number & NUMBER_MASK);
        match self.chunks.get(chunk)? {
            Chunk::Open(open) => {
                let found = &open.slots[slot];
                matches!(found.state, State::Live | State::Overdue).then_some(Handle {
                    kind: found.kind,
                    value: found.value,
                    generation: open.generation,
                })
            }
            Chunk::Retired { .. } => None,
        }
    }

    /// The runtime tells that `number` is dead. A breach is kept for the audit, and returned.
    ///
    /// # Errors
    ///
    /// If the handle is not one that can die now. The audit counts that.
    pub fn tell(&mut self, kind: u32, number: u32) -> Result<Handle, Fault> {
        if let Some(log) = &mut self.log {
            log.push((kind, number));
        }
        let number = number & NUMBER_MASK;
        match self.get(number) {
            Some(handle) if handle.kind == kind => {
                self.finish(number, State::Told);
                Ok(handle)
            }
            Some(handle) => Err(self.fault(kind, number, FaultKind::WrongKind(handle.kind))),
            None => match self.status(number) {
                Status::ToldOnce | Status::ToldTwice => {
                    let known = self.exceptions.contains_key(&number);
                    if !known && self.exceptions.len() < KEPT_EXCEPTIONS {
                        self.exceptions.insert(number, Exception::ToldTwice);
                    }
                    self.told_twice += u64::from(!known);
                    Err(self.fault(kind, number, FaultKind::ToldTwice))
                }
                _ => Err(self.fault(kind, number, FaultKind::Unknown)),
            },
        }
    }

    /// The host takes a handle back that no wrapper stands for, for instance because registering it failed.
    pub fn remove(&mut self, number: u32) -> Option<Handle> {
        let number = number & NUMBER_MASK;
        let handle = self.get(number)?;
        self.finish(number, State::Removed);
        self.exceptions.insert(number, Exception::Removed);
        Some(handle)
    }

    fn finish(&mut self, number: u32, state: State) {
        let (chunk, slot) = split(number);
        let Chunk::Open(open) = &mut self.chunks[chunk] else {
            unreachable!("a live handle lies in an open chunk");
        };
        let found = &mut open.slots[slot];
        if found.state == State::Overdue {
            self.overdue -= 1;
        }
        found.state = state;
        match state {
            State::Removed => self.removed += 1,
            _ => self.told += 1,
        }
        self.live -= 1;
        open.live -= 1;
        let given_out = open.slots[SLOTS - 1].state != State::Fresh;
        if open.live == 0 && given_out {
            let generation = open.generation + 1;
            let old = std::mem::replace(&mut self.chunks[chunk], Chunk::Retired { generation });
            if let Chunk::Open(open) = old {
                self.spare = Some(open.slots);
            }
        }
    }

    fn fault(&mut self, kind: u32, handle: u32, what: FaultKind) -> Fault {
        match what {
            FaultKind::ToldTwice => {}
            FaultKind::Unknown => self.unknown += 1,
            FaultKind::WrongKind(_) => self.wrong_kind += 1,
        }
        let fault = Fault { kind, handle, what };
        if self.faults.len() < KEPT_FAULTS {
            self.faults.push(fault);
        }
        fault
    }

    /// Says that this live handle's object is dead and was reclaimed: it counts as never told until it is told.
    pub fn expect_told(&mut self, number: u32) {
        let (chunk, slot) = split(number & NUMBER_MASK);
        if let Some(Chunk::Open(open)) = self.chunks.get_mut(chunk)
            && open.slots[slot].state == State::Live
        {
            open.slots[slot].state = State::Overdue;
            self.overdue += 1;
        }
    }

    /// Says that every handle made so far should have been told: those that are left count as never told.
    pub fn expect_all_told(&mut self) {
        for chunk in &mut self.chunks {
            if let Chunk::Open(open) = chunk {
                for slot in open.slots.iter_mut().filter(|slot| slot.state == State::Live) {
                    slot.state = State::Overdue;
                    self.overdue += 1;
                }
            }
        }
    }

    /// Keeps from now on what is told, in order, faults included; for tests that look at single calls.
    pub fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    /// The (kind, number) pairs told since [`keep_log`](Self::keep_log), in order.
    pub fn log(&self) -> &[(u32, u32)] {
        self.log.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
