//! Failures between a host, the runtime and a program.
//!
//! Two kinds must not be mixed up: *bad input* (a file or an argument is at fault, nothing has run; the command exits
//! with 2) and *traps* (a program or the runtime stopped while running; the command exits with 1).

use std::fmt;

use rootstock_program::{AbiMismatch, InputError};
use runtime::error::ErrorInfo;
use wasmtime::Trap;

use crate::cause;

/// Any failure of this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime or the program stopped.
    #[error("{0}")]
    Trap(Box<TrapReport>),

    /// The program ended itself, by WASI's `proc_exit`. That is no failure if the code is 0.
    #[error("the program ended itself with the code {0}")]
    Exit(i32),

    /// A file or an argument is at fault.
    #[error("{0}")]
    Input(#[from] InputError),

    /// The runtime, or the program, is of another version of the ABI.
    #[error(
        "{what} has version {found} of the ABI; this build of Rootstock speaks version {expected}"
    )]
    AbiVersion {
        /// The name of the runtime or of the program that was looked at.
        what: String,
        /// The version of this crate.
        expected: u32,
        /// The version that was found.
        found: u32,
    },

    /// A runtime build lacks an export of the ABI, or has it with another type.
    #[error("{module} does not have the export `{export}` of the runtime's ABI: {cause}")]
    Export {
        /// The name of the runtime build.
        module: String,
        /// The export.
        export: &'static str,
        /// The fault.
        cause: String,
    },

    /// The host tried to reach outside linear memory.
    #[error("{length} bytes at {address:#x} do not lie in linear memory, which has {memory} bytes")]
    OutOfBounds {
        /// The first byte's address.
        address: u32,
        /// The bytes that were asked for.
        length: usize,
        /// The size of memory.
        memory: usize,
    },

    /// No slot is left on the shadow stack.
    #[error("the shadow stack is full: gc_sp has reached its limit, {limit:#x}")]
    ShadowStackFull {
        /// One past the last slot of the stack that is current.
        limit: u32,
    },

    /// `gc_configure` refused a value.
    #[error("the runtime refused {value} for the option {option}: {allowed}")]
    OptionRefused {
        /// The option's name.
        option: &'static str,
        /// The value.
        value: u32,
        /// The values that are allowed, in words.
        allowed: String,
    },

    /// The module was compiled for an engine without what the configuration asks for.
    #[error("{0}")]
    EngineMismatch(String),

    /// The engine could not do its part.
    #[error("{what}: {cause}")]
    Engine {
        /// The action that was attempted.
        what: String,
        /// The engine's words.
        cause: String,
    },
}

impl Error {
    /// Tells whether a file or an argument is at fault, rather than the run.
    pub fn is_bad_input(&self) -> bool {
        !matches!(
            self,
            Self::Trap(_) | Self::Exit(_) | Self::OutOfBounds { .. } | Self::ShadowStackFull { .. }
        )
    }

    /// The report, where something trapped.
    pub fn trap(&self) -> Option<&TrapReport> {
        match self {
            Self::Trap(report) => Some(report),
            _ => None,
        }
    }

    /// The runtime's error code, where the runtime trapped on purpose.
    pub fn code(&self) -> Option<runtime::error::ErrorCode> {
        self.trap().and_then(|report| report.code).map(|row| row.code)
    }

    /// The engine could not do its part: what was attempted, and its error.
    pub fn engine(what: impl Into<String>, cause: &wasmtime::Error) -> Self {
        Self::Engine { what: what.into(), cause: cause::cause(cause) }
    }
}

impl From<AbiMismatch> for Error {
    fn from(AbiMismatch { what, expected, found, .. }: AbiMismatch) -> Self {
        Self::AbiVersion { what, expected, found }
    }
}

impl From<rootstock_program::Error> for Error {
    fn from(error: rootstock_program::Error) -> Self {
        match error {
            rootstock_program::Error::Input(error) => error.into(),
            rootstock_program::Error::Abi(error) => error.into(),
            other => Self::Input(InputError::new("the program", other.to_string())),
        }
    }
}

/// Everything known about a trap at the moment it happened.
///
/// [`Display`](fmt::Display) is one line. [`Report`](crate::report::Report) says it at length.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TrapReport {
    /// The row of the runtime's error table, where the runtime trapped on purpose.
    pub code: Option<&'static ErrorInfo>,
    /// The result of `gc_last_error_arg`; 0 without a code.
    pub arg: u32,
    /// The engine's reason, where it was one: an instruction that trapped, or an interruption.
    pub trap: Option<Trap>,
    /// The reason in words.
    pub message: String,
    /// The wasm frames, innermost first. A host's frames between them are not in it.
    pub backtrace: Vec<Frame>,
    /// The size that memory would have had, where the host refused to let it grow.
    pub refused_growth: Option<usize>,
    /// The host found the shadow stack overrun when the call was over; `code` says so, and `message` how the call ended.
    pub overrun: bool,
}

impl fmt::Display for TrapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(row) => write!(
                f,
                "{}: {} (argument {:#x}: {})",
                row.name, row.meaning, self.arg, row.argument
            ),
            None => f.write_str(&self.message),
        }
    }
}

/// One frame of a wasm backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The module's name.
    pub module: String,
    /// The function's name, from the name section or an export.
    pub function: Option<String>,
    /// The function's number in its module.
    pub index: u32,
    /// The place in the module, in bytes from its beginning.
    pub offset: Option<usize>,
    /// File and line, where the module carries DWARF.
    pub source: Option<String>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!", self.module)?;
        match &self.function {
            Some(name) => f.write_str(name)?,
            None => write!(f, "func[{}]", self.index)?,
        }
        match (&self.source, self.offset) {
            (Some(source), _) => write!(f, " at {source}"),
            (None, Some(offset)) => write!(f, " at offset {offset:#x}"),
            (None, None) => Ok(()),
        }
    }
}
