;; Marking that goes deep: a comb is kept by one slot of the shadow stack while the heap is collected twice.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_collect" (func $gc_collect))
  (import "shapes" "comb" (func $comb (param i32 i32) (result i32)))
  (import "shapes" "comb_intact" (func $comb_intact (param i32 i32) (result i32)))

  ;; main(n, at): how many cells of a comb of n are as they were built; `at` is 0 or 124, as in shapes.wat.
  (func (export "main") (param $n i32) (param $at i32) (result i32)
    (local $spine i32)
    (local.set $spine (call $comb (local.get $n) (local.get $at)))
    (i32.store (global.get $gc_sp) (local.get $spine))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (call $gc_collect)
    (call $gc_collect)
    (global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const 4)))
    (call $comb_intact (local.get $spine) (local.get $at)))
)
