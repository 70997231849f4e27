// Queens on a board, with lists that never change.

import { print } from "./lib/host";

class List<T> {
  constructor(public head: T, public tail: List<T> | null) {}
}

class Queen {
  constructor(public row: i32, public column: i32) {}

  attacks(other: Queen): bool {
    const rows = this.row - other.row, columns = this.column - other.column;
    return columns == 0 || rows == columns || rows == -columns;
  }
}

function length<T>(list: List<T> | null): i32 {
  let count = 0;
  while (list) {
    count++;
    list = list.tail;
  }
  return count;
}

function append<T>(first: List<T> | null, second: List<T> | null): List<T> | null {
  return first ? new List<T>(first.head, append<T>(first.tail, second)) : second;
}

function reverse<T>(list: List<T> | null): List<T> | null {
  let reversed: List<T> | null = null;
  while (list) {
    reversed = new List<T>(list.head, reversed);
    list = list.tail;
  }
  return reversed;
}

function map<T, U>(list: List<T> | null, f: (item: T) => U): List<U> | null {
  return list ? new List<U>(f(list.head), map<T, U>(list.tail, f)) : null;
}

function safe(queen: Queen, placed: List<Queen> | null): bool {
  while (placed) {
    if (queen.attacks(placed.head)) return false;
    placed = placed.tail;
  }
  return true;
}

/** Every way to put queens on the rows from `row` on; each is a list of queens. */
function solutions(row: i32, size: i32, placed: List<Queen> | null): List<List<Queen>> | null {
  if (row == size) return new List<List<Queen>>(placed!, null);
  let found: List<List<Queen>> | null = null;
  for (let column = 0; column < size; column++) {
    const queen = new Queen(row, column);
    if (safe(queen, placed)) {
      found = append<List<Queen>>(found, solutions(row + 1, size, new List<Queen>(queen, placed)));
    }
  }
  return found;
}

export function main(n: i32): i32 {
  const all = solutions(0, n, null);
  const count = length<List<Queen>>(all);
  print(count.toString() + " solutions on a board of " + n.toString());
  const texts = map<List<Queen>, string>(all, (solution) => {
    let text = "";
    let columns = map<Queen, string>(reverse<Queen>(solution), (queen) => queen.column.toString(16));
    while (columns) {
      text += columns.head;
      columns = columns.tail;
    }
    return text;
  });
  const last = reverse<string>(texts);
  if (texts && last) print("the first is " + texts.head + ", the last " + last.head);
  return count;
}
