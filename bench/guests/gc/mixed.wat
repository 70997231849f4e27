;; mixed.wat, with arrays of words.
(module
  (@imports)
  (type $t (array (mut i32)))
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p (ref $t)) (local $x i32) (local $size i32) (local $sum i64)
    (local.set $x (i32.const 2463534242))
    (loop $next
      (@random $x)
      (local.set $size (@size $x))
      (local.set $p
        (@new (array.new_default $t (i32.shr_u (i32.add (local.get $size) (i32.const 3)) (i32.const 2)))))
      (array.set $t (local.get $p) (i32.const 0) (i32.add (local.get $size) (local.get $n)))
      (local.set $sum
        (i64.add
          (local.get $sum)
          (i64.extend_i32_u (array.get $t (local.get $p) (i32.const 0)))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
