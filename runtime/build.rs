//! Decides the memory map, and adds the object files that Rust cannot express to what is linked.

#[path = "build/archive.rs"]
mod archive;
#[path = "build/object.rs"]
mod object;
#[path = "build/parts.rs"]
mod parts;
#[path = "build/phases.rs"]
mod phases;

use std::path::Path;
use std::{env, fs};

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

/// The memory map, which all other parts of the project take from here.
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
///
/// In an object link (`libruntime.a`) the data of the runtime are one with those of the program, and the linker puts
/// them all where static data of programs start. The linear stack may then have all that is below the shadow stack.
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
    println!("cargo::rerun-if-changed=build");
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
    // In an archive, as rustc puts that into `libruntime.a` too.
    let write = |name: &str, contents: Vec<u8>| {
        let path = Path::new(&out_dir).join(name);
        fs::write(&path, contents).expect("OUT_DIR is writable");
        path
    };
    let [reactor, constructors] = parts::constructors();
    let mut files = vec![
        ("gc_reactor.o", reactor),
        ("gc_ctors.o", constructors),
        ("gc_globals.o", parts::globals(map)),
    ];
    files.extend(phases::files());
    write("librootstock_globals.a", archive::of(&files));
    let module = write("gc_module.o", parts::module());
    println!("cargo::rustc-link-search=native={out_dir}");
    println!("cargo::rustc-link-lib=static=rootstock_globals");
    for argument in [
        "--stack-first".into(),
        format!("-zstack-size={STACK_BYTES}"),
        format!("--global-base={}", map.global_base),
        format!("--initial-memory={}", map.program_base),
        "--export=gc_sp".into(),
        "--export=gc_stack_base".into(),
        "--export=gc_stack_limit".into(),
        "--export=gc_program_base".into(),
        module.display().to_string(),
    ] {
        println!("cargo::rustc-link-arg-cdylib={argument}");
    }
}
