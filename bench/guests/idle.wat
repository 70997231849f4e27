;; A program that does nothing until it is asked to: for the cost of instances.
(module
  (@imports)
  (func (export "run") (param i32 i32) (result i64)
    (local $p i32)
    (local.set $p (call $alloc (i32.const 16)))
    (i32.store (local.get $p) (i32.const 1))
    (i64.load32_u (local.get $p)))
  (@functions))
