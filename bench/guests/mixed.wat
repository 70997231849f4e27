;; Objects of 8 to 512 bytes at random, each dead as soon as the next is made.
(module
  (@imports)
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p i32) (local $x i32) (local $size i32) (local $sum i64)
    (local.set $x (i32.const 2463534242))
    (loop $next
      (@random $x)
      (local.set $size (@size $x))
      (local.set $p (call $alloc (local.get $size)))
      (i32.store (local.get $p) (i32.add (local.get $size) (local.get $n)))
      (local.set $sum (i64.add (local.get $sum) (i64.load32_u (local.get $p))))
      (@manual (call $free (local.get $p) (local.get $size)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (@functions))
