;; Fragmentation: $slots objects of 8 to 512 bytes, of which $n are replaced at random by others of other sizes.
(module
  (@imports)
  (func (export "run") (param $n i32) (param $slots i32) (result i64)
    (local $table i32) (local $p i32) (local $x i32) (local $size i32) (local $i i32) (local $at i32)
    (local $sum i64)
    (local.set $table (call $alloc (i32.shl (local.get $slots) (i32.const 2))))
    (@rooted (@push $table))
    (local.set $x (i32.const 2463534242))
    (loop $next
      (@random $x)
      (local.set $size (@size $x))
      (local.set $p (call $alloc (local.get $size)))
      (i32.store (local.get $p) (local.get $size))
      (i32.store offset=4 (local.get $p) (local.get $i))
      ;; The first $slots fill the table, in order.
      (if (i32.lt_u (local.get $i) (local.get $slots))
        (then
          (local.set $at (i32.add (local.get $table) (i32.shl (local.get $i) (i32.const 2)))))
        (else
          (@random $x)
          (local.set $at
            (i32.add
              (local.get $table)
              (i32.shl (i32.rem_u (local.get $x) (local.get $slots)) (i32.const 2))))
          (@manual
            (call $free (i32.load (local.get $at)) (i32.load (i32.load (local.get $at)))))))
      (i32.store (local.get $at) (local.get $p))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.add (local.get $n) (local.get $slots)))))
    (@rooted (@pop 1))
    (local.set $i (i32.const 0))
    (loop $walk
      (local.set $p
        (i32.load (i32.add (local.get $table) (i32.shl (local.get $i) (i32.const 2)))))
      (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $p))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $walk (i32.lt_u (local.get $i) (local.get $slots))))
    (local.get $sum))
  (@functions))
