//! Object files that are written by hand.
//!
//! Some of what the runtime needs cannot be said in stable Rust: a wasm global, a weak symbol, an address that only the
//! linker knows. A linkable object file says it, and is short. `wasm-ld` links it like any other. (Format: the tool
//! conventions' "WebAssembly Object File Linking".)

use std::borrow::Cow;

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, Encode, EntityType, FunctionSection, GlobalSection,
    GlobalType, ImportSection, LinkingSection, Module, SymbolTable, TypeSection, ValType,
};

pub(crate) const WEAK: u32 = SymbolTable::WASM_SYM_BINDING_WEAK;
pub(crate) const LOCAL: u32 = SymbolTable::WASM_SYM_BINDING_LOCAL;
pub(crate) const HIDDEN: u32 = SymbolTable::WASM_SYM_VISIBILITY_HIDDEN;
/// The name stands in the symbol table, and not only in the import.
pub(crate) const EXPLICIT_NAME: u32 = SymbolTable::WASM_SYM_EXPLICIT_NAME;
pub(crate) const EXPORTED: u32 = SymbolTable::WASM_SYM_EXPORTED;
const UNDEFINED: u32 = SymbolTable::WASM_SYM_UNDEFINED;

/// A symbol, by its number in the file.
#[derive(Clone, Copy)]
pub(crate) struct Symbol(u32);

/// The type of a function: how many `i32` it takes, and what it returns.
pub(crate) type Signature = (usize, &'static [ValType]);

/// An object file in the making.
#[derive(Default)]
pub(crate) struct Object {
    types: TypeSection,
    type_count: u32,
    imports: ImportSection,
    imported: u32,
    functions: FunctionSection,
    bodies: Vec<Body>,
    globals: GlobalSection,
    global_count: u32,
    symbols: SymbolTable,
    symbol_count: u32,
}

impl Object {
    fn symbol(&mut self) -> Symbol {
        self.symbol_count += 1;
        Symbol(self.symbol_count - 1)
    }

    fn signature(&mut self, (params, results): Signature) -> u32 {
        self.types.ty().function(vec![ValType::I32; params], results.iter().copied());
        self.type_count += 1;
        self.type_count - 1
    }

    /// A function of another file. These come before the file's own.
    pub(crate) fn undefined_function(
        &mut self,
        name: &str,
        signature: Signature,
        flags: u32,
    ) -> Symbol {
        assert!(self.bodies.is_empty(), "the numbers of imported functions come first");
        let ty = self.signature(signature);
        self.imports.import("env", name, EntityType::Function(ty));
        self.symbols.function(
            UNDEFINED | flags,
            self.imported,
            (flags & EXPLICIT_NAME != 0).then_some(name),
        );
        self.imported += 1;
        self.symbol()
    }

    /// An address that another file, or the linker, knows.
    pub(crate) fn undefined_data(&mut self, name: &str, flags: u32) -> Symbol {
        self.symbols.data(UNDEFINED | flags, name, None);
        self.symbol()
    }

    pub(crate) fn global(&mut self, name: &str, flags: u32, mutable: bool, value: u32) -> Symbol {
        let ty = GlobalType { val_type: ValType::I32, mutable, shared: false };
        self.globals.global(ty, &ConstExpr::i32_const(value.cast_signed()));
        self.symbols.global(flags, self.global_count, Some(name));
        self.global_count += 1;
        self.symbol()
    }

    pub(crate) fn function(&mut self, name: &str, flags: u32, signature: Signature, body: Body) {
        let ty = self.signature(signature);
        self.functions.function(ty);
        self.bodies.push(body);
        self.another_name(name, flags);
    }

    /// One more symbol for the last function.
    pub(crate) fn another_name(&mut self, name: &str, flags: u32) {
        let index = self.imported + self.bodies.len() as u32 - 1;
        self.symbols.function(flags, index, Some(name));
        self.symbol();
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut code = CodeSection::new();
        let mut relocations = Relocations::default();
        // Offsets of relocations count from the start of the section's contents: the number of bodies, one byte.
        assert!(self.bodies.len() < 128);
        let mut offset = 1;
        for body in &self.bodies {
            code.raw(&body.bytes);
            let mut size = Vec::new();
            body.bytes.len().encode(&mut size);
            offset += size.len() as u32;
            relocations.add(body, offset);
            offset += body.bytes.len() as u32;
        }
        let mut linking = LinkingSection::new();
        linking.symbol_table(&self.symbols);
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        module.section(&self.globals).section(&code).section(&linking);
        module.section(&CustomSection { name: "reloc.CODE".into(), data: relocations.section() });
        // One feature, which is used: without it older linkers refuse to export gc_sp.
        let features = [&[1, b'+', 15], &b"mutable-globals"[..]].concat();
        module.section(&CustomSection { name: "target_features".into(), data: features.into() });
        module.finish()
    }
}

/// Instructions without operands.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Op {
    End = 0x0b,
    Return = 0x0f,
    Drop = 0x1a,
    Select = 0x1b,
    I32Eqz = 0x45,
    I32Eq = 0x46,
    I32LtU = 0x49,
    I32GtU = 0x4b,
    I32LeU = 0x4d,
    I32GeU = 0x4f,
    I64Ne = 0x52,
    I32Sub = 0x6b,
    I32And = 0x71,
    I32Or = 0x72,
    I32Shl = 0x74,
    I64Or = 0x84,
    I64Shl = 0x86,
    I64ExtendI32U = 0xad,
}

/// A function's body, and the places in it that the linker fills in.
pub(crate) struct Body {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// An operand that the linker fills in.
struct Place {
    relocation: u8,
    offset: u32,
    symbol: Symbol,
    addend: i32,
}

const R_WASM_FUNCTION_INDEX_LEB: u8 = 0;
const R_WASM_TABLE_INDEX_SLEB: u8 = 1;
const R_WASM_MEMORY_ADDR_SLEB: u8 = 4;
const R_WASM_GLOBAL_INDEX_LEB: u8 = 7;

impl Body {
    /// A body without locals of its own.
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0x00], places: Vec::new() }
    }

    /// A body with one local, an `i32`.
    pub(crate) fn with_local() -> Self {
        Self { bytes: vec![0x01, 0x01, 0x7f], places: Vec::new() }
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    pub(crate) fn op(self, op: Op) -> Self {
        self.raw(&[op as u8])
    }

    /// An operand is five bytes long before the linker has overwritten it, whatever its value.
    fn relocated(mut self, op: u8, relocation: u8, symbol: Symbol, addend: i32) -> Self {
        self.bytes.push(op);
        let offset = self.bytes.len() as u32;
        self.places.push(Place { relocation, offset, symbol, addend });
        self.raw(&[0x80, 0x80, 0x80, 0x80, 0x00])
    }

    pub(crate) fn call(self, function: Symbol) -> Self {
        self.relocated(0x10, R_WASM_FUNCTION_INDEX_LEB, function, 0)
    }

    pub(crate) fn global_get(self, global: Symbol) -> Self {
        self.relocated(0x23, R_WASM_GLOBAL_INDEX_LEB, global, 0)
    }

    pub(crate) fn global_set(self, global: Symbol) -> Self {
        self.relocated(0x24, R_WASM_GLOBAL_INDEX_LEB, global, 0)
    }

    /// `i32.const` of a symbol's address plus an addend in bytes.
    pub(crate) fn address(self, symbol: Symbol, addend: i32) -> Self {
        self.relocated(0x41, R_WASM_MEMORY_ADDR_SLEB, symbol, addend)
    }

    /// `i32.const` of a function's place in the table: 0 for a weak function that no file has.
    pub(crate) fn function_address(self, function: Symbol) -> Self {
        self.relocated(0x41, R_WASM_TABLE_INDEX_SLEB, function, 0)
    }

    /// `i32.const`.
    pub(crate) fn number(mut self, number: u32) -> Self {
        self.bytes.push(0x41);
        number.cast_signed().encode(&mut self.bytes);
        self
    }

    /// `i64.const` of a number below 64.
    pub(crate) fn number64(self, number: u8) -> Self {
        self.raw(&[0x42, number])
    }

    pub(crate) fn local_get(self, local: u8) -> Self {
        self.raw(&[0x20, local])
    }

    pub(crate) fn local_set(self, local: u8) -> Self {
        self.raw(&[0x21, local])
    }

    /// `i32.load`.
    pub(crate) fn load(self) -> Self {
        self.raw(&[0x28, 0x02, 0x00])
    }

    /// `i64.load`.
    pub(crate) fn load64(self) -> Self {
        self.raw(&[0x29, 0x03, 0x00])
    }

    /// `i32.store`.
    pub(crate) fn store(self) -> Self {
        self.raw(&[0x36, 0x02, 0x00])
    }

    pub(crate) fn memory_size(self) -> Self {
        self.raw(&[0x3f, 0x00])
    }

    /// The instructions that are run if the number on the operand stack is not 0. It leaves nothing there.
    pub(crate) fn when(self, then: impl FnOnce(Self) -> Self) -> Self {
        then(self.raw(&[0x04, 0x40])).op(Op::End)
    }

    pub(crate) fn end(self) -> Self {
        self.op(Op::End)
    }
}

/// The entries of section `reloc.CODE`.
#[derive(Default)]
struct Relocations {
    count: u32,
    entries: Vec<u8>,
}

impl Relocations {
    /// Those of a body at this offset.
    fn add(&mut self, body: &Body, offset: u32) {
        for place in &body.places {
            self.count += 1;
            self.entries.push(place.relocation);
            (offset + place.offset).encode(&mut self.entries);
            place.symbol.0.encode(&mut self.entries);
            if place.relocation == R_WASM_MEMORY_ADDR_SLEB {
                place.addend.encode(&mut self.entries);
            }
        }
    }

    fn section(&self) -> Cow<'static, [u8]> {
        // types, imports, functions and globals are before it
        const CODE_SECTION: u8 = 4;
        let mut section = vec![CODE_SECTION];
        self.count.encode(&mut section);
        section.extend(&self.entries);
        section.into()
    }
}
