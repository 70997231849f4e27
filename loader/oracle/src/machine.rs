//! A runtime as the oracle drives it: each export, from outside and from inside the host's callback alike, with a trap of
//! the runtime as a result and any other trap as a fault.

use std::borrow::Cow;

use runtime::error::Failure;
use runtime::stats::Stat;

/// The reason why a step does not go on.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The host trapped in its callback, which unwinds all calls up to the one that catches it.
    HostTrap,
    /// The runtime and the model differ.
    Fault(String),
}

/// The result of a step.
pub type Step<T> = Result<T, Stop>;

/// A difference between the runtime and the model.
///
/// # Errors
///
/// Always: that is what it makes.
pub fn fault<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Fault(message.into()))
}

/// A fault unless both are equal.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
    what: impl std::fmt::Display,
    found: T,
    expected: T,
) -> Step<()> {
    if found == expected {
        return Ok(());
    }
    fault(format!("{what}: the runtime has {found:?}, the model {expected:?}"))
}

/// A result, or the reason for which the runtime trapped on purpose.
pub type Answer<T> = Result<T, Failure>;

/// A runtime with its memory: an instance in an engine, or the core over a memory of the process.
///
/// A call may run the host's callback, which the machine passes to [`Runner::told`](crate::Runner::told), and returns with
/// the stop of the callback if that stops. The methods without a `Result` cannot fail; the others fail with a fault where
/// the runtime does what no runtime may: a trap without a reason, a question that traps, an address outside memory.
#[expect(clippy::missing_errors_doc, reason = "they are above")]
pub trait Machine {
    /// Lets the next operation take as many instructions as any.
    fn refuel(&mut self);

    /// `alloc`.
    fn alloc(&mut self, size: u32) -> Step<Answer<u32>>;
    /// `alloc_atomic`.
    fn alloc_atomic(&mut self, size: u32) -> Step<Answer<u32>>;
    /// `try_alloc`, or `try_alloc_atomic`.
    fn try_alloc(&mut self, size: u32, atomic: bool) -> Step<Answer<u32>>;
    /// `gc_run`; 0 if the runs of this machine do not lie in its memory.
    fn run(&mut self, size: u32, atomic: bool) -> Step<u32>;
    /// `register_wrapper`.
    fn register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>>;
    /// `register_wrapper_sized`.
    fn register_sized(
        &mut self,
        ptr: u32,
        kind: u32,
        handle: u32,
        external: u32,
    ) -> Step<Answer<()>>;
    /// `try_register_wrapper`.
    fn try_register(&mut self, ptr: u32, kind: u32, handle: u32) -> Step<Answer<()>>;
    /// `gc_wrapper`: the kind and the handle.
    fn wrapper(&mut self, ptr: u32) -> Step<Option<(u32, u32)>>;
    /// `release_wrapper`.
    fn release(&mut self, ptr: u32) -> Step<Answer<u32>>;
    /// `gc_collect`.
    fn collect(&mut self) -> Step<Answer<()>>;
    /// `gc_notify`.
    fn notify(&mut self, most: u32) -> Step<Answer<u32>>;
    /// `gc_shutdown`.
    fn shutdown(&mut self) -> Step<Answer<()>>;
    /// `gc_init`.
    fn init(&mut self, static_end: u32) -> Step<Answer<()>>;
    /// `gc_add_roots`.
    fn add_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>>;
    /// `gc_remove_roots`.
    fn remove_roots(&mut self, start: u32, end: u32) -> Step<Answer<()>>;
    /// `gc_pin`.
    fn pin(&mut self, ptr: u32) -> Step<Answer<()>>;
    /// `gc_unpin`.
    fn unpin(&mut self, ptr: u32) -> Step<Answer<()>>;
    /// `gc_configure`.
    fn configure(&mut self, option: u32, value: u32) -> Step<i32>;
    /// `gc_stat`, for any number.
    fn raw_stat(&mut self, number: u32) -> Step<i64>;
    /// `gc_base`.
    fn base(&mut self, at: u32) -> Step<u32>;
    /// `gc_size`.
    fn size(&mut self, at: u32) -> Step<u32>;
    /// `gc_verify`.
    fn verify(&mut self) -> Step<u32>;
    /// `gc_last_error` and `gc_last_error_arg`.
    fn last_error(&mut self) -> Step<Option<Failure>>;

    /// Pages of 64 KiB that memory has.
    fn pages(&self) -> u32;
    /// The `length` bytes from an address on.
    fn bytes(&self, at: u32, length: u32) -> Step<Cow<'_, [u8]>>;
    /// Writes a word.
    fn write(&mut self, at: u32, word: u32) -> Step<()>;
    /// Fills `length` bytes.
    fn fill(&mut self, at: u32, length: u32, byte: u8) -> Step<()>;
    /// Grows memory as another allocator does: the first new page, or nothing.
    fn grow(&mut self, pages: u32) -> Option<u32>;
    /// From now on the host lets memory grow to this many pages.
    fn limit(&mut self, pages: u32);

    /// `gc_sp`.
    fn sp(&mut self) -> u32;
    /// Sets `gc_sp`.
    fn set_sp(&mut self, sp: u32);
    /// `gc_stack_base`.
    fn stack_base(&self) -> u32;
    /// `gc_stack_limit`.
    fn stack_limit(&self) -> u32;
    /// `gc_program_base`.
    fn program_base(&self) -> u32;
}

impl dyn Machine + '_ {
    /// `gc_stat`.
    pub(crate) fn stat(&mut self, stat: Stat) -> Step<u64> {
        let value = self.raw_stat(stat as u32)?;
        u64::try_from(value).map_err(|_| Stop::Fault(format!("{stat:?} is {value}")))
    }

    /// The word at an address.
    pub(crate) fn word(&self, at: u32) -> Step<u32> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes(bytes[..].try_into().expect("4 bytes")))
    }
}
