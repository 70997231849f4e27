//! A module taken apart: what linking needs of it, borrowed from its bytes.

use std::collections::HashMap;
use std::ops::Range;

use rootstock_program::{Cause, InputError, features, locate};
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{
    BinaryReader, CompositeInnerType, Data, Element, Export, FunctionBody, Global, Import,
    MemoryType, Parser, Payload, SubType, Table, TagType, TypeRef, Validator,
};

use crate::LINKER;
use crate::space::Space;

/// A custom section.
#[derive(Clone, Copy)]
pub(super) struct Custom<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a [u8],
    /// The offset of the data in the file.
    pub(super) offset: usize,
}

/// A valid module.
pub(super) struct Module<'a> {
    /// The file, as messages give it.
    pub(super) file: String,
    /// The module name from which other programs import its exports.
    pub(super) name: String,
    /// Explicit and implicit recursion groups, in order.
    pub(super) types: Vec<wasmparser::RecGroup>,
    pub(super) imports: Vec<Import<'a>>,
    /// The type of each function that it defines.
    pub(super) functions: Vec<u32>,
    pub(super) tables: Vec<Table<'a>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) tags: Vec<TagType>,
    pub(super) globals: Vec<Global<'a>>,
    pub(super) exports: Vec<Export<'a>>,
    pub(super) start: Option<u32>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) data: Vec<Data<'a>>,
    pub(super) customs: Vec<Custom<'a>>,
    /// The contents of the code section: addresses of DWARF count from its beginning.
    pub(super) code: Range<usize>,
    /// The offset at which the first function begins, with its size.
    pub(super) first_function: usize,
    /// For each space, the places of its imports among all.
    imported: [Vec<usize>; 5],
    /// The places of exports, by name.
    exported: HashMap<&'a str, usize>,
    validated: wasmparser::types::Types,
}

impl<'a> Module<'a> {
    /// Validates a module and takes it apart.
    pub(super) fn read(file: &str, name: &str, wasm: &'a [u8]) -> Result<Self, InputError> {
        let invalid = |error: &wasmparser::BinaryReaderError| {
            InputError::new(file, locate::in_source(wasm, Cause::from(error)))
        };
        let mut validator = Validator::new_with_features(LINKER);
        let validated =
            validator.validate_all(wasm).map_err(|error| {
                match features::objection(wasm, LINKER, "the linker") {
                    Some(cause) => InputError::new(file, cause),
                    None => invalid(&error),
                }
            })?;
        let mut module = Self {
            file: file.to_owned(),
            name: name.to_owned(),
            types: Vec::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            tags: Vec::new(),
            globals: Vec::new(),
            exports: Vec::new(),
            start: None,
            elements: Vec::new(),
            bodies: Vec::new(),
            data: Vec::new(),
            customs: Vec::new(),
            code: 0..0,
            first_function: 0,
            imported: Default::default(),
            exported: HashMap::new(),
            validated,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            payload.and_then(|payload| module.visit(payload)).map_err(|error| invalid(&error))?;
        }
        for (at, import) in module.imports.iter().enumerate() {
            module.imported[Space::of_import(&import.ty) as usize].push(at);
        }
        module.exported =
            module.exports.iter().enumerate().map(|(at, export)| (export.name, at)).collect();
        let mut code = BinaryReader::new(&wasm[module.code.clone()], module.code.start);
        module.first_function = match code.read_var_u32() {
            Ok(_) => code.original_position(),
            Err(_) => module.code.start,
        };
        Ok(module)
    }

    fn visit(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        fn all<T>(
            items: impl IntoIterator<Item = wasmparser::Result<T>>,
        ) -> wasmparser::Result<Vec<T>> {
            items.into_iter().collect()
        }
        match payload {
            Payload::TypeSection(section) => self.types = all(section)?,
            Payload::ImportSection(section) => self.imports = all(section.into_imports())?,
            Payload::FunctionSection(section) => self.functions = all(section)?,
            Payload::TableSection(section) => self.tables = all(section)?,
            Payload::MemorySection(section) => self.memories = all(section)?,
            Payload::TagSection(section) => self.tags = all(section)?,
            Payload::GlobalSection(section) => self.globals = all(section)?,
            Payload::ExportSection(section) => self.exports = all(section)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => self.elements = all(section)?,
            Payload::DataSection(section) => self.data = all(section)?,
            Payload::CodeSectionStart { range, .. } => self.code = range,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => self.customs.push(Custom {
                name: section.name(),
                data: section.data(),
                offset: section.data_offset(),
            }),
            _ => {}
        }
        Ok(())
    }

    /// The types that validation found.
    pub(super) fn entities(&self) -> TypesRef<'_> {
        self.validated.as_ref()
    }

    /// The number of types in the module's index space.
    pub(super) fn type_count(&self) -> u32 {
        self.entities().core_type_count_in_module()
    }

    /// The types in the order of their numbers; a member of a group of several has `false` beside it.
    pub(super) fn sub_types(&self) -> impl Iterator<Item = (&SubType, bool)> {
        self.types.iter().flat_map(|group| {
            let alone = !group.is_explicit_rec_group();
            group.types().map(move |ty| (ty, alone))
        })
    }

    /// The number of the function type of an import or a definition.
    pub(super) fn function_type(&self, index: u32) -> Option<u32> {
        match self.import(Space::Function, index).map(|at| self.imports[at].ty) {
            Some(TypeRef::Func(ty) | TypeRef::FuncExact(ty)) => Some(ty),
            Some(_) => None,
            None => {
                let at = index.checked_sub(self.imported(Space::Function))?;
                self.functions.get(at as usize).copied()
            }
        }
    }

    /// The place among the imports of what has this number; `None` if the module defines it.
    pub(super) fn import(&self, space: Space, index: u32) -> Option<usize> {
        self.imported[space as usize].get(index as usize).copied()
    }

    /// The number of imports of a kind.
    pub(super) fn imported(&self, space: Space) -> u32 {
        u32::try_from(self.imported[space as usize].len()).unwrap_or(u32::MAX)
    }

    /// The number of definitions of a kind.
    pub(super) fn defined(&self, space: Space) -> usize {
        match space {
            Space::Function => self.functions.len(),
            Space::Table => self.tables.len(),
            Space::Memory => self.memories.len(),
            Space::Global => self.globals.len(),
            Space::Tag => self.tags.len(),
        }
    }

    /// An export by name.
    pub(super) fn export(&self, name: &str) -> Option<&Export<'a>> {
        self.exported.get(name).map(|&at| &self.exports[at])
    }

    /// The type of an import.
    pub(super) fn import_type(&self, import: &Import<'_>) -> Option<EntityType> {
        self.entities().entity_type_from_import(import)
    }

    /// The type of an export.
    pub(super) fn export_type(&self, export: &Export<'_>) -> Option<EntityType> {
        self.entities().entity_type_from_export(export)
    }

    /// A custom section by name.
    pub(super) fn custom(&self, name: &str) -> Option<Custom<'a>> {
        self.customs.iter().copied().find(|custom| custom.name == name)
    }
}

/// A function type that has no relations to other types.
pub(super) fn plain_function(ty: &SubType) -> Option<&wasmparser::FuncType> {
    let composite = &ty.composite_type;
    let plain = ty.is_final
        && ty.supertype_idx.is_none()
        && !composite.shared
        && composite.descriptor_idx.is_none()
        && composite.describes_idx.is_none();
    match &composite.inner {
        CompositeInnerType::Func(function) if plain => Some(function),
        _ => None,
    }
}
