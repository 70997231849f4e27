//! Modules that nobody would write, each from a seed.
//!
//! | kind | what |
//! | --- | --- |
//! | [`Kind::Smith`] | any valid module that `wasm-smith` can think of, which imports from the runtime and the host |
//! | [`Kind::Calls`] | text: calls of the whole ABI with arguments on the edge, and words written where they do not belong |
//! | [`Kind::Mutant`] | one of those, assembled, with bytes of it changed, cut off or repeated |
//! | [`Kind::Linked`] | one of those, linked with the runtime, and now and then damaged after that |
//! | [`Kind::Lying`] | one of those, linked, in which some exports of the runtime do or are something else ([`lying`]) |

use std::fmt::Write;

use arbitrary::Unstructured;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rootstock_link::Linker;
use rootstock_program::{Error, Program};

use super::lying::{self, LIES, Lie};

/// The kind of module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Valid, and otherwise arbitrary.
    Smith,
    /// Calls of the ABI, as text.
    Calls,
    /// Damaged.
    Mutant,
    /// In one module with the runtime.
    Linked,
    /// In one module with a runtime that does not answer as it should.
    Lying,
}

/// The imports that a program may have.
const IMPORTS: &str = r#"(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $sp (mut i32)))
  (import "runtime" "gc_stack_base" (global $base i32))
  (import "runtime" "gc_stack_limit" (global $limit i32))
  (import "runtime" "gc_program_base" (global $program i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "try_alloc" (func $try_alloc (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "runtime" "register_wrapper_sized" (func $register_wrapper_sized (param i32 i32 i32 i32)))
  (import "runtime" "release_wrapper" (func $release_wrapper (param i32) (result i32)))
  (import "runtime" "try_alloc_atomic" (func $try_alloc_atomic (param i32) (result i32)))
  (import "runtime" "try_register_wrapper" (func $try_register_wrapper (param i32 i32 i32) (result i32)))
  (import "runtime" "gc_wrapper" (func $gc_wrapper (param i32) (result i32)))
  (import "runtime" "gc_notify" (func $gc_notify (param i32) (result i32)))
  (import "runtime" "gc_collect" (func $gc_collect))
  (import "runtime" "gc_shutdown" (func $gc_shutdown))
  (import "runtime" "gc_add_roots" (func $gc_add_roots (param i32 i32)))
  (import "runtime" "gc_remove_roots" (func $gc_remove_roots (param i32 i32)))
  (import "runtime" "gc_pin" (func $gc_pin (param i32)))
  (import "runtime" "gc_unpin" (func $gc_unpin (param i32)))
  (import "runtime" "gc_stack_new" (func $gc_stack_new (param i32) (result i32)))
  (import "runtime" "gc_stack_switch" (func $gc_stack_switch (param i32) (result i32)))
  (import "runtime" "gc_stack_free" (func $gc_stack_free (param i32)))
  (import "runtime" "gc_stack_end" (func $gc_stack_end (result i32)))
  (import "runtime" "gc_configure" (func $gc_configure (param i32 i32) (result i32)))
  (import "runtime" "gc_stat" (func $gc_stat (param i32) (result i64)))
  (import "runtime" "gc_base" (func $gc_base (param i32) (result i32)))
  (import "runtime" "gc_size" (func $gc_size (param i32) (result i32)))
  (import "runtime" "gc_verify" (func $gc_verify (result i32)))
  (import "runtime" "gc_last_error" (func $gc_last_error (result i32)))
  (import "runtime" "gc_last_error_arg" (func $gc_last_error_arg (result i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (import "host" "handle_value" (func $handle_value (param i32) (result i64)))
  (import "host" "handle_kind" (func $handle_kind (param i32) (result i32)))
  (import "host" "handle_count" (func $handle_count (result i32)))
  (import "host" "print_i32" (func $print_i32 (param i32)))
  (import "host" "print_f64" (func $print_f64 (param f64)))
  (import "host" "print_str" (func $print_str (param i32 i32)))
"#;

/// The module of a seed.
pub fn module(seed: u64) -> (Kind, Vec<u8>) {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    match rng.random_range(0..7) {
        0 | 1 => (Kind::Smith, smith(&mut rng)),
        2 | 3 => (Kind::Calls, calls(&mut rng).into_bytes()),
        4 => {
            let whole = assembled(&mut rng);
            (Kind::Mutant, damaged(&mut rng, whole))
        }
        5 => (Kind::Linked, linked(&mut rng)),
        _ => (Kind::Lying, lying(&mut rng)),
    }
}

/// A few exports of the runtime are something else, or nearly all.
fn lying(rng: &mut impl Rng) -> Vec<u8> {
    let linker = Linker::new().export_runtime("");
    let whole = assembled(rng);
    let program = Program::from_bytes("hostile.wasm", &whole);
    let Ok(linked) = program.map_err(Error::from).and_then(|program| linker.link(&program)) else {
        return whole;
    };
    let (few, of) = [(1, 20), (1, 4), (9, 10)][rng.random_range(0..3)];
    let made = lying::module(linked.wasm(), |_| {
        if !rng.random_ratio(few, of) {
            return Lie::Truth;
        }
        match LIES[rng.random_range(0..LIES.len())] {
            Lie::Nonsense(_) => Lie::Nonsense(rng.random()),
            Lie::Spoils(_) => Lie::Spoils(rng.random_range(0..1 << 21)),
            Lie::Moves(_) => Lie::Moves(rng.random()),
            // These are rare enough to leave time for others.
            Lie::Endless if rng.random_ratio(3, 4) => Lie::Trap,
            lie => lie,
        }
    });
    made.unwrap_or(linked.into_wasm())
}

fn smith(rng: &mut impl Rng) -> Vec<u8> {
    let imports = wat::parse_str(format!("{IMPORTS})")).unwrap_or_default();
    loop {
        let mut bytes = vec![0; rng.random_range(500..8000)];
        rng.fill_bytes(&mut bytes);
        let config = wasm_smith::Config {
            available_imports: Some(imports.clone()),
            export_everything: rng.random(),
            min_funcs: 1,
            min_exports: 1,
            max_memories: rng.random_range(1..4),
            max_tables: 4,
            allow_start_export: rng.random(),
            threads_enabled: false,
            custom_page_sizes_enabled: rng.random_ratio(1, 10),
            ..wasm_smith::Config::default()
        };
        // It runs out of bytes now and then.
        if let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)) {
            return module.to_bytes();
        }
    }
}

/// A program of random statements. Its locals `$a` to `$f` hold what the runtime returned.
fn calls(rng: &mut impl Rng) -> String {
    let mut text = IMPORTS.to_owned();
    text.push_str("  (global $fuel (mut i32) (i32.const 20000))\n");
    let functions = rng.random_range(1..5);
    for number in 0..functions {
        let name = odd_name(rng);
        let _ = write!(text, "  (func $f{number} (export \"{name}{number}\") (result i32)");
        for local in LOCALS {
            let _ = write!(text, " (local ${local} i32)");
        }
        text.push_str("\n    (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))\n");
        text.push_str("    (if (i32.eqz (global.get $fuel)) (then unreachable))\n");
        let statements = rng.random_range(1..60);
        for _ in 0..statements {
            text.push_str("    ");
            statement(rng, &mut text, functions);
            text.push('\n');
        }
        text.push_str("    (local.get $a))\n");
    }
    text.push(')');
    text
}

const LOCALS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// Text that a terminal should not be shown.
fn odd_name(rng: &mut impl Rng) -> &'static str {
    const NAMES: [&str; 6] = ["main", "f", "\\1b[2J\\07", "a\\0aerror: ", "\\e2\\80\\ae", ""];
    NAMES[rng.random_range(0..NAMES.len())]
}

fn local(rng: &mut impl Rng) -> char {
    LOCALS[rng.random_range(0..LOCALS.len())]
}

/// An operand: something that was returned, a number on the edge, an address in the runtime's own data, or noise.
fn operand(rng: &mut impl Rng) -> String {
    const EDGES: [i64; 16] =
        [0, 1, 3, 4, 7, 8, 12, 16, 24, 511, 8192, 8193, 65536, 1 << 20, 0x7fff_ffff, 0xffff_ffff];
    match rng.random_range(0..12) {
        0..=4 => format!("(local.get ${})", local(rng)),
        5 | 6 => format!("(i32.const {})", EDGES[rng.random_range(0..EDGES.len())] as i32),
        7 => "(global.get $sp)".to_owned(),
        8 => "(global.get $program)".to_owned(),
        9 => format!("(i32.const {})", rng.random_range(0..2_000_000_i32)),
        10 => format!(
            "(i32.add (local.get ${}) (i32.const {}))",
            local(rng),
            rng.random_range(-32..64)
        ),
        _ => format!("(i32.const {})", rng.random::<i32>()),
    }
}

fn statement(rng: &mut impl Rng, text: &mut String, functions: u32) {
    let (a, b, c, d) = (operand(rng), operand(rng), operand(rng), operand(rng));
    let to = local(rng);
    let size = rng.random_range(0..400);
    let _ = match rng.random_range(0..36) {
        0..=4 => write!(text, "(local.set ${to} (call $alloc (i32.const {size})))"),
        5 => write!(text, "(local.set ${to} (call $alloc_atomic (i32.const {})))", size * 100),
        6 => write!(text, "(local.set ${to} (call $try_alloc {a}))"),
        7..=9 => write!(
            text,
            "(i32.store (global.get $sp) {a}) (global.set $sp (i32.add (global.get $sp) (i32.const 4)))"
        ),
        10 => write!(text, "(global.set $sp (i32.sub (global.get $sp) (i32.const {})))", size & 12),
        11 => write!(text, "(global.set $sp {a})"),
        12 | 13 => write!(text, "(i32.store {a} {b})"),
        14 => write!(text, "(memory.fill {a} {b} (i32.const {}))", size * 50),
        15 => write!(text, "(memory.copy {a} {b} (i32.const {}))", size * 20),
        16 | 17 => {
            write!(text, "(call $register_wrapper {a} {b} (call $handle_new {b} (i64.const 1)))")
        }
        18 => write!(text, "(call $register_wrapper_sized {a} {b} {c} {d})"),
        19 => write!(text, "(drop (call $release_wrapper {a}))"),
        20 => write!(text, "(call $gc_collect)"),
        21 => write!(text, "(call $gc_add_roots {a} {b})"),
        22 => write!(text, "(call $gc_remove_roots {a} {b})"),
        23 => write!(text, "(call $gc_pin {a}) (call $gc_unpin {b})"),
        24 => {
            write!(text, "(drop (call $gc_configure (i32.const {}) {a}))", rng.random_range(0..12))
        }
        25 => write!(text, "(drop (call $gc_stat {a})) (local.set ${to} (call $gc_base {b}))"),
        26 => write!(text, "(local.set ${to} (i32.load {a})) (drop (call $gc_verify))"),
        27 => {
            write!(text, "(call $print_str {a} (i32.const {size})) (drop (call $handle_value {b}))")
        }
        29 => write!(text, "(local.set ${to} (call $gc_stack_new (i32.const {size})))"),
        30 => write!(text, "(local.set ${to} (call $gc_stack_switch {a}))"),
        31 => write!(text, "(call $gc_stack_free {a}) (local.set ${to} (call $gc_stack_end))"),
        32 => write!(
            text,
            "(local.set ${to} (call $try_alloc_atomic {a})) (drop (call $gc_notify {b}))"
        ),
        33 => write!(text, "(local.set ${to} (call $try_register_wrapper {a} {b} {c}))"),
        34 => write!(text, "(local.set ${to} (call $gc_wrapper {a}))"),
        28 => write!(text, "(drop (memory.grow (i32.const {}))) (call $gc_init {a})", size / 100),
        _ => write!(text, "(local.set ${to} (call $f{}))", rng.random_range(0..functions)),
    };
}

fn assembled(rng: &mut impl Rng) -> Vec<u8> {
    let text = calls(rng);
    let mut parser = wat::Parser::new();
    parser.generate_dwarf(wat::GenerateDwarf::Lines);
    parser.parse_str(None, &text).unwrap_or_default()
}

fn linked(rng: &mut impl Rng) -> Vec<u8> {
    let mut linker = Linker::new();
    if rng.random_ratio(9, 10) {
        linker = linker.export_runtime("");
    }
    let whole = assembled(rng);
    let program = Program::from_bytes("hostile.wasm", &whole);
    match program.map_err(Error::from).and_then(|program| linker.link(&program)) {
        Ok(output) if rng.random_ratio(1, 2) => damaged(rng, output.into_wasm()),
        Ok(output) => output.into_wasm(),
        Err(_) => whole,
    }
}

fn damaged(rng: &mut impl Rng, mut wasm: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.random_range(1..8) {
        if wasm.len() < 9 {
            break;
        }
        // The first eight bytes say that it is a module at all.
        let at = rng.random_range(8..wasm.len());
        match rng.random_range(0..6) {
            0 => wasm.truncate(at),
            1 => {
                let end = wasm.len().min(at + rng.random_range(1..40));
                let piece = wasm[at..end].to_vec();
                wasm.splice(at..at, piece);
            }
            2 => wasm[at] = [0, 0x7f, 0x80, 0xff][rng.random_range(0..4)],
            3 => wasm[at] ^= 1 << rng.random_range(0..8),
            // Names and lines are at the end.
            _ => {
                let at = rng.random_range(wasm.len() / 2..wasm.len());
                wasm[at] = rng.random();
            }
        }
    }
    wasm
}
