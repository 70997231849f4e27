//! Places of instructions, before and after a program is instrumented.

/// The place of an instruction in the program as it was: its function's number, and its offset in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CodePlace {
    pub(super) function: u32,
    pub(super) offset: u32,
}

/// For each instruction of a function's body where it is now, in bytes from the body's beginning, and where it was, in
/// bytes from the module's. Both ascend.
pub(super) struct Body {
    pub(super) moves: Vec<(u32, u32)>,
    /// The start of the body in the new module.
    pub(super) start: u32,
}

impl Body {
    pub(super) fn new(moves: Vec<(u32, u32)>) -> Self {
        Self { moves, start: 0 }
    }
}
