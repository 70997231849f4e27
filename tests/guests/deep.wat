;; Recursion with a root a frame. down(n) allocates a cell, roots it, recurses, and only then links its cell to what
;; came back: every frame's cell is alive through its root alone until the recursion returns.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_collect" (func $gc_collect))

  (func $down (param $n i32) (result i32)
    (local $saved i32) (local $cell i32)
    (if (i32.eqz (local.get $n))
      (then
        ;; the deepest point: as many roots as frames
        (call $gc_collect)
        (return (i32.const 0))))
    (local.set $saved (global.get $gc_sp))
    (local.set $cell (call $alloc (i32.const 16)))
    (i32.store (local.get $cell) (local.get $n))
    (i32.store (global.get $gc_sp) (local.get $cell))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (i32.store offset=4 (local.get $cell) (call $down (i32.sub (local.get $n) (i32.const 1))))
    (global.set $gc_sp (local.get $saved))
    local.get $cell)

  ;; main(n): the sum of the list that a recursion n deep built, which is n * (n + 1) / 2.
  (func (export "main") (param $n i32) (result i64)
    (local $list i32) (local $sum i64)
    (local.set $list (call $down (local.get $n)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $list)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.load (local.get $list)))))
        (local.set $list (i32.load offset=4 (local.get $list)))
        (br $next)))
    local.get $sum)

  ;; forget(n): pushes n roots and never pops them, as a compiler with a bug in its epilogue does.
  (func (export "forget") (param $n i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (i32.store (global.get $gc_sp) (i32.const 0))
        (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))
)
