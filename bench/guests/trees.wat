;; The program "binary trees": one long-lived tree of depth $n, and many short-lived ones of depth 4, 6, ... $n,
;; as many of each depth as make up the same number of nodes.
(module
  (@imports)

  (func $make (param $depth i32) (result i32)
    (local $left i32) (local $right i32) (local $node i32)
    (if (i32.eqz (local.get $depth))
      (then
        (@alloc $node {SIZE})
        (@dirty (i64.store (local.get $node) (i64.const 0)))
        (return (local.get $node))))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (local.set $left (call $make (local.get $depth)))
    (@rooted (@push $left))
    (local.set $right (call $make (local.get $depth)))
    (@rooted (@push $right))
    (@alloc $node {SIZE})
    (@rooted (@pop 2))
    (i32.store (local.get $node) (local.get $left))
    (i32.store offset=4 (local.get $node) (local.get $right))
    (local.get $node))

  ;; The number of nodes.
  (func $check (param $node i32) (result i32)
    (local $left i32)
    (local.set $left (i32.load (local.get $node)))
    (if (i32.eqz (local.get $left)) (then (return (i32.const 1))))
    (i32.add
      (i32.const 1)
      (i32.add (call $check (local.get $left)) (call $check (i32.load offset=4 (local.get $node))))))

  (@manual
    (func $drop (param $node i32)
      (local $left i32)
      (local.set $left (i32.load (local.get $node)))
      (if (local.get $left)
        (then
          (call $drop (local.get $left))
          (call $drop (i32.load offset=4 (local.get $node)))))
      (call $free (local.get $node) (i32.const {SIZE}))))

  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $tree i32) (local $long i32) (local $depth i32) (local $times i32) (local $sum i64)
    (local.set $tree (call $make (i32.add (local.get $n) (i32.const 1))))
    (local.set $sum (i64.extend_i32_u (call $check (local.get $tree))))
    (@manual (call $drop (local.get $tree)))
    (local.set $long (call $make (local.get $n)))
    (@rooted (@push $long))
    (local.set $depth (i32.const 4))
    (loop $deeper
      (local.set $times
        (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $n) (local.get $depth)) (i32.const 4))))
      (loop $again
        (local.set $tree (call $make (local.get $depth)))
        (local.set $sum
          (i64.add (local.get $sum) (i64.extend_i32_u (call $check (local.get $tree)))))
        (@manual (call $drop (local.get $tree)))
        (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
      (br_if $deeper (i32.le_u (local.get $depth) (local.get $n))))
    (@rooted (@pop 1))
    (i64.add (local.get $sum) (i64.extend_i32_u (call $check (local.get $long)))))
  (@functions))
