// AssemblyScript's runtime interface over Rootstock's ABI, for `asc --runtime`.
//
// ╒═══════════════ A managed object ═══════════════╕
//   base                                    what alloc returned
//   base + 0    rtId    u32                  the class
//   base + 4    rtSize  u32                  the size that was asked for
//   base + 8    ...                          ◄─ the pointer that programs have
//
// Programs hold addresses inside of the object that the collector knows, so option INTERIOR is set. An object of no
// bytes has one all the same: its pointer must lie in it.
//
// Roots are no business of this file. The adapter puts them where the collector looks: the frames of the compiler's
// shadow stack on Rootstock's, and copies of managed globals among the static data.

import { OBJECT_MAXSIZE } from "rt/common";
import { TypeinfoFlags } from "shared/typeinfo";
import { E_ALLOCATION_TOO_LARGE } from "util/error";

// @ts-ignore: decorator
@external("runtime", "alloc") declare function alloc(size: usize): usize;
// @ts-ignore: decorator
@external("runtime", "alloc_atomic") declare function allocAtomic(size: usize): usize;
// @ts-ignore: decorator
@external("runtime", "gc_base") declare function gcBase(ptr: usize): usize;
// @ts-ignore: decorator
@external("runtime", "gc_size") declare function gcSize(ptr: usize): usize;
// @ts-ignore: decorator
@external("runtime", "gc_pin") declare function gcPin(base: usize): void;
// @ts-ignore: decorator
@external("runtime", "gc_unpin") declare function gcUnpin(base: usize): void;
// @ts-ignore: decorator
@external("runtime", "gc_collect") declare function gcCollect(): void;

// @ts-ignore: decorator
@inline const HEADER: usize = 8;

// Whether objects of a class never hold pointers. An ArrayBuffer may: arrays of objects and maps keep theirs in one.
// @ts-ignore: decorator
@inline function isPointerfree(id: u32): bool {
  return id == idof<string>() || (id != idof<ArrayBuffer>() && (__typeinfo(id) & TypeinfoFlags.POINTERFREE) != 0);
}

// @ts-ignore: decorator
@global @unsafe
export function __new(size: usize, id: u32): usize {
  if (size > OBJECT_MAXSIZE) throw new Error(E_ALLOCATION_TOO_LARGE);
  let bytes = HEADER + max<usize>(size, 1);
  let base: usize;
  if (isPointerfree(id)) {
    base = allocAtomic(bytes);
    memory.fill(base + HEADER, 0, size);
  } else {
    base = alloc(bytes);
  }
  store<u32>(base, id);
  store<u32>(base, <u32>size, 4);
  return base + HEADER;
}

// @ts-ignore: decorator
@global @unsafe
export function __renew(oldPtr: usize, size: usize): usize {
  let oldSize = <usize>load<u32>(oldPtr - 4);
  if (HEADER + size <= gcSize(oldPtr)) {
    if (size > oldSize) memory.fill(oldPtr + oldSize, 0, size - oldSize);
    store<u32>(oldPtr - 4, <u32>size);
    return oldPtr;
  }
  // Its owner holds the old one until it has the new one.
  let newPtr = __new(size, load<u32>(oldPtr - 8));
  memory.copy(newPtr, oldPtr, min(size, oldSize));
  return newPtr;
}

// No write barrier.
// @ts-ignore: decorator
@global @unsafe @inline
export function __link(parentPtr: usize, childPtr: usize, expectMultiple: bool): void {}

// @ts-ignore: decorator
@global @unsafe
export function __pin(ptr: usize): usize {
  let base = gcBase(ptr); // 0 for static data
  if (base) gcPin(base);
  return ptr;
}

// @ts-ignore: decorator
@global @unsafe
export function __unpin(ptr: usize): void {
  let base = gcBase(ptr);
  if (base) gcUnpin(base);
}

// @ts-ignore: decorator
@global @unsafe
export function __collect(): void {
  gcCollect();
}

// The compiler makes visitors for a collector that follows types; nothing is visited here.
// @ts-ignore: decorator
@global @unsafe
export function __visit(ptr: usize, cookie: u32): void {}

// Unmanaged memory: objects that are pinned until they are freed.

// @ts-ignore: decorator
@global @unsafe
export function __alloc(size: usize): usize {
  let base = alloc(size);
  gcPin(base);
  return base;
}

// @ts-ignore: decorator
@global @unsafe
export function __realloc(ptr: usize, size: usize): usize {
  let capacity = gcSize(ptr);
  if (size <= capacity) return ptr;
  let base = __alloc(size);
  memory.copy(base, ptr, capacity);
  gcUnpin(ptr);
  return base;
}

// @ts-ignore: decorator
@global @unsafe
export function __free(ptr: usize): void {
  gcUnpin(ptr);
}

// For the adapter, which takes the names of the managed globals from it, and the function out of the module.
export function __rootstock_globals(): void {
  __visit_globals(0);
}
