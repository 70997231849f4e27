;; tree.wat.
(module
  (@imports)
  (import "host" "collect" (func $collect))
  (type $t (struct (field (mut (ref null $t))) (field (mut (ref null $t))) (field (mut i64))))
  (global $root (mut (ref null $t)) (ref.null $t))

  (func $make (param $i i32) (param $n i32) (result (ref null $t))
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return (ref.null $t))))
    (call $node
      (call $make (i32.shl (local.get $i) (i32.const 1)) (local.get $n))
      (call $make
        (i32.add (i32.shl (local.get $i) (i32.const 1)) (i32.const 1))
        (local.get $n))
      (local.get $i)))

  (func $node (param $left (ref null $t)) (param $right (ref null $t)) (param $i i32) (result (ref $t))
    (@new
      (struct.new $t (local.get $left) (local.get $right) (i64.extend_i32_u (local.get $i)))))

  (func $sum (param $node (ref null $t)) (result i64)
    (if (ref.is_null (local.get $node)) (then (return (i64.const 0))))
    (i64.add
      (struct.get $t 2 (local.get $node))
      (i64.add
        (call $sum (struct.get $t 0 (local.get $node)))
        (call $sum (struct.get $t 1 (local.get $node))))))

  (func (export "setup") (param $n i32)
    (global.set $root (call $make (i32.const 1) (local.get $n)))
    (call $collect))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64) (call $sum (global.get $root))))
