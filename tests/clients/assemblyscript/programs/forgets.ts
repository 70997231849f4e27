// What has left a container is dead, and a number keeps nothing alive: the host is notified of every handle.

import { Handle } from "./lib/handle";
import { print } from "./lib/host";

// A constant may be exported: nobody else can set it.
export const values = new Map<i32, Handle>();
const keys = new Map<Handle, i32>();
const both = new Map<Handle, Handle>();
const set = new Set<Handle>();
const stacks: Handle[][] = [];
const nullable: (Handle | null)[] = [];

function report(what: string): void {
  __collect();
  print(what + ": " + Handle.alive.toString());
}

function list(n: i32): Handle[] {
  const handles: Handle[] = [];
  for (let i = 0; i < n; i++) handles.push(new Handle(i));
  stacks.push(handles);
  return handles;
}

function popped(n: i32): void {
  const handles = list(n);
  for (let i = 0; i < n; i++) handles.pop();
}

function shifted(n: i32): void {
  const handles = list(n);
  while (handles.length > 0) handles.shift();
}

/** Three are left of each list. */
function spliced(n: i32): void {
  const handles = list(n);
  handles.splice(2, n - 3);
  assert(handles[2].value == n - 1);
}

function shortened(n: i32): void {
  const handles = list(n);
  handles.length = 1;
  handles.length = n;
}

function unshifted(n: i32): void {
  for (let i = 0; i < n; i++) nullable.unshift(new Handle(i));
  nullable.fill(null);
}

function mapped(n: i32): void {
  for (let i = 0; i < n; i++) values.set(i, new Handle(i));
  for (let i = 0; i < n; i++) assert(values.delete(i));
  assert(values.size == 0 && !values.has(0));
}

function keyed(n: i32): void {
  const handles: Handle[] = [];
  for (let i = 0; i < n; i++) {
    const handle = new Handle(i);
    handles.push(handle);
    keys.set(handle, i);
    both.set(handle, new Handle(i));
    set.add(handle);
  }
  for (let i = 0; i < n; i++) {
    assert(keys.delete(handles[i]) && both.delete(handles[i]) && set.delete(handles[i]));
  }
  assert(set.size == 0 && both.size == 0);
}

/** One in eight is deleted and another one added: no table is made smaller. */
function replaced(n: i32): void {
  for (let i = 0; i < n; i++) values.set(i, new Handle(i));
  for (let i = 0; i < n; i += 8) values.delete(i);
  __collect();
  print("of " + n.toString() + " every eighth deleted: " + Handle.alive.toString());
  for (let i = 0; i < n; i += 8) values.set(i, new Handle(-i));
  let sum: i64 = 0;
  for (let i = 0; i < n; i++) sum += values.get(i).value;
  print("sum " + sum.toString());
  values.clear();
}

const words: usize[] = [];
let raw = new Uint32Array(0);
const byNumber = new Map<u32, u32>();
const numbers = new Set<u32>();
let bytes = new ArrayBuffer(0);

/** Addresses as numbers, which a collector that looked at them would take for references. */
function numbered(n: i32): void {
  raw = new Uint32Array(n);
  bytes = new ArrayBuffer(4 * n);
  for (let i = 0; i < n; i++) {
    const address = <u32>changetype<usize>(new Handle(i));
    words.push(address);
    raw[i] = address;
    byNumber.set(i, address);
    byNumber.set(address, i);
    numbers.add(address);
    store<u32>(changetype<usize>(bytes) + 4 * i, address);
  }
  raw = raw.slice();
}

/** In unmanaged memory too. */
let block: usize = 0;

function unmanaged(n: i32): void {
  if (!block) block = heap.alloc(4);
  block = heap.realloc(block, 4 * n);
  for (let i = 0; i < n; i++) store<usize>(block + 4 * i, changetype<usize>(new Handle(i)));
}

/** While it is sorted, an element may be in no place but the buffer of the sort. */
function sorted(n: i32): void {
  const handles = list(n);
  handles.sort((a, b) => {
    new Array<i32>(8);
    return <i32>(b.value - a.value);
  });
  for (let i = 0; i < n; i++) assert(handles[i].value == n - 1 - i);
  handles.length = 0;
}

export function main(n: i32): i32 {
  popped(n);
  report("popped");
  shifted(n);
  report("shifted");
  spliced(n);
  report("spliced");
  stacks[stacks.length - 1].length = 0;
  shortened(n);
  stacks[stacks.length - 1][0].dispose();
  report("shortened");
  unshifted(n);
  report("filled");
  mapped(n);
  report("deleted");
  keyed(n);
  report("keys deleted");
  replaced(n);
  report("cleared");
  numbered(n);
  report("numbers");
  unmanaged(n);
  report("unmanaged");
  sorted(n);
  report("sorted");
  stacks.length = 0;
  return Handle.alive;
}
