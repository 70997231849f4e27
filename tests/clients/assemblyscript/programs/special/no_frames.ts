// No function here has a frame, and nothing is allocated.

import "../lib/host";

export function add(a: i32, b: i32): i32 {
  return a + b;
}
