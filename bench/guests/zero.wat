;; Not timed: how many bytes of new objects are not zero, where every object is filled with ones before it is dropped.
(module
  (@imports)
  ;; How many bytes of an object are not zero; afterwards none is.
  (func $spoil (param $p i32) (param $size i32) (result i64)
    (local $i i32) (local $bad i64)
    (loop $byte
      (if (i32.load8_u (i32.add (local.get $p) (local.get $i)))
        (then (local.set $bad (i64.add (local.get $bad) (i64.const 1)))))
      (i32.store8 (i32.add (local.get $p) (local.get $i)) (i32.const 255))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $byte (i32.lt_u (local.get $i) (local.get $size))))
    (local.get $bad))

  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p i32) (local $x i32) (local $size i32) (local $bad i64)
    (local.set $x (i32.const 2463534242))
    (loop $next
      ;; Of a size that is only known now, and of one that is always the same.
      (@random $x)
      (local.set $size (@size $x))
      (local.set $p (call $alloc (local.get $size)))
      (local.set $bad (i64.add (local.get $bad) (call $spoil (local.get $p) (local.get $size))))
      (@manual (call $free (local.get $p) (local.get $size)))
      (@alloc $p 48)
      (local.set $bad (i64.add (local.get $bad) (call $spoil (local.get $p) (i32.const 48))))
      (@manual (call $free (local.get $p) (i32.const 48)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $bad))
  (@functions))
