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
  print("pinned " + pinned().toString());
  print("empty " + empty(n).toString());
  return n;
}
