//! Memory of the dead that is not handed out again yet.
//!
//! The runtime knows nothing of it. It is kept from reusing a dead object's memory by a root range that the doctor has in
//! pages of its own: a word of it for each object.
//!
//! ```text
//! ring:  [ 0 | object | object | 0 | 0 | ... ]      as many as RING_PAGES hold
//!              ^ next to leave     ^ next to come
//! ```

use std::collections::VecDeque;

use rootstock_host::exports::{Context, Exports};

use crate::objects::Id;

/// Pages of the ring.
const RING_PAGES: u64 = 16;
const RING_BYTES: u32 = RING_PAGES as u32 * (1 << 16);
/// Objects that the ring has words for.
const RING_WORDS: u32 = RING_BYTES / 4;

/// The quarantine.
pub(super) struct Quarantine {
    /// Bytes that it may hold.
    limit: u64,
    ring: Ring,
    /// The objects with their words' addresses and their sizes, the oldest first.
    queue: VecDeque<(Id, u32, u32)>,
    bytes: u64,
    /// Bytes of dead objects that it could not take: the runtime may have them at its next collection.
    loose: u64,
    /// The word that the next one gets.
    next: u32,
}

enum Ring {
    NotYet,
    At(u32),
    /// There was no memory for it.
    Refused,
}

impl Quarantine {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, ring: Ring::NotYet, queue: VecDeque::new(), bytes: 0, loose: 0, next: 0 }
    }

    /// Objects in it, and their bytes.
    pub(super) fn contents(&self) -> (i64, i64) {
        (self.queue.len() as i64, self.bytes.cast_signed())
    }

    /// Tells whether this range is the ring.
    pub(super) fn has_range(&self) -> bool {
        matches!(self.ring, Ring::At(_))
    }

    /// The ring, which is made when it is first needed: before that, the memory above the program's static data is not
    /// anybody's to take.
    fn ring(&mut self, mut cx: impl Context, exports: &Exports) -> Option<u32> {
        if let Ring::NotYet = self.ring {
            self.ring = match Self::make(&mut cx, exports) {
                Some(start) => Ring::At(start),
                None => Ring::Refused,
            };
        }
        match self.ring {
            Ring::At(start) => Some(start),
            _ => None,
        }
    }

    fn make(mut cx: impl Context, exports: &Exports) -> Option<u32> {
        let pages = exports.memory.grow(&mut cx, RING_PAGES).ok();
        cx.as_context_mut().data_mut().forget_refusal();
        let start = u32::try_from(pages? << 16).ok()?;
        let end = start.checked_add(RING_BYTES)?;
        exports.gc_add_roots.call(&mut cx, (start, end)).ok()?;
        Some(start)
    }

    /// Keeps an object's memory, if it can.
    pub(super) fn keep(
        &mut self,
        cx: impl Context,
        exports: &Exports,
        id: Id,
        base: u32,
        size: u32,
    ) {
        match self.take_word(cx, exports, base, size) {
            Some(word) => {
                self.queue.push_back((id, word, size));
                self.bytes += u64::from(size);
            }
            None => self.loose += u64::from(size),
        }
    }

    /// A word of the ring that keeps this object.
    fn take_word(
        &mut self,
        mut cx: impl Context,
        exports: &Exports,
        base: u32,
        size: u32,
    ) -> Option<u32> {
        if u64::from(size) > self.limit || self.queue.len() as u32 >= RING_WORDS {
            return None;
        }
        let word = self.ring(&mut cx, exports)? + self.next * 4;
        self.next = (self.next + 1) % RING_WORDS;
        exports.write(&mut cx, word, &base.to_le_bytes()).ok()?;
        Some(word)
    }

    /// Tells whether it holds more than it may.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.limit || self.loose > self.limit || self.queue.len() as u32 >= RING_WORDS
    }

    /// Lets the oldest go until half of what it may hold is left, or `all`. Their memory is free at the runtime's next
    /// collection. False if that frees nothing.
    pub(super) fn release(&mut self, mut cx: impl Context, exports: &Exports, all: bool) -> bool {
        let released = !self.queue.is_empty() || self.loose > 0;
        self.loose = 0;
        let (bytes, words) = if all { (0, 0) } else { (self.limit / 2, RING_WORDS as usize / 2) };
        while let Some(&(_, word, size)) = self.queue.front() {
            if self.bytes <= bytes && self.queue.len() <= words {
                break;
            }
            self.queue.pop_front();
            self.bytes -= u64::from(size);
            // Its pages were there when it was made, and memory does not shrink.
            let _ = exports.write(&mut cx, word, &[0; 4]);
        }
        released
    }
}
