// Handles of the host: made, kept in a map, dropped, disposed of.

import { Handle } from "./lib/handle";
import { print } from "./lib/host";

const kept = new Map<i32, Handle>();

/** Makes `n` handles and keeps every tenth. */
function make(n: i32): void {
  for (let i = 0; i < n; i++) {
    const handle = new Handle(i * i);
    if (i % 10 == 0) kept.set(i, handle);
  }
}

function sum(): i64 {
  let sum: i64 = 0;
  const all = kept.values();
  for (let i = 0; i < all.length; i++) sum += all[i].value;
  return sum;
}

/** Disposes of every other one that is kept, and of each twice. */
function dispose(): i32 {
  let disposed = 0;
  const keys = kept.keys();
  for (let i = 0; i < keys.length; i += 2) {
    const handle = kept.get(keys[i]);
    if (handle.dispose()) disposed++;
    if (handle.dispose()) disposed++;
    kept.delete(keys[i]);
  }
  return disposed;
}

function report(what: string): void {
  __collect();
  print(what + ": " + Handle.alive.toString() + " alive");
}

export function main(n: i32): i32 {
  make(n);
  report("made " + n.toString());
  print("sum " + sum().toString());
  print("disposed of " + dispose().toString());
  report("after that");
  print("sum " + sum().toString());
  kept.clear();
  report("none kept");
  return Handle.alive;
}
