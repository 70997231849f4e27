//! Programs: what a host and a compiled program may do with the runtime, in any order.
//!
//! An object has a *name* from its allocation on, and a handle a number from its registration on; operations refer to
//! them by these. So an operation can be taken out of a program and the others keep their meaning: what refers to an
//! object that was never allocated does nothing. A name outlives its object; then it stands for the address where the
//! object was, which is what a program with a missing root has in its hands.

use std::collections::BTreeMap;

/// Words of static data that programs write to and register as roots.
pub(crate) const STATIC_WORDS: u32 = 64;

/// The name of an object.
pub type Name = u32;

/// A word that a program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A number that is no address, or is one by accident.
    Number(u32),
    /// An object's address, or one this many bytes further on.
    Object(Name, u32),
}

/// Which export allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `alloc`
    Alloc,
    /// `alloc_atomic`
    Atomic,
    /// `try_alloc`
    Try,
    /// `try_alloc_atomic`
    TryAtomic,
    /// Inline, from the run that `gc_run` names; where that is empty, `alloc`.
    Inline,
    /// The same with `alloc_atomic`.
    InlineAtomic,
}

impl How {
    /// Tells whether the object holds no pointers.
    pub fn is_atomic(self) -> bool {
        matches!(self, Self::Atomic | Self::TryAtomic | Self::InlineAtomic)
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Allocates an object and names it.
    Alloc {
        /// The object's name.
        name: Name,
        /// The export.
        how: How,
        /// Bytes asked for.
        size: u32,
    },
    /// Allocates an object, pushes it, and fills it with `count` others.
    Fan {
        /// The name of the object that holds the others.
        name: Name,
        /// The number of others.
        count: u32,
        /// Bytes of each.
        size: u32,
    },
    /// Pushes a slot, and builds a list in it, each of whose nodes has an object beside the next node. Marking it needs a
    /// mark stack as high as the list is long.
    Comb {
        /// The name of the list's first node.
        name: Name,
        /// The number of nodes.
        count: u32,
        /// Bytes of the object beside each.
        size: u32,
    },
    /// Allocates and registers wrappers that nobody keeps, with handles from one on.
    Burst {
        /// The number of them.
        count: u32,
        /// Bytes of each.
        size: u32,
        /// Their kind.
        kind: u32,
        /// The first handle.
        handle: u32,
    },
    /// Pushes a word on the shadow stack.
    Push(Word),
    /// Overwrites a slot of the shadow stack, counted from its base.
    Set {
        /// The slot.
        slot: u32,
        /// The word that it holds now.
        value: Word,
    },
    /// Pops slots, as many as there are at most.
    Pop(u32),
    /// Writes a word of an object.
    Store {
        /// The object.
        object: Name,
        /// The word's index, modulo the object's words.
        word: u32,
        /// The word that it holds now.
        value: Word,
    },
    /// Writes a word of static data.
    Static {
        /// The word's index, modulo the words there are.
        word: u32,
        /// The word that it holds now.
        value: Word,
    },
    /// `gc_add_roots`, from and to this many bytes above `gc_program_base`.
    AddRoots(u32, u32),
    /// `gc_remove_roots`, from and to this many bytes above `gc_program_base`.
    RemoveRoots(u32, u32),
    /// `gc_pin`
    Pin(Word),
    /// `gc_unpin`
    Unpin(Word),
    /// `register_wrapper`, or with external bytes `register_wrapper_sized`.
    Register {
        /// The object.
        object: Word,
        /// The handle's kind.
        kind: u32,
        /// The handle.
        handle: u32,
        /// Bytes behind the handle.
        external: Option<u32>,
    },
    /// `try_register_wrapper`
    TryRegister {
        /// The object.
        object: Word,
        /// The handle's kind.
        kind: u32,
        /// The handle.
        handle: u32,
    },
    /// `release_wrapper`
    Release(Word),
    /// `gc_collect`
    Collect,
    /// `gc_notify`, of at most this many.
    Notify(u32),
    /// `gc_shutdown`
    Shutdown,
    /// `gc_configure`, of any option and value.
    Configure(u32, u32),
    /// `gc_init`, with this many bytes above `gc_program_base`.
    Init(u32),
    /// Another allocator grows memory by this many pages.
    Grow(u32),
    /// From now on the host lets memory grow to this many pages.
    Limit(u32),
    /// `gc_base`, `gc_size` and `gc_wrapper` of a word.
    Ask(Word),
    /// Sets `gc_sp` to nonsense and asks for a collection; not inside a callback.
    CollectWithSp(u32),
    /// Overwrites the guard word and asks for a collection; not inside a callback.
    CollectWithoutGuard,
    /// The host traps: in a callback only.
    Trap,
}

impl Op {
    /// Its keyword in the text.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Alloc { how: How::Alloc, .. } => "alloc",
            Self::Alloc { how: How::Atomic, .. } => "alloc_atomic",
            Self::Alloc { how: How::Try, .. } => "try_alloc",
            Self::Alloc { how: How::TryAtomic, .. } => "try_alloc_atomic",
            Self::Alloc { how: How::Inline, .. } => "inline_alloc",
            Self::Alloc { how: How::InlineAtomic, .. } => "inline_alloc_atomic",
            Self::Fan { .. } => "fan",
            Self::Comb { .. } => "comb",
            Self::Burst { .. } => "burst",
            Self::Push(_) => "push",
            Self::Set { .. } => "set",
            Self::Pop(_) => "pop",
            Self::Store { .. } => "store",
            Self::Static { .. } => "static",
            Self::AddRoots(..) => "gc_add_roots",
            Self::RemoveRoots(..) => "gc_remove_roots",
            Self::Pin(_) => "gc_pin",
            Self::Unpin(_) => "gc_unpin",
            Self::Register { external: None, .. } => "register_wrapper",
            Self::Register { external: Some(_), .. } => "register_wrapper_sized",
            Self::TryRegister { .. } => "try_register_wrapper",
            Self::Release(_) => "release_wrapper",
            Self::Collect => "gc_collect",
            Self::Notify(_) => "gc_notify",
            Self::Shutdown => "gc_shutdown",
            Self::Configure(..) => "gc_configure",
            Self::Init(_) => "gc_init",
            Self::Grow(_) => "grow",
            Self::Limit(_) => "limit",
            Self::Ask(_) => "ask",
            Self::CollectWithSp(_) => "collect_with_sp",
            Self::CollectWithoutGuard => "collect_without_guard",
            Self::Trap => "trap",
        }
    }

    /// All of [`keyword`](Self::keyword)'s, for a report of what was covered.
    pub const KEYWORDS: [&'static str; 33] = [
        "alloc",
        "alloc_atomic",
        "try_alloc",
        "try_alloc_atomic",
        "inline_alloc",
        "inline_alloc_atomic",
        "fan",
        "comb",
        "burst",
        "push",
        "set",
        "pop",
        "store",
        "static",
        "gc_add_roots",
        "gc_remove_roots",
        "gc_pin",
        "gc_unpin",
        "register_wrapper",
        "register_wrapper_sized",
        "try_register_wrapper",
        "release_wrapper",
        "gc_collect",
        "gc_notify",
        "gc_shutdown",
        "gc_configure",
        "gc_init",
        "grow",
        "limit",
        "ask",
        "collect_with_sp",
        "collect_without_guard",
        "trap",
    ];
}

/// The actions of the host when it is notified of a handle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Its operations, in order.
    pub ops: Vec<Op>,
    /// True if it catches traps of its nested callbacks, and goes on.
    pub catches: bool,
}

/// A program, and the host that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Pages that the host lets memory grow to.
    pub pages: u32,
    /// Bytes of static data; 0 leaves `gc_init` out.
    pub statics: u32,
    /// The operations of the program, in order.
    pub ops: Vec<Op>,
    /// The actions of the host when it is notified of a handle.
    pub told: BTreeMap<u32, Script>,
}

impl Program {
    /// Fewer pages than this do not hold the runtime's own memory.
    pub const LEAST_PAGES: u32 = 17;

    /// A program that does nothing yet.
    pub fn new(pages: u32, statics: u32) -> Self {
        Self { pages, statics, ops: Vec::new(), told: BTreeMap::new() }
    }

    /// The number of operations, those of the host too.
    pub fn len(&self) -> usize {
        self.ops.len() + self.told.values().map(|script| script.ops.len()).sum::<usize>()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
