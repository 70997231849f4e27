;; A root popped too early, as an epilogue that is one call too soon does it. `pair` makes two objects and a third that
;; holds both; it pops its frame before the third is allocated. `main` answers with the sum, 42, if no collection comes
;; just then.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  (func $push (param $value i32)
    (i32.store (global.get $gc_sp) (local.get $value))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))

  (func $pop (param $slots i32)
    (global.set $gc_sp
      (i32.sub (global.get $gc_sp) (i32.shl (local.get $slots) (i32.const 2)))))

  (func $number (param $value i32) (result i32)
    (local $number i32)
    (local.set $number (call $alloc (i32.const 8)))
    (i32.store (local.get $number) (local.get $value))
    local.get $number)

  (func $pair (param $left i32) (param $right i32) (result i32)
    (local $a i32) (local $b i32) (local $pair i32)
    (local.set $a (call $number (local.get $left)))
    (call $push (local.get $a))
    (local.set $b (call $number (local.get $right)))
    (call $push (local.get $b))
    (call $pop (i32.const 2))                            ;; the bug: both are needed below
    (local.set $pair (call $alloc (i32.const 8)))
    (i32.store (local.get $pair) (local.get $a))
    (i32.store offset=4 (local.get $pair) (local.get $b))
    local.get $pair)

  (func $sum (param $pair i32) (result i32)
    (i32.add
      (i32.load (i32.load (local.get $pair)))
      (i32.load (i32.load offset=4 (local.get $pair)))))

  (func (export "main") (result i32)
    (call $sum (call $pair (i32.const 40) (i32.const 2))))
)
