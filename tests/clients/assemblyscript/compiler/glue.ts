// What AssemblyScript's compiler asks of the machine that it runs on, where that is WebAssembly: 64-bit numbers, which it
// has in an object in JavaScript, and lists of what a map holds.

// @ts-ignore: decorator
@global const i64_zero: i64 = 0;
// @ts-ignore: decorator
@global const i64_one: i64 = 1;
// @ts-ignore: decorator
@global const i64_neg_one: i64 = -1;
// @ts-ignore: decorator
@global const i64_minimum: i64 = i64.MIN_VALUE;
// @ts-ignore: decorator
@global const i64_maximum: i64 = i64.MAX_VALUE;

// @ts-ignore: decorator
@global function i64_is<T>(value: T): bool { return isInteger<T>() && sizeof<T>() == 8; }
// @ts-ignore: decorator
@global function i64_new(low: i32, high: i32 = 0): i64 { return <i64>high << 32 | <i64><u32>low; }
// @ts-ignore: decorator
@global function i64_low(value: i64): i32 { return <i32>value; }
// @ts-ignore: decorator
@global function i64_high(value: i64): i32 { return <i32>(value >> 32); }
// @ts-ignore: decorator
@global function i64_clone(value: i64): i64 { return value; }

// @ts-ignore: decorator
@global function i64_not(value: i64): i64 { return ~value; }
// @ts-ignore: decorator
@global function i64_neg(value: i64): i64 { return -value; }
// @ts-ignore: decorator
@global function i64_clz(value: i64): i32 { return <i32>clz<i64>(value); }
// @ts-ignore: decorator
@global function i64_ctz(value: i64): i32 { return <i32>ctz<i64>(value); }
// @ts-ignore: decorator
@global function i64_signbit(value: i64): bool { return value < 0; }

// @ts-ignore: decorator
@global function i64_add(a: i64, b: i64): i64 { return a + b; }
// @ts-ignore: decorator
@global function i64_sub(a: i64, b: i64): i64 { return a - b; }
// @ts-ignore: decorator
@global function i64_mul(a: i64, b: i64): i64 { return a * b; }
// @ts-ignore: decorator
@global function i64_div(a: i64, b: i64): i64 { return a / b; }
// @ts-ignore: decorator
@global function i64_div_u(a: i64, b: i64): i64 { return <i64>(<u64>a / <u64>b); }
// @ts-ignore: decorator
@global function i64_rem(a: i64, b: i64): i64 { return a % b; }
// @ts-ignore: decorator
@global function i64_rem_u(a: i64, b: i64): i64 { return <i64>(<u64>a % <u64>b); }
// @ts-ignore: decorator
@global function i64_and(a: i64, b: i64): i64 { return a & b; }
// @ts-ignore: decorator
@global function i64_or(a: i64, b: i64): i64 { return a | b; }
// @ts-ignore: decorator
@global function i64_xor(a: i64, b: i64): i64 { return a ^ b; }
// @ts-ignore: decorator
@global function i64_shl(a: i64, b: i64): i64 { return a << b; }
// @ts-ignore: decorator
@global function i64_shr(a: i64, b: i64): i64 { return a >> b; }
// @ts-ignore: decorator
@global function i64_shr_u(a: i64, b: i64): i64 { return a >>> b; }

// Powers of integers, where those below one are rounded towards zero.
// @ts-ignore: decorator
@global function i64_pow(base: i64, exponent: i64): i64 {
  if (exponent < 0) {
    if (base == -1) return exponent & 1 ? -1 : 1;
    return base == 1 ? 1 : 0;
  }
  let power: i64 = 1;
  for (; exponent; exponent >>= 1, base *= base) {
    if (exponent & 1) power *= base;
  }
  return power;
}

// @ts-ignore: decorator
@global function i64_align(value: i64, alignment: i32): i64 {
  assert(alignment && !(alignment & (alignment - 1)));
  const mask = <i64>alignment - 1;
  return (value + mask) & ~mask;
}

// @ts-ignore: decorator
@global function i64_eq(a: i64, b: i64): bool { return a == b; }
// @ts-ignore: decorator
@global function i64_ne(a: i64, b: i64): bool { return a != b; }
// @ts-ignore: decorator
@global function i64_ge(a: i64, b: i64): bool { return a >= b; }
// @ts-ignore: decorator
@global function i64_ge_u(a: i64, b: i64): bool { return <u64>a >= <u64>b; }
// @ts-ignore: decorator
@global function i64_gt(a: i64, b: i64): bool { return a > b; }
// @ts-ignore: decorator
@global function i64_gt_u(a: i64, b: i64): bool { return <u64>a > <u64>b; }
// @ts-ignore: decorator
@global function i64_le(a: i64, b: i64): bool { return a <= b; }
// @ts-ignore: decorator
@global function i64_le_u(a: i64, b: i64): bool { return <u64>a <= <u64>b; }
// @ts-ignore: decorator
@global function i64_lt(a: i64, b: i64): bool { return a < b; }
// @ts-ignore: decorator
@global function i64_lt_u(a: i64, b: i64): bool { return <u64>a < <u64>b; }

// @ts-ignore: decorator
@inline function within(value: i64, least: i64, greatest: i64): bool { return value >= least && value <= greatest; }

// @ts-ignore: decorator
@global function i64_is_i8(value: i64): bool { return within(value, i8.MIN_VALUE, i8.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_i16(value: i64): bool { return within(value, i16.MIN_VALUE, i16.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_i32(value: i64): bool { return within(value, i32.MIN_VALUE, i32.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_u8(value: i64): bool { return within(value, 0, u8.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_u16(value: i64): bool { return within(value, 0, u16.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_u32(value: i64): bool { return within(value, 0, u32.MAX_VALUE); }
// @ts-ignore: decorator
@global function i64_is_bool(value: i64): bool { return within(value, 0, 1); }
// @ts-ignore: decorator
@global function i64_is_f32(value: i64): bool { return within(value, <i64>f32.MIN_SAFE_INTEGER, <i64>f32.MAX_SAFE_INTEGER); }
// @ts-ignore: decorator
@global function i64_is_f64(value: i64): bool { return within(value, <i64>f64.MIN_SAFE_INTEGER, <i64>f64.MAX_SAFE_INTEGER); }

// @ts-ignore: decorator
@global function i64_to_f32(value: i64): f32 { return <f32>value; }
// @ts-ignore: decorator
@global function i64_to_f64(value: i64): f64 { return <f64>value; }
// @ts-ignore: decorator
@global function i64_to_string(value: i64, unsigned: bool = false): string {
  return unsigned ? (<u64>value).toString() : value.toString();
}

// @ts-ignore: decorator
@global function f32_as_i32(value: f32): i32 { return reinterpret<i32>(value); }
// @ts-ignore: decorator
@global function i32_as_f32(value: i32): f32 { return reinterpret<f32>(value); }
// @ts-ignore: decorator
@global function f64_as_i64(value: f64): i64 { return reinterpret<i64>(value); }
// @ts-ignore: decorator
@global function i64_as_f64(value: i64): f64 { return reinterpret<f64>(value); }
// @ts-ignore: decorator
@global function f64_pow(base: f64, exponent: f64): f64 { return NativeMath.pow(base, exponent); }

// @ts-ignore: decorator
@global function Map_keys<K, V>(map: Map<K, V>): K[] { return map.keys(); }
// @ts-ignore: decorator
@global function Map_values<K, V>(map: Map<K, V>): V[] { return map.values(); }
// @ts-ignore: decorator
@global function Set_values<T>(set: Set<T>): T[] { return set.values(); }
