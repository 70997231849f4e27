;; A pointer that wraps round in 256 KB: what making garbage costs in a cache that is warm, if nothing is ever kept
;; or looked at. What is handed out is not zeroed.
(module
  (memory (export "memory") 5)
  (global $next (mut i32) (i32.const 1024))
  (func (export "alloc") (param $size i32) (result i32)
    (local $p i32) (local $after i32)
    (local.set $p (global.get $next))
    (local.set $after
      (i32.add
        (local.get $p)
        (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (local.get $after) (i32.const 0x40400))
      (then
        (local.set $p (i32.const 1024))
        (local.set $after
          (i32.add
            (i32.const 1024)
            (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))))
    (global.set $next (local.get $after))
    (local.get $p)))
