//! A program that defines the function that is notified of dead handles: it takes the place of the import.

use std::fs;
use std::process::Command;

use loader::wasmtime::{Engine, Instance, Module, Store};

use super::linker::{RUST_LLD, SDK, memory_map, system_lld, temporary};

const PROGRAM: &str = r#"
#![no_std]
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

unsafe extern "C" {
    safe fn alloc_atomic(size: u32) -> *mut u32;
    safe fn register_wrapper(object: *mut u32, kind: u32, handle: u32);
    safe fn gc_shutdown();
}

static SUM: AtomicU32 = AtomicU32::new(0);

#[unsafe(no_mangle)]
pub extern "C" fn host_decref_handle(kind: u32, handle: u32) {
    SUM.fetch_add(kind * handle, Relaxed);
}

/// Wraps the handles up to n, and drops them; the sum of those that it was notified of, twice.
#[unsafe(no_mangle)]
pub extern "C" fn handles(n: u32) -> u32 {
    for handle in 1..=n {
        register_wrapper(alloc_atomic(8), 2, handle);
    }
    gc_shutdown();
    SUM.load(Relaxed)
}
"#;

#[test]
fn a_program_that_is_notified_itself_imports_nothing() {
    let (source, object) = (temporary("notified.rs"), temporary("notified.o"));
    fs::write(&source, PROGRAM).expect("the program can be written");
    let mut rustc = Command::new("rustc");
    rustc.args([
        "--edition=2024",
        "--target=wasm32-unknown-unknown",
        "-Copt-level=2",
        "-Dwarnings",
    ]);
    rustc.args(["--crate-type=lib", "--emit=obj", "-Cpanic=abort"]).arg(&source);
    let compiled = rustc.arg("-o").arg(&object).output().expect("rustc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

    let system =
        system_lld().map(|lld| (lld, vec!["-zstack-size=524224", "--global-base=1048576"]));
    let map = memory_map();
    let links = [(RUST_LLD.as_path(), vec![map.as_str()])].into_iter().chain(system);
    for (number, (lld, flags)) in links.enumerate() {
        let module = temporary(&format!("notified-{number}.wasm"));
        let mut command = Command::new(lld);
        command.args(["--no-entry", "--export=handles"]).args(flags).arg(&object);
        command.arg(SDK.join("libruntime.a")).arg("-o").arg(&module);
        let linked = command.output().expect("the linker runs");
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));

        let engine = Engine::default();
        let module = Module::from_file(&engine, &module).expect("the linker writes valid modules");
        assert_eq!(module.imports().count(), 0);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it is instantiated");
        let handles = instance.get_typed_func::<u32, u32>(&mut store, "handles").expect("exported");
        assert_eq!(handles.call(&mut store, 10_000).expect("it returns"), 10_000 * 10_001);
    }
}
