//! Decides the memory map, and writes the object file with the wasm globals.
//!
//! Stable Rust has no way to define a wasm global. A linkable object file does, and is short: one
//! mutable global with two accessor functions, and three immutable ones. `rust-lld` links it like
//! any other. (Format: the tool conventions' "WebAssembly Object File Linking".)

use std::path::Path;
use std::{env, fs};

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, FunctionSection, GlobalSection, GlobalType,
    LinkingSection, Module, SymbolTable, TypeSection, ValType,
};

const PAGE: u32 = 64 * 1024;
/// The linear stack of the Rust code, at the bottom: overflow traps at address 0. Little of the
/// code uses it, and a low address of the data behind it makes all of the code shorter.
const STACK_BYTES: u32 = 4096;
/// The runtime's data: 384 KiB of tables, and what else there is, with room. That it fits is
/// tested (`tests`: the memory map).
const DATA_BYTES: u32 = 448 * 1024;
/// The shadow stack, unless `ROOTSTOCK_SHADOW_STACK` says otherwise.
const SHADOW_STACK_BYTES: u32 = 512 * 1024;
/// The guard word above the shadow stack, and the distance to static data.
const GUARD_BYTES: u32 = 64;

/// The memory map: everything else in the project takes it from here.
///
/// ```text
/// 0        global_base            stack_base         stack_limit   program_base
/// +--------+----------------------+------------------+-------------+------------
/// | linear | data and tables of   | shadow stack     | guard word  | static data
/// | stack  | the runtime, gap     | (roots) ->       |             | of programs
/// +--------+----------------------+------------------+-------------+------------
/// ```
///
/// The shadow stack is above the runtime's own data, so that a program that pushes too much
/// overwrites its own data and not the collector's.
struct Map {
    global_base: u32,
    stack_base: u32,
    stack_limit: u32,
    program_base: u32,
}

impl Map {
    fn new(shadow_stack: u32) -> Self {
        let global_base = STACK_BYTES;
        let program_base =
            (global_base + DATA_BYTES + shadow_stack + GUARD_BYTES).next_multiple_of(PAGE);
        let stack_limit = program_base - GUARD_BYTES;
        Self { global_base, stack_base: stack_limit - shadow_stack, stack_limit, program_base }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ROOTSTOCK_SHADOW_STACK");
    let map = Map::new(shadow_stack());
    println!("cargo::rustc-env=ROOTSTOCK_STACK_BASE={}", map.stack_base);
    println!("cargo::rustc-env=ROOTSTOCK_STACK_LIMIT={}", map.stack_limit);
    println!("cargo::rustc-env=ROOTSTOCK_PROGRAM_BASE={}", map.program_base);
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family.contains("wasm")) {
        link(&map);
    }
}

/// The size of the shadow stack in bytes.
fn shadow_stack() -> u32 {
    let Ok(text) = env::var("ROOTSTOCK_SHADOW_STACK") else {
        return SHADOW_STACK_BYTES;
    };
    match text.parse() {
        Ok(bytes @ 4096..=0x1000_0000) if bytes % 64 == 0 => bytes,
        _ => panic!(
            "ROOTSTOCK_SHADOW_STACK={text}: expected a number of bytes, a multiple of 64 from \
             4096 to 268435456"
        ),
    }
}

fn link(map: &Map) {
    let out_dir = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let object = Path::new(&out_dir).join("gc_globals.o");
    fs::write(&object, globals(map)).expect("OUT_DIR is writable");
    println!("cargo::metadata=GLOBALS={}", object.display());
    for argument in [
        object.display().to_string(),
        "--stack-first".into(),
        format!("-zstack-size={STACK_BYTES}"),
        format!("--global-base={}", map.global_base),
        format!("--initial-memory={}", map.program_base),
        "--export=gc_sp".into(),
        "--export=gc_stack_base".into(),
        "--export=gc_stack_limit".into(),
        "--export=gc_program_base".into(),
    ] {
        println!("cargo::rustc-link-arg-cdylib={argument}");
    }
}

/// The object file.
fn globals(map: &Map) -> Vec<u8> {
    const TYPE_GET: u32 = 0;
    const TYPE_SET: u32 = 1;
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);

    let mut functions = FunctionSection::new();
    functions.function(TYPE_GET);
    functions.function(TYPE_SET);

    let values = [
        ("gc_sp", true, map.stack_base),
        ("gc_stack_base", false, map.stack_base),
        ("gc_stack_limit", false, map.stack_limit),
        ("gc_program_base", false, map.program_base),
    ];
    let mut globals = GlobalSection::new();
    let mut symbols = SymbolTable::new();
    for (index, (name, mutable, value)) in (0..).zip(values) {
        let ty = GlobalType { val_type: ValType::I32, mutable, shared: false };
        globals.global(ty, &ConstExpr::i32_const(value as i32));
        symbols.global(0, index, Some(name));
    }
    symbols.function(0, 0, Some("rootstock_sp_get"));
    symbols.function(0, 1, Some("rootstock_sp_set"));

    // No locals; `global.get 0`, and `local.get 0; global.set 0`. The linker overwrites the index
    // of the global, so it is written at its full width of five bytes.
    let index = [0x80, 0x80, 0x80, 0x80, 0x00];
    let get = [&[0x00, 0x23], &index[..], &[0x0b]].concat();
    let set = [&[0x00, 0x20, 0x00, 0x24], &index[..], &[0x0b]].concat();
    let mut code = CodeSection::new();
    code.raw(&get);
    code.raw(&set);
    // Offsets from the start of the section's contents: a count, and a size before each body.
    let get_index = 1 + 1 + 2;
    let set_index = 1 + 1 + get.len() + 1 + 4;

    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols);

    const CODE_SECTION: u8 = 3;
    const R_WASM_GLOBAL_INDEX_LEB: u8 = 7;
    let (offset_get, offset_set, symbol) = (get_index as u8, set_index as u8, 0);
    let relocations = [
        CODE_SECTION,
        2,
        R_WASM_GLOBAL_INDEX_LEB,
        offset_get,
        symbol,
        R_WASM_GLOBAL_INDEX_LEB,
        offset_set,
        symbol,
    ];

    let mut module = Module::new();
    module.section(&types).section(&functions).section(&globals).section(&code);
    module.section(&linking);
    module
        .section(&CustomSection { name: "reloc.CODE".into(), data: relocations.as_slice().into() });
    module.finish()
}
