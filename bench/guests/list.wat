;; Full collections of a list of $n nodes of 16 bytes; with DEAD, of a list that was just dropped.
(module
  (@imports)
  (import "runtime" "gc_collect" (func $collect))
  (global $list (mut i32) (i32.const 0))

  (func (export "setup") (param $n i32)
    (local $p i32)
    (@rooted (@push $p))
    (loop $next
      (local.set $p (call $alloc (i32.const 16)))
      (i32.store (local.get $p) (global.get $list))
      (i32.store offset=4 (local.get $p) (local.get $n))
      (global.set $list (local.get $p))
      (@rooted (@set 0 $p))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    ;; What building left to do is not part of what is measured.
    (call $collect)
    (if (i32.const {DEAD})
      (then (global.set $list (i32.const 0)) (@rooted (@pop 1)))))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (local $p i32) (local $sum i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64)
    (local $p i32) (local $sum i64)
    (local.set $p (global.get $list))
    (block $end
      (loop $walk
        (br_if $end (i32.eqz (local.get $p)))
        (local.set $sum (i64.add (local.get $sum) (i64.load32_u offset=4 (local.get $p))))
        (local.set $p (i32.load (local.get $p)))
        (br $walk)))
    (local.get $sum))
  (@functions))
