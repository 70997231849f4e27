//! Where the runtime notifies of dead handles, when that is not the host's `host.host_decref_handle`.

use crate::*;

/// Registers five wrappers, lets go of them, and collects. Its own function sums up what it is notified of.
const NOTIFIED: &str = r#"(module
    (import "runtime" "alloc_atomic" (func $alloc (param i32) (result i32)))
    (import "runtime" "register_wrapper" (func $register (param i32 i32 i32)))
    (import "runtime" "gc_collect" (func $collect))
    (global $sum (mut i32) (i32.const 0))
    (func (export "notified") (param $kind i32) (param $handle i32)
        (global.set $sum (i32.add (global.get $sum)
            (i32.add (i32.mul (local.get $kind) (i32.const 1000)) (local.get $handle)))))
    (func $wrap (param $handle i32)
        (call $register (call $alloc (i32.const 8)) (i32.const 1) (local.get $handle)))
    (func (export "main") (result i32)
        (local $n i32)
        (loop $next
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (call $wrap (local.get $n))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 5))))
        (call $collect)
        (global.get $sum)))"#;

#[test]
fn a_function_of_the_program_is_notified() {
    for args in [&["--decref", "notified"][..], &["--decref", "notified", "--export-runtime"]] {
        let (output, wasm, errors) = link_text("decref", NOTIFIED, args);
        assert_eq!(errors, "");
        assert_eq!(seen(&wasm).imports, []);
        let done = rootstock(["run".as_ref(), output.as_os_str()]);
        assert_eq!(text(&done.stdout), "5015\n", "{}", text(&done.stderr));
        assert_eq!(done.status.code(), Some(0));
    }
    // Without it the sum is nobody's.
    let (output, wasm, _) = link_text("no-decref", NOTIFIED, &[]);
    assert_eq!(seen(&wasm).imports.len(), 1);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_eq!(text(&done.stdout), "0\n", "{}", text(&done.stderr));
}

#[test]
fn a_function_of_a_library_is_notified() {
    let folder = folder("decref-library");
    let (library, program) = (folder.join("lib.wat"), folder.join("program.wat"));
    std::fs::write(
        &library,
        r#"(module (global $sum (export "sum") (mut i32) (i32.const 0))
            (func (export "told") (param i32 i32)
                (global.set $sum (i32.add (global.get $sum) (local.get 1)))))"#,
    )
    .unwrap();
    let wat = NOTIFIED.replace(
        "(global $sum (mut i32) (i32.const 0))",
        r#"(import "lib" "sum" (global $sum (mut i32)))"#,
    );
    std::fs::write(&program, wat).unwrap();
    let output = folder.join("out.wasm");
    let args = ["--with", library.to_str().unwrap(), "--decref", "told", "-O=3"];
    let without_optimiser = rootstock_link::optimize::Optimizer::find().is_err();
    let (wasm, _) = link(&program, &output, &args[..args.len() - usize::from(without_optimiser)]);
    assert_eq!(seen(&wasm).imports, []);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_eq!(text(&done.stdout), "15\n", "{}", text(&done.stderr));
}

/// Handles of the host's own store are nobody's concern where the program is notified of its own.
#[test]
fn the_hosts_own_handles_are_not_audited_then() {
    let import =
        r#"(import "host" "handle_new" (func $new (param i32 i64) (result i32))) (global $sum"#;
    let handle = "(drop (call $new (i32.const 1) (i64.const 7))) (call $collect)";
    let wat = NOTIFIED.replace("(global $sum", import).replace("(call $collect)", handle);
    let args = ["--decref", "notified", "--export-runtime"];
    let (output, _, _) = link_text("decref-audit", &wat, &args);
    let done = rootstock(["run".as_ref(), output.as_os_str(), "--stats".as_ref()]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn functions_that_cannot_be_notified() {
    refused(
        "decref-missing",
        NOTIFIED,
        &["--decref", "notifed"],
        &["--decref notifed", "neither program nor library exports", "did you mean `notified`?"],
    );
    refused(
        "decref-type",
        NOTIFIED,
        &["--decref", "main"],
        &["exports it as (func (result i32))", "the runtime calls (func (param i32 i32))"],
    );
    refused(
        "decref-twice",
        NOTIFIED,
        &["--decref", "notified", "--decref-import", "env.notified"],
        &["cannot be used with"],
    );
    for wrong in ["notified", ".notified", "env."] {
        refused("decref-import", NOTIFIED, &["--decref-import", wrong], &["MODULE.NAME"]);
    }
}

#[test]
fn the_import_has_another_name() {
    let args = ["--decref-import", "vera:gc/host@0.1.0.notify"];
    let (output, wasm, _) = link_text("decref-import", NOTIFIED, &args);
    let expected = ("vera:gc/host@0.1.0".to_owned(), "notify".to_owned());
    assert_eq!(seen(&wasm).imports, [expected]);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_refused(done, &["notifies vera:gc/host@0.1.0.notify", "--decref-import", "--decref"]);
    // The name that it has by itself is as good as none.
    let args = ["--decref-import", "host.host_decref_handle"];
    let (output, _, _) = link_text("decref-import-same", NOTIFIED, &args);
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_eq!(text(&done.stdout), "0\n", "{}", text(&done.stderr));
}
