;; The runtime's functions that take numbers, passed on as they are: for values that a host library would not let by.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_configure" (func $gc_configure (param i32 i32) (result i32)))
  (import "runtime" "gc_stat" (func $gc_stat (param i32) (result i64)))
  (export "gc_configure" (func $gc_configure))
  (export "gc_stat" (func $gc_stat))
)
