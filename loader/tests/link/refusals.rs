//! What cannot be linked: a message that names the cause, and no output.

use crate::*;

#[test]
fn a_name_that_both_export() {
    let wat = format!(r#"(module {IMPORTS} (func (export "alloc")))"#);
    refused(
        "clash",
        wat.clone(),
        &["--export-runtime"],
        &["it exports `alloc` itself", "--prefix"],
    );
    link_text("no-clash", &wat, &["--prefix", "gc."]);
    // the runtime's own, passed on by the program, is no clash
    let wat = format!(r#"(module {IMPORTS} (export "alloc" (func $alloc)))"#);
    link_text("same", &wat, &["--export-runtime"]);
}

#[test]
fn data_that_overlap() {
    let data = |segments: &str| format!("(module {IMPORTS} {segments} (func (export \"main\")))");
    refused(
        "low",
        data(r#"(data (i32.const 0xff000) "x")"#),
        &[],
        &["data segment 0", "0xff000", "overlaps the runtime's own memory", "0x100000"],
    );
    let (_, _, errors) = link_text(
        "own",
        &data(r#"(data (i32.const 0x100000) "abcd") (data (i32.const 0x100003) "x")"#),
        &[],
    );
    assert!(
        errors.contains("data segment 1") && errors.contains("overlaps data segment 0"),
        "{errors}"
    );
    let folder = folder("overlap");
    for name in ["a.wat", "b.wat"] {
        std::fs::write(folder.join(name), data(r#"(data (global.get $base) "x")"#)).unwrap();
    }
    let done = rootstock([
        "link".as_ref(),
        folder.join("a.wat").as_os_str(),
        "-o".as_ref(),
        folder.join("out.wasm").as_os_str(),
        "--with".as_ref(),
        folder.join("b.wat").as_os_str(),
    ]);
    assert_refused(done, &["a.wat", "b.wat", "overlaps", "share one memory"]);
    assert!(!folder.join("out.wasm").exists());
}

#[test]
fn programs_that_cannot_be_linked() {
    refused(
        "own-memory",
        format!(
            "(module {} (memory 1))",
            r#"(import "runtime" "alloc" (func (param i32) (result i32)))"#
        ),
        &[],
        &["defines its own memory"],
    );
    refused(
        "two-memories",
        format!("(module {IMPORTS} (memory 1))"),
        &[],
        &["a memory beside the runtime's"],
    );
    refused(
        "host-memory",
        r#"(module (import "env" "memory" (memory 1)))"#,
        &[],
        &["imports a memory of the host, env.memory"],
    );
    refused("nothing", "(module (memory 1))", &[], &["imports nothing from module `runtime`"]);
    refused(
        "missing",
        r#"(module (import "runtime" "aloc" (func)))"#,
        &[],
        &["imports runtime.aloc", "did you mean `alloc`?"],
    );
    refused(
        "type",
        r#"(module (import "runtime" "alloc" (func (param i64) (result i32))))"#,
        &[],
        &["(func (param i64) (result i32))", "(func (param i32) (result i32))"],
    );
    refused(
        "mutability",
        r#"(module (import "runtime" "gc_sp" (global i32)))"#,
        &[],
        &["(global i32)", "(global (mut i32))"],
    );
    refused(
        "many",
        r#"(module (import "runtime" "a" (func)) (import "runtime" "alloc" (func)))"#,
        &[],
        &["2 imports"],
    );
    refused(
        "forged",
        r#"(module (import "host" "host_decref_handle" (func (param i32 i32))))"#,
        &[],
        &["for the runtime alone"],
    );
    refused(
        "object",
        wasm(r#"(module (@custom "linking" "\02"))"#),
        &[],
        &["an object file, not a module", "wasm-ld", "libruntime.a"],
    );
    refused("component", b"\0asm\x0d\0\x01\0", &[], &["a component"]);
    refused("shared", wasm(r#"(module (@custom "dylink.0" ""))"#), &[], &["a shared library"]);
    refused("not-wasm", b"\x7fELF\x02\x01", &[], &["neither a wasm module"]);
    let whole = wasm(ALLOC_ONLY);
    refused("truncated", &whole[..whole.len() - 4], &[], &["truncated"]);
    refused("start", "(module (func $s (param i32)) (start $s))", &[], &["start"]);
    refused(
        "version",
        r#"(module (global (export "gc_abi_required") i32 (i32.const 9)))"#,
        &[],
        &["version 9 of the ABI"],
    );
    let (output, linked, _) = link_text("linked", ALLOC_ONLY, &[]);
    refused("again", linked, &[], &["linked with the runtime already"]);
    assert!(output.exists());
}

#[test]
fn a_program_without_the_runtime_is_linked_with_a_warning() {
    let (output, _, errors) = link_text(
        "no-runtime",
        r#"(module (func (export "main") (result i32) (i32.const 5)))"#,
        &[],
    );
    assert!(
        errors.contains("warning: ") && errors.contains("imports nothing from module `runtime`"),
        "{errors}"
    );
    let done = rootstock(["run".as_ref(), output.as_os_str()]);
    assert_eq!(text(&done.stdout), "5\n");
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = folder("outputs");
    let program = folder.join("program.wat");
    std::fs::write(&program, ALLOC_ONLY).unwrap();
    let to = |output: &Path| {
        rootstock(["link".as_ref(), program.as_os_str(), "-o".as_ref(), output.as_os_str()])
    };
    assert_refused(
        to(&folder.join("no/such/out.wasm")),
        &["no/such/out.wasm: cannot be written", "No such file"],
    );
    assert_refused(to(&folder), &["it is a folder"]);
    assert_refused(to(&program), &["would replace the program's text"]);
    assert_eq!(std::fs::read_to_string(&program).unwrap(), ALLOC_ONLY);
    // a full disk, where there is a device that always is
    if Path::new("/dev/full").exists() {
        assert_refused(
            to(Path::new("/dev/full")),
            &["/dev/full: cannot be written", "No space left"],
        );
    }
    let left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["program.wat"]);
    // a module may be replaced by what is made of it
    let module = folder.join("module.wasm");
    std::fs::write(&module, wasm(ALLOC_ONLY)).unwrap();
    link(&module, &module, &[]);
    let again = rootstock(["link".as_ref(), module.as_os_str(), "-o".as_ref(), module.as_os_str()]);
    assert_refused(again, &["linked with the runtime already"]);
}
