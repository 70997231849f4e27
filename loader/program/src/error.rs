//! Faults of files, arguments and versions.

/// Bad input: a file or an argument is at fault, and nothing has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or an argument is at fault.
    #[error("{0}")]
    Input(#[from] InputError),

    /// A program was compiled for another version of the ABI.
    #[error("{0}")]
    Abi(#[from] AbiMismatch),
}

/// A program, or a runtime, of another version of the ABI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has version {found} of the ABI; this build of Rootstock speaks version {expected}")]
#[non_exhaustive]
pub struct AbiMismatch {
    /// The name of the runtime or of the program that was looked at.
    pub what: String,
    /// The version of this crate.
    pub expected: u32,
    /// The version that was found.
    pub found: u32,
}

/// A file or an argument that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {cause}")]
#[non_exhaustive]
pub struct InputError {
    /// The file, or the argument as it was given.
    pub subject: String,
    /// The fault, and where that helps, the remedy.
    pub cause: String,
}

impl InputError {
    /// An error about a file or an argument.
    pub fn new(subject: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { subject: subject.into(), cause: cause.into() }
    }
}
