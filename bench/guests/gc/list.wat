;; list.wat.
(module
  (@imports)
  (import "host" "collect" (func $collect))
  (type $t (struct (field (ref null $t)) (field (mut i32)) (field (mut i64))))
  (global $list (mut (ref null $t)) (ref.null $t))

  (func (export "setup") (param $n i32)
    (loop $next
      (global.set $list (@new (struct.new $t (global.get $list) (local.get $n) (i64.const 0))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $collect)
    (if (i32.const {DEAD}) (then (global.set $list (ref.null $t)))))

  (func (export "run") (param $times i32) (param i32) (result i64)
    (loop $next
      (call $collect)
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i64.const 0))

  (func (export "check") (result i64)
    (local $p (ref null $t)) (local $sum i64)
    (local.set $p (global.get $list))
    (block $end
      (loop $walk
        (br_if $end (ref.is_null (local.get $p)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $t 1 (local.get $p)))))
        (local.set $p (struct.get $t 0 (local.get $p)))
        (br $walk)))
    (local.get $sum)))
