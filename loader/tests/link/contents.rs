//! What a merged module has in it.

use crate::*;

/// Bytes that a program which needs nothing but `alloc` may have, names left out. Measured: see docs/merging.md.
const ALLOC_ONLY_BUDGET: usize = 8_100;

#[test]
fn only_the_host_is_left_to_import() {
    let (_, wasm, _) = link_text("imports", ALLOC_ONLY, &["--export-runtime"]);
    assert_eq!(seen(&wasm).imports, [("host".to_owned(), "host_decref_handle".to_owned())]);
    let (_, wasm, _) = link_text("imports", ALLOC_ONLY, &[]);
    let seen = seen(&wasm);
    assert!(seen.imports.is_empty());
    assert_eq!(seen.exported()[..2], ["main", "memory"]);
    let mut added = seen.exported()[2..].to_vec();
    added.sort_unstable();
    let prefixed = ["gc_last_error", "gc_last_error_arg", "gc_sp"];
    assert_eq!(added, prefixed.map(|name| format!("rootstock.{name}")));
    assert_eq!(seen.memories, 1);
}

#[test]
fn what_the_program_does_not_use_is_dropped() {
    let (_, small, _) = link_text("small", ALLOC_ONLY, &["--strip"]);
    let (_, named, _) = link_text("named", ALLOC_ONLY, &[]);
    let (_, whole, _) = link_text("whole", ALLOC_ONLY, &["--strip", "--export-runtime"]);
    println!(
        "alloc only: {} bytes, {} with names; with all of the runtime {}",
        small.len(),
        named.len(),
        whole.len()
    );
    assert!(small.len() < ALLOC_ONLY_BUDGET, "{} bytes", small.len());
    assert!(small.len() + 4096 < whole.len(), "{} bytes and {}", small.len(), whole.len());
    let functions = seen(&named).functions;
    assert!(functions.iter().any(|(_, name)| name == "alloc"));
    assert!(!functions.iter().any(|(_, name)| name == "register_wrapper" || name == "gc_pin"));
}

#[test]
fn two_links_give_the_same_bytes() {
    for name in ["list.wat", "every_export.wat", "closures.wat"] {
        let folder = folder(&format!("twice-{name}"));
        let first = link(&guest(name), &folder.join("a.wasm"), &["--prefix", "gc."]).0;
        let second = link(&guest(name), &folder.join("b.wasm"), &["--prefix", "gc."]).0;
        assert!(first == second, "{name}");
    }
}

#[test]
fn the_runtime_is_exported_where_asked() {
    let (_, wasm, _) = link_text("exported", ALLOC_ONLY, &["--export-runtime"]);
    let exports = seen(&wasm);
    for name in
        ["main", "memory", "alloc", "gc_sp", "gc_program_base", "register_wrapper", "gc_verify"]
    {
        assert!(exports.exported().contains(&name), "{name}");
    }
    assert!(
        !exports
            .exported()
            .iter()
            .any(|name| name.starts_with("__") || name.starts_with("rootstock."))
    );

    let (_, wasm, _) = link_text("prefixed", ALLOC_ONLY, &["--prefix", "vera."]);
    let exports = seen(&wasm);
    for name in ["main", "memory", "vera.memory", "vera.alloc", "vera.gc_sp", "vera.gc_last_error"]
    {
        assert!(exports.exported().contains(&name), "{name}");
    }
    assert!(!exports.exported().contains(&"alloc"));
}

#[test]
fn names_of_both_are_kept_and_told_apart() {
    let wat = format!(
        r#"(module $whole {IMPORTS}
            (global $mine (mut i32) (i32.const 3))
            (func $try_alloc (export "main") (param $size i32) (result i32)
                (local $block i32)
                (local.set $block (call $alloc (local.get $size)))
                (global.set $mine (local.get $block))
                (local.get $block))
            (import "runtime" "try_alloc" (func $other (param i32) (result i32)))
            (func (export "second") (result i32) (call $other (i32.const 4))))"#
    );
    let wat =
        wat.replace(r#"(import "runtime" "try_alloc" (func $other (param i32) (result i32)))"#, "");
    let wat = wat.replace(
        IMPORTS,
        &format!(
            r#"{IMPORTS} (import "runtime" "try_alloc" (func $other (param i32) (result i32)))"#
        ),
    );
    let (_, wasm, _) = link_text("names", &wat, &[]);
    let seen = seen(&wasm);
    // the program's name wins, and the runtime's says whose it is
    let mine = seen.function("try_alloc").expect("the program's function has its name");
    let theirs = seen.function("runtime.try_alloc").expect("the runtime's has another");
    assert_ne!(mine, theirs);
    // of what is imported the name is its owner's
    assert!(seen.function("alloc").is_some() && seen.function("other").is_none());
    let locals: Vec<_> = seen.locals.iter().filter(|local| local.0 == mine).collect();
    assert_eq!(locals, [&(mine, 0, "size".to_owned()), &(mine, 1, "block".to_owned())]);
    assert!(seen.globals.iter().any(|name| name == "mine"));
    assert!(seen.globals.iter().any(|name| name == "gc_sp"));
}

#[test]
fn custom_sections_are_kept_merged_or_dropped() {
    let wat = format!(
        r#"(module {IMPORTS}
            (@custom "my.notes" "keep me")
            (@custom "sourceMappingURL" "\05x.map")
            (@custom "target_features" "\01+\0bbulk-memory")
            (@producers (language "Vera" "0.2") (processed-by "verac" "7"))
            (func (export "main") (drop (call $alloc (i32.const 1)))))"#
    );
    let (_, wasm, errors) = link_text("customs", &wat, &[]);
    let seen = seen(&wasm);
    assert_eq!(seen.custom("my.notes"), Some(&b"keep me"[..]));
    assert_eq!(seen.custom("sourceMappingURL"), None);
    assert!(errors.contains("`sourceMappingURL` is dropped"), "{errors}");
    let producers = text(seen.custom("producers").expect("it is written"));
    for tool in ["Vera", "verac", "rootstock", "rustc"] {
        assert!(producers.contains(tool), "{tool}: {producers}");
    }
    let features = text(seen.custom("target_features").expect("both have one"));
    assert!(
        features.contains("+\u{b}bulk-memory") && features.contains("mutable-globals"),
        "{features}"
    );
    let marker = text(seen.custom("rootstock").expect("it is written"));
    assert!(marker.contains(r#""abi":1"#) && marker.contains(r#""complete":false"#), "{marker}");
}

#[test]
fn the_memory_is_as_the_program_wants_it() {
    let sized = |limits: &str| {
        ALLOC_ONLY.replace(
            "(module",
            &format!(r#"(module (import "runtime" "memory" (memory {limits}))"#),
        )
    };
    let (_, wasm, _) = link_text("large", &sized("100"), &[]);
    assert_eq!(seen(&wasm).pages, 100);
    let (_, wasm, _) = link_text("bounded", &sized("1 500"), &[]);
    assert_eq!(seen(&wasm).maximum, Some(500));
    for (limits, words) in [
        ("1 3", "at most 3 pages, but 16 are needed"),
        ("1 16", "at most 16 pages, but 16 are needed"),
        ("1024 1024", "at most 1024 pages, but 1024 are needed"),
    ] {
        refused("too-small", sized(limits), &[], &[words, "leave the maximum out"]);
        // Beside the runtime it is as with it.
        let program = folder("too-small-run").join("program.wat");
        std::fs::write(&program, sized(limits)).unwrap();
        assert_refused(rootstock(["run".as_ref(), program.as_os_str()]), &[words]);
    }
}
