use super::*;
use crate::{Config, ErrorCode};

fn open(text: &str) -> Result<Program, Error> {
    Ok(Program::from_bytes("test.wat", text.as_bytes())?)
}

/// The error of a program that must not be taken.
#[track_caller]
fn refusal(result: Result<impl Sized, Error>) -> String {
    let Err(error) = result else { panic!("it was taken") };
    assert!(error.is_bad_input(), "{error}");
    error.to_string()
}

fn instantiate(text: &str) -> Result<Linked, Error> {
    Instance::new(&Config::default())?.instantiate(&open(text)?)
}

#[test]
fn errors_of_the_engine_name_line_and_column_of_the_text() {
    let text =
        refusal(instantiate("(module\n  (func (result i32)\n    i32.const 1\n    i64.eqz))"));
    assert!(text.contains("type mismatch: expected i64, found i32 (at test.wat:4:5)"), "{text}");
}

/// Whatever the bytes are, the answer is an error or a program, within the limits.
#[test]
fn a_damaged_module_never_panics() {
    let text = r#"(module
        (import "runtime" "memory" (memory 1))
        (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
        (global $n (mut i32) (i32.const 100))
        (func $main (export "main") (local $p i32)
            (loop $next
                (local.set $p (call $alloc (i32.const 24)))
                (i32.store (local.get $p) (i32.const 7))
                (global.set $n (i32.sub (global.get $n) (i32.const 1)))
                (br_if $next (global.get $n))))
        (start $main))"#;
    let wasm = open(text).unwrap().wasm().to_vec();
    let config = Config { fuel: Some(1_000_000), max_memory: Some(8 << 20), ..Config::default() };
    let (mut refused, mut trapped, mut ran) = (0, 0, 0);
    for at in 0..wasm.len() {
        let mut damaged = wasm.clone();
        damaged[at] ^= 1 << (at % 8);
        let mut vm = Instance::new(&config).unwrap();
        match Program::from_bytes("damaged.wasm", &damaged)
            .map_err(Error::from)
            .and_then(|program| vm.instantiate(&program))
        {
            Ok(_) => ran += 1,
            Err(Error::Trap(_)) => trapped += 1,
            Err(error) => {
                assert!(error.is_bad_input(), "{error}");
                refused += 1;
            }
        }
        vm.set_fuel(1_000_000).unwrap();
        assert_eq!(vm.verify().unwrap(), 0, "byte {at}");
    }
    assert!(
        refused > 50 && trapped > 0 && ran > 50,
        "{refused} refused, {trapped} trapped, {ran} ran"
    );
}

#[test]
fn the_version_a_program_requires_is_compared_first() {
    let program = |version: u32| {
        format!(
            r#"(module
                (import "runtime" "gc_program_base" (global i32))
                (import "nowhere" "f" (func $f))
                (global $other i32 (i32.const 9))
                (global (export "gc_abi_required") i32 (i32.const {version}))
                (start $f))"#
        )
    };
    let error = instantiate(&program(2)).err().unwrap();
    assert!(matches!(error, Error::AbiVersion { expected: 1, found: 2, .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "test.wat (gc_abi_required) has version 2 of the ABI; this build of Rootstock speaks version 1"
    );
    let text = refusal(instantiate(&program(1)));
    assert!(text.contains("there is no module `nowhere`"), "{text}");
}

#[test]
fn every_import_that_cannot_be_had_is_listed() {
    let text = refusal(instantiate(
        r#"(module
            (import "runtime" "gc_colect" (func))
            (import "runtime" "alloc" (func (param i64) (result i32)))
            (import "runtime" "gc_sp" (global i32))
            (import "runtime" "gc_program_base" (global (mut i32)))
            (import "runtime" "gc_stat" (global i32))
            (import "runtime" "memory" (memory 1 100))
            (import "runtime" "gc_size" (func (param i32) (result i32)))
            (import "host" "host_decref_handle" (func (param i32 i32))))"#,
    ));
    for words in [
        "test.wat: 7 imports cannot be satisfied:",
        "runtime.gc_colect, which the runtime does not export; did you mean `gc_collect`?",
        "runtime.alloc as (func (param i64) (result i32)), but that is (func (param i32) (result i32))",
        "runtime.gc_sp as (global i32), but that is (global (mut i32))",
        "runtime.gc_program_base as (global (mut i32)), but that is (global i32)",
        "runtime.gc_stat as (global i32), but that is (func (param i32) (result i64))",
        "runtime.memory as (memory 1 100), but that is (memory ",
        "host.host_decref_handle, which the host does not export",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    assert!(!text.contains("gc_size"), "{text}");
}

#[test]
fn only_the_first_faults_are_listed() {
    let imports: String = (0..25).map(|n| format!(r#"(import "runtime" "x{n}" (func))"#)).collect();
    let text = refusal(instantiate(&format!("(module {imports})")));
    assert!(text.contains("25 imports") && text.ends_with("... and 15 more"), "{text}");
    assert!(text.contains("runtime.x9,") && !text.contains("runtime.x10,"), "{text}");
}

#[test]
fn what_is_declared_and_cannot_be_had_is_no_trap() {
    let data =
        r#"(module (import "runtime" "memory" (memory 1)) (data (i32.const 0x7f000000) "x"))"#;
    let text = refusal(instantiate(data));
    assert!(text.contains("a data segment lies outside memory"), "{text}");
    let elements = "(module (table 1 funcref) (func $f) (elem (i32.const 5) $f))";
    assert!(refusal(instantiate(elements)).contains("an element segment lies outside its table"));
}

#[test]
fn a_start_function_that_traps_is_a_trap() {
    let start = r#"(module
        (import "runtime" "gc_pin" (func $gc_pin (param i32)))
        (func $start (call $gc_pin (i32.const 64)))
        (start $start))"#;
    let error = instantiate(start).err().unwrap();
    assert_eq!(error.code(), Some(ErrorCode::NotAnObject));
    let backtrace = &error.trap().unwrap().backtrace;
    let outermost = backtrace.last().unwrap();
    assert_eq!((&*outermost.module, outermost.function.as_deref()), ("test.wat", Some("start")));
    assert_eq!(outermost.source.as_deref(), Some("test.wat:3:23"));
}

/// `wat` writes addresses that are too low: instructions of one byte would be at the line of the next.
#[test]
fn every_instruction_of_a_text_has_its_own_line() {
    let start = |functions: &str, first: &str| {
        format!(
            "(module {functions} (func $start (local i32 i64 i32)\n{first}\ni32.const 0\ni32.const 0\n\
             i32.div_u\ndrop\nnop)\n(start $start))"
        )
    };
    // Counts of functions that take one byte, and two.
    for functions in [String::new(), "(func)".repeat(200)] {
        for (first, line) in [("nop", 5), ("unreachable", 2)] {
            let error = instantiate(&start(&functions, first)).err().unwrap();
            let source = error.trap().unwrap().backtrace[0].source.clone();
            assert_eq!(source, Some(format!("test.wat:{line}:1")));
        }
    }
}

#[test]
fn calls_are_checked_against_the_type() {
    let mut vm = Instance::new(&Config::default()).unwrap();
    let text = r#"(module (memory (export "m") 1) (func (export "half") (param i32) (result i32) (local.get 0)))"#;
    let linked = vm.instantiate(&open(text).unwrap()).unwrap();
    assert!(matches!(linked.call(&mut vm, "half", &[Val::I32(4)]).unwrap()[..], [Val::I32(4)]));
    for (name, args, words) in [
        ("halve", &[Val::I32(1)][..], "it exports no function `halve`; did you mean `half`?"),
        ("m", &[], "its export `m` is (memory 1), not a function"),
        (
            "half",
            &[],
            "`half` was called with 0 arguments that do not fit its type (func (param i32) (result i32))",
        ),
        ("half", &[Val::I64(1)], "`half` was called with 1 arguments that do not fit"),
    ] {
        let text = refusal(linked.call(&mut vm, name, args));
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
}
