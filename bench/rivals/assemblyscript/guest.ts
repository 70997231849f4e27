// The workloads as a user of AssemblyScript writes them, compiled once with each of its two collectors. The incremental
// one does its work while the program allocates. The minimal one collects when it is told to, at a moment when
// nothing that is needed is held by locals alone: that is what `made` is for.

const MINIMAL = ASC_RUNTIME == 1; // 0 never frees, 2 is the incremental collector
let since: u32 = 0;
let budget: u32 = 0;

/** Starts a workload that keeps `live` objects. */
function start(live: u32): void {
  since = 0;
  budget = live > 16384 ? live : 16384;
}

/** `count` objects were made; with the minimal collector, collects when there are as many as were live. */
// @ts-ignore: decorator
@inline
function made(count: u32): void {
  if (MINIMAL) {
    since += count;
    if (since >= budget) {
      __collect();
      since = 0;
    }
  }
}

let x: u32 = 0;

// @ts-ignore: decorator
@inline
function random(): u32 {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x;
}

// @ts-ignore: decorator
@inline
function randomSize(): u32 {
  return 8 + (((random() >>> 16) * 505) >>> 16);
}

@final class Dead16 { a: u64; b: u64; }
@final class Dead64 { a: u64; b: u64; c: u64; d: u64; e: u64; f: u64; g: u64; h: u64; }

export function run_dead16(n: u32, _: u32): i64 {
  start(0);
  let sum: i64 = 0;
  do {
    const p = new Dead16();
    p.a = n;
    sum += p.a;
    made(1);
  } while (--n);
  return sum;
}

export function run_dead64(n: u32, _: u32): i64 {
  start(0);
  let sum: i64 = 0;
  do {
    const p = new Dead64();
    p.a = n;
    sum += p.a;
    made(1);
  } while (--n);
  return sum;
}

export function run_mixed(n: u32, _: u32): i64 {
  start(0);
  x = 2463534242;
  let sum: i64 = 0;
  do {
    const size = randomSize();
    const p = new StaticArray<u32>((size + 3) >>> 2);
    unchecked((p[0] = size + n));
    sum += unchecked(p[0]);
    made(1);
  } while (--n);
  return sum;
}

@final class Tree {
  constructor(public left: Tree | null, public right: Tree | null) {}
}

@final class Tree16 {
  rest: u64;
  constructor(public left: Tree16 | null, public right: Tree16 | null) {}
}

let long: Tree | null = null;
let long16: Tree16 | null = null;

function make(depth: u32): Tree {
  if (!depth) return new Tree(null, null);
  return new Tree(make(depth - 1), make(depth - 1));
}

function count(node: Tree): u32 {
  const left = node.left;
  if (!left) return 1;
  return 1 + count(left) + count(node.right!);
}

function make16(depth: u32): Tree16 {
  if (!depth) return new Tree16(null, null);
  return new Tree16(make16(depth - 1), make16(depth - 1));
}

function count16(node: Tree16): u32 {
  const left = node.left;
  if (!left) return 1;
  return 1 + count16(left) + count16(node.right!);
}

export function run_trees(n: u32, _: u32): i64 {
  start(1 << (n + 1));
  let sum: i64 = count(make(n + 1));
  made(1 << (n + 2));
  long = make(n);
  for (let depth: u32 = 4; depth <= n; depth += 2) {
    for (let times: u32 = 1 << (n - depth + 4); times; times--) {
      sum += count(make(depth));
      made(1 << (depth + 1));
    }
  }
  sum += count(long!);
  long = null;
  return sum;
}

export function run_trees16(n: u32, _: u32): i64 {
  start(1 << (n + 1));
  let sum: i64 = count16(make16(n + 1));
  made(1 << (n + 2));
  long16 = make16(n);
  for (let depth: u32 = 4; depth <= n; depth += 2) {
    for (let times: u32 = 1 << (n - depth + 4); times; times--) {
      sum += count16(make16(depth));
      made(1 << (depth + 1));
    }
  }
  sum += count16(long16!);
  long16 = null;
  return sum;
}

@final class Cell {
  rest: u64;
  constructor(public next: Cell | null, public value: u32) {}
}

let list: Cell | null = null;

function live(n: u32, count: u32): i64 {
  start(count);
  let sum: i64 = 0;
  for (let i: u32 = 0; i < count; i++) list = new Cell(list, i);
  do {
    const p = new Cell(null, 0);
    p.value = n;
    sum += p.value;
    made(1);
  } while (--n);
  let p = list;
  while (p) {
    sum += p.value;
    p = p.next;
  }
  list = null;
  return sum;
}

export function run_live100k(n: u32, count: u32): i64 { return live(n, count); }
export function run_live1m(n: u32, count: u32): i64 { return live(n, count); }
export function run_live4m(n: u32, count: u32): i64 { return live(n, count); }

let table: StaticArray<StaticArray<u32> | null> | null = null;

export function run_slots(n: u32, slots: u32): i64 {
  start(slots);
  x = 2463534242;
  table = new StaticArray<StaticArray<u32> | null>(slots);
  for (let i: u32 = 0; i < n + slots; i++) {
    const size = randomSize();
    const p = new StaticArray<u32>((size + 3) >>> 2);
    unchecked((p[0] = size));
    unchecked((p[1] = i));
    unchecked((table![i < slots ? i : random() % slots] = p));
    made(1);
  }
  let sum: i64 = 0;
  for (let i: u32 = 0; i < slots; i++) {
    const p = unchecked(table![i])!;
    sum += <i64>unchecked(p[0]) + ((<i64>unchecked(p[1])) << 32);
  }
  table = null;
  return sum;
}

function collections(times: u32): i64 {
  do __collect(); while (--times);
  return 0;
}

export function setup_list(n: u32): void {
  do list = new Cell(list, n); while (--n);
  __collect();
}

export function run_list(times: u32, _: u32): i64 { return collections(times); }

export function check_list(): i64 {
  let sum: i64 = 0;
  let p = list;
  while (p) {
    sum += p.value;
    p = p.next;
  }
  return sum;
}

export function setup_alldead(n: u32): void {
  setup_list(n);
  list = null;
}

export function run_alldead(times: u32, _: u32): i64 { return collections(times); }

@final class Node {
  left: Node | null = null;
  right: Node | null = null;
  value: u64 = 0;
}

let root: Node | null = null;

function fill(node: Node, i: u32, n: u32): void {
  node.value = i;
  i <<= 1;
  if (i > n) return;
  const left = new Node();
  node.left = left;
  fill(left, i, n);
  if (++i > n) return;
  const right = new Node();
  node.right = right;
  fill(right, i, n);
}

function total(node: Node | null): i64 {
  return node ? node.value + total(node.left) + total(node.right) : 0;
}

export function setup_treedown(n: u32): void {
  root = new Node();
  fill(root!, 1, n);
  __collect();
}

export function run_treedown(times: u32, _: u32): i64 { return collections(times); }
export function check_treedown(): i64 { return total(root); }

function grow(i: u32, n: u32): Node | null {
  if (i > n) return null;
  const left = grow(i << 1, n);
  const right = grow((i << 1) + 1, n);
  const node = new Node();
  node.left = left;
  node.right = right;
  node.value = i;
  return node;
}

export function setup_tree(n: u32): void {
  root = grow(1, n);
  __collect();
}

export function run_tree(times: u32, _: u32): i64 { return collections(times); }
export function check_tree(): i64 { return total(root); }

@final class Vertex {
  a: Vertex | null = null;
  b: Vertex | null = null;
  c: Vertex | null = null;
  d: Vertex | null = null;
  value: u64 = 0;
  rest: u64 = 0;
}

let vertices: StaticArray<Vertex | null> | null = null;
let first: Vertex | null = null;
let order: u32 = 0;

function at(i: u32): Vertex {
  return unchecked(vertices![i & (order - 1)])!;
}

export function setup_graph(n: u32): void {
  order = n;
  x = 2463534242;
  vertices = new StaticArray<Vertex | null>(n);
  for (let i: u32 = 0; i < n; i++) {
    const vertex = new Vertex();
    vertex.value = i;
    unchecked((vertices![i] = vertex));
  }
  for (let i: u32 = 0; i < n; i++) {
    const vertex = at(i);
    vertex.a = at(i * 1664525 + 1013904223);
    vertex.b = at(random());
    vertex.c = at(random());
    vertex.d = at(random());
  }
  first = at(0);
  vertices = null;
  __collect();
}

export function run_graph(times: u32, _: u32): i64 { return collections(times); }

export function check_graph(): i64 {
  let sum: i64 = 0;
  let p = first!;
  for (let i: u32 = 0; i < order; i++) {
    sum += p.value;
    p = p.a!;
  }
  return sum;
}

export function run_idle(_: u32, __: u32): i64 {
  const p = new Dead16();
  p.a = 1;
  return p.a;
}
