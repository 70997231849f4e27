// Recursion: a list that is made on the way down, and changed on the way back.

import { print } from "./lib/host";

class Cell {
  constructor(public value: i32, public next: Cell | null) {}
}

function build(n: i32): Cell | null {
  if (n == 0) return null;
  const before = new Cell(n, null);
  const rest = build(n - 1);
  return new Cell(before.value, rest);
}

export function main(n: i32): i32 {
  let sum: i64 = 0;
  let cell = build(n);
  while (cell) {
    sum += cell.value;
    cell = cell.next;
  }
  print("the sum of a list that was made " + n.toString() + " calls deep: " + sum.toString());
  return n;
}
