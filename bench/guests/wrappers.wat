;; Objects that stand for values of the host: made, dropped, and the host told about each.
(module
  (@imports)
  (@rooted
    (import "runtime" "register_wrapper" (func $register (param i32 i32 i32)))
    (import "runtime" "gc_collect" (func $collect)))
  (@unrooted (import "host" "host_decref_handle" (func $tell (param i32 i32))))
  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $p i32) (local $i i32) (local $sum i64)
    (loop $next
      (@alloc $p 16)
      (i32.store (local.get $p) (local.get $i))
      (local.set $sum (i64.add (local.get $sum) (i64.load32_u (local.get $p))))
      (@rooted (call $register (local.get $p) (i32.const 1) (local.get $i)))
      (@unrooted (call $tell (i32.const 1) (local.get $i)))
      (@manual (call $free (local.get $p) (i32.const 16)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (@rooted (call $collect))
    (local.get $sum))
  (@functions))
