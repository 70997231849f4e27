//! The runtime's own code, and the types of its functions.

use std::ops::Range;

use wasmtime::{FrameInfo, ValType};

/// The code of the runtime itself: a trap in it has stored its reason.
pub(crate) enum RuntimeCode {
    /// A module of its own.
    Module(wasmtime::Module),
    /// Functions of a linked module. An optimiser may have mixed them with others: then any of them may be.
    Linked(wasmtime::Module, Option<Range<u32>>),
}

impl RuntimeCode {
    pub(crate) fn has(&self, frame: &FrameInfo) -> bool {
        match self {
            Self::Module(module) | Self::Linked(module, None) => {
                wasmtime::Module::same(frame.module(), module)
            }
            Self::Linked(module, Some(functions)) => {
                wasmtime::Module::same(frame.module(), module)
                    && functions.contains(&frame.func_index())
            }
        }
    }
}

/// Types of arguments and results, for functions that a linked module does not export.
pub(crate) trait Signature {
    fn types() -> Vec<ValType>;
}

macro_rules! signatures {
    ($($name:ty: [$($ty:ident),*];)*) => {
        $(impl Signature for $name {
            fn types() -> Vec<ValType> {
                vec![$(ValType::$ty),*]
            }
        })*
    };
}

signatures! {
    (): [];
    u32: [I32];
    i32: [I32];
    i64: [I64];
    (u32, u32): [I32, I32];
    (u32, u32, u32): [I32, I32, I32];
    (u32, u32, u32, u32): [I32, I32, I32, I32];
}
