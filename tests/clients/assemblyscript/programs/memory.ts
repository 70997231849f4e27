// What else asks for memory: objects of every size, arrays that grow, views, unmanaged blocks, pins, empty objects.

import { Random, print } from "./lib/host";

class Empty {}

@unmanaged class Block {
  next: Block | null;
  value: i32;
}

const words: StaticArray<string> = ["static", "data", "may", "hold", "objects"];
const table: string[] = ["one", "two"];

function sizes(n: i32): i32 {
  const buffers: ArrayBuffer[] = [];
  for (let size = 0; size < n; size++) {
    const buffer = new ArrayBuffer(size * size % 5000);
    const view = Uint8Array.wrap(buffer);
    for (let i = 0; i < view.length; i++) assert(view[i] == 0);
    view.fill(255);
    buffers.push(buffer);
  }
  let total = 0;
  for (let i = 0; i < buffers.length; i++) {
    assert(buffers[i].byteLength == i * i % 5000);
    const view = Uint8Array.wrap(buffers[i]);
    for (let j = 0; j < view.length; j++) assert(view[j] == 255);
    total += view.length;
  }
  return total;
}

function growing(n: i32): i32 {
  const lists: i32[][] = [];
  for (let i = 0; i < 10; i++) lists.push([]);
  for (let i = 0; i < n; i++) lists[i % 10].push(i);
  let sum = 0;
  for (let i = 0; i < 10; i++) {
    lists[i].length = lists[i].length / 2;
    lists[i].push(1);
    sum += lists[i].reduce<i32>((sum, x) => sum + x, 0);
  }
  return sum;
}

function views(n: i32): i32 {
  // nothing but a view into its middle keeps the buffer
  let view = new Uint32Array(n);
  for (let i = 0; i < n; i++) view[i] = i;
  view = view.subarray(n / 2, n / 2 + 5);
  for (let i = 0; i < 50; i++) new Uint32Array(n).fill(99);
  return <i32>(view[0] + view[4]);
}

function statics(random: Random): string {
  for (let i = 0; i < words.length; i++) words[i] = words[i] + random.below(1000).toString();
  table.push("three" + random.below(10).toString());
  for (let i = 0; i < 50; i++) random.below(9).toString().repeat(5);
  return words.join(" ") + ", " + table.join(" ");
}

function unmanaged(n: i32): i32 {
  let list: Block | null = null;
  for (let i = 0; i < n; i++) {
    const block = changetype<Block>(heap.alloc(offsetof<Block>()));
    block.next = list;
    block.value = i;
    list = block;
    new Uint8Array(100);
  }
  let sum = 0;
  while (list) {
    const block = list;
    sum += block.value;
    list = block.next;
    heap.free(changetype<usize>(block));
  }
  let raw = heap.alloc(8);
  store<u32>(raw, 77);
  for (let size = 16; size < 20000; size *= 3) raw = heap.realloc(raw, size);
  sum += load<u32>(raw);
  heap.free(raw);
  return sum;
}

/** Static data and nothing at all may be given back, and a copy of static data may grow. */
function notOnTheHeap(): i32 {
  const text = "static";
  heap.free(changetype<usize>(text));
  heap.free(0);
  const copy = heap.realloc(changetype<usize>(text), 64);
  const first = load<u16>(copy);
  store<u16>(copy, 1);
  heap.free(copy);
  return first + text.charCodeAt(0);
}

/** Large blocks that come, grow, shrink and go take no more than one of them. */
function large(n: i32): i32 {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    let raw = heap.alloc(4 << 20);
    store<i32>(raw, i);
    store<i32>(raw + (4 << 20) - 4, i);
    raw = heap.realloc(raw, (4 << 20) + 1 + i);
    sum += load<i32>(raw) + load<i32>(raw + (4 << 20) - 4);
    raw = heap.realloc(raw, 16);
    sum += load<i32>(raw);
    heap.free(raw);
  }
  assert(memory.size() < 512);
  return sum;
}

/** Bytes of a class that the program does not have. */
function unknownClass(): i32 {
  const ptr = __new(16, 7700);
  store<i32>(ptr, 3);
  return load<i32>(ptr) + load<i32>(ptr, 4) + load<i32>(ptr - 4);
}

class Four {
  a: f64 = 1;
  b: f64 = 2;
  c: f64 = 3;
  d: f64 = 4;
}

/** How many objects do not lie on a multiple of 16, as AssemblyScript promises. */
function misaligned(n: i32): i32 {
  let bad = 0;
  for (let i = 0; i < n; i++) {
    if (changetype<usize>(new Four()) & 15) bad++;
    if (changetype<usize>(new Empty()) & 15) bad++;
    if (changetype<usize>(new ArrayBuffer(i % 70)) & 15) bad++;
    if (new Float64Array(i % 9).dataStart & 15) bad++;
    if (changetype<usize>(i.toString()) & 15) bad++;
    const raw = heap.alloc(i % 50);
    if (raw & 15) bad++;
    heap.free(raw);
  }
  return bad;
}

/** A string that grows while nothing but a number holds it. */
function encoded(n: i32): bool {
  const text = "\u00e9".repeat(n);
  const right = "%C3%A9".repeat(n);
  return encodeURIComponent(text) == right && decodeURIComponent(right) == text && encodeURI(text) == right;
}

function pinned(): i32 {
  const ptr = __pin(changetype<usize>("kept by a pin " + (7).toString()));
  for (let i = 0; i < 50; i++) i.toString().repeat(10);
  const length = changetype<string>(ptr).length;
  __unpin(ptr);
  return length;
}

function empty(n: i32): i32 {
  const set = new Set<Empty>();
  for (let i = 0; i < n; i++) set.add(new Empty());
  let tests = 0;
  const all = set.values();
  for (let i = 0; i < all.length; i++) if (all[i] instanceof Empty) tests++;
  return tests + set.size;
}

export function main(n: i32): i32 {
  print("sizes " + sizes(n).toString());
  print("growing " + growing(n).toString());
  print("views " + views(n).toString());
  print("statics " + statics(new Random(3)));
  print("unmanaged " + unmanaged(n).toString());
  print("not on the heap " + notOnTheHeap().toString());
  print("large " + large(n).toString());
  print("unknown class " + unknownClass().toString());
  print("misaligned " + misaligned(n).toString());
  print("encoded " + encoded(n).toString());
  print("pinned " + pinned().toString());
  print("empty " + empty(n).toString());
  return n;
}
