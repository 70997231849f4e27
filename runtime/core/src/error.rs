//! Errors: one table of codes, and what each means to a person.
//!
//! A trap of the runtime is never bare. Before it, a code and one argument are stored where
//! `gc_last_error` and `gc_last_error_arg` read them; after it the heap is consistent, and the
//! host may go on. The texts below are the only copy: `ABI.md` and the loader are held to them.

use crate::memory::Memory;
use crate::runtime::Runtime;
use crate::verify::Invariant;

/// A failure, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// Nothing has failed.
    None = 0,
    /// No memory for an allocation after a collection.
    HeapExhausted = 1,
    /// A size no heap of this runtime can hold.
    SizeTooLarge = 2,
    /// `gc_sp` is out of range or misaligned, or a guard word was overwritten.
    ShadowStackOverflow = 3,
    /// The wrap-table is at its limit and every entry is alive.
    WrapTableFull = 4,
    /// The pointer is not the base of an allocated object.
    NotAnObject = 5,
    /// The object stands for a host handle already.
    AlreadyRegistered = 6,
    /// `gc_init` was called again with another value, or after the first allocation.
    InitTwice = 7,
    /// `gc_unpin` without a matching `gc_pin`.
    UnpinUnderflow = 8,
    /// The heap checker found a broken invariant.
    HeapCorrupt = 9,
    /// A root range that is empty, misaligned, outside memory or not registered; or no shadow stack.
    BadRange = 10,
}

/// One row of the error table.
#[derive(Clone, Copy, Debug)]
pub struct ErrorInfo {
    /// The code.
    pub code: ErrorCode,
    /// The name in the ABI.
    pub name: &'static str,
    /// The failure, as a clause.
    pub meaning: &'static str,
    /// The meaning of `gc_last_error_arg`.
    pub argument: &'static str,
    /// The remedies that the user has.
    pub advice: &'static str,
}

macro_rules! errors {
    ($($variant:ident, $name:literal, $meaning:literal, $argument:literal, $advice:literal;)*) => {
        /// The error table, in the order of the codes.
        pub const ERRORS: &[ErrorInfo] = &[$(ErrorInfo {
            code: ErrorCode::$variant,
            name: $name,
            meaning: $meaning,
            argument: $argument,
            advice: $advice,
        }),*];
    };
}

errors! {
    None, "NONE",
        "nothing has failed",
        "0",
        "nothing to do";
    HeapExhausted, "HEAP_EXHAUSTED",
        "no memory for an allocation, also after a collection",
        "the size asked for, in bytes",
        "raise HEAP_LIMIT or MAX_PAGES, raise the memory limit of the host or the module (--max-memory of its linker), or keep fewer objects alive";
    SizeTooLarge, "SIZE_TOO_LARGE",
        "no heap can hold an object of this size: it is larger than the address space",
        "the size asked for, in bytes, unsigned",
        "look for a size that was computed from a negative or uninitialised value";
    ShadowStackOverflow, "SHADOW_STACK_OVERFLOW",
        "gc_sp is above the limit of the current shadow stack, below its base or not a multiple of 4, or the guard word at its limit was overwritten",
        "gc_sp as it was found",
        "restore gc_sp in every epilogue; for deeper recursion build the runtime with a larger shadow stack, or give gc_stack_new more slots";
    WrapTableFull, "WRAP_TABLE_FULL",
        "the wrap-table has reached WRAP_LIMIT and every entry is alive",
        "the limit, in entries",
        "raise WRAP_LIMIT, release wrappers with release_wrapper, or keep fewer of them alive";
    NotAnObject, "NOT_AN_OBJECT",
        "the pointer is not the base address of an object that is allocated now",
        "the pointer",
        "pass exactly what alloc returned; if the object was collected, a root is missing";
    AlreadyRegistered, "ALREADY_REGISTERED",
        "the object stands for a host handle already",
        "the pointer",
        "register each wrapper once; allocate a new one for another handle";
    InitTwice, "INIT_TWICE",
        "gc_init was called with another static_end than before, or when the heap was in use already",
        "the end of static data that is in force",
        "call gc_init once, before the first allocation";
    UnpinUnderflow, "UNPIN_UNDERFLOW",
        "gc_unpin was called more often than gc_pin",
        "the pointer",
        "pair each gc_unpin with one gc_pin";
    HeapCorrupt, "HEAP_CORRUPT",
        "the heap checker found a broken invariant",
        "the code that gc_verify returns",
        "look for a write outside an object; EAGER and VERIFY narrow down when it happens";
    BadRange, "BAD_RANGE",
        "a root range that is empty, misaligned, outside memory, or not registered when it is removed; or the number of no shadow stack, or of one that cannot be freed",
        "the start of the range, or the number of the stack",
        "pass start < end, both multiples of 4 and inside memory; remove exactly what was added; free stacks that gc_stack_new returned, once, while another is current";
}

/// The row of a code; `None` for a code that is not in the table.
pub fn error_info(code: u32) -> Option<&'static ErrorInfo> {
    ERRORS.get(code as usize)
}

/// A failure on its way to the ABI boundary, where it is stored and becomes a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// The argument, as [`ErrorInfo::argument`] describes it.
    pub arg: u32,
}

impl Failure {
    /// A failure with its argument.
    pub const fn new(code: ErrorCode, arg: u32) -> Self {
        Self { code, arg }
    }
}

const _: () = {
    let mut i = 0;
    while i < ERRORS.len() {
        assert!(ERRORS[i].code as usize == i, "the table is indexed by code");
        i += 1;
    }
};

/// Evidence that an operation failed, and that why is stored in the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(());

impl Failed {
    /// For a caller that knows of a failure that was stored.
    pub(crate) const fn stored() -> Self {
        Self(())
    }
}

/// The failure that `gc_last_error` and `gc_last_error_arg` report.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LastFailure {
    code: u32,
    arg: u32,
}

impl LastFailure {
    pub(crate) const EMPTY: Self = Self { code: 0, arg: 0 };
}

impl<M: Memory> Runtime<M> {
    /// Stores why an operation failed.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail(&mut self, code: ErrorCode, arg: u32) -> Failed {
        self.last.code = code as u32;
        self.last.arg = arg;
        Failed(())
    }

    /// Code and argument of the last failure, in one word.
    pub(crate) fn failure_words(&self) -> u64 {
        u64::from(self.last.code) << 32 | u64::from(self.last.arg)
    }

    pub(crate) fn set_failure_words(&mut self, words: u64) {
        self.last.code = (words >> 32) as u32;
        self.last.arg = words as u32;
    }

    /// Stores that an invariant is broken that nothing can be done about.
    #[cold]
    pub fn note(&mut self, invariant: Invariant) -> Failed {
        self.fail(ErrorCode::HeapCorrupt, invariant as u32)
    }

    /// Stores that the shadow stack has overflowed, for who finds it out before an operation begins.
    #[cold]
    pub fn note_overflow(&mut self) -> Failed {
        self.fail(ErrorCode::ShadowStackOverflow, self.mem.sp().get())
    }

    /// The last failure; code 0 if there was none.
    pub fn last_error(&self) -> u32 {
        self.last.code
    }

    /// The argument of the last failure.
    pub fn last_error_arg(&self) -> u32 {
        self.last.arg
    }

    /// The last failure with its code, if there was one.
    pub fn failure(&self) -> Option<Failure> {
        let info = error_info(self.last.code)?;
        (info.code != ErrorCode::None).then(|| Failure::new(info.code, self.last.arg))
    }
}
