//! Phases on demand in object links: a program has those that it needs, and imports nothing for the others.

use std::process::Command;

use rootstock_host::wasmtime::{Engine, Instance, Module, Store};

use super::linker::{ROOTSTOCK, linked_rust};

/// The shared part of the programs: allocation until some collections have come.
const COMMON: &str = r#"
#![no_std]
unsafe extern "C" {
    safe fn alloc(size: u32) -> *mut u32;
}

/// Objects of another size than what the caller keeps, which take the blocks of what it has lost.
#[unsafe(no_mangle)]
pub extern "C" fn churn() -> u32 {
    (0..5000).filter(|_| !alloc(1000).is_null()).count() as u32
}

pub fn marked(value: u32) -> *mut u32 {
    let object = alloc(16);
    // SAFETY: the object has four words.
    unsafe { object.write_volatile(value) };
    object
}

pub fn after_churn(object: *mut u32) -> u32 {
    churn();
    // SAFETY: memory does not shrink; whose the word is now is what the test asks.
    unsafe { object.read_volatile() }
}
"#;

/// Runs `result` of a program as each linker has linked it; its result, and how many imports it has.
#[track_caller]
fn runs(name: &str, program: &str) -> Vec<(u32, usize)> {
    let modules = linked_rust(name, &format!("{COMMON}{program}"), &["result"]);
    let run = |module| {
        let engine = Engine::default();
        let module = Module::from_file(&engine, module).expect("the linker writes valid modules");
        let imports = module.imports().count();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it is instantiated");
        let result = instance.get_typed_func::<(), u32>(&mut store, "result").expect("exported");
        (result.call(&mut store, ()).expect("it returns"), imports)
    };
    modules.iter().map(run).collect()
}

#[test]
fn a_program_that_only_allocates_imports_nothing() {
    let program = r#"
#[unsafe(no_mangle)]
pub extern "C" fn result() -> u32 {
    after_churn(marked(77))
}"#;
    for found in runs("least", program) {
        assert_eq!(found, (0, 0), "the object is lost, as nothing keeps it");
    }
}

#[test]
fn pins_and_ranges_keep_objects_where_they_are_used() {
    let pinned = r#"
unsafe extern "C" { safe fn gc_pin(object: *mut u32); }

#[unsafe(no_mangle)]
pub extern "C" fn result() -> u32 {
    let object = marked(78);
    gc_pin(object);
    after_churn(object)
}"#;
    let ranged = r#"
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
unsafe extern "C" { safe fn rootstock_add_roots(start: usize, end: usize); }
static ROOT: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());

#[unsafe(no_mangle)]
pub extern "C" fn result() -> u32 {
    let at = &raw const ROOT as usize;
    rootstock_add_roots(at, at + 4);
    ROOT.store(marked(79), Relaxed);
    after_churn(ROOT.load(Relaxed))
}"#;
    for (name, program, value) in [("pinned", pinned, 78), ("ranged", ranged, 79)] {
        for found in runs(name, program) {
            assert_eq!(found, (value, 0), "{name}");
        }
    }
}

#[test]
fn options_and_statistics_are_there_where_they_are_asked_for() {
    let program = r#"
unsafe extern "C" {
    safe fn gc_configure(option: u32, value: u32) -> i32;
    safe fn gc_stat(number: u32) -> i64;
}

#[unsafe(no_mangle)]
pub extern "C" fn result() -> u32 {
    const EAGER: u32 = 0;
    const COLLECTIONS: u32 = 4;
    gc_configure(EAGER, 1);
    for _ in 0..10 {
        alloc(8);
    }
    gc_stat(COLLECTIONS) as u32
}"#;
    for found in runs("options", program) {
        assert_eq!(found, (10, 0));
    }
}

#[test]
fn a_module_with_wrappers_and_no_exports_for_its_host_is_refused_with_advice() {
    let program = r#"
unsafe extern "C" { safe fn register_wrapper(object: *mut u32, kind: u32, handle: u32); }

#[unsafe(no_mangle)]
pub extern "C" fn result() -> u32 {
    register_wrapper(marked(1), 1, 1);
    after_churn(marked(2))
}"#;
    for module in linked_rust("wrapping", &format!("{COMMON}{program}"), &["result"]) {
        let run =
            Command::new(ROOTSTOCK).arg("run").arg(&module).args(["--invoke", "result"]).output();
        let run = run.expect("the command runs");
        assert_eq!(run.status.code(), Some(2));
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(error.contains("export what a host needs: @rootstock-exports.rsp"), "{error}");
    }
}
