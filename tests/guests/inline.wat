;; Allocates without a call, as long as the run of its size lasts (see "Allocation without a call" in ABI.md).
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_run" (func $gc_run (param i32 i32) (result i32)))

  (global $run (mut i32) (i32.const 0))
  (global $large (mut i32) (i32.const 0))
  (start $start)
  (func $start
    (global.set $run (call $gc_run (i32.const 16) (i32.const 0)))
    (global.set $large (call $gc_run (i32.const 20000) (i32.const 0))))

  (func $cell (result i32)
    (local $cell i32)
    (local.set $cell (i32.load (global.get $run)))
    (if (i32.eq (local.get $cell) (i32.load offset=4 (global.get $run)))
      (then (local.set $cell (call $alloc (i32.const 16))))
      (else
        (i32.store (global.get $run) (i32.add (local.get $cell) (i32.load offset=12 (global.get $run))))))
    local.get $cell)

  ;; The sum of a list of the numbers n to 1, between whose cells garbage is made; -1 if a cell was not zeroed, or if
  ;; the run of a large size is not empty.
  (func (export "main") (param $n i32) (result i64)
    (local $cell i32) (local $sum i64)
    (i32.store (global.get $gc_sp) (i32.const 0))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (loop $next
      (local.set $cell (call $cell))
      (if (i64.ne (i64.or (i64.load (local.get $cell)) (i64.load offset=8 (local.get $cell))) (i64.const 0))
        (then (return (i64.const -1))))
      (i32.store (local.get $cell) (i32.load (i32.sub (global.get $gc_sp) (i32.const 4))))
      (i32.store offset=4 (local.get $cell) (local.get $n))
      (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $cell))
      (i64.store offset=8 (call $cell) (i64.const -1))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.set $cell (i32.load (i32.sub (global.get $gc_sp) (i32.const 4))))
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.load offset=4 (local.get $cell)))))
      (br_if $next (local.tee $cell (i32.load (local.get $cell)))))
    (global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const 4)))
    (if (i32.ne (i32.load (global.get $large)) (i32.load offset=4 (global.get $large)))
      (then (return (i64.const -1))))
    local.get $sum))
