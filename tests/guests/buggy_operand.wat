;; A value that is only on the operand stack across `register_wrapper`. The runtime itself roots the wrapper that is being
;; registered; the one made before it, which waits on the operand stack to be the other argument of `add`, is rooted by
;; nobody. `main` answers with 5 if no collection comes just then.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (import "host" "handle_value" (func $handle_value (param i32) (result i64)))

  ;; Makes an object a wrapper. Only the registration may collect.
  (func $wrap (param $wrapper i32) (param $value i64) (result i32)
    (local $handle i32)
    (local.set $handle (call $handle_new (i32.const 3) (local.get $value)))
    (i32.store (local.get $wrapper) (i32.const 3))
    (i32.store offset=4 (local.get $wrapper) (i32.or (local.get $handle) (i32.const 0x80000000)))
    (call $register_wrapper (local.get $wrapper) (i32.const 3) (local.get $handle))
    local.get $wrapper)

  (func $value (param $wrapper i32) (result i64)
    (call $handle_value
      (i32.and (i32.load offset=4 (local.get $wrapper)) (i32.const 0x7fffffff))))

  (func $add (param $a i32) (param $b i32) (result i64)
    (i64.add (call $value (local.get $a)) (call $value (local.get $b))))

  (func $two_and_three (result i64)
    (local $saved i32) (local $two i32) (local $three i32) (local $sum i64)
    (local.set $saved (global.get $gc_sp))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (local.set $two (call $alloc_atomic (i32.const 12)))
    (i32.store (local.get $saved) (local.get $two))
    (local.set $three (call $alloc_atomic (i32.const 12)))
    ;; nothing allocates any more, so one slot will do: what is being registered needs none
    (i32.store (local.get $saved) (local.get $three))
    (local.set $sum
      (call $add
        (call $wrap (local.get $two) (i64.const 2))        ;; the bug: this waits on the operand stack
        (call $wrap (local.get $three) (i64.const 3))))    ;; while this is registered
    (global.set $gc_sp (local.get $saved))
    local.get $sum)

  (func (export "main") (result i64)
    (call $two_and_three))
)
