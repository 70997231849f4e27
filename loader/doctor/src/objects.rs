//! The doctor's own book about objects: each that is allocated now, and each that died and whose memory has not been
//! handed out again.
//!
//! ```text
//! index:    one word for each 8 bytes of memory: the number of the object there, plus one; 0 where there is none
//! objects:  by that number; those of `spare` are not in use
//! ```

use std::collections::HashMap;

use crate::trace::{Site, Trace, TraceId};

/// A function of the runtime that programs call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Alloc,
    AllocAtomic,
    TryAlloc,
    TryAllocAtomic,
    Register,
    RegisterSized,
    TryRegister,
    Collect,
    /// Not a call of the program: the doctor looks once more when it has ended.
    AtEnd,
}

impl Call {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::AllocAtomic => "alloc_atomic",
            Self::TryAlloc => "try_alloc",
            Self::TryAllocAtomic => "try_alloc_atomic",
            Self::Register => "register_wrapper",
            Self::RegisterSized => "register_wrapper_sized",
            Self::TryRegister => "try_register_wrapper",
            Self::Collect => "gc_collect",
            Self::AtEnd => "the end of the run",
        }
    }
}

/// The holder of an object that a collection found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Holder {
    /// No collection has found it held.
    #[default]
    Nobody,
    /// A slot of the shadow stack, by its address.
    Slot(u32),
    /// A slot of another shadow stack than the first: its number, and the slot's address.
    Stack(u32, u32),
    /// A word of a root range, by its address.
    Range(u32),
    Pin,
    /// It was being registered.
    InFlight,
    /// A word of another object: the object's allocation number, and the word's offset.
    Object(u64, u32),
}

/// The fate of an object's last root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The slot was popped by this instruction.
    Popped { slot: u32, site: Site },
    /// Something else was stored in the slot by this instruction.
    Overwritten { slot: u32, site: Site },
    /// All that is known is what held it at an earlier collection.
    Held { by: Holder, collection: u64 },
}

/// The death of an object.
#[derive(Clone, Debug)]
pub(super) struct Death {
    /// The collection that found it dead.
    pub(super) collection: u64,
    /// Allocations before that.
    pub(super) allocations: u64,
    /// In which function of the runtime, and who called that.
    pub(super) during: Call,
    pub(super) trace: TraceId,
    pub(super) loss: Loss,
    /// The number of the calls under way that had begun before it was allocated.
    pub(super) begun_before: u32,
    /// The place at which its address was first stored afterwards.
    pub(super) carried: Option<Carried>,
}

/// The address of a dead object was stored.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    /// The address there.
    pub(super) at: u32,
    pub(super) trace: Trace,
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) base: u32,
    pub(super) size: u32,
    /// Its allocation's number, from 1 on.
    pub(super) number: u64,
    pub(super) made_by: Call,
    pub(super) trace: TraceId,
    /// The kind and the handle, where it stands for one, or did when it died.
    pub(super) handle: Option<(u32, u32)>,
    /// The last collection that found it alive, and what held it.
    pub(super) marked: u64,
    pub(super) holder: Holder,
    pub(super) death: Option<Box<Death>>,
}

impl Object {
    pub(super) fn is_scanned(&self) -> bool {
        !matches!(self.made_by, Call::AllocAtomic | Call::TryAllocAtomic)
    }
}

/// An object's place in the book. Not its allocation number: places are used again.
pub(super) type Id = u32;

/// Bytes that one word of the index stands for: no two objects share them.
const GRANULE: u32 = 8;

/// All objects.
#[derive(Default)]
pub(super) struct Objects {
    objects: Vec<Object>,
    spare: Vec<Id>,
    index: Vec<u32>,
    /// Those that were not found dead.
    pub(super) alive: Vec<Id>,
    /// The dead that stood for a handle.
    dead_handles: HashMap<u32, Id>,
}

impl Objects {
    pub(super) fn get(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Object {
        &mut self.objects[id as usize]
    }

    /// The object whose memory holds the byte at `address`.
    #[inline]
    pub(super) fn at(&self, address: u32) -> Option<Id> {
        match self.index.get((address / GRANULE) as usize) {
            None | Some(0) => None,
            Some(id) => Some(id - 1),
        }
    }

    /// The object with this base, if it is alive.
    pub(super) fn alive_at(&self, base: u32) -> Option<Id> {
        self.at(base).filter(|&id| self.get(id).base == base && self.get(id).death.is_none())
    }

    /// The object whose memory holds the byte at `address`, if it is dead.
    pub(super) fn dead_at(&self, address: u32) -> Option<Id> {
        self.at(address).filter(|&id| self.get(id).death.is_some())
    }

    /// A dead object that any of these bytes belonged to, and the first of them.
    pub(super) fn dead_in(&self, start: u32, bytes: u32) -> Option<(u32, Id)> {
        let end = u64::from(start) + u64::from(bytes);
        let mut at = u64::from(start);
        while at < end {
            let address = at as u32;
            if let Some(id) = self.dead_at(address) {
                return Some((address, id));
            }
            at = (at / u64::from(GRANULE) + 1) * u64::from(GRANULE);
            if at as usize / GRANULE as usize >= self.index.len() {
                break;
            }
        }
        None
    }

    pub(super) fn dead_with_handle(&self, handle: u32) -> Option<Id> {
        self.dead_handles.get(&handle).copied()
    }

    fn granules(object: &Object) -> std::ops::Range<usize> {
        let end = object.base + object.size.div_ceil(GRANULE) * GRANULE;
        (object.base / GRANULE) as usize..(end / GRANULE) as usize
    }

    /// Enters a new object. The dead whose memory it has got are forgotten; returns them, or the object that is still
    /// alive there.
    pub(super) fn enter(&mut self, object: Object) -> Result<Vec<Object>, Object> {
        let granules = Self::granules(&object);
        if self.index.len() < granules.end {
            self.index.resize(granules.end, 0);
        }
        let mut replaced = Vec::new();
        for granule in granules.clone() {
            let Some(id) = self.index[granule].checked_sub(1) else { continue };
            if self.get(id).death.is_none() {
                return Err(self.get(id).clone());
            }
            replaced.push(self.forget(id));
        }
        let id = match self.spare.pop() {
            Some(id) => {
                self.objects[id as usize] = object;
                id
            }
            None => {
                self.objects.push(object);
                self.objects.len() as Id - 1
            }
        };
        self.index[granules].fill(id + 1);
        self.alive.push(id);
        Ok(replaced)
    }

    /// Notes that an object died.
    pub(super) fn bury(&mut self, id: Id, death: Death) {
        let object = &mut self.objects[id as usize];
        object.death = Some(Box::new(death));
        if let Some((_, handle)) = object.handle {
            self.dead_handles.insert(handle, id);
        }
    }

    /// Forgets a dead object, whose memory serves something else now.
    pub(super) fn forget(&mut self, id: Id) -> Object {
        let object = self.get(id).clone();
        self.index[Self::granules(&object)].fill(0);
        if let Some((_, handle)) = object.handle
            && self.dead_handles.get(&handle) == Some(&id)
        {
            self.dead_handles.remove(&handle);
        }
        self.spare.push(id);
        object
    }
}
