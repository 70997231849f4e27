;; What instrumented programs call. It has a memory of its own beside the program's, which the host lays out:
;;
;;   0         the call stack: for each call that is under way its site (see instrument.rs) and how many allocations there
;;             had been when it began; 2^20 of them, innermost last
;;   $slots    for each slot of the shadow stack 16 bytes, of what was seen since the last collection:
;;             the value that was popped last, the site that did it, the value overwritten last, the site that did it
;;   $shadow   for each 8 bytes of the program's memory one byte: 0, or 1 where an object was freed; 2 at the beginning
;;             of one whose address the program is known to have stored after that
(module
  (import "runtime" "memory" (memory $program 0))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_stack_base" (global $base i32))
  (import "runtime" "gc_stack_limit" (global $limit i32))
  (import "doctor" "slots" (global $slots i32))
  (import "doctor" "shadow" (global $shadow i32))
  ;; (address, site << 8 | bytes, depth): does not return
  (import "doctor" "fault" (func $fault (param i64 i64 i32)))

  ;; (address, where it is stored, site << 8 | bytes, depth): the address may be that of a freed object
  (import "doctor" "carried" (func $carried (param i32 i64 i64 i32)))

  (memory $own (export "memory") 1)
  ;; calls that are under way where the program was last seen
  (global $depth (export "depth") (mut i32) (i32.const 0))
  ;; the highest gc_sp since the host set it last
  (global $high (export "high") (mut i32) (i32.const 0))

  ;; allocations so far
  (global $made (export "made") (mut i32) (i32.const 0))

  ;; The depth of the function that has just been entered.
  (func (export "entered") (result i32)
    global.get $depth)

  ;; A function of this depth makes a call. Nothing is to be done when it returns, however it does: the caller goes on
  ;; with the depth that it was given.
  (func (export "calling") (param $depth i32) (param $site i32)
    (i64.store $own
      (i32.shl (i32.and (local.get $depth) (i32.const 0xfffff)) (i32.const 3))
      (i64.or
        (i64.extend_i32_u (local.get $site))
        (i64.shl (i64.extend_i32_u (global.get $made)) (i64.const 32))))
    (global.set $depth (i32.add (local.get $depth) (i32.const 1))))

  ;; A function of this depth makes a tail call: what it calls takes its place.
  (func (export "leaving") (param $depth i32)
    (global.set $depth (local.get $depth)))

  (func $read (export "read") (param $at i64) (param $what i64) (param $depth i32)
    (local $first i64) (local $last i64)
    (local.set $first
      (i64.add (i64.extend_i32_u (global.get $shadow)) (i64.shr_u (local.get $at) (i64.const 3))))
    (local.set $last
      (i64.add
        (i64.extend_i32_u (global.get $shadow))
        (i64.shr_u
          (i64.sub
            (i64.add (local.get $at) (i64.and (local.get $what) (i64.const 0xff)))
            (i64.const 1))
          (i64.const 3))))
    ;; nothing was freed where the shadow does not reach
    (if (i64.ge_u (local.get $last) (i64.shl (i64.extend_i32_u (memory.size $own)) (i64.const 16)))
      (then (return)))
    (if (i32.or
          (i32.load8_u $own (i32.wrap_i64 (local.get $first)))
          (i32.load8_u $own (i32.wrap_i64 (local.get $last))))
      (then (call $fault (local.get $at) (local.get $what) (local.get $depth)))))

  ;; Before an i32 is stored.
  (func (export "store") (param $at i64) (param $what i64) (param $depth i32) (param $value i32)
    (local $shadow i64)
    (call $write (local.get $at) (local.get $what) (local.get $depth))
    (local.set $shadow
      (i64.add
        (i64.extend_i32_u (global.get $shadow))
        (i64.extend_i32_u (i32.shr_u (local.get $value) (i32.const 3)))))
    (if (i64.ge_u (local.get $shadow) (i64.shl (i64.extend_i32_u (memory.size $own)) (i64.const 16)))
      (then (return)))
    (if (i32.eq (i32.load8_u $own (i32.wrap_i64 (local.get $shadow))) (i32.const 1))
      (then
        (call $carried
          (local.get $value) (local.get $at) (local.get $what) (local.get $depth)))))

  (func $write (export "write") (param $at i64) (param $what i64) (param $depth i32)
    (local $slot i32) (local $log i32)
    (call $read (local.get $at) (local.get $what) (local.get $depth))
    (if (i64.ge_u (local.get $at) (i64.extend_i32_u (global.get $gc_sp))) (then (return)))
    (local.set $slot (i32.and (i32.wrap_i64 (local.get $at)) (i32.const -4)))
    (if (i32.lt_u (local.get $slot) (global.get $base)) (then (return)))
    (if (i32.ge_u (local.get $slot) (global.get $limit)) (then (return)))
    ;; a slot of the shadow stack that is in use
    (local.set $log (call $log (local.get $slot)))
    (i32.store $own offset=8 (local.get $log) (i32.load $program (local.get $slot)))
    (i32.store $own offset=12 (local.get $log)
      (i32.wrap_i64 (i64.shr_u (local.get $what) (i64.const 8)))))

  (func $log (param $slot i32) (result i32)
    (i32.add (global.get $slots)
      (i32.shl (i32.sub (local.get $slot) (global.get $base)) (i32.const 2))))

  ;; The program is about to set gc_sp.
  (func (export "moved") (param $to i32) (param $site i32)
    (local $slot i32) (local $end i32) (local $log i32)
    (local.set $end (global.get $gc_sp))
    ;; not the first stack's, above which the others lie: no logs are kept there
    (if (i32.gt_u (local.get $end) (global.get $limit)) (then (return)))
    (if (i32.gt_u (local.get $end) (global.get $high)) (then (global.set $high (local.get $end))))
    (local.set $slot (i32.and (local.get $to) (i32.const -4)))
    (if (i32.lt_u (local.get $slot) (global.get $base)) (then (local.set $slot (global.get $base))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $slot) (local.get $end)))
        (local.set $log (call $log (local.get $slot)))
        (i32.store $own (local.get $log) (i32.load $program (local.get $slot)))
        (i32.store $own offset=4 (local.get $log) (local.get $site))
        (local.set $slot (i32.add (local.get $slot) (i32.const 4)))
        (br $next))))
)
