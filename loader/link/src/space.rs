//! Index spaces: the numbers of a module, each in the space of its kind.

use wasmparser::{ExternalKind, TypeRef};

/// An index space: the items of a kind, which a module numbers apart from other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Space {
    Function,
    Table,
    Memory,
    Global,
    Tag,
}

impl Space {
    pub(super) const ALL: [Self; 5] =
        [Self::Function, Self::Table, Self::Memory, Self::Global, Self::Tag];

    pub(super) fn of_import(ty: &TypeRef) -> Self {
        match ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => Self::Function,
            TypeRef::Table(_) => Self::Table,
            TypeRef::Memory(_) => Self::Memory,
            TypeRef::Global(_) => Self::Global,
            TypeRef::Tag(_) => Self::Tag,
        }
    }

    pub(super) fn of_export(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Table => Self::Table,
            ExternalKind::Memory => Self::Memory,
            ExternalKind::Global => Self::Global,
            ExternalKind::Tag => Self::Tag,
        }
    }
}

/// The origin of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From outside: it stays an import.
    Host,
    /// From another module of the link, by the number of that module and the number it has there.
    Linked(usize, u32),
}

/// An item of one module: the number of the module, and the number of the item there.
pub(super) type ItemId = (usize, u32);
