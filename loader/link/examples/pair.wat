(module
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "memory" (memory 1))
  (func (export "main") (result i32)
    (local $pair i32)
    (local.set $pair (call $alloc (i32.const 8)))
    (i32.store (local.get $pair) (i32.const 40))
    (i32.store offset=4 (local.get $pair) (i32.const 2))
    (i32.add (i32.load (local.get $pair)) (i32.load offset=4 (local.get $pair)))))
