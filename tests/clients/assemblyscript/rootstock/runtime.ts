// AssemblyScript's runtime interface over Rootstock's ABI, for `asc --runtime`.
//
// ╒═══════════════ A managed object ═══════════════╕
//   base                                    what alloc returned
//   base + 0    flags   u32                  ATOMIC in an ArrayBuffer that is not scanned
//   base + 4                                 not used: the pointer is a multiple of 16
//   base + 8    rtId    u32                  the class
//   base + 12   rtSize  u32                  the size that was asked for
//   base + 16   ...                          ◄─ the pointer that programs have
//
// Programs hold addresses inside of the object that the collector knows, so option INTERIOR is set. An object of no
// bytes has one all the same: its pointer must lie in it.
//
// Roots are no business of this file. The adapter puts them where the collector looks: the frames of the compiler's
// shadow stack on Rootstock's, and copies of managed globals among the static data.
//
// Nothing is exported: the compiler exports of an entry file whatever it exports, and a program exports what it, or its
// bindings, use of the runtime. Unmanaged memory (`heap.alloc`) is AssemblyScript's own, as overlay.mjs changes it.

import { OBJECT_MAXSIZE } from "rt/common";
import "rt/tlsf";
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
@inline const HEADER: usize = 16;
// @ts-ignore: decorator
@inline const ATOMIC: u32 = 1;

// The flags of a class; 0 for a number that is not one of the program's, which a host may give to bytes of its own.
// @ts-ignore: decorator
@inline function flagsOf(id: u32): u32 {
  return id < load<u32>(__rtti_base) ? load<u32>(__rtti_base + (<usize>id << 2), 4) : 0;
}

// Whether objects of a class never hold pointers. An ArrayBuffer may: arrays of objects and maps keep theirs in one.
// @ts-ignore: decorator
@inline function isPointerfree(id: u32): bool {
  return id == idof<string>() || (id != idof<ArrayBuffer>() && (flagsOf(id) & TypeinfoFlags.POINTERFREE) != 0);
}

// @ts-ignore: decorator
@inline function setHeader(base: usize, id: u32, size: usize): usize {
  store<u32>(base, id, 8);
  store<u32>(base, <u32>size, 12);
  return base + HEADER;
}

// @ts-ignore: decorator
@global @unsafe
function __new(size: usize, id: u32): usize {
  if (size > OBJECT_MAXSIZE) throw new Error(E_ALLOCATION_TOO_LARGE);
  let bytes = HEADER + max<usize>(size, 1);
  if (!isPointerfree(id)) return setHeader(alloc(bytes), id, size);
  let ptr = setHeader(allocAtomic(bytes), id, size);
  memory.fill(ptr, 0, size);
  return ptr;
}

// An ArrayBuffer that is not scanned. The adapter makes it one that is in a program with visitors of its own.
// @ts-ignore: decorator
@global @unsafe
function __rootstock_atomic_buffer(size: usize): usize {
  if (size > OBJECT_MAXSIZE) throw new Error(E_ALLOCATION_TOO_LARGE);
  let base = allocAtomic(HEADER + max<usize>(size, 1));
  store<u32>(base, ATOMIC);
  let ptr = setHeader(base, idof<ArrayBuffer>(), size);
  memory.fill(ptr, 0, size);
  return ptr;
}

// The buffer of an array of a class.
// @ts-ignore: decorator
@global @unsafe
function __rootstock_array_buffer(size: usize, id: u32, data: usize): usize {
  let ptr = flagsOf(id) & TypeinfoFlags.VALUE_MANAGED
    ? __new(size, idof<ArrayBuffer>())
    : __rootstock_atomic_buffer(size);
  if (data) memory.copy(ptr, data, size);
  return ptr;
}

// Puts an object that does not fit where it is into a new one. A local of a managed type is a root: not each caller
// keeps the old object until it has the new one.
function move(oldPtr: usize, size: usize, isAtomicBuffer: bool): usize {
  let old = changetype<ArrayBuffer>(oldPtr);
  let newPtr = isAtomicBuffer ? __rootstock_atomic_buffer(size) : __new(size, load<u32>(oldPtr - 8));
  memory.copy(newPtr, changetype<usize>(old), min<usize>(size, load<u32>(oldPtr - 4)));
  return newPtr;
}

// Gives an object another size if it fits where it is.
// @ts-ignore: decorator
@inline function resize(ptr: usize, size: usize): bool {
  let oldSize = <usize>load<u32>(ptr - 4);
  if (HEADER + size > gcSize(ptr)) return false;
  if (size > oldSize) memory.fill(ptr + oldSize, 0, size - oldSize);
  store<u32>(ptr - 4, <u32>size);
  return true;
}

// @ts-ignore: decorator
@global @unsafe
function __renew(ptr: usize, size: usize): usize {
  if (resize(ptr, size)) return ptr;
  // static data have other words where the flags are
  let isAtomicBuffer = load<u32>(ptr - 8) == idof<ArrayBuffer>() && gcBase(ptr) != 0 && (load<u32>(ptr - HEADER) & ATOMIC) != 0;
  return move(ptr, size, isAtomicBuffer);
}

// The buffer of an array that grows.
// @ts-ignore: decorator
@global @unsafe
function __rootstock_renew_buffer(array: usize, ptr: usize, size: usize): usize {
  if (resize(ptr, size)) return ptr;
  return move(ptr, size, (flagsOf(load<u32>(array - 8)) & TypeinfoFlags.VALUE_MANAGED) == 0);
}

// No write barrier.
// @ts-ignore: decorator
@global @unsafe @inline
function __link(parentPtr: usize, childPtr: usize, expectMultiple: bool): void {}

// @ts-ignore: decorator
@global @unsafe
function __pin(ptr: usize): usize {
  let base = gcBase(ptr); // 0 for static data
  if (base) gcPin(base);
  return ptr;
}

// @ts-ignore: decorator
@global @unsafe
function __unpin(ptr: usize): void {
  let base = gcBase(ptr);
  if (base) gcUnpin(base);
}

// @ts-ignore: decorator
@global @unsafe
function __collect(): void {
  gcCollect();
}

// The compiler makes visitors for a collector that follows types; nothing is visited here.
// @ts-ignore: decorator
@global @unsafe
function __visit(ptr: usize, cookie: u32): void {}

// Memory that lives until it is unpinned: what the library needs beside objects.

// @ts-ignore: decorator
@global @unsafe
function __rootstock_pinned(size: usize, scanned: bool): usize {
  let base = scanned ? alloc(size) : allocAtomic(size);
  gcPin(base);
  return base;
}

// @ts-ignore: decorator
@global @unsafe
function __rootstock_unpinned(base: usize): void {
  gcUnpin(base);
}

if (isDefined(__finalize)) {
  ERROR("On Rootstock '__finalize' is never called: the object is gone when the host is notified. Register a wrapper.");
}

// For the adapter, which takes the names of the managed globals from it, and this call out of the module.
__visit_globals(0);
