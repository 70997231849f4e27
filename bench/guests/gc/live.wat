;; live.wat.
(module
  (@imports)
  (type $t (struct (field (ref null $t)) (field (mut i32)) (field (mut i64))))
  (func (export "run") (param $n i32) (param $live i32) (result i64)
    (local $list (ref null $t)) (local $p (ref $t)) (local $i i32) (local $sum i64)
    (loop $next
      (local.set $list (@new (struct.new $t (local.get $list) (local.get $i) (i64.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $live))))
    (loop $garbage
      (local.set $p (@new (struct.new $t (ref.null $t) (i32.const 0) (i64.const 0))))
      (struct.set $t 1 (local.get $p) (local.get $n))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $t 1 (local.get $p)))))
      (br_if $garbage (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (loop $walk
      (local.set $sum
        (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $t 1 (local.get $list)))))
      (local.set $list (struct.get $t 0 (local.get $list)))
      (br_if $walk (i32.eqz (ref.is_null (local.get $list)))))
    (local.get $sum)))
