;; A program that does nothing until it is asked to: for the cost of instances.
(module
  (type $t (struct (field (mut i64)) (field (mut i64))))
  (func (export "run") (param i32 i32) (result i64)
    (struct.get $t 0 (struct.new $t (i64.const 1) (i64.const 0)))))
