;; treedown.wat.
(module
  (@imports)
  (import "host" "collect" (func $collect))
  (type $t (struct (field (mut (ref null $t))) (field (mut (ref null $t))) (field (mut i64))))
  (global $root (mut (ref null $t)) (ref.null $t))

  (func $fill (param $node (ref $t)) (param $i i32) (param $n i32)
    (local $child (ref $t))
    (struct.set $t 2 (local.get $node) (i64.extend_i32_u (local.get $i)))
    (local.set $i (i32.shl (local.get $i) (i32.const 1)))
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return)))
    (local.set $child (@new (struct.new_default $t)))
    (struct.set $t 0 (local.get $node) (local.get $child))
    (call $fill (local.get $child) (local.get $i) (local.get $n))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return)))
    (local.set $child (@new (struct.new_default $t)))
    (struct.set $t 1 (local.get $node) (local.get $child))
    (call $fill (local.get $child) (local.get $i) (local.get $n)))

  (func $sum (param $node (ref null $t)) (result i64)
    (if (ref.is_null (local.get $node)) (then (return (i64.const 0))))
    (i64.add
      (struct.get $t 2 (local.get $node))
      (i64.add
        (call $sum (struct.get $t 0 (local.get $node)))
        (call $sum (struct.get $t 1 (local.get $node))))))

  (func (export "setup") (param $n i32)
    (local $p (ref $t))
    (local.set $p (@new (struct.new_default $t)))
    (global.set $root (local.get $p))
    (call $fill (local.get $p) (i32.const 1) (local.get $n))
    (call $collect))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64) (call $sum (global.get $root))))
