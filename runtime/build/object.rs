//! The object file with what Rust and C cannot say: the wasm globals of the ABI, and where the linker put things.
//!
//! Stable Rust has no way to define a wasm global. A linkable object file does, and is short: one mutable global and
//! three immutable ones, and a few lines of code that read and write the first. `wasm-ld` links it like any other.
//! (Format: the tool conventions' "WebAssembly Object File Linking".)

use std::borrow::Cow;

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, Encode, FunctionSection, GlobalSection, GlobalType,
    LinkingSection, Module, SymbolTable, TypeSection, ValType,
};

use crate::Map;

// Symbols by number, in the order in which `symbols` lists them.
const GC_SP: u32 = 0;
const DATA_END: u32 = 4;
const GLOBAL_BASE: u32 = 5;
const HEAP_BASE: u32 = 6;
const STACK_LOW: u32 = 7;
const STACK_HIGH: u32 = 8;

/// The object file for a memory map.
pub(crate) fn globals(map: &Map) -> Vec<u8> {
    const TYPE_GET: u32 = 0;
    const TYPE_SET: u32 = 1;
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);

    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut relocations = Relocations::default();
    // Offsets of relocations count from the start of the section's contents, which begin with the number of bodies.
    let mut offset = 1;
    let bodies = [
        (TYPE_GET, sp_get()),
        (TYPE_SET, sp_set()),
        (TYPE_GET, map_is_sound(map)),
        (TYPE_GET, Body::new().number(map.stack_limit).end()),
    ];
    for (ty, body) in bodies {
        functions.function(ty);
        code.raw(&body.bytes);
        let mut size = Vec::new();
        body.bytes.len().encode(&mut size);
        offset += size.len() as u32;
        relocations.add(&body, offset);
        offset += body.bytes.len() as u32;
    }

    let mut globals = GlobalSection::new();
    for (_, mutable, value) in values(map) {
        let ty = GlobalType { val_type: ValType::I32, mutable, shared: false };
        globals.global(ty, &ConstExpr::i32_const(value.cast_signed()));
    }
    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols(map));

    let mut module = Module::new();
    module.section(&types).section(&functions).section(&globals).section(&code);
    module.section(&linking);
    module.section(&CustomSection { name: "reloc.CODE".into(), data: relocations.section() });
    module.finish()
}

/// The globals of the ABI: name, whether it is mutable, value.
fn values(map: &Map) -> [(&'static str, bool, u32); 4] {
    [
        ("gc_sp", true, map.stack_base),
        ("gc_stack_base", false, map.stack_base),
        ("gc_stack_limit", false, map.stack_limit),
        ("gc_program_base", false, map.program_base),
    ]
}

fn symbols(map: &Map) -> SymbolTable {
    let mut symbols = SymbolTable::new();
    for (index, (name, ..)) in (0..).zip(values(map)) {
        symbols.global(0, index, Some(name));
    }
    // Wherever one of these is asked for, the linker defines it. Those with the limits of the linear stack are newer
    // than the others, and 0 if the linker does not know them.
    const WEAK: u32 = SymbolTable::WASM_SYM_BINDING_WEAK;
    const UNDEFINED: u32 = SymbolTable::WASM_SYM_UNDEFINED;
    symbols.data(UNDEFINED, "__data_end", None);
    symbols.data(UNDEFINED, "__global_base", None);
    symbols.data(UNDEFINED, "__heap_base", None);
    symbols.data(UNDEFINED | WEAK, "__stack_low", None);
    symbols.data(UNDEFINED | WEAK, "__stack_high", None);
    symbols.function(0, 0, Some("rootstock_sp_get"));
    symbols.function(0, 1, Some("rootstock_sp_set"));
    symbols.function(0, 2, Some("rootstock_map_is_sound"));
    // C has no way to ask for a global that does not change.
    symbols.function(0, 3, Some("rootstock_stack_limit"));
    symbols
}

fn sp_get() -> Body {
    Body::new().global_get(GC_SP).end()
}

fn sp_set() -> Body {
    Body::new().local_get(0).global_set(GC_SP).end()
}

/// Whether nothing lies where the shadow stack does: the linker must have been told to leave room for it.
///
/// In `runtime.wasm` the data of the runtime lie below the shadow stack. In an object link they are one with those of
/// the program, which may be of any size, and lie above it. The linear stack is below it, or above all data. A linker
/// that does not say where the linear stack lies puts it directly below the heap, or else it is below the data and
/// nothing else is known: that is not good enough.
fn map_is_sound(map: &Map) -> Body {
    const ALIGNMENT: u32 = 16;
    let below_or_above = |body: Body, end: u32, start: u32| {
        body.address(end)
            .number(map.stack_base)
            .op(I32_LE_U)
            .address(start)
            .number(map.program_base)
            .op(I32_GE_U)
            .op(I32_OR)
    };
    let data = below_or_above(Body::new(), DATA_END, GLOBAL_BASE);
    below_or_above(data, STACK_HIGH, STACK_LOW)
        .address(HEAP_BASE)
        .address(DATA_END)
        .op(I32_SUB)
        .number(ALIGNMENT)
        .op(I32_GT_U)
        // the first where the linker knows the symbol, else the second
        .address(STACK_HIGH)
        .op(SELECT)
        .op(I32_AND)
        .end()
}

const SELECT: u8 = 0x1b;
const I32_GT_U: u8 = 0x4b;
const I32_LE_U: u8 = 0x4d;
const I32_GE_U: u8 = 0x4f;
const I32_SUB: u8 = 0x6b;
const I32_AND: u8 = 0x71;
const I32_OR: u8 = 0x72;

/// A function without locals of its own, and the places in it that the linker fills in.
struct Body {
    bytes: Vec<u8>,
    /// Type of the relocation, place, symbol.
    places: Vec<(u8, u32, u32)>,
}

const R_WASM_MEMORY_ADDR_SLEB: u8 = 4;
const R_WASM_GLOBAL_INDEX_LEB: u8 = 7;

impl Body {
    fn new() -> Self {
        // no locals
        Self { bytes: vec![0x00], places: Vec::new() }
    }

    fn op(mut self, op: u8) -> Self {
        self.bytes.push(op);
        self
    }

    /// An instruction whose operand the linker overwrites: it is five bytes long, whatever its value.
    fn relocated(mut self, op: u8, relocation: u8, symbol: u32) -> Self {
        self.bytes.push(op);
        self.places.push((relocation, self.bytes.len() as u32, symbol));
        self.bytes.extend([0x80, 0x80, 0x80, 0x80, 0x00]);
        self
    }

    fn global_get(self, symbol: u32) -> Self {
        self.relocated(0x23, R_WASM_GLOBAL_INDEX_LEB, symbol)
    }

    fn global_set(self, symbol: u32) -> Self {
        self.relocated(0x24, R_WASM_GLOBAL_INDEX_LEB, symbol)
    }

    /// `i32.const` of a symbol's address.
    fn address(self, symbol: u32) -> Self {
        self.relocated(0x41, R_WASM_MEMORY_ADDR_SLEB, symbol)
    }

    /// `i32.const` of a number.
    fn number(mut self, number: u32) -> Self {
        self.bytes.push(0x41);
        number.cast_signed().encode(&mut self.bytes);
        self
    }

    fn local_get(mut self, local: u8) -> Self {
        self.bytes.extend([0x20, local]);
        self
    }

    fn end(self) -> Self {
        self.op(0x0b)
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
        for &(relocation, place, symbol) in &body.places {
            self.count += 1;
            self.entries.push(relocation);
            (offset + place).encode(&mut self.entries);
            symbol.encode(&mut self.entries);
            if relocation == R_WASM_MEMORY_ADDR_SLEB {
                const ADDEND: i32 = 0;
                ADDEND.encode(&mut self.entries);
            }
        }
    }

    fn section(&self) -> Cow<'static, [u8]> {
        const CODE_SECTION: u8 = 3;
        let mut section = vec![CODE_SECTION];
        self.count.encode(&mut section);
        section.extend(&self.entries);
        section.into()
    }
}
