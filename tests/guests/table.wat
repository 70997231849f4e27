;; A program that lives on mutation: a table of slots, a random one of which is replaced at each step by an object of a
;; random size. The table hangs from a module global that the program registers as a range of roots in static data.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "gc_add_roots" (func $gc_add_roots (param i32 i32)))
  (import "runtime" "gc_remove_roots" (func $gc_remove_roots (param i32 i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  (global $seed (mut i32) (i32.const 12345))

  ;; static data: one word at PROGRAM_BASE, the table's address
  (start $start)
  (func $start
    (call $gc_init (i32.add (global.get $base) (i32.const 4)))
    (call $gc_add_roots (global.get $base) (i32.add (global.get $base) (i32.const 4))))

  (func $random (result i32)
    (global.set $seed (i32.xor (global.get $seed) (i32.shl (global.get $seed) (i32.const 13))))
    (global.set $seed (i32.xor (global.get $seed) (i32.shr_u (global.get $seed) (i32.const 17))))
    (global.set $seed (i32.xor (global.get $seed) (i32.shl (global.get $seed) (i32.const 5))))
    global.get $seed)

  ;; An object of `size` bytes (at least 16): its size first, then the same pattern in each further word.
  (func $fresh (param $size i32) (result i32)
    (local $object i32) (local $at i32) (local $end i32)
    (local.set $object (call $alloc (local.get $size)))
    (local.set $at (local.get $object))
    (local.set $end (i32.add (local.get $object) (local.get $size)))
    (loop $zeroed
      (if (i32.load (local.get $at)) (then unreachable))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $zeroed (i32.lt_u (local.get $at) (local.get $end))))
    (local.set $at (local.get $object))
    (loop $fill
      (i32.store (local.get $at) (i32.or (local.get $size) (i32.const 0xabc00000)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $fill (i32.lt_u (local.get $at) (local.get $end))))
    (i32.store (local.get $object) (local.get $size))
    local.get $object)

  ;; intact(object): 1 if every word is as `fresh` left it.
  (func $intact (param $object i32) (result i32)
    (local $at i32) (local $end i32) (local $size i32)
    (local.set $size (i32.load (local.get $object)))
    (if (i32.or (i32.lt_u (local.get $size) (i32.const 16)) (i32.gt_u (local.get $size) (i32.const 40000)))
      (then (return (i32.const 0))))
    (local.set $at (i32.add (local.get $object) (i32.const 4)))
    (local.set $end (i32.add (local.get $object) (local.get $size)))
    (loop $check
      (if (i32.ne (i32.load (local.get $at)) (i32.or (local.get $size) (i32.const 0xabc00000)))
        (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $check (i32.lt_u (local.get $at) (local.get $end))))
    i32.const 1)

  ;; main(slots, steps, max): sizes are 16 to 16 + 4 * max bytes. Answers with the number of slots that are intact at
  ;; the end; traps where an object was broken when it was replaced, or was not zero when it was new.
  (func (export "main") (param $slots i32) (param $steps i32) (param $max i32) (result i32)
    (local $slot i32) (local $object i32) (local $i i32) (local $good i32)
    (i32.store (global.get $base) (call $alloc (i32.shl (local.get $slots) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $steps)))
        (local.set $object
          (call $fresh
            (i32.add (i32.const 16)
                     (i32.shl (i32.rem_u (call $random) (local.get $max)) (i32.const 2)))))
        (local.set $slot
          (i32.add (i32.load (global.get $base))
                   (i32.shl (i32.rem_u (call $random) (local.get $slots)) (i32.const 2))))
        (if (i32.load (local.get $slot))
          (then (if (i32.eqz (call $intact (i32.load (local.get $slot)))) (then unreachable))))
        (i32.store (local.get $slot) (local.get $object))
        (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
        (br $next)))
    (loop $count
      (local.set $slot
        (i32.load (i32.add (i32.load (global.get $base)) (i32.shl (local.get $i) (i32.const 2)))))
      (if (i32.eqz (local.get $slot))
        (then (local.set $good (i32.add (local.get $good) (i32.const 1))))
        (else (local.set $good (i32.add (local.get $good) (call $intact (local.get $slot))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $count (i32.lt_u (local.get $i) (local.get $slots))))
    local.get $good)

  ;; forget: the table is no root any more.
  (func (export "forget")
    (call $gc_remove_roots (global.get $base) (i32.add (global.get $base) (i32.const 4))))
)
