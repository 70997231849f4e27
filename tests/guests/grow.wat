;; A program that grows the memory itself between allocations and writes over all that it got: what it gets must stay
;; its own, and the heap must go on above or around it.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))

  ;; main(rounds, pages, objects, size): each round takes `pages` pages and fills them with 0xEE, then allocates
  ;; `objects` objects of `size` bytes on a list that is dropped at the next round. Answers with the number of bytes of
  ;; its own pages that are still 0xEE at the end, in pages; -1 where an object of the list was overwritten.
  (func (export "main") (param $rounds i32) (param $pages i32) (param $objects i32) (param $size i32) (result i32)
    (local $saved i32) (local $regions i32) (local $region i32) (local $i i32) (local $k i32) (local $list i32)
    (local $cell i32) (local $good i32) (local $at i32) (local $end i32)
    (local.set $saved (global.get $gc_sp))
    ;; slots: the table of regions (numbers in units of pages, so that none looks like a pointer), and the list
    (local.set $regions (call $alloc (i32.shl (local.get $rounds) (i32.const 2))))
    (i32.store (global.get $gc_sp) (local.get $regions))
    (i32.store offset=4 (global.get $gc_sp) (i32.const 0))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 8)))
    (block $done
      (loop $round
        (br_if $done (i32.ge_u (local.get $i) (local.get $rounds)))
        (local.set $region (memory.grow (local.get $pages)))
        (if (i32.eq (local.get $region) (i32.const -1)) (then unreachable))
        (memory.fill (i32.shl (local.get $region) (i32.const 16)) (i32.const 0xee)
                     (i32.shl (local.get $pages) (i32.const 16)))
        (i32.store (i32.add (local.get $regions) (i32.shl (local.get $i) (i32.const 2))) (local.get $region))
        (local.set $list (i32.const 0))
        (local.set $k (i32.const 0))
        (loop $object
          (local.set $cell (call $alloc (local.get $size)))
          (i32.store (local.get $cell) (local.get $list))
          (i32.store offset=4 (local.get $cell) (i32.xor (local.get $i) (i32.const 0x0badcafe)))
          (local.set $list (local.get $cell))
          (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $list))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $object (i32.lt_u (local.get $k) (local.get $objects))))
        (local.set $k (i32.const 0))
        (loop $check
          (if (i32.ne (i32.load offset=4 (local.get $list)) (i32.xor (local.get $i) (i32.const 0x0badcafe)))
            (then (return (i32.const -1))))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $check (local.tee $list (i32.load (local.get $list)))))
        (if (i32.ne (local.get $k) (local.get $objects)) (then (return (i32.const -1))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $round)))
    (local.set $i (i32.const 0))
    (loop $region
      (local.set $at
        (i32.shl (i32.load (i32.add (local.get $regions) (i32.shl (local.get $i) (i32.const 2)))) (i32.const 16)))
      (local.set $end (i32.add (local.get $at) (i32.shl (local.get $pages) (i32.const 16))))
      (block $broken
        (loop $word
          (br_if $broken (i32.ne (i32.load (local.get $at)) (i32.const 0xeeeeeeee)))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $word (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $good (i32.add (local.get $good) (local.get $pages))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $region (i32.lt_u (local.get $i) (local.get $rounds))))
    (global.set $gc_sp (local.get $saved))
    local.get $good)

  ;; early(pages, objects): takes pages and fills them before it allocates anything, then builds a list of `objects`
  ;; objects and leaves it rooted. Answers with the number of pages that are as they were filled.
  (func (export "early") (param $pages i32) (param $objects i32) (result i32)
    (local $at i32) (local $end i32) (local $cell i32) (local $good i32)
    (local.set $at (i32.shl (memory.grow (local.get $pages)) (i32.const 16)))
    (local.set $end (i32.add (local.get $at) (i32.shl (local.get $pages) (i32.const 16))))
    (memory.fill (local.get $at) (i32.const 0xee) (i32.sub (local.get $end) (local.get $at)))
    (i32.store (global.get $gc_sp) (i32.const 0))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (loop $object
      (local.set $cell (call $alloc (i32.const 32)))
      (i32.store (local.get $cell) (i32.load (i32.sub (global.get $gc_sp) (i32.const 4))))
      (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $cell))
      (br_if $object (local.tee $objects (i32.sub (local.get $objects) (i32.const 1)))))
    (block $broken
      (loop $page
        (loop $word
          (br_if $broken (i32.ne (i32.load (local.get $at)) (i32.const 0xeeeeeeee)))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $word (i32.and (local.get $at) (i32.const 0xffff))))
        (local.set $good (i32.add (local.get $good) (i32.const 1)))
        (br_if $page (i32.lt_u (local.get $at) (local.get $end)))))
    local.get $good)
)
