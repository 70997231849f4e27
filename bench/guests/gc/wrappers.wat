;; wrappers.wat: a struct that holds a value of the host, which notices when that is dropped.
(module
  (@imports)
  (import "host" "make" (func $make (param i32) (result externref)))
  (import "host" "collect" (func $collect))
  (type $t (struct (field (mut i32)) (field (mut externref))))
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p (ref null $t)) (local $i i32) (local $sum i64)
    (loop $next
      (local.set $p (@new (struct.new $t (local.get $i) (call $make (local.get $i)))))
      (local.set $sum
        (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $t 0 (local.get $p)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $p (ref.null $t))
    (call $collect)
    (local.get $sum)))
