;; A value that is only on the operand stack across `register_wrapper`. The wrapper that is being registered is rooted by
;; the runtime itself; the one made before it, which waits on the operand stack to be the other argument of `add`, is
;; rooted by nobody. `main` answers with 5 if no collection comes just then.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (import "host" "handle_value" (func $handle_value (param i32) (result i64)))

  ;; A wrapper as in the other guests, but in memory that `pool` has made already: only the registration may collect.
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
    (call $add
      (call $wrap (call $alloc (i32.const 12)) (i64.const 2))     ;; waits on the operand stack
      (call $wrap (call $alloc (i32.const 12)) (i64.const 3))))   ;; while this is made and registered

  (func (export "main") (result i64)
    (call $two_and_three))
)
