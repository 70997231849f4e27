;; The three shapes of the seed document: a fold of n steps over a value that lives in the host, each step of which
;; makes new host values and drops old ones. A wrapper is 12 bytes: tag, handle | 0x80000000, 0, and it is registered
;; before anything roots it. The accumulator is a slot of the shadow stack, overwritten at each step.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "runtime" "gc_collect" (func $gc_collect))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))
  (import "host" "handle_value" (func $handle_value (param i32) (result i64)))

  ;; The host's side of the three types. A map and a set are immutable: adding to one makes another. Of their contents
  ;; the host keeps the number, and of a decimal its value; a handle that is not alive has no value, and traps.
  (func $map_new (result i32)
    (call $handle_new (i32.const 1) (i64.const 0)))
  (func $map_insert (param $map i32) (result i32)
    (call $handle_new (i32.const 1) (i64.add (call $handle_value (local.get $map)) (i64.const 1))))
  (func $set_new (result i32)
    (call $handle_new (i32.const 2) (i64.const 0)))
  (func $set_add (param $set i32) (result i32)
    (call $handle_new (i32.const 2) (i64.add (call $handle_value (local.get $set)) (i64.const 1))))
  (func $decimal_from_int (param $n i32) (result i32)
    (call $handle_new (i32.const 3) (i64.extend_i32_u (local.get $n))))
  (func $decimal_add (param $a i32) (param $b i32) (result i32)
    (call $handle_new (i32.const 3)
      (i64.add (call $handle_value (local.get $a)) (call $handle_value (local.get $b)))))

  (func $wrap (param $kind i32) (param $handle i32) (result i32)
    (local $wrapper i32)
    (local.set $wrapper (call $alloc_atomic (i32.const 12)))
    (i32.store (local.get $wrapper) (local.get $kind))
    (i32.store offset=4 (local.get $wrapper) (i32.or (local.get $handle) (i32.const 0x80000000)))
    (i32.store offset=8 (local.get $wrapper) (i32.const 0))
    (call $register_wrapper (local.get $wrapper) (local.get $kind) (local.get $handle))
    local.get $wrapper)

  (func $unwrap (param $wrapper i32) (result i32)
    (i32.and (i32.load offset=4 (local.get $wrapper)) (i32.const 0x7fffffff)))

  (func $push (param $value i32)
    (i32.store (global.get $gc_sp) (local.get $value))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))

  (func $accumulator (result i32)
    (i32.load (i32.sub (global.get $gc_sp) (i32.const 4))))

  (func $set_accumulator (param $wrapper i32)
    (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $wrapper)))

  ;; Each fold leaves its accumulator in the topmost slot: the caller looks at what is left with it alive.

  (func (export "map_fold") (param $n i32) (result i64)
    (local $i i32)
    (call $push (call $wrap (i32.const 1) (call $map_new)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (call $set_accumulator
          (call $wrap (i32.const 1)
            (call $map_insert (call $unwrap (call $accumulator)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $handle_value (call $unwrap (call $accumulator))))

  (func (export "set_fold") (param $n i32) (result i64)
    (local $i i32)
    (call $push (call $wrap (i32.const 2) (call $set_new)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (call $set_accumulator
          (call $wrap (i32.const 2)
            (call $set_add (call $unwrap (call $accumulator)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $handle_value (call $unwrap (call $accumulator))))

  ;; Two wrappers a step, the number and the sum. The number is an argument of a call, so its frame roots it.
  (func (export "decimal_fold") (param $n i32) (result i64)
    (local $i i32)
    (call $push (call $wrap (i32.const 3) (call $decimal_from_int (i32.const 0))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (call $set_accumulator
          (call $add (call $accumulator) (call $wrap (i32.const 3) (call $decimal_from_int (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $handle_value (call $unwrap (call $accumulator))))

  (func $add (param $a i32) (param $b i32) (result i32)
    (local $saved i32) (local $sum i32)
    (local.set $saved (global.get $gc_sp))
    (call $push (local.get $a))
    (call $push (local.get $b))
    (local.set $sum
      (call $wrap (i32.const 3)
        (call $decimal_add (call $unwrap (local.get $a)) (call $unwrap (local.get $b)))))
    (global.set $gc_sp (local.get $saved))
    local.get $sum)

  (func (export "collect")
    (call $gc_collect))
)
