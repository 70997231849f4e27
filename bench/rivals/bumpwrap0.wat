;; As bumpwrap, but what is handed out is zero: each time round, the next 16 KB are zeroed in one fill when the pointer
;; comes to them.
(module
  (memory (export "memory") 5)
  (global $next (mut i32) (i32.const 1024))
  (global $zeroed (mut i32) (i32.const 1024))
  (func (export "alloc") (param $size i32) (result i32)
    (local $p i32) (local $after i32)
    (local.set $p (global.get $next))
    (local.set $after
      (i32.add
        (local.get $p)
        (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (local.get $after) (global.get $zeroed))
      (then (return (call $zero (local.get $size)))))
    (global.set $next (local.get $after))
    (local.get $p))
  (func $zero (param $size i32) (result i32)
    (local $p i32)
    (local.set $size (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))
    (local.set $p (global.get $next))
    (if (i32.ge_u (global.get $zeroed) (i32.const 0x40400))
      (then
        (local.set $p (i32.const 1024))
        (global.set $zeroed (i32.const 1024))))
    (memory.fill (global.get $zeroed) (i32.const 0) (i32.const 0x4000))
    (global.set $zeroed (i32.add (global.get $zeroed) (i32.const 0x4000)))
    (global.set $next (i32.add (local.get $p) (local.get $size)))
    (local.get $p)))
