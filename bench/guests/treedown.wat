;; As tree.wat, but made from the root: each node is older than its children.
(module
  (@imports)
  (import "runtime" "gc_collect" (func $collect))
  (global $root (mut i32) (i32.const 0))

  ;; What hangs on node $i.
  (func $fill (param $node i32) (param $i i32) (param $n i32)
    (local $child i32)
    (@dirty (i64.store (local.get $node) (i64.const 0)))
    (i32.store offset=8 (local.get $node) (local.get $i))
    (local.set $i (i32.shl (local.get $i) (i32.const 1)))
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return)))
    (i32.store (local.get $node) (local.tee $child (call $alloc (i32.const 16))))
    (call $fill (local.get $child) (local.get $i) (local.get $n))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (if (i32.gt_u (local.get $i) (local.get $n)) (then (return)))
    (i32.store offset=4 (local.get $node) (local.tee $child (call $alloc (i32.const 16))))
    (call $fill (local.get $child) (local.get $i) (local.get $n)))

  (func $sum (param $node i32) (result i64)
    (if (i32.eqz (local.get $node)) (then (return (i64.const 0))))
    (i64.add
      (i64.load32_u offset=8 (local.get $node))
      (i64.add
        (call $sum (i32.load (local.get $node)))
        (call $sum (i32.load offset=4 (local.get $node))))))

  (func (export "setup") (param $n i32)
    (local $p i32)
    (local.set $p (call $alloc (i32.const 16)))
    (@rooted (@push $p))
    (global.set $root (local.get $p))
    (call $fill (local.get $p) (i32.const 1) (local.get $n))
    (call $collect))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64) (call $sum (global.get $root)))
  (@functions))
