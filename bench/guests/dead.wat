;; Objects of one size, each dead as soon as the next is made.
(module
  (@imports)
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p i32) (local $sum i64)
    (loop $next
      (@alloc $p {SIZE})
      (i64.store (local.get $p) (i64.extend_i32_u (local.get $n)))
      (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $p))))
      (@manual (call $free (local.get $p) (i32.const {SIZE})))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (@functions))
