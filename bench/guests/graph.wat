;; Full collections of a random graph of $n objects of 32 bytes. Each has four pointers to others, anywhere: four
;; cache misses that do not depend on each other. Every object can be reached: the first pointer of object i leads to
;; the object after it in one cycle through all of them, (a * i + c) mod n with n a power of two.
(module
  (@imports)
  (import "runtime" "gc_collect" (func $collect))
  (global $root (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))

  (func $at (param $table i32) (param $i i32) (result i32)
    (i32.load
      (i32.add
        (local.get $table)
        (i32.shl
          (i32.and (local.get $i) (i32.sub (global.get $count) (i32.const 1)))
          (i32.const 2)))))

  (func (export "setup") (param $n i32)
    (local $table i32) (local $p i32) (local $i i32) (local $x i32)
    (global.set $count (local.get $n))
    (local.set $table (call $alloc (i32.shl (local.get $n) (i32.const 2))))
    (@rooted (@push $table))
    (loop $next
      (local.set $p (call $alloc (i32.const 32)))
      (i32.store (i32.add (local.get $table) (i32.shl (local.get $i) (i32.const 2))) (local.get $p))
      (i32.store offset=16 (local.get $p) (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $i (i32.const 0))
    (local.set $x (i32.const 2463534242))
    (loop $link
      (local.set $p (call $at (local.get $table) (local.get $i)))
      (i32.store (local.get $p)
        (call $at (local.get $table)
          (i32.add (i32.mul (local.get $i) (i32.const 1664525)) (i32.const 1013904223))))
      (@random $x)
      (i32.store offset=4 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (@random $x)
      (i32.store offset=8 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (@random $x)
      (i32.store offset=12 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $link (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $p (call $at (local.get $table) (i32.const 0)))
    (global.set $root (local.get $p))
    ;; From here on the graph hangs on one pointer, not on the table.
    (@rooted (@set 0 $p))
    (call $collect))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  ;; Once round the cycle.
  (func (export "check") (result i64)
    (local $p i32) (local $i i32) (local $sum i64)
    (local.set $p (global.get $root))
    (loop $walk
      (local.set $sum (i64.add (local.get $sum) (i64.load32_u offset=16 (local.get $p))))
      (local.set $p (i32.load (local.get $p)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $walk (i32.lt_u (local.get $i) (global.get $count))))
    (local.get $sum))
  (@functions))
