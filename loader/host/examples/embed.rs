//! Runs a program in this process, within limits, and goes on after it has failed.

use std::error::Error;
use std::time::Duration;

use rootstock_host::wasmtime::Val;
use rootstock_host::{Config, Instance, Program, Stat};

/// A list of `n` cells, which one slot of the shadow stack keeps alive; and a request that no heap can serve.
const LIST: &str = r#"(module
    (import "runtime" "memory" (memory 1))
    (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
    (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
    (func (export "list") (param $n i32) (result i32)
        (local $list i32) (local $cell i32)
        (i32.store (global.get $gc_sp) (i32.const 0))
        (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
        (loop $next
            (local.set $cell (call $alloc (i32.const 8)))
            (i32.store (local.get $cell) (local.get $n))
            (i32.store offset=4 (local.get $cell) (local.get $list))
            (local.set $list (local.get $cell))
            (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $list))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const 4)))
        (i32.load (local.get $list)))
    (func (export "huge") (result i32) (call $alloc (i32.const -1))))"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::default();
    config.max_memory = Some(64 << 20);
    config.timeout = Some(Duration::from_secs(10));
    let mut instance = Instance::new(&config)?;
    let program = instance.instantiate(&Program::from_bytes("list.wat", LIST.as_bytes())?)?;

    let results = program.call(&mut instance, "list", &[Val::I32(100_000)])?;
    println!("list: {:?}, {} objects", results[0], instance.stat(Stat::AllocatedObjects));

    // A trap is an error with a name. The instance is as it was before the call.
    let error = program.call(&mut instance, "huge", &[]).err().ok_or("it was served")?;
    println!("huge: {error}");
    let results = program.call(&mut instance, "list", &[Val::I32(3)])?;
    println!("list: {:?}", results[0]);
    Ok(())
}
