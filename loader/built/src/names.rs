//! Names of the ABI that several layers look for.

/// The module that programs import the runtime's exports from.
pub const RUNTIME: &str = "runtime";

/// The module that the host's functions are imported from.
pub const HOST: &str = "host";

/// The one import of the runtime, from module [`HOST`]: the function that is notified of dead handles.
pub const DECREF: &str = "host_decref_handle";

/// The memory, as every host looks for it.
pub const MEMORY: &str = "memory";

/// The exports that a host needs after a trap: the reason for it, and `gc_sp`, which it has to set back. A linked program
/// always has them.
pub const AFTER_A_TRAP: [&str; 3] = ["gc_last_error", "gc_last_error_arg", "gc_sp"];

/// An immutable i32 global, initialised by a constant, that a program may export: the version of the ABI that it was
/// compiled for. It is compared before any of the program's code runs.
pub const ABI_REQUIRED: &str = "gc_abi_required";

/// A function, without parameters and results, that a reactor exports to be called once before any other.
pub const INITIALIZE: &str = "_initialize";

/// The custom section by which a linked program is known. Its contents are JSON.
pub const MARKER_SECTION: &str = "rootstock";

/// The custom section of the runtime that lists its phases on demand: see [`phase_groups`].
pub const PHASES_SECTION: &str = "rootstock.phases";

/// The groups of phases that the text of [`PHASES_SECTION`] has: the functions of each, and the exports that need them.
pub fn phase_groups(
    text: &str,
) -> impl Iterator<Item = (impl Iterator<Item = &str>, impl Iterator<Item = &str>)> {
    let groups = text.lines().filter_map(|line| line.split_once(':'));
    groups.map(|(phases, exports)| (phases.split_whitespace(), exports.split_whitespace()))
}
