;; component.wat: what a component needs of its memory, for programs that `rootstock link --with` puts together with it.
;;
;; A host that calls an export of a component asks `cabi_realloc` for memory first, once for each string and list of the
;; arguments, and once for each that an import returns. Nothing roots these objects until the program runs, so they are
;; held here, and let go of in `cabi_post_...`, when the call is over:
;;
;;     (import "component" "cabi_realloc" (func $cabi_realloc (param i32 i32 i32 i32) (result i32)))
;; ;;     (import "component" "post_return" (func $post_return))
;;     (export "cabi_realloc" (func $cabi_realloc))
;;     (func (export "f") (param $ptr i32) (param $len i32) (result i32) ...)
;;     (func (export "cabi_post_f") (param i32) (call $post_return))
;;
;; Neither `cabi_realloc` nor `cabi_post_...` may call out of the component, and any allocation may find dead handles. So the
;; runtime only queues them: NOTIFY is 0 from the start. A program that has wrappers notifies the host of them itself, with
;; `(drop (call $gc_notify (i32.const -1)))` at the start of its exports.
(module $component
  (import "runtime" "memory" (memory 1))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))
  (import "runtime" "gc_size" (func $gc_size (param i32) (result i32)))
  (import "runtime" "gc_pin" (func $gc_pin (param i32)))
  (import "runtime" "gc_unpin" (func $gc_unpin (param i32)))
  (import "runtime" "gc_configure" (func $gc_configure (param i32 i32) (result i32)))

  (global $NOTIFY i32 (i32.const 10))
  ;; The table: an object of ours, pinned, with a word for each object that is held.
  (global $table (mut i32) (i32.const 0))
  (global $capacity (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))
  ;; Words that a table has to begin with, and those of the largest that is kept from call to call.
  (global $LEAST i32 (i32.const 64))
  (global $KEPT i32 (i32.const 4096))

  (start $start)
  (func $start (drop (call $gc_configure (global.get $NOTIFY) (i32.const 0))))

  ;; cabi_realloc(old, old_size, align, size): memory for what the host passes. It stays where it is as long as it lives,
  ;; so the program may keep it, and root it as any other object.
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $new i32)
    ;; nothing is read or written where there are no bytes
    (if (i32.eqz (local.get $size)) (then (return (local.get $align))))
    ;; a string that turned out shorter, or that its cell has room for
    (if (i32.and (i32.ne (local.get $old_size) (i32.const 0))
                 (i32.le_u (local.get $size) (call $gc_size (local.get $old))))
      (then (return (local.get $old))))
    ;; first the room, so that the object is held as soon as it is there
    (if (i32.eq (global.get $count) (global.get $capacity)) (then (call $grow)))
    ;; no pointers lie in what has a smaller alignment than theirs: characters, bytes, flags
    (local.set $new
      (if (result i32) (i32.lt_u (local.get $align) (i32.const 4))
        (then (call $alloc_atomic (local.get $size)))
        (else (call $alloc (local.get $size)))))
    (i32.store (i32.add (global.get $table) (i32.shl (global.get $count) (i32.const 2))) (local.get $new))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    ;; the old one is held still; it is larger than nothing, and smaller than the new one
    (memory.copy (local.get $new) (local.get $old) (local.get $old_size))
    (local.get $new))

  (func $grow
    (local $new i32) (local $capacity i32)
    (local.set $capacity
      (select (i32.shl (global.get $capacity) (i32.const 1)) (global.get $LEAST) (global.get $capacity)))
    (local.set $new (call $alloc (i32.shl (local.get $capacity) (i32.const 2))))
    (memory.copy (local.get $new) (global.get $table) (i32.shl (global.get $count) (i32.const 2)))
    (call $gc_pin (local.get $new))
    (if (global.get $table) (then (call $gc_unpin (global.get $table))))
    (global.set $table (local.get $new))
    (global.set $capacity (local.get $capacity)))

  ;; post_return(): lets go of all that was held for the call.
  (func (export "post_return") (call $release (i32.const 0)))

  ;; mark() and release(mark): lets go of what was held since, for programs that call imports for a long time.
  (func (export "mark") (result i32) (global.get $count))
  (func $release (export "release") (param $mark i32)
    (if (i32.ge_u (local.get $mark) (global.get $count)) (then (return)))
    (memory.fill (i32.add (global.get $table) (i32.shl (local.get $mark) (i32.const 2))) (i32.const 0)
      (i32.shl (i32.sub (global.get $count) (local.get $mark)) (i32.const 2)))
    (global.set $count (local.get $mark))
    ;; one large call is no reason to scan a large table in every collection from then on
    (if (i32.and (i32.eqz (local.get $mark)) (i32.gt_u (global.get $capacity) (global.get $KEPT)))
      (then
        (call $gc_unpin (global.get $table))
        (global.set $table (i32.const 0))
        (global.set $capacity (i32.const 0))))))
