;; Closures that capture arrays, and strings of (pointer, length) whose bytes hold no pointers. Static data come from
;; a passive segment: the start function tells the runtime where they end, then copies them to PROGRAM_BASE.
(module
  (import "runtime" "memory" (memory 1))
  (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
  (import "runtime" "gc_program_base" (global $base i32))
  (import "runtime" "gc_init" (func $gc_init (param i32)))
  (import "runtime" "alloc" (func $alloc (param i32) (result i32)))
  (import "runtime" "alloc_atomic" (func $alloc_atomic (param i32) (result i32)))

  (type $fn (func (param i32 i32) (result i32)))
  (table funcref (elem $add_length $add_captured))
  (data $digits "0123456789")

  (start $start)
  (func $start
    (call $gc_init (i32.add (global.get $base) (i32.const 10)))
    (memory.init $digits (global.get $base) (i32.const 0) (i32.const 10)))

  (func $push (param $value i32)
    (i32.store (global.get $gc_sp) (local.get $value))
    (global.set $gc_sp (i32.add (global.get $gc_sp) (i32.const 4))))

  ;; A closure is { index in the table, captured array }; an array is { length, elements... }.
  (func $add_length (param $env i32) (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.load (i32.load offset=4 (local.get $env)))))

  (func $add_captured (param $env i32) (param $x i32) (result i32)
    (local $array i32)
    (local.set $array (i32.load offset=4 (local.get $env)))
    (i32.add (local.get $x)
      (i32.load
        (i32.add (local.get $array)
                 (i32.shl (i32.load (local.get $array)) (i32.const 2))))))

  ;; range(n): the array 1, 2, ... n.
  (func $range (param $n i32) (result i32)
    (local $array i32) (local $i i32)
    (local.set $array (call $alloc (i32.add (i32.const 4) (i32.shl (local.get $n) (i32.const 2)))))
    (i32.store (local.get $array) (local.get $n))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (i32.store (i32.add (local.get $array) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
        (br $next)))
    local.get $array)

  (func $closure (param $index i32) (param $n i32) (result i32)
    (local $saved i32) (local $array i32) (local $closure i32)
    (local.set $saved (global.get $gc_sp))
    (local.set $array (call $range (local.get $n)))
    (call $push (local.get $array))
    (local.set $closure (call $alloc (i32.const 8)))
    (i32.store (local.get $closure) (local.get $index))
    (i32.store offset=4 (local.get $closure) (local.get $array))
    (global.set $gc_sp (local.get $saved))
    local.get $closure)

  ;; fold(n): makes n closures of both kinds, each over an array of 20, and applies each to the sum so far after more
  ;; has been allocated. Each adds 20, so the answer is 20 * n.
  (func (export "fold") (param $n i32) (result i32)
    (local $saved i32) (local $sum i32) (local $closure i32)
    (local.set $saved (global.get $gc_sp))
    (call $push (i32.const 0))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $closure
          (call $closure (i32.and (local.get $n) (i32.const 1)) (i32.const 20)))
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $closure))
        (drop (call $range (i32.const 100)))
        (local.set $sum
          (call_indirect (type $fn) (local.get $closure) (local.get $sum) (i32.load (local.get $closure))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (global.set $gc_sp (local.get $saved))
    local.get $sum)

  ;; decimal(n) -> (pointer, length): n in digits, which come from static data.
  (func $decimal (param $n i32) (result i32 i32)
    (local $length i32) (local $rest i32) (local $string i32) (local $at i32)
    (local.set $rest (local.get $n))
    (loop $count
      (local.set $length (i32.add (local.get $length) (i32.const 1)))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $count (local.get $rest)))
    (local.set $string (call $alloc_atomic (local.get $length)))
    (local.set $at (i32.add (local.get $string) (local.get $length)))
    (local.set $rest (local.get $n))
    (loop $write
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.load8_u (i32.add (global.get $base) (i32.rem_u (local.get $rest) (i32.const 10)))))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $write (local.get $rest)))
    local.get $string
    local.get $length)

  ;; concat(a, b): both are rooted by their base pointers only while the result is allocated.
  (func $concat (param $a i32) (param $a_length i32) (param $b i32) (param $b_length i32) (result i32 i32)
    (local $saved i32) (local $string i32)
    (local.set $saved (global.get $gc_sp))
    (call $push (local.get $a))
    (call $push (local.get $b))
    (local.set $string (call $alloc_atomic (i32.add (local.get $a_length) (local.get $b_length))))
    (memory.copy (local.get $string) (local.get $a) (local.get $a_length))
    (memory.copy (i32.add (local.get $string) (local.get $a_length)) (local.get $b) (local.get $b_length))
    (global.set $gc_sp (local.get $saved))
    local.get $string
    (i32.add (local.get $a_length) (local.get $b_length)))

  ;; join(n) -> (pointer, length): "012...": the numbers below n one behind the other, by repeated concatenation.
  (func (export "join") (param $n i32) (result i32 i32)
    (local $saved i32) (local $string i32) (local $length i32) (local $i i32)
    (local.set $saved (global.get $gc_sp))
    ;; the empty string: the start of static data, which is no object
    (local.set $string (global.get $base))
    (call $push (local.get $string))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (call $concat (local.get $string) (local.get $length) (call $decimal (local.get $i)))
        (local.set $length)
        (local.set $string)
        (i32.store (i32.sub (global.get $gc_sp) (i32.const 4)) (local.get $string))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (global.set $gc_sp (local.get $saved))
    local.get $string
    local.get $length)
)
