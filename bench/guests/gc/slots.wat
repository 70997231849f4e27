;; slots.wat, with arrays of words.
(module
  (@imports)
  (type $t (array (mut i32)))
  (type $table (array (mut (ref null $t))))
  (func (export "run") (param $n i32) (param $slots i32) (result i64)
    (local $table (ref $table)) (local $p (ref null $t)) (local $x i32) (local $size i32)
    (local $i i32) (local $at i32) (local $sum i64)
    (local.set $table (array.new_default $table (local.get $slots)))
    (local.set $x (i32.const 2463534242))
    (loop $next
      (@random $x)
      (local.set $size (@size $x))
      (local.set $p
        (@new (array.new_default $t (i32.shr_u (i32.add (local.get $size) (i32.const 3)) (i32.const 2)))))
      (array.set $t (local.get $p) (i32.const 0) (local.get $size))
      (array.set $t (local.get $p) (i32.const 1) (local.get $i))
      (if (i32.lt_u (local.get $i) (local.get $slots))
        (then (local.set $at (local.get $i)))
        (else
          (@random $x)
          (local.set $at (i32.rem_u (local.get $x) (local.get $slots)))))
      (array.set $table (local.get $table) (local.get $at) (local.get $p))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.add (local.get $n) (local.get $slots)))))
    (local.set $i (i32.const 0))
    (loop $walk
      (local.set $p (array.get $table (local.get $table) (local.get $i)))
      (local.set $sum
        (i64.add
          (local.get $sum)
          (i64.add
            (i64.extend_i32_u (array.get $t (local.get $p) (i32.const 0)))
            (i64.shl (i64.extend_i32_u (array.get $t (local.get $p) (i32.const 1))) (i64.const 32)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $walk (i32.lt_u (local.get $i) (local.get $slots))))
    (local.get $sum)))
