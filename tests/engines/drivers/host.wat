;; The functions of module `host` that the programs import, for engines whose hosts are wasm: spectest-interp's.
;; A handle has 16 bytes: 1 while it is alive, and its value.
(module $host
  (memory 16)
  (global $made (mut i32) (i32.const 0))
  (global $notified (mut i32) (i32.const 0))

  (func $check (param $handle i32)
    (if (i32.eqz (i32.load (i32.shl (local.get $handle) (i32.const 4)))) (then unreachable)))

  (func (export "handle_new") (param $kind i32) (param $value i64) (result i32)
    (global.set $made (i32.add (global.get $made) (i32.const 1)))
    (i32.store (i32.shl (global.get $made) (i32.const 4)) (i32.const 1))
    (i64.store offset=8 (i32.shl (global.get $made) (i32.const 4)) (local.get $value))
    (global.get $made))

  (func (export "handle_value") (param $handle i32) (result i64)
    (call $check (local.get $handle))
    (i64.load offset=8 (i32.shl (local.get $handle) (i32.const 4))))

  (func (export "host_decref_handle") (param $kind i32) (param $handle i32)
    (call $check (local.get $handle))
    (i32.store (i32.shl (local.get $handle) (i32.const 4)) (i32.const 0))
    (global.set $notified (i32.add (global.get $notified) (i32.const 1))))

  (func (export "notified") (result i32)
    (global.get $notified)))
