//! Phases on demand: what a program does not use is gone from its module, and what it uses works as before.

use std::collections::BTreeMap;
use std::path::Path;

use rootstock_link::optimize::Optimizer;

use crate::*;

/// Exports of the ABI beside `alloc`, as the table of docs/merging.md names them.
const FEATURES: &[&[&str]] = &[
    &[],
    &["register_wrapper"],
    &["gc_pin"],
    &["gc_add_roots"],
    &["gc_stack_new"],
    &["gc_configure"],
    &["gc_stat"],
    &["gc_collect"],
    &["gc_verify"],
];

/// A program that uses these exports.
fn program(names: &[&str]) -> String {
    let types: BTreeMap<_, _> = [
        ("register_wrapper", ("(param i32 i32 i32)", "(i32.const 0) (i32.const 1) (i32.const 2)")),
        ("gc_pin", ("(param i32)", "(i32.const 0)")),
        ("gc_add_roots", ("(param i32 i32)", "(i32.const 0) (i32.const 4)")),
        ("gc_stack_new", ("(param i32) (result i32)", "(i32.const 8)")),
        ("gc_configure", ("(param i32 i32) (result i32)", "(i32.const 0) (i32.const 0)")),
        ("gc_stat", ("(param i32) (result i64)", "(i32.const 0)")),
        ("gc_collect", ("", "")),
        ("gc_verify", ("(result i32)", "")),
    ]
    .into();
    let (mut imports, mut calls) = (String::new(), String::new());
    for name in names {
        let (ty, arguments) = types[name];
        imports.push_str(&format!("(import \"runtime\" \"{name}\" (func ${name} {ty}))"));
        let call = format!("(call ${name} {arguments})");
        calls.push_str(&if ty.contains("result") { format!("(drop {call})") } else { call });
    }
    format!(
        r#"(module {imports}
            (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
            (func (export "main") (result i32) {calls} (call $alloc (i32.const 16))))"#
    )
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the loader is a member of a workspace")
}

/// The optimiser, if it is of the version that the page's figures come from.
fn pinned_optimizer() -> Option<Optimizer> {
    let Ok(optimizer) = Optimizer::find() else {
        left_out("sizes of linked programs, as wasm-opt is not installed");
        return None;
    };
    let pins = std::fs::read_to_string(root().join("tools/pins.txt")).expect("the page is there");
    let pin = pins.lines().find(|line| line.starts_with("binaryen ")).expect("it is pinned");
    let pinned = pin.split_whitespace().last().and_then(|version| version.split('.').next());
    let said = std::process::Command::new(optimizer.path()).arg("--version").output();
    let said = text(&said.expect("the optimiser starts").stdout).trim().to_owned();
    // wasm-opt version 132 (version_132)
    if said.split(' ').nth(2) == pinned {
        return Some(optimizer);
    }
    left_out(&format!("sizes of linked programs, as {said} is not the one of tools/pins.txt"));
    None
}

fn least(optimizer: &Optimizer, names: &[&str]) -> usize {
    let test = format!("least-{}", names.join("-"));
    let (_, wasm, _) = link_text(&test, &program(names), &["--strip"]);
    optimizer.run(&wasm, "z", true).expect("the optimiser takes the module").len()
}

/// The most bytes of a stripped and optimised program that only allocates.
const LEAST_BUDGET: usize = 6_144;

#[test]
fn each_feature_costs_what_the_page_says() {
    let Some(optimizer) = pinned_optimizer() else { return };
    let page = root().join("docs/merging.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let mut fresh = text.clone();
    let base = least(&optimizer, &[]);
    assert!(base <= LEAST_BUDGET, "{base} bytes");
    for names in FEATURES {
        let size = least(&optimizer, names);
        let uses: String = names.iter().map(|name| format!(", `{name}`")).collect();
        let head = format!("| `alloc`{uses} | ");
        let old = fresh.lines().find(|line| line.starts_with(&head));
        let old = old.unwrap_or_else(|| panic!("docs/merging.md has no row {head}")).to_owned();
        let row = format!("{head}{} | {} |", thousands(size), thousands(size - base));
        fresh = fresh.replace(&old, &row);
    }
    if std::env::var_os("ROOTSTOCK_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(page, fresh).expect("the page can be written");
    } else {
        assert_eq!(
            text, fresh,
            "refresh it: ROOTSTOCK_UPDATE=1 cargo test -p rootstock --test link"
        );
    }
}

fn thousands(number: usize) -> String {
    if number < 1000 {
        number.to_string()
    } else {
        format!("{},{:03}", number / 1000, number % 1000)
    }
}

#[test]
fn a_program_that_only_allocates_imports_nothing() {
    let (output, wasm, _) = link_text("no-import", ALLOC_ONLY, &[]);
    assert!(seen(&wasm).imports.is_empty());
    let functions = seen(&wasm).functions;
    for gone in ["sort_out_dead_wrappers", "host_decref_handle", "poison_dead", "dlmalloc"] {
        assert!(!functions.iter().any(|(_, name)| name.contains(gone)), "{gone}");
    }
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[test]
fn only_registering_needs_the_host() {
    for name in ["gc_pin", "gc_add_roots", "gc_configure", "gc_stat", "gc_collect", "gc_verify"] {
        let (_, wasm, _) = link_text(&format!("alone-{name}"), &program(&[name]), &[]);
        assert!(seen(&wasm).imports.is_empty(), "{name}");
    }
    let (_, wasm, _) = link_text("wrapper", &program(&["register_wrapper"]), &[]);
    assert_eq!(seen(&wasm).imports, [("host".to_owned(), "host_decref_handle".to_owned())]);
}

/// Runs a program after the link, with nothing of the runtime exported; `main` returns what is asked for.
#[track_caller]
fn runs(test: &str, wat: &str, result: &str) {
    let (output, ..) = link_text(test, wat, &[]);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout).trim(), result);
}

/// Allocates garbage for some collections: what was not kept is zeroed, as its block is used for larger cells.
const CHURN: &str = r#"
    (func $churn (local $n i32)
      (loop $next
        (drop (call $alloc (i32.const 1000)))
        (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000)))))"#;

#[test]
fn a_pin_and_a_range_keep_their_objects_alone() {
    let pinned = |pin: &str| {
        format!(
            r#"(module {IMPORTS}
                (import "runtime" "gc_pin" (func $pin (param i32))) {CHURN}
                (func (export "main") (result i32) (local $p i32)
                  (local.set $p (call $alloc (i32.const 16)))
                  (i32.store (local.get $p) (i32.const 77))
                  {pin}
                  (call $churn)
                  (i32.load (local.get $p))))"#
        )
    };
    runs("pinned", &pinned("(call $pin (local.get $p))"), "77");
    runs("not-pinned", &pinned(""), "0");
    let ranged = |range: &str| {
        format!(
            r#"(module {IMPORTS}
                (import "runtime" "gc_add_roots" (func $add (param i32 i32))) {CHURN}
                (data $room (i32.const 0x100000) "\00\00\00\00\00\00\00\00")
                (func (export "main") (result i32)
                  {range}
                  (i32.store (i32.const 0x100004) (call $alloc (i32.const 16)))
                  (i32.store (i32.load (i32.const 0x100004)) (i32.const 78))
                  (call $churn)
                  (i32.load (i32.load (i32.const 0x100004)))))"#
        )
    };
    runs("ranged", &ranged("(call $add (i32.const 0x100004) (i32.const 0x100008))"), "78");
    runs("not-ranged", &ranged(""), "0");
}

#[test]
fn options_are_in_force_where_they_can_be_set() {
    let rooted = |option: u32, kept: &str| {
        format!(
            r#"(module {IMPORTS}
                (import "runtime" "gc_configure" (func $set (param i32 i32) (result i32))) {CHURN}
                (func (export "main") (result i32) (local $p i32)
                  (drop (call $set (i32.const {option}) (i32.const 1)))
                  (local.set $p (call $alloc (i32.const 16)))
                  (i32.store offset=4 (local.get $p) (i32.const 79))
                  (i32.store (global.get $gc_sp) {kept})
                  (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
                  (drop (call $alloc (i32.const 9000)))
                  (call $churn)
                  (i32.load offset=4 (local.get $p))))"#
        )
    };
    const INTERIOR: u32 = 7;
    const MIN_HEAP: u32 = 5;
    let inside = "(i32.add (local.get $p) (i32.const 5))";
    runs("interior", &rooted(INTERIOR, inside), "79");
    runs("no-interior", &rooted(MIN_HEAP, inside), "0");
    const EAGER: u32 = 0;
    const POISON: u32 = 1;
    let two = |second: u32| {
        format!(
            r#"(module {IMPORTS}
                (import "runtime" "gc_configure" (func $set (param i32 i32) (result i32)))
                (func (export "main") (result i32) (local $p i32)
                  (drop (call $set (i32.const {EAGER}) (i32.const 1)))
                  (drop (call $set (i32.const {second}) (i32.const 1)))
                  ;; its neighbour keeps the block
                  (i32.store (global.get $gc_sp) (call $alloc (i32.const 16)))
                  (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
                  (local.set $p (call $alloc (i32.const 16)))
                  (drop (call $alloc (i32.const 300)))
                  (i32.load (local.get $p))))"#
        )
    };
    runs("poison", &two(POISON), &0xDBDB_DBDB_u32.cast_signed().to_string());
    const VERIFY: u32 = 2;
    runs("no-poison", &two(VERIFY), "0");
}
