;; A program that waits for its host in the middle of a function, with roots on the shadow stack. Whether `wait` suspends it
;; is the host's business: the code is that of any call.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "env" "wait" (func $wait (param i32) (result i32)))

  (func $box (param $n i32) (result i32)
    (local $box i32)
    (local.set $box (call $alloc (i32.const 8)))
    (i32.store (local.get $box) (local.get $n))
    local.get $box)

  ;; main(n): a box of n, and after a wait one of what the wait gave; both must still hold it after another wait: n times
  ;; 1,000,000 and the two answers, times 1,000 and 1.
  (func $main (export "main") (param $n i32) (result i32)
    (local $saved i32) (local $answer i32)
    (local.set $saved (global.get $gc_sp))
    (i32.store (global.get $gc_sp) (call $box (local.get $n)))
    (global.set $gc_sp (i32.add (local.get $saved) (i32.const 4)))
    (local.set $answer (call $wait (local.get $n)))
    (i32.store (global.get $gc_sp) (call $box (local.get $answer)))
    (global.set $gc_sp (i32.add (local.get $saved) (i32.const 8)))
    (local.set $answer (call $wait (local.get $n)))
    ;; what was freed would be given out here
    (drop (call $box (i32.const -1)))
    (drop (call $box (i32.const -1)))
    (global.set $gc_sp (local.get $saved))
    (i32.add
      (i32.add
        (i32.mul (i32.load (i32.load (local.get $saved))) (i32.const 1000000))
        (i32.mul (i32.load (i32.load offset=4 (local.get $saved))) (i32.const 1000)))
      (local.get $answer)))

  ;; deep(depth, n): the same at the bottom of a recursion that keeps a box at each level, and counts those that hold n.
  (func (export "deep") (param $depth i32) (param $n i32) (result i32)
    (call $down (local.get $depth) (local.get $n)))
  (func $down (param $depth i32) (param $n i32) (result i32)
    (local $saved i32) (local $below i32)
    (if (i32.eqz (local.get $depth))
      (then (drop (call $main (local.get $n))) (return (i32.const 0))))
    (local.set $saved (global.get $gc_sp))
    (i32.store (global.get $gc_sp) (call $box (local.get $n)))
    (global.set $gc_sp (i32.add (local.get $saved) (i32.const 4)))
    (local.set $below (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $n)))
    (global.set $gc_sp (local.get $saved))
    (i32.add (local.get $below)
      (i32.eq (i32.load (i32.load (local.get $saved))) (local.get $n))))

  ;; fall(n): waits, and then traps with a root pushed.
  (func (export "fall") (param $n i32) (result i32)
    (i32.store (global.get $gc_sp) (call $box (local.get $n)))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4)))
    (drop (call $wait (local.get $n)))
    unreachable)
)
