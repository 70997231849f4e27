//! A program that defines the function that is notified of dead handles: it takes the place of the import.

use rootstock_host::wasmtime::{Engine, Instance, Module, Store};

use super::linker::linked_rust;

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
    for module in linked_rust("notified", PROGRAM, &["handles"]) {
        let engine = Engine::default();
        let module = Module::from_file(&engine, &module).expect("the linker writes valid modules");
        assert_eq!(module.imports().count(), 0);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("it is instantiated");
        let handles = instance.get_typed_func::<u32, u32>(&mut store, "handles").expect("exported");
        assert_eq!(handles.call(&mut store, 10_000).expect("it returns"), 10_000 * 10_001);
    }
}
