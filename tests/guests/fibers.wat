;; Fibers that take turns, each with a shadow stack of its own. A fiber builds the list n, n-1, ..., 1 by recursion: at each
;; level a cell is on its stack, and between two levels of one fiber the others run. They end in the order in which they
;; began, so that one stack for all of them would not do. (A fiber here is a frame of numbers that `step` goes on with:
;; what a compiler makes of a coroutine.)
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "gc_stack_new" (func $gc_stack_new (param i32) (result i32)))
  (import "runtime" "gc_stack_switch" (func $gc_stack_switch (param i32) (result i32)))
  (import "runtime" "gc_stack_free" (func $gc_stack_free (param i32)))

  ;; static data: the stack of each fiber
  (start $start)
  (func $start (call $gc_init (i32.add (global.get $base) (i32.const 4096))))

  (func $stack_of (param $fiber i32) (result i32)
    (i32.load (i32.add (global.get $base) (i32.shl (local.get $fiber) (i32.const 2)))))

  ;; step(n): pushes a cell that holds n
  (func $step (param $n i32)
    (local $cell i32)
    (local.set $cell (call $alloc (i32.const 8)))
    (i32.store (local.get $cell) (local.get $n))
    (i32.store (global.get $gc_sp) (local.get $cell))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))

  ;; finish(n): pops n cells, linked to a list on the way, and returns the list's sum
  (func $finish (param $n i32) (result i32)
    (local $list i32) (local $sum i32)
    (loop $next
      (global.set $gc_sp (i32.sub (global.get $gc_sp) (i32.const 4)))
      (i32.store offset=4 (i32.load (global.get $gc_sp)) (local.get $list))
      (local.set $list (i32.load (global.get $gc_sp)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $list))))
      (local.set $list (i32.load offset=4 (local.get $list)))
      (br_if $next (local.get $list)))
    local.get $sum)

  ;; main(fibers, n): the sum of all lists; at most 1,024 fibers
  (func (export "main") (param $fibers i32) (param $n i32) (result i32)
    (local $fiber i32) (local $level i32) (local $sum i32)
    (loop $next
      (i32.store (i32.add (global.get $base) (i32.shl (local.get $fiber) (i32.const 2)))
        (call $gc_stack_new (local.get $n)))
      (local.set $fiber (i32.add (local.get $fiber) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fiber) (local.get $fibers))))
    (loop $levels
      (local.set $level (i32.add (local.get $level) (i32.const 1)))
      (local.set $fiber (i32.const 0))
      (loop $next
        (drop (call $gc_stack_switch (call $stack_of (local.get $fiber))))
        (call $step (local.get $level))
        (local.set $fiber (i32.add (local.get $fiber) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $fiber) (local.get $fibers))))
      (br_if $levels (i32.lt_u (local.get $level) (local.get $n))))
    (local.set $fiber (i32.const 0))
    (loop $next
      (drop (call $gc_stack_switch (call $stack_of (local.get $fiber))))
      (local.set $sum (i32.add (local.get $sum) (call $finish (local.get $n))))
      (drop (call $gc_stack_switch (i32.const 0)))
      (call $gc_stack_free (call $stack_of (local.get $fiber)))
      (local.set $fiber (i32.add (local.get $fiber) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fiber) (local.get $fibers))))
    local.get $sum)

  ;; overrun(n): pushes n zeros on a stack of 16 slots, and allocates
  (func (export "overrun") (param $n i32)
    (drop (call $gc_stack_switch (call $gc_stack_new (i32.const 16))))
    (loop $next
      (i32.store (global.get $gc_sp) (i32.const 0))
      (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (drop (call $alloc (i32.const 8)))
    (drop (call $gc_stack_switch (i32.const 0))))

  ;; lost(n): ends on another stack than it began on, with n cells there, by a trap
  (func (export "lost") (param $n i32)
    (drop (call $gc_stack_switch (call $gc_stack_new (local.get $n))))
    (loop $next
      (call $step (local.get $n))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    unreachable)
)
