;; trees.wat, with structs of two references and eight bytes.
(module
  (@imports)
  (type $t (struct (field (ref null $t)) (field (ref null $t)) (field (mut i64))))

  (func $make (param $depth i32) (result (ref $t))
    (if (i32.eqz (local.get $depth))
      (then (return (@new (struct.new $t (ref.null $t) (ref.null $t) (i64.const 0))))))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (call $node (call $make (local.get $depth)) (call $make (local.get $depth))))

  (func $node (param $left (ref $t)) (param $right (ref $t)) (result (ref $t))
    (@new (struct.new $t (local.get $left) (local.get $right) (i64.const 0))))

  (func $check (param $node (ref null $t)) (result i32)
    (local $left (ref null $t))
    (local.set $left (struct.get $t 0 (local.get $node)))
    (if (ref.is_null (local.get $left)) (then (return (i32.const 1))))
    (i32.add
      (i32.const 1)
      (i32.add (call $check (local.get $left)) (call $check (struct.get $t 1 (local.get $node))))))

  (func (export "run") (param $n i32) (param i32) (result i64)
    (local $tree (ref null $t)) (local $long (ref null $t)) (local $depth i32) (local $times i32)
    (local $sum i64)
    (local.set $tree (call $make (i32.add (local.get $n) (i32.const 1))))
    (local.set $sum (i64.extend_i32_u (call $check (local.get $tree))))
    (local.set $tree (ref.null $t))
    (local.set $long (call $make (local.get $n)))
    (local.set $depth (i32.const 4))
    (loop $deeper
      (local.set $times
        (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $n) (local.get $depth)) (i32.const 4))))
      (loop $again
        (local.set $sum
          (i64.add
            (local.get $sum)
            (i64.extend_i32_u (call $check (call $make (local.get $depth))))))
        (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
      (br_if $deeper (i32.le_u (local.get $depth) (local.get $n))))
    (i64.add (local.get $sum) (i64.extend_i32_u (call $check (local.get $long))))))
