;; Linked lists as a compiler of a functional language emits them: a frame saves gc_sp and restores it, roots are
;; pushed inline, a loop overwrites its slot in place. A cell is { tag = 1, head: i32, tail: ptr, 0 }; Nil is 0.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  ;; build(n): the list n, n-1, ... 1. One slot of the frame always holds the list so far.
  (func $build (export "build") (param $n i32) (result i32)
    (local $saved i32) (local $list i32) (local $cell i32) (local $i i32)
    global.get $gc_sp
    local.set $saved
    global.get $gc_sp
    i32.const 0
    i32.store
    global.get $gc_sp
    i32.const 4
    i32.add
    global.set $gc_sp
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $cell (call $alloc (i32.const 16)))
        (i32.store (local.get $cell) (i32.const 1))
        (i32.store offset=4 (local.get $cell) (local.get $i))
        (i32.store offset=8 (local.get $cell) (local.get $list))
        (local.set $list (local.get $cell))
        ;; the slot of the loop variable, overwritten in place
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $list))
        (br $next)))
    local.get $saved
    global.set $gc_sp
    local.get $list)

  ;; total(list): the sum of the heads, or -1 where a cell is not what build made.
  (func $total (export "total") (param $list i32) (result i64)
    (local $sum i64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $list)))
        (if (i32.or (i32.ne (i32.load (local.get $list)) (i32.const 1))
                    (i32.ne (i32.load offset=12 (local.get $list)) (i32.const 0)))
          (then (return (i64.const -1))))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.load offset=4 (local.get $list)))))
        (local.set $list (i32.load offset=8 (local.get $list)))
        (br $next)))
    local.get $sum)

  (func (export "length") (param $list i32) (result i32)
    (local $n i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $list)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (local.set $list (i32.load offset=8 (local.get $list)))
        (br $next)))
    local.get $n)

  ;; main(n): builds a list and sums it.
  (func (export "main") (param $n i32) (result i64)
    (call $total (call $build (local.get $n))))

  ;; churn(rounds, n): builds and drops a list of n, again and again; 1 if every sum was right.
  (func (export "churn") (param $rounds i32) (param $n i32) (result i32)
    (local $want i64)
    (local.set $want
      (i64.shr_u
        (i64.mul (i64.extend_i32_u (local.get $n))
                 (i64.add (i64.extend_i32_u (local.get $n)) (i64.const 1)))
        (i64.const 1)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $rounds)))
        (if (i64.ne (call $total (call $build (local.get $n))) (local.get $want))
          (then (return (i32.const 0))))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br $next)))
    i32.const 1)

  ;; garbage(n, size): n objects that nothing keeps.
  (func (export "garbage") (param $n i32) (param $size i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (drop (call $alloc (local.get $size)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))
)
