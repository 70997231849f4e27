;; Shapes that are hard on a marker: a star, a chain whose objects all hold many pointers, a tree that is deep on one
;; side. Each builder returns the root, and each has a walk that answers whether the shape is still as it was built.
;; A caller keeps the root alive; while building, this frame does.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  (func $push (param $value i32)
    (i32.store (global.get $gc_sp) (local.get $value))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))

  ;; star(n): one object of n words, each of which points at an object that holds twice its own index plus 1:
  ;; an odd number is the address of nothing.
  (func (export "star") (param $n i32) (result i32)
    (local $saved i32) (local $hub i32) (local $i i32) (local $leaf i32)
    (local.set $saved (global.get $gc_sp))
    (local.set $hub (call $alloc (i32.mul (local.get $n) (i32.const 4))))
    (call $push (local.get $hub))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $leaf (call $alloc (i32.const 8)))
        (i32.store (local.get $leaf) (i32.or (i32.shl (local.get $i) (i32.const 1)) (i32.const 1)))
        (i32.store offset=4 (local.get $leaf) (i32.const 0xfafafafb))
        (i32.store (i32.add (local.get $hub) (i32.shl (local.get $i) (i32.const 2))) (local.get $leaf))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (global.set $gc_sp (local.get $saved))
    local.get $hub)

  ;; star_intact(hub, n): how many leaves are as they were built.
  (func (export "star_intact") (param $hub i32) (param $n i32) (result i32)
    (local $i i32) (local $leaf i32) (local $good i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $leaf (i32.load (i32.add (local.get $hub) (i32.shl (local.get $i) (i32.const 2)))))
        (if (i32.and (i32.eq (i32.load (local.get $leaf)) (i32.or (i32.shl (local.get $i) (i32.const 1)) (i32.const 1)))
                     (i32.eq (i32.load offset=4 (local.get $leaf)) (i32.const 0xfafafafb)))
          (then (local.set $good (i32.add (local.get $good) (i32.const 1)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    local.get $good)

  ;; comb(n, at): a spine of n cells of 128 bytes. Each points at 28 leaves and, with its word at the offset `at` (0 or
  ;; 124), at the next cell. A marker that goes depth first, in one order of the words or the other, has 28 objects
  ;; waiting for each cell of the spine, or 20 if it looks ahead at eight.
  (func (export "comb") (param $n i32) (param $at i32) (result i32)
    (local $saved i32) (local $spine i32) (local $cell i32) (local $leaf i32) (local $i i32) (local $k i32)
    (local.set $saved (global.get $gc_sp))
    (call $push (i32.const 0))
    (call $push (i32.const 0))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $cell (call $alloc (i32.const 128)))
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $cell))
        (i32.store (i32.add (local.get $cell) (local.get $at)) (local.get $spine))
        (i32.store offset=4 (local.get $cell) (i32.or (i32.shl (local.get $i) (i32.const 1)) (i32.const 1)))
        (local.set $k (i32.const 0))
        (loop $leaves
          (local.set $leaf (call $alloc (i32.const 16)))
          (i32.store (local.get $leaf) (i32.or (i32.shl (i32.add (local.get $i) (local.get $k)) (i32.const 1)) (i32.const 1)))
          (i32.store offset=8
            (i32.add (local.get $cell) (i32.shl (local.get $k) (i32.const 2)))
            (local.get $leaf))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $leaves (i32.lt_u (local.get $k) (i32.const 28))))
        (local.set $spine (local.get $cell))
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 8)) (local.get $spine))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (global.set $gc_sp (local.get $saved))
    local.get $spine)

  ;; comb_intact(spine, at): the number of cells of the spine up to the first that is not as it was built.
  (func (export "comb_intact") (param $spine i32) (param $at i32) (result i32)
    (local $n i32) (local $k i32) (local $leaf i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $spine)))
        (local.set $k (i32.const 0))
        (loop $leaves
          (local.set $leaf
            (i32.load offset=8 (i32.add (local.get $spine) (i32.shl (local.get $k) (i32.const 2)))))
          (br_if $done
            (i32.ne (i32.load (local.get $leaf))
                    (i32.add (i32.load offset=4 (local.get $spine)) (i32.shl (local.get $k) (i32.const 1)))))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $leaves (i32.lt_u (local.get $k) (i32.const 28))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (local.set $spine (i32.load (i32.add (local.get $spine) (local.get $at))))
        (br $next)))
    local.get $n)

  ;; tree(depth): a full binary tree; a node is { left, right, depth, 0 }. Each frame roots its node.
  (func $tree (export "tree") (param $depth i32) (result i32)
    (local $saved i32) (local $node i32)
    (if (i32.eqz (local.get $depth)) (then (return (i32.const 0))))
    (local.set $saved (global.get $gc_sp))
    (local.set $node (call $alloc (i32.const 16)))
    (call $push (local.get $node))
    (i32.store offset=8 (local.get $node) (local.get $depth))
    (i32.store (local.get $node) (call $tree (i32.sub (local.get $depth) (i32.const 1))))
    (i32.store offset=4 (local.get $node) (call $tree (i32.sub (local.get $depth) (i32.const 1))))
    (global.set $gc_sp (local.get $saved))
    local.get $node)

  ;; tree_nodes(node, depth): the number of nodes whose depth is right.
  (func $tree_nodes (export "tree_nodes") (param $node i32) (param $depth i32) (result i32)
    (if (i32.eqz (local.get $node)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load offset=8 (local.get $node)) (local.get $depth)) (then (return (i32.const 0))))
    (i32.add
      (i32.const 1)
      (i32.add
        (call $tree_nodes (i32.load (local.get $node)) (i32.sub (local.get $depth) (i32.const 1)))
        (call $tree_nodes (i32.load offset=4 (local.get $node)) (i32.sub (local.get $depth) (i32.const 1))))))

  ;; trees(rounds, depth): a tree that stays and `rounds` that go, as in the binary-trees benchmark.
  (func (export "trees") (param $rounds i32) (param $depth i32) (result i32)
    (local $saved i32) (local $kept i32) (local $nodes i32)
    (local.set $saved (global.get $gc_sp))
    (local.set $kept (call $tree (local.get $depth)))
    (call $push (local.get $kept))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $rounds)))
        (local.set $nodes
          (i32.add (local.get $nodes)
                   (call $tree_nodes (call $tree (local.get $depth)) (local.get $depth))))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br $next)))
    (local.set $nodes (i32.add (local.get $nodes) (call $tree_nodes (local.get $kept) (local.get $depth))))
    (global.set $gc_sp (local.get $saved))
    local.get $nodes)
)
