;; dead.wat, with objects that have 16 bytes of fields.
(module
  (@imports)
  (type $t (struct (field (mut i64)) (field (mut i64))))
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p (ref $t)) (local $sum i64)
    (loop $next
      (local.set $p (@new (struct.new_default $t)))
      (struct.set $t 0 (local.get $p) (i64.extend_i32_u (local.get $n)))
      (local.set $sum (i64.add (local.get $sum) (struct.get $t 0 (local.get $p))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
