;; Full collections of a complete tree of $n nodes of 16 bytes, where node i is the parent of 2i and 2i + 1.
(module
  (@imports)
  (import "runtime" "gc_collect" (func $collect))
  (global $root (mut i32) (i32.const 0))

  ;; The subtree of node $i, made from its leaves, as programs make trees whose nodes do not change.
  (func $make (param $i i32) (param $n i32) (result i32)
    (local $left i32) (local $right i32) (local $node i32)
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return (i32.const 0))))
    (local.set $left (call $make (i32.shl (local.get $i) (i32.const 1)) (local.get $n)))
    (@rooted (@push $left))
    (local.set $right
      (call $make
        (i32.add (i32.shl (local.get $i) (i32.const 1)) (i32.const 1))
        (local.get $n)))
    (@rooted (@push $right))
    (local.set $node (call $alloc (i32.const 16)))
    (@rooted (@pop 2))
    (i32.store (local.get $node) (local.get $left))
    (i32.store offset=4 (local.get $node) (local.get $right))
    (i32.store offset=8 (local.get $node) (local.get $i))
    (local.get $node))

  (func $sum (param $node i32) (result i64)
    (if (i32.eqz (local.get $node)) (then (return (i64.const 0))))
    (i64.add
      (i64.load32_u offset=8 (local.get $node))
      (i64.add
        (call $sum (i32.load (local.get $node)))
        (call $sum (i32.load offset=4 (local.get $node))))))

  (func (export "setup") (param $n i32)
    (local $p i32)
    (local.set $p (call $make (i32.const 1) (local.get $n)))
    (@rooted (@push $p))
    (global.set $root (local.get $p))
    (call $collect))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64) (call $sum (global.get $root)))
  (@functions))
