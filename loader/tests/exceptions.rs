//! Programs that throw: whoever catches restores `gc_sp`, in either encoding of wasm's exceptions.
//!
//! `rootstock run` has the encoding of wasm 3.0 (`try_table`, `exnref`); what toolchains emitted before (`try`, `catch`,
//! `rethrow`) is in JavaScript's engines, so node runs it. `docs/recipes.md` has the recipe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What both encodings have around their handlers.
const COMMON: &str = r#"
    (import "runtime" "memory" (memory 1))
    (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
    (import "runtime" "gc_pin" (func $gc_pin (param i32)))
    (import "runtime" "gc_unpin" (func $gc_unpin (param i32)))
    (tag $error (param i32))
    ;; throws an object that holds n, and leaves a slot behind
    (func $fail (param $n i32)
        (local $error i32)
        (i32.store (global.get $gc_sp) (i32.const 0))
        (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
        (local.set $error (call $alloc (i32.const 8)))
        (i32.store (local.get $error) (local.get $n))
        (call $gc_pin (local.get $error))
        (throw $error (local.get $error)))"#;

/// `main(n)`: the sum of what n exceptions carried, past a `finally` block that allocates; -1 where `gc_sp` has moved.
fn program(with_finally: &str, caught: &str, restores: bool) -> String {
    let restore = if restores { "(global.set $gc_sp (local.get $saved))" } else { "" };
    format!(
        r#"(module {COMMON}
        {}
        (func (export "main") (param $n i32) (result i32)
            (local $saved i32) (local $sum i32) (local $error i32)
            (local.set $saved (global.get $gc_sp))
            (loop $next
                {caught}
                {restore}
                (call $gc_unpin (local.get $error))
                (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $error))))
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (if (i32.ne (local.get $saved) (global.get $gc_sp)) (then (return (i32.const -1))))
            (local.get $sum)))"#,
        with_finally.replace("RESTORE", restore)
    )
}

fn of_today(restores: bool) -> String {
    program(
        "(func $with_finally (param $n i32)
            (local $saved i32) (local $exception exnref)
            (local.set $saved (global.get $gc_sp))
            (block $finally (result exnref)
                (try_table (catch_all_ref $finally) (call $fail (local.get $n)))
                (return))
            (local.set $exception)
            RESTORE
            (drop (call $alloc (i32.const 8)))
            (throw_ref (local.get $exception)))",
        "(block $caught (result i32)
            (try_table (catch $error $caught) (call $with_finally (local.get $n)))
            unreachable)
         (local.set $error)",
        restores,
    )
}

fn legacy(restores: bool) -> String {
    program(
        "(func $with_finally (param $n i32)
            (local $saved i32)
            (local.set $saved (global.get $gc_sp))
            try $try
                (call $fail (local.get $n))
            catch_all
                RESTORE
                (drop (call $alloc (i32.const 8)))
                rethrow $try
            end)",
        "try
            (call $with_finally (local.get $n))
            unreachable
         catch $error
            (local.set $error)
         end",
        restores,
    )
}

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exceptions").join(test);
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

fn rootstock(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rootstock"));
    command.arg("run").arg(program).args(args).output().expect("the command starts")
}

#[track_caller]
fn prints(output: &Output, expected: &str) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.trim(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_handler_restores_gc_sp_and_the_payload_is_pinned() {
    let file = folder("today").join("program.wat");
    fs::write(&file, of_today(true)).expect("it can be written");
    prints(&rootstock(&file, &["--invoke", "main", "1000"]), "500500");
    let eager = ["--invoke", "main", "100", "--eager", "--poison", "--verify"];
    prints(&rootstock(&file, &eager), "5050");
}

#[test]
fn a_handler_that_does_not_restore_gc_sp_loses_slots() {
    let file = folder("creeping").join("program.wat");
    fs::write(&file, of_today(false)).expect("it can be written");
    prints(&rootstock(&file, &["--invoke", "main", "1000"]), "-1");
    // the shadow stack ends at the 131,072nd slot, and each exception allocates twice
    let eager = ["--invoke", "main", "200000", "--eager", "--eager-from", "262144"];
    let errors = rootstock(&file, &eager).stderr;
    let errors = String::from_utf8_lossy(&errors);
    assert!(errors.contains("SHADOW_STACK_OVERFLOW"), "{errors}");
}

/// A host in node: the runtime, and a program beside it. Arguments: the program's file, that of `main`, options.
const HOST: &str = r"
import { readFileSync } from 'node:fs';
import { instantiate } from './rootstock.js';
const runtime = await instantiate(readFileSync('runtime.wasm'), { configure: JSON.parse(process.argv[4]) });
const program = await runtime.link(readFileSync(process.argv[2]), { name: process.argv[2] });
console.log(program.call('main', Number(process.argv[3])));
if (runtime.verify() !== 0) throw new Error('the heap is broken');
";

#[test]
fn the_older_encoding_needs_no_other_recipe() {
    let folder = folder("legacy");
    let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("../js");
    fs::create_dir_all(folder.join("src")).expect("the folder can be made");
    let sources = fs::read_dir(js.join("src")).expect("js/src is there");
    for file in sources.map(|file| file.expect("js/src can be read")) {
        fs::copy(file.path(), folder.join("src").join(file.file_name())).expect("it can be copied");
    }
    fs::copy(js.join("rootstock.js"), folder.join("rootstock.js")).expect("it can be copied");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).expect("it can be written");
    };
    write("runtime.wasm", rootstock_built::RUNTIME_WASM);
    write("host.mjs", HOST.as_bytes());
    write("package.json", br#"{ "type": "module" }"#);
    for (name, restores) in [("restores.wasm", true), ("creeping.wasm", false)] {
        write(name, &wat::parse_str(legacy(restores)).expect("the text is right"));
    }
    let node = |arguments: [&str; 3]| {
        let mut command = Command::new("node");
        command.arg("host.mjs").args(arguments).current_dir(&folder);
        command.output().expect("node starts")
    };
    prints(&node(["restores.wasm", "200000", "{}"]), "-1474736480");
    prints(&node(["restores.wasm", "100", r#"{"EAGER":1,"POISON":1,"VERIFY":1}"#]), "5050");
    prints(&node(["creeping.wasm", "1000", "{}"]), "-1");
}
