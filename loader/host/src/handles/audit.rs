//! The state of the store's handles.

/// The value that a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handle {
    /// The kind it was made with.
    pub kind: u32,
    /// The host's value.
    pub value: i64,
    /// The number of times that its number had been given out before.
    pub generation: u32,
}

/// The fate of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Given out, and not told yet.
    Live,
    /// The host was told, once: all is well.
    ToldOnce,
    /// The host was told more than once.
    ToldTwice,
    /// It should have been told by now: see [`Audit::never_told`].
    NeverTold,
    /// The host took it back itself with [`HandleStore::remove`](super::HandleStore::remove).
    Removed,
    /// The number was never given out.
    Unknown,
}

/// A breach of the promise, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The kind that was told.
    pub kind: u32,
    /// The number that was told.
    pub handle: u32,
    /// The fault.
    pub what: FaultKind,
}

/// The breaches that telling a handle can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// It was told before.
    ToldTwice,
    /// It was never given out, or the host had taken it back.
    Unknown,
    /// It was given out with this other kind. It counts as not told.
    WrongKind(u32),
}

/// The sum over all handles of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Handles given out so far.
    pub made: u64,
    /// Given out and not told, with nothing wrong about that.
    pub live: u64,
    /// Told exactly once.
    pub told_once: u64,
    /// Handles that were told more than once.
    pub told_twice: u64,
    /// Handles that should have been told and were not: all that were left at
    /// [`HandleStore::expect_all_told`](super::HandleStore::expect_all_told) (which [`Instance::shutdown`](crate::Instance::shutdown) calls), and those
    /// given to [`HandleStore::expect_told`](super::HandleStore::expect_told). A handle that was made and never registered is among them: nobody will
    /// ever tell it, so it leaks just as well.
    pub never_told: u64,
    /// Handles that the host took back itself.
    pub removed: u64,
    /// Times a number was told that was never given out.
    pub unknown: u64,
    /// Times a handle was told with another kind than it was made with.
    pub wrong_kind: u64,
    /// The first faults, in the order in which they were seen.
    pub faults: Vec<Fault>,
}

impl Audit {
    /// Tells whether the promise was kept: nothing told twice, nothing forgotten, nothing made up.
    pub fn is_clean(&self) -> bool {
        self.told_twice == 0 && self.never_told == 0 && self.unknown == 0 && self.wrong_kind == 0
    }
}
