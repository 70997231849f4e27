;; The driver of `rootstock stress`: loops inside wasm against the runtime's exports, as a compiled
;; program would. Roots are pushed inline, slots are overwritten in place, handles come from the
;; host. Values that are stored beside pointers are odd, so that no word but a pointer can be the
;; base address of an object and live objects can be counted exactly.
(module
  (import "runtime" "memory" (memory 0))
  (import "runtime" "gc_sp" (global $sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "register_wrapper" (func $register (param i32 i32 i32)))
  (import "host" "handle_new" (func $handle_new (param i32 i64) (result i32)))

  (func $push (param $p i32)
    (i32.store (global.get $sp) (local.get $p))
    (global.set $sp (i32.add (global.get $sp) (i32.const 4))))

  (func $pop
    (global.set $sp (i32.sub (global.get $sp) (i32.const 4))))

  ;; A wrapper of 12 bytes: tag, tagged handle, 0. It is registered before anything roots it.
  (func $wrapper (param $kind i32) (result i32)
    (local $handle i32) (local $p i32)
    (local.set $p (call $alloc (i32.const 12)))
    (local.set $handle (call $handle_new (local.get $kind) (i64.const 0)))
    (i32.store (local.get $p) (local.get $kind))
    (i32.store offset=4 (local.get $p) (i32.or (local.get $handle) (i32.const 0x80000000)))
    (call $register (local.get $p) (local.get $kind) (local.get $handle))
    (local.get $p))

  ;; `n` wrappers that die at once.
  (func (export "burst") (param $n i32) (param $kind i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (drop (call $wrapper (local.get $kind)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))

  ;; `n` wrappers that stay: each is pushed on the shadow stack.
  (func (export "keep") (param $n i32) (param $kind i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (call $push (call $wrapper (local.get $kind)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))

  ;; `n` dead objects of `size` bytes.
  (func (export "garbage") (param $n i32) (param $size i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (i32.store (call $alloc (local.get $size)) (i32.const 1))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))

  ;; Puts the nodes from..to in front of the list whose head is in the topmost slot.
  ;; A node is 8 bytes: value, next.
  (func (export "list_build") (param $from i32) (param $to i32)
    (local $node i32) (local $slot i32)
    (local.set $slot (i32.sub (global.get $sp) (i32.const 4)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $node (call $alloc (i32.const 8)))
        (i32.store (local.get $node) (call $value (local.get $from)))
        (i32.store offset=4 (local.get $node) (i32.load (local.get $slot)))
        (i32.store (local.get $slot) (local.get $node))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next))))

  ;; How many nodes a list of `n` has if all hold what `list_build` stored; -1 if one does not, or
  ;; if more nodes follow.
  (func (export "list_check") (param $head i32) (param $n i32) (result i32)
    (local $good i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $head)))
        (br_if $done (i32.eq (local.get $good) (local.get $n)))
        (br_if $done
          (i32.ne (i32.load (local.get $head))
            (call $value (i32.sub (i32.sub (local.get $n) (local.get $good)) (i32.const 1)))))
        (local.set $good (i32.add (local.get $good) (i32.const 1)))
        (local.set $head (i32.load offset=4 (local.get $head)))
        (br $next)))
    (select (i32.const -1) (local.get $good) (local.get $head)))

  (func $value (param $i i32) (result i32)
    (i32.or (i32.shl (local.get $i) (i32.const 1)) (i32.const 1)))

  ;; A node of 12 bytes: value, left, right.
  (func $node (param $value i32) (param $left i32) (param $right i32) (result i32)
    (local $p i32)
    (local.set $p (call $alloc (i32.const 12)))
    (i32.store (local.get $p) (local.get $value))
    (i32.store offset=4 (local.get $p) (local.get $left))
    (i32.store offset=8 (local.get $p) (local.get $right))
    (local.get $p))

  ;; A full binary tree, built from the leaves upwards; `path` names the node.
  (func $tree_build (export "tree_build") (param $depth i32) (param $path i32) (result i32)
    (local $left i32) (local $right i32) (local $p i32)
    (if (local.get $depth)
      (then
        (local.set $left (call $tree_build
          (i32.sub (local.get $depth) (i32.const 1))
          (i32.shl (local.get $path) (i32.const 1))))
        (call $push (local.get $left))
        (local.set $right (call $tree_build
          (i32.sub (local.get $depth) (i32.const 1))
          (i32.or (i32.shl (local.get $path) (i32.const 1)) (i32.const 1))))
        (call $push (local.get $right))
        (local.set $p (call $node (call $value (local.get $path)) (local.get $left) (local.get $right)))
        (call $pop)
        (call $pop)
        (return (local.get $p))))
    (call $node (call $value (local.get $path)) (i32.const 0) (i32.const 0)))

  ;; How many nodes of a tree hold what `tree_build` stored.
  (func $tree_check (export "tree_check") (param $p i32) (param $depth i32) (param $path i32) (result i32)
    (local $good i32)
    (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
    (local.set $good (i32.eq (i32.load (local.get $p)) (call $value (local.get $path))))
    (if (i32.eqz (local.get $depth))
      (then
        (return (i32.and (local.get $good)
          (i32.eqz (i32.or (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p))))))))
    (i32.add
      (local.get $good)
      (i32.add
        (call $tree_check
          (i32.load offset=4 (local.get $p))
          (i32.sub (local.get $depth) (i32.const 1))
          (i32.shl (local.get $path) (i32.const 1)))
        (call $tree_check
          (i32.load offset=8 (local.get $p))
          (i32.sub (local.get $depth) (i32.const 1))
          (i32.or (i32.shl (local.get $path) (i32.const 1)) (i32.const 1))))))

  ;; A tree that is a spine of nodes, each with a leaf that has a seed of its own. The leaf is the
  ;; left child, or the right one if `side` is not 0: one of the two makes a mark stack, whatever
  ;; its order, hold all leaves of the spine at once. The spine hangs from the topmost slot.
  (func (export "comb_build") (param $from i32) (param $to i32) (param $side i32)
    (local $leaf i32) (local $slot i32) (local $p i32)
    (local.set $slot (i32.sub (global.get $sp) (i32.const 4)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (call $push
          (call $node (call $seed_value (local.get $from)) (i32.const 0) (i32.const 0)))
        (local.set $leaf
          (call $node (call $leaf_value (local.get $from))
            (i32.load (i32.sub (global.get $sp) (i32.const 4)))
            (i32.const 0)))
        (call $push (local.get $leaf))
        (local.set $p (call $node (call $value (local.get $from)) (i32.const 0) (i32.const 0)))
        (call $pop)
        (call $pop)
        (i32.store offset=4 (local.get $p)
          (select (i32.load (local.get $slot)) (local.get $leaf) (local.get $side)))
        (i32.store offset=8 (local.get $p)
          (select (local.get $leaf) (i32.load (local.get $slot)) (local.get $side)))
        (i32.store (local.get $slot) (local.get $p))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next))))

  (func $leaf_value (param $i i32) (result i32)
    (call $value (i32.xor (local.get $i) (i32.const 0x55555555))))

  (func $seed_value (param $i i32) (result i32)
    (call $value (i32.xor (local.get $i) (i32.const 0x33333333))))

  ;; How many nodes of the spine, leaves and seeds hold what `comb_build` stored.
  (func (export "comb_check") (param $p i32) (param $n i32) (param $side i32) (result i32)
    (local $good i32) (local $leaf i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $p)))
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $leaf
          (select (i32.load offset=8 (local.get $p)) (i32.load offset=4 (local.get $p)) (local.get $side)))
        (local.set $good (i32.add (local.get $good)
          (i32.eq (i32.load (local.get $p)) (call $value (local.get $n)))))
        (local.set $good (i32.add (local.get $good)
          (i32.eq (i32.load (local.get $leaf)) (call $leaf_value (local.get $n)))))
        (local.set $good (i32.add (local.get $good)
          (i32.eq
            (i32.load (i32.load offset=4 (local.get $leaf)))
            (call $seed_value (local.get $n)))))
        (local.set $p
          (select (i32.load offset=4 (local.get $p)) (i32.load offset=8 (local.get $p)) (local.get $side)))
        (br $next)))
    (local.get $good))

  ;; Fills the elements from..to of the array with leaves of 8 bytes.
  (func (export "star_fill") (param $array i32) (param $from i32) (param $to i32)
    (local $leaf i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $leaf (call $alloc (i32.const 8)))
        (i32.store (local.get $leaf) (call $value (local.get $from)))
        (i32.store
          (i32.add (local.get $array) (i32.shl (local.get $from) (i32.const 2)))
          (local.get $leaf))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next))))

  ;; How many of the elements from..to hold what `star_fill` stored.
  (func (export "star_check") (param $array i32) (param $from i32) (param $to i32) (result i32)
    (local $leaf i32) (local $good i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $leaf
          (i32.load (i32.add (local.get $array) (i32.shl (local.get $from) (i32.const 2)))))
        (local.set $good (i32.add (local.get $good)
          (i32.eq (i32.load (local.get $leaf)) (call $value (local.get $from)))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next)))
    (local.get $good))

  ;; Pushes a leaf of 8 bytes for each of from..to on the shadow stack.
  (func (export "push_leaves") (param $from i32) (param $to i32)
    (local $leaf i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (local.set $leaf (call $alloc (i32.const 8)))
        (i32.store (local.get $leaf) (call $value (local.get $from)))
        (call $push (local.get $leaf))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next)))))
