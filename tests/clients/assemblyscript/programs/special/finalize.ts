// Rootstock cannot call this before an object is gone, so it is refused.

// @ts-ignore: decorator
@global
export function __finalize(ptr: usize): void {}

export function main(n: i32): i32 {
  return n;
}
