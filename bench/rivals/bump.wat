;; A pointer that moves up for ever: what allocation costs if nothing is freed. New pages are zero.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $end (mut i32) (i32.const 65536))
  (func (export "alloc") (param $size i32) (result i32)
    (local $p i32) (local $after i32)
    (local.set $p (global.get $next))
    (local.set $after
      (i32.add
        (local.get $p)
        (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (local.get $after) (global.get $end)) (then (call $grow (local.get $after))))
    (global.set $next (local.get $after))
    (local.get $p))
  ;; In steps of at least 16 pages: one at a time is sixteen times as dear.
  (func $grow (param $after i32)
    (local $pages i32)
    (local.set $pages
      (i32.add
        (i32.shr_u (i32.sub (local.get $after) (global.get $end)) (i32.const 16))
        (i32.const 16)))
    (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable)))
    (global.set $end (i32.shl (memory.size) (i32.const 16)))))
