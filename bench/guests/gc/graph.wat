;; graph.wat.
(module
  (@imports)
  (import "host" "collect" (func $collect))
  (type $t
    (struct
      (field (mut (ref null $t))) (field (mut (ref null $t)))
      (field (mut (ref null $t))) (field (mut (ref null $t)))
      (field (mut i64)) (field (mut i64))))
  (type $table (array (mut (ref null $t))))
  (global $root (mut (ref null $t)) (ref.null $t))
  (global $count (mut i32) (i32.const 0))

  (func $at (param $table (ref $table)) (param $i i32) (result (ref null $t))
    (array.get $table
      (local.get $table)
      (i32.and (local.get $i) (i32.sub (global.get $count) (i32.const 1)))))

  (func (export "setup") (param $n i32)
    (call $build (local.get $n))
    (call $collect))

  (func $build (param $n i32)
    (local $table (ref $table)) (local $p (ref null $t)) (local $i i32) (local $x i32)
    (global.set $count (local.get $n))
    (local.set $table (array.new_default $table (local.get $n)))
    (loop $next
      (local.set $p (@new (struct.new_default $t)))
      (struct.set $t 4 (local.get $p) (i64.extend_i32_u (local.get $i)))
      (array.set $table (local.get $table) (local.get $i) (local.get $p))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $i (i32.const 0))
    (local.set $x (i32.const 2463534242))
    (loop $link
      (local.set $p (call $at (local.get $table) (local.get $i)))
      (struct.set $t 0 (local.get $p)
        (call $at (local.get $table)
          (i32.add (i32.mul (local.get $i) (i32.const 1664525)) (i32.const 1013904223))))
      (@random $x)
      (struct.set $t 1 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (@random $x)
      (struct.set $t 2 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (@random $x)
      (struct.set $t 3 (local.get $p) (call $at (local.get $table) (local.get $x)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $link (i32.lt_u (local.get $i) (local.get $n))))
    (global.set $root (call $at (local.get $table) (i32.const 0))))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64)
    (local $p (ref null $t)) (local $i i32) (local $sum i64)
    (local.set $p (global.get $root))
    (loop $walk
      (local.set $sum (i64.add (local.get $sum) (struct.get $t 4 (local.get $p))))
      (local.set $p (struct.get $t 0 (local.get $p)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $walk (i32.lt_u (local.get $i) (global.get $count))))
    (local.get $sum)))
