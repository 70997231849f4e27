;; A component by way of `rootstock link`: it joins strings, and keeps things of the host in wrappers.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "gc_add_roots" (func $gc_add_roots (param i32 i32)))
  (import "runtime" "gc_collect" (func $gc_collect))
  (import "runtime" "gc_notify" (func $gc_notify (param i32) (result i32)))
  (import "runtime" "gc_configure" (func $gc_configure (param i32 i32) (result i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "component" "cabi_realloc" (func $cabi_realloc (param i32 i32 i32 i32) (result i32)))
  (import "component" "post_return" (func $post_return))
  (import "demo:words/things" "[method]thing.value" (func $value (param i32) (result i32)))
  (import "demo:words/things" "[resource-drop]thing" (func $drop (param i32)))

  ;; what a dead wrapper stood for is dropped: `rootstock link --decref let_go` has the runtime call this
  (func (export "let_go") (param $kind i32) (param $handle i32) (call $drop (local.get $handle)))

  ;; static data: the result of `join`, a pointer and a length; then the things that are kept, a pointer and a number
  (start $start)
  (func $start
    (call $gc_init (i32.add (global.get $base) (i32.const 16)))
    (call $gc_add_roots (global.get $base) (i32.add (global.get $base) (i32.const 16))))

  (export "cabi_realloc" (func $cabi_realloc))

  (func (export "join") (param $word i32) (param $words i32) (param $thing i32) (param $things i32) (result i32)
    (local $end i32) (local $at i32) (local $i i32)
    (drop (call $gc_notify (i32.const -1)))
    ;; the new things take the place of the old ones, which are dead from here on
    (i32.store offset=8 (global.get $base) (call $alloc (i32.shl (local.get $things) (i32.const 2))))
    (i32.store offset=12 (global.get $base) (local.get $things))
    (block $wrapped
      (loop $next
        (br_if $wrapped (i32.ge_u (local.get $i) (local.get $things)))
        (local.set $at (call $alloc_atomic (i32.const 4)))
        (i32.store (local.get $at) (i32.load (local.get $thing)))
        (call $register_wrapper (local.get $at) (i32.const 1) (i32.load (local.get $at)))
        (i32.store
          (i32.add (i32.load offset=8 (global.get $base)) (i32.shl (local.get $i) (i32.const 2)))
          (local.get $at))
        (local.set $thing (i32.add (local.get $thing) (i32.const 4)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    ;; the arguments are held until `cabi_post_join`, so nothing needs a slot here
    (local.set $end (i32.add (local.get $word) (i32.shl (local.get $words) (i32.const 3))))
    (i32.store offset=4 (global.get $base) (call $length (local.get $word) (local.get $end)))
    (local.set $at (call $alloc_atomic (i32.load offset=4 (global.get $base))))
    ;; the host reads the result after the function has returned: a root range holds it
    (i32.store (global.get $base) (local.get $at))
    (block $joined
      (loop $next
        (br_if $joined (i32.ge_u (local.get $word) (local.get $end)))
        (memory.copy (local.get $at) (i32.load (local.get $word)) (i32.load offset=4 (local.get $word)))
        (local.set $at (i32.add (local.get $at) (i32.load offset=4 (local.get $word))))
        (local.set $word (i32.add (local.get $word) (i32.const 8)))
        (br $next)))
    (global.get $base))

  (func $length (param $word i32) (param $end i32) (result i32)
    (local $length i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $word) (local.get $end)))
        (local.set $length (i32.add (local.get $length) (i32.load offset=4 (local.get $word))))
        (local.set $word (i32.add (local.get $word) (i32.const 8)))
        (br $next)))
    (local.get $length))

  (func (export "cabi_post_join") (param i32)
    (i32.store (global.get $base) (i32.const 0))
    (call $post_return))

  ;; the sum of what the host says of each thing that is kept
  (func (export "sum") (result i32)
    (local $i i32) (local $sum i32)
    (drop (call $gc_notify (i32.const -1)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (i32.load offset=12 (global.get $base))))
        (local.set $sum (i32.add (local.get $sum) (call $value (i32.load (i32.load
          (i32.add (i32.load offset=8 (global.get $base)) (i32.shl (local.get $i) (i32.const 2))))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $sum))

  (func (export "collect")
    (call $gc_collect)
    (drop (call $gc_notify (i32.const -1))))

  (func (export "pages") (result i32) (memory.size))

  (func (export "configure") (param $option i32) (param $value i32)
    (if (i32.lt_s (call $gc_configure (local.get $option) (local.get $value)) (i32.const 0)) (then unreachable))))
