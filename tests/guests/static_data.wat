;; A program with static data in a passive segment; the tests put data and length in. The start function tells the
;; runtime where they end, and only then copies them: the memory is large enough once gc_init has returned.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  (global $length i32 (i32.const 0))
  (data $static "")

  (start $start)
  (func $start
    (call $gc_init (i32.add (global.get $base) (global.get $length)))
    (memory.init $static (global.get $base) (i32.const 0) (global.get $length))
    (data.drop $static))

  ;; checksum: the sum of all bytes of the static data.
  (func (export "checksum") (result i64)
    (local $at i32) (local $end i32) (local $sum i64)
    (local.set $at (global.get $base))
    (local.set $end (i32.add (global.get $base) (global.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $sum (i64.add (local.get $sum) (i64.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    local.get $sum)

  ;; build_and_sum(n): a list of the numbers below n, each in an object of its own, and their sum.
  (func (export "build_and_sum") (param $n i32) (result i64)
    (local $saved i32) (local $list i32) (local $cell i32) (local $i i32) (local $sum i64)
    (local.set $saved (global.get $gc_sp))
    (i32.store (global.get $gc_sp) (i32.const 0))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $cell (call $alloc (i32.const 24)))
        (i32.store (local.get $cell) (local.get $i))
        (i32.store offset=20 (local.get $cell) (local.get $list))
        (local.set $list (local.get $cell))
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $list))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $list)))
        (local.set $sum (i64.add (local.get $sum) (i64.load32_u (local.get $list))))
        (local.set $list (i32.load offset=20 (local.get $list)))
        (br $next)))
    (global.set $gc_sp (local.get $saved))
    local.get $sum)
)
