//! Writes the merged module, section by section.

use std::collections::{BTreeSet, HashSet};

use rootstock_program::InputError;
use rootstock_program::address::AddressMap;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, Elements, ExportKind,
    ExportSection, FunctionSection, GlobalSection, ImportSection, Instruction, MemorySection,
    StartSection, TableSection, TagSection, TypeSection,
};
use wasmparser::{FunctionBody, Import, MemoryType};

use crate::module::Module;
use crate::reach::Reached;
use crate::remap::{Plan, Remap};
use crate::space::{Origin, Space};
use crate::types::RuntimeTypes;
use crate::{decref, phases};

type Result<T> = std::result::Result<T, reencode::Error<InputError>>;

/// An export of the merged module.
pub(super) struct Exported {
    pub(super) name: String,
    pub(super) space: Space,
    pub(super) index: u32,
}

/// The merged module without its custom sections.
pub(super) struct Merged {
    pub(super) module: wasm_encoder::Module,
    /// For each module, where its code has gone.
    pub(super) addresses: Vec<AddressMap>,
    /// The numbers of the runtime's functions in the merged module.
    pub(super) runtime_functions: std::ops::Range<u32>,
}

/// Writes it.
pub(super) fn merge(
    plan: &Plan<'_>,
    types: &RuntimeTypes,
    memory: MemoryType,
    exports: &[Exported],
    reached: &Reached,
) -> Result<Merged> {
    Writer { plan, reached }.write(types, memory, exports)
}

/// A function with new numbers.
struct Body {
    /// Its code, without its size.
    bytes: Vec<u8>,
    /// For each instruction, where it was in the file and where it is among the bytes.
    places: Vec<(usize, usize)>,
}

/// The code section.
struct Code {
    section: CodeSection,
    /// For each module, where its code has gone.
    addresses: Vec<AddressMap>,
    /// For each module, the functions that its code names with `ref.func`.
    named: Vec<BTreeSet<u32>>,
}

struct Writer<'p, 'a> {
    plan: &'p Plan<'a>,
    /// The parts of the runtime that are kept.
    reached: &'p Reached,
}

impl<'p, 'a> Writer<'p, 'a> {
    fn write(
        &self,
        types: &RuntimeTypes,
        memory: MemoryType,
        exports: &[Exported],
    ) -> Result<Merged> {
        let mut module = wasm_encoder::Module::new();
        let starts = self.starts()?;
        let mut type_section = self.types(types)?;
        let mut functions = self.functions()?;
        let imports = self.host_imports();
        let is_function = |import: &Import<'_>| Space::of_import(&import.ty) == Space::Function;
        let imported = imports.iter().filter(|(_, import)| is_function(import)).count();
        let imported = u32::try_from(imported).unwrap_or(u32::MAX);
        let start = match starts.as_slice() {
            [] => None,
            [start] => Some(*start),
            // several are called by one that is made for it, the last function of all
            _ => {
                type_section.ty().function([], []);
                functions.function(types.count);
                Some(imported + functions.len() - 1)
            }
        };
        section(&mut module, &type_section, type_section.is_empty());
        let imports = self.imports()?;
        section(&mut module, &imports, imports.is_empty());
        section(&mut module, &functions, functions.is_empty());
        let tables =
            self.each(Space::Table, TableSection::new(), |remap, tables, module, at| {
                remap.parse_table(tables, module.tables[at].clone())
            })?;
        section(&mut module, &tables, tables.is_empty());
        let mut memories = MemorySection::new();
        memories.memory(memory.into());
        module.section(&memories);
        let tags = self.each(Space::Tag, TagSection::new(), |remap, tags, module, at| {
            tags.tag(remap.tag_type(module.tags[at])?);
            Ok(())
        })?;
        section(&mut module, &tags, tags.is_empty());
        let globals =
            self.each(Space::Global, GlobalSection::new(), |remap, globals, module, at| {
                remap.parse_global(globals, module.globals[at].clone())
            })?;
        section(&mut module, &globals, globals.is_empty());
        module.section(&exports_section(exports));
        if let Some(function_index) = start {
            module.section(&StartSection { function_index });
        }
        let Code { section: code, addresses, named } =
            self.code(functions.len(), if starts.len() > 1 { &starts } else { &[] })?;
        let mut elements = self.elements()?;
        let undeclared = self.undeclared(named, exports);
        if !undeclared.is_empty() {
            elements.declared(Elements::Functions(undeclared.into()));
        }
        section(&mut module, &elements, elements.is_empty());
        let data = self.data()?;
        if !data.is_empty() {
            module.section(&DataCountSection { count: data.len() });
        }
        section(&mut module, &code, code.is_empty());
        section(&mut module, &data, data.is_empty());
        let kept = self.indices(Space::Function, 0).count();
        let runtime_functions = imported..imported + u32::try_from(kept).unwrap_or(u32::MAX);
        Ok(Merged { module, addresses, runtime_functions })
    }

    fn remap(&self, at: usize) -> Remap<'p, 'a> {
        Remap { plan: self.plan, at }
    }

    /// What a module defines of a kind and is kept, by its place among the definitions.
    fn indices(&self, space: Space, at: usize) -> impl Iterator<Item = usize> {
        let module = &self.plan.modules[at];
        let imported = module.imported(space);
        (0..module.defined(space)).filter(move |&index| {
            at > 0
                || u32::try_from(index)
                    .is_ok_and(|index| self.reached.is_live(space, imported + index))
        })
    }

    fn each<S>(
        &self,
        space: Space,
        mut into: S,
        add: impl Fn(&mut Remap<'p, 'a>, &mut S, &'p Module<'a>, usize) -> Result<()>,
    ) -> Result<S> {
        for (at, module) in self.plan.modules.iter().enumerate() {
            for index in self.indices(space, at) {
                add(&mut self.remap(at), &mut into, module, index)?;
            }
        }
        Ok(into)
    }

    fn types(&self, runtime: &RuntimeTypes) -> Result<TypeSection> {
        let mut types = TypeSection::new();
        for (at, module) in self.plan.modules.iter().enumerate().skip(1) {
            for group in &module.types {
                self.remap(at).parse_recursive_type_group(types.ty(), group.clone())?;
            }
        }
        let own: Vec<_> = self.plan.modules[0].sub_types().collect();
        for &index in &runtime.added {
            let ty = self.remap(0).sub_type(own[index as usize].0.clone())?;
            types.ty().subtype(&ty);
        }
        Ok(types)
    }

    /// The imports that are left, each with its module.
    fn host_imports(&self) -> Vec<(usize, &'p Import<'a>)> {
        let mut kept = Vec::new();
        for (at, module) in self.plan.modules.iter().enumerate() {
            let mut seen = [0; 5];
            for (import, origin) in module.imports.iter().zip(&self.plan.origins[at]) {
                let space = Space::of_import(&import.ty);
                let index = seen[space as usize];
                seen[space as usize] += 1;
                if *origin == Origin::Host && (at > 0 || self.reached.is_live(space, index)) {
                    kept.push((at, import));
                }
            }
        }
        kept
    }

    fn imports(&self) -> Result<ImportSection> {
        let mut imports = ImportSection::new();
        for (at, import) in self.host_imports() {
            let ty = self.remap(at).entity_type(import.ty)?;
            let (module, name) =
                decref::renamed(self.plan.decref, at, (import.module, import.name));
            imports.import(module, name, ty);
        }
        Ok(imports)
    }

    fn functions(&self) -> Result<FunctionSection> {
        self.each(Space::Function, FunctionSection::new(), |remap, functions, module, at| {
            functions.function(remap.type_index(module.functions[at])?);
            Ok(())
        })
    }

    /// The start functions, in the order in which the modules would have been instantiated.
    fn starts(&self) -> Result<Vec<u32>> {
        let modules = self.plan.modules.iter().enumerate();
        let starts = modules.filter_map(|(at, module)| module.start.map(|start| (at, start)));
        starts.map(|(at, start)| self.remap(at).function_index(start)).collect()
    }

    fn elements(&self) -> Result<ElementSection> {
        let mut elements = ElementSection::new();
        for (at, module) in self.plan.modules.iter().enumerate() {
            for element in &module.elements {
                self.remap(at).parse_element(&mut elements, element.clone())?;
            }
        }
        Ok(elements)
    }

    fn data(&self) -> Result<DataSection> {
        let mut data = DataSection::new();
        for (at, module) in self.plan.modules.iter().enumerate() {
            for datum in &module.data {
                let mut datum = datum.clone();
                if at == 0 {
                    // The runtime's: nothing else lies there, and memory is zeros to begin with.
                    let end =
                        datum.data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    datum.data = &datum.data[..end];
                }
                self.remap(at).parse_data(&mut data, datum)?;
            }
        }
        Ok(data)
    }

    /// Of the functions that code of each module names with `ref.func`, those that only an export declared which is gone.
    fn undeclared(&self, mut named: Vec<BTreeSet<u32>>, exports: &[Exported]) -> Vec<u32> {
        for (at, module) in self.plan.modules.iter().enumerate().skip(1) {
            let exported: HashSet<u32> = module
                .exports
                .iter()
                .filter(|export| Space::of_export(export.kind) == Space::Function)
                .filter_map(|export| self.plan.numbers.get(Space::Function, (at, export.index)))
                .collect();
            named[at].retain(|function| exported.contains(function));
        }
        let mut undeclared: BTreeSet<u32> = named.into_iter().flatten().collect();
        for export in exports.iter().filter(|export| export.space == Space::Function) {
            undeclared.remove(&export.index);
        }
        undeclared.into_iter().collect()
    }

    /// The code. `starts` are called by a function of their own, the last one.
    fn code(&self, count: u32, starts: &[u32]) -> Result<Code> {
        let mut code = CodeSection::new();
        let mut named = Vec::new();
        let mut addresses = Vec::new();
        let mut end = leb_len(count as usize);
        for (at, module) in self.plan.modules.iter().enumerate() {
            let mut map = AddressMap::new(module.code.start);
            let imported = module.imported(Space::Function);
            let mut referred = BTreeSet::new();
            for index in self.indices(Space::Function, at) {
                let body = &module.bodies[index];
                let number = imported + u32::try_from(index).unwrap_or(u32::MAX);
                let Body { bytes, places } = if at == 0 && self.reached.emptied.contains(&number) {
                    Body { bytes: phases::nothing_to_do(), places: Vec::new() }
                } else {
                    self.body(at, body, &mut referred)?
                };
                let start = end + leb_len(bytes.len());
                // where its size stands, which some take for its beginning
                let before = index.checked_sub(1).map(|before| module.bodies[before].range().end);
                map.add(before.unwrap_or(module.first_function), end);
                map.add(body.range().start, start);
                for (old, new) in places {
                    map.add(old, start + new);
                }
                end = start + bytes.len();
                map.add(body.range().end, end);
                code.raw(&bytes);
            }
            addresses.push(map);
            named.push(referred);
        }
        if !starts.is_empty() {
            let mut function = wasm_encoder::Function::new([]);
            for &start in starts {
                function.instruction(&Instruction::Call(start));
            }
            function.instruction(&Instruction::End);
            code.function(&function);
        }
        Ok(Code { section: code, addresses, named })
    }

    /// A function's code; what it names with `ref.func` is added to `named`.
    fn body(&self, at: usize, body: &FunctionBody<'_>, named: &mut BTreeSet<u32>) -> Result<Body> {
        let mut remap = self.remap(at);
        let mut function = remap.new_function_with_parsed_locals(body)?;
        let mut reader = body.get_operators_reader()?;
        let mut places = Vec::new();
        while !reader.eof() {
            places.push((reader.original_position(), function.byte_len()));
            let instruction = remap.parse_instruction(&mut reader)?;
            if let Instruction::RefFunc(index) = instruction {
                named.insert(index);
            }
            function.instruction(&instruction);
        }
        Ok(Body { bytes: function.into_raw_body(), places })
    }
}

fn exports_section(exports: &[Exported]) -> ExportSection {
    let mut section = ExportSection::new();
    for export in exports {
        let kind = match export.space {
            Space::Function => ExportKind::Func,
            Space::Table => ExportKind::Table,
            Space::Memory => ExportKind::Memory,
            Space::Global => ExportKind::Global,
            Space::Tag => ExportKind::Tag,
        };
        section.export(&export.name, kind, export.index);
    }
    section
}

fn section(
    module: &mut wasm_encoder::Module,
    section: &impl wasm_encoder::Section,
    is_empty: bool,
) {
    if !is_empty {
        module.section(section);
    }
}

/// Bytes of a number in LEB128.
fn leb_len(mut value: usize) -> usize {
    let mut bytes = 1;
    while value >= 0x80 {
        value >>= 7;
        bytes += 1;
    }
    bytes
}
