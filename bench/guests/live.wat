;; A list of $live nodes stays alive while $n other objects are made and dropped. All of 16 bytes.
(module
  (@imports)
  (func (export "run") (param $n i32) (param $live i32) (result i64)
    (local $list i32) (local $p i32) (local $i i32) (local $sum i64)
    (@rooted (@push $list))
    (loop $next
      (@alloc $p 16)
      (i32.store (local.get $p) (local.get $list))
      (i32.store offset=4 (local.get $p) (local.get $i))
      (local.set $list (local.get $p))
      (@rooted (@set 0 $list))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $live))))
    (loop $garbage
      (@alloc $p 16)
      (i32.store offset=4 (local.get $p) (local.get $n))
      (local.set $sum (i64.add (local.get $sum) (i64.load32_u offset=4 (local.get $p))))
      (@manual (call $free (local.get $p) (i32.const 16)))
      (br_if $garbage (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (@rooted (@pop 1))
    (loop $walk
      (local.set $sum (i64.add (local.get $sum) (i64.load32_u offset=4 (local.get $list))))
      (br_if $walk (local.tee $list (i32.load (local.get $list)))))
    (local.get $sum))
  (@functions))
