//! The name sections of all modules as one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use wasm_encoder::{IndirectNameMap, NameMap, NameSection};
use wasmparser::{BinaryReader, Name, NameSectionReader};

use crate::module::Module;
use crate::remap::Plan;
use crate::space::{ItemId, Origin, Space};

/// Names by number.
type Direct = BTreeMap<u32, String>;

/// The kinds of items that have names, in the order in which the section has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Named {
    In(Space),
    Type,
    Element,
    Data,
}

/// Kinds of names within something else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Inner {
    Local,
    Label,
    Field,
}

#[derive(Default)]
struct Names {
    module: Option<String>,
    direct: BTreeMap<Named, Direct>,
    inner: BTreeMap<Inner, BTreeMap<u32, Direct>>,
    /// The module that each name came from first.
    taken: HashMap<(Named, String), usize>,
}

/// Merges the names. A program's names win; where one of another module is equal it gets that module's name before it,
/// as in `runtime.alloc`. Functions of one module that share a name keep it, each. Of what was imported, the name is the
/// one that its own module gives it.
pub(super) fn merge(plan: &Plan<'_>, warnings: &mut Vec<String>) -> Option<NameSection> {
    let mut names = Names::default();
    for owned in [true, false] {
        for at in (0..plan.modules.len()).rev() {
            if let Err(error) = names.read(plan, at, owned)
                && owned
            {
                let file = &plan.modules[at].file;
                warnings.push(format!(
                    "{file}: its name section is damaged, so names are lost: {error}"
                ));
            }
        }
    }
    names.section()
}

impl Names {
    /// Takes the names that a module gives to what is its own, or to what is not and has none yet.
    fn read(&mut self, plan: &Plan<'_>, at: usize, owned: bool) -> wasmparser::Result<()> {
        let module = &plan.modules[at];
        let Some(custom) = module.custom("name") else { return Ok(()) };
        let number = |kind: Named, index: u32| {
            let own = match kind {
                Named::In(space) => is_own(plan, space, (at, index)),
                _ => true,
            };
            (own == owned).then(|| number(plan, kind, (at, index))).flatten()
        };
        for name in NameSectionReader::new(BinaryReader::new(custom.data, custom.offset)) {
            let (kind, map) = match name? {
                Name::Module { name, .. } => {
                    if at + 1 == plan.modules.len() {
                        self.module = Some(name.to_owned());
                    }
                    continue;
                }
                Name::Function(map) => (Named::In(Space::Function), map),
                Name::Table(map) => (Named::In(Space::Table), map),
                Name::Memory(map) => (Named::In(Space::Memory), map),
                Name::Global(map) => (Named::In(Space::Global), map),
                Name::Tag(map) => (Named::In(Space::Tag), map),
                Name::Type(map) => (Named::Type, map),
                Name::Element(map) => (Named::Element, map),
                Name::Data(map) => (Named::Data, map),
                Name::Local(map) => {
                    self.inner(Inner::Local, map, |index| {
                        number(Named::In(Space::Function), index)
                    })?;
                    continue;
                }
                Name::Label(map) => {
                    self.inner(Inner::Label, map, |index| {
                        number(Named::In(Space::Function), index)
                    })?;
                    continue;
                }
                Name::Field(map) => {
                    self.inner(Inner::Field, map, |index| number(Named::Type, index))?;
                    continue;
                }
                // Nobody knows what its numbers count.
                Name::Unknown { .. } => continue,
            };
            for naming in map {
                let naming = naming?;
                if let Some(index) = number(kind, naming.index) {
                    self.add(kind, index, naming.name, (at, module));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, kind: Named, index: u32, name: &str, (at, module): (usize, &Module<'_>)) {
        let Entry::Vacant(entry) = self.direct.entry(kind).or_default().entry(index) else {
            return;
        };
        let owner = *self.taken.entry((kind, name.to_owned())).or_insert(at);
        entry.insert(if owner == at || module.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", module.name)
        });
    }

    fn inner(
        &mut self,
        kind: Inner,
        map: wasmparser::IndirectNameMap<'_>,
        number: impl Fn(u32) -> Option<u32>,
    ) -> wasmparser::Result<()> {
        for naming in map {
            let naming = naming?;
            let Some(index) = number(naming.index) else { continue };
            let inner = self.inner.entry(kind).or_default().entry(index).or_default();
            for naming in naming.names {
                let naming = naming?;
                inner.entry(naming.index).or_insert_with(|| naming.name.to_owned());
            }
        }
        Ok(())
    }

    /// The section, in the order that the specification asks for.
    fn section(&self) -> Option<NameSection> {
        let mut section = NameSection::new();
        if let Some(name) = &self.module {
            section.module(name);
        }
        let direct = |kind| self.direct.get(&kind).filter(|names| !names.is_empty()).map(name_map);
        let inner = |kind| {
            self.inner.get(&kind).filter(|names| !names.is_empty()).map(|names| {
                let mut map = IndirectNameMap::new();
                for (index, names) in names {
                    map.append(*index, &name_map(names));
                }
                map
            })
        };
        let mut any = self.module.is_some();
        macro_rules! write {
            ($($found:expr => $method:ident;)*) => {
                $(if let Some(map) = $found {
                    section.$method(&map);
                    any = true;
                })*
            };
        }
        write! {
            direct(Named::In(Space::Function)) => functions;
            inner(Inner::Local) => locals;
            inner(Inner::Label) => labels;
            direct(Named::Type) => types;
            direct(Named::In(Space::Table)) => tables;
            direct(Named::In(Space::Memory)) => memories;
            direct(Named::In(Space::Global)) => globals;
            direct(Named::Element) => elements;
            direct(Named::Data) => data;
            inner(Inner::Field) => fields;
            direct(Named::In(Space::Tag)) => tags;
        }
        any.then_some(section)
    }
}

fn name_map(names: &Direct) -> NameMap {
    let mut map = NameMap::new();
    for (index, name) in names {
        map.append(*index, name);
    }
    map
}

/// The new number of a named item; `None` where the item is dropped.
fn number(plan: &Plan<'_>, kind: Named, (at, index): ItemId) -> Option<u32> {
    let segment =
        |bases: &[u32], count: usize| ((index as usize) < count).then(|| bases[at] + index);
    match kind {
        Named::In(space) => plan.numbers.get(space, (at, index)),
        Named::Type => plan.numbers.types[at].get(index as usize).copied().flatten(),
        Named::Element => segment(&plan.numbers.elements, plan.modules[at].elements.len()),
        Named::Data => segment(&plan.numbers.data, plan.modules[at].data.len()),
    }
}

/// Tells whether a module defines something itself, or has it from outside.
fn is_own(plan: &Plan<'_>, space: Space, (at, index): ItemId) -> bool {
    let import = plan.modules[at].import(space, index);
    import.is_none_or(|import| plan.origins[at][import] == Origin::Host)
}
