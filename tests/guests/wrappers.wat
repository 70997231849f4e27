;; Wrappers in loops, with no other use of the heap.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register_wrapper (param i32 i32 i32)))
  (import "runtime" "release_wrapper" (func $release_wrapper (param i32) (result i32)))

  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))

  (global $made (mut i32) (i32.const 0))

  (func $wrapper (result i32)
    (local $handle i32) (local $wrapper i32)
    (global.set $made (i32.add (global.get $made) (i32.const 1)))
    (local.set $wrapper (call $alloc_atomic (i32.const 12)))
    (local.set $handle (call $handle_new (i32.const 3) (i64.extend_i32_u (global.get $made))))
    (i32.store (local.get $wrapper) (i32.const 3))
    (i32.store offset=4 (local.get $wrapper) (i32.or (local.get $handle) (i32.const 0x80000000)))
    (i32.store offset=8 (local.get $wrapper) (i32.const 0))
    (call $register_wrapper (local.get $wrapper) (i32.const 3) (local.get $handle))
    ;; it must have come through the registration, whatever that did
    (if (i32.ne (i32.load (local.get $wrapper)) (i32.const 3)) (then unreachable))
    (if (i32.ne (i32.load offset=4 (local.get $wrapper)) (i32.or (local.get $handle) (i32.const 0x80000000)))
      (then unreachable))
    (if (i32.load offset=8 (local.get $wrapper)) (then unreachable))
    local.get $wrapper)

  ;; burst(n): n wrappers that go dead immediately; how many were made so far.
  (func (export "burst") (param $n i32) (result i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (drop (call $wrapper))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    global.get $made)

  ;; keep(n): n wrappers, each pushed on the shadow stack and left there.
  (func (export "keep") (param $n i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (i32.store (global.get $gc_sp) (call $wrapper))
        (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))

  ;; dispose(n): n wrappers, each released by the program as soon as it is registered; how many were.
  (func (export "dispose") (param $n i32) (result i32)
    (local $released i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $released (i32.add (local.get $released) (call $release_wrapper (call $wrapper))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    local.get $released)
)
