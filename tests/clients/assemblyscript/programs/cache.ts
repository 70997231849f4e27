// A cache that forgets what was used longest ago: a large heap that changes all the time.

import { Random, print } from "./lib/host";

class Entry {
  newer: Entry | null = null;
  older: Entry | null = null;
  constructor(public key: string, public bytes: Uint8Array) {}
}

class Cache {
  private entries: Map<string, Entry> = new Map();
  private newest: Entry | null = null;
  private oldest: Entry | null = null;
  hits: i32 = 0;
  misses: i32 = 0;

  constructor(private capacity: i32) {}

  get size(): i32 {
    return this.entries.size;
  }

  get(key: string): Uint8Array {
    if (this.entries.has(key)) {
      const entry = this.entries.get(key);
      this.hits++;
      this.unlink(entry);
      this.link(entry);
      return entry.bytes;
    }
    this.misses++;
    const entry = new Entry(key, load_(key));
    this.entries.set(key, entry);
    this.link(entry);
    if (this.entries.size > this.capacity) {
      const oldest = this.oldest!;
      this.unlink(oldest);
      this.entries.delete(oldest.key);
    }
    return entry.bytes;
  }

  private link(entry: Entry): void {
    const newest = this.newest;
    entry.older = newest;
    entry.newer = null;
    if (newest) newest.newer = entry;
    else this.oldest = entry;
    this.newest = entry;
  }

  private unlink(entry: Entry): void {
    const newer = entry.newer, older = entry.older;
    if (newer) newer.older = older;
    else this.newest = older;
    if (older) older.newer = newer;
    else this.oldest = newer;
  }
}

/** The contents of a file, as it were. */
function load_(key: string): Uint8Array {
  const bytes = new Uint8Array(16 + key.charCodeAt(key.length - 1) % 7 * 16);
  for (let i = 0; i < bytes.length; i++) bytes[i] = <u8>(key.charCodeAt(i % key.length) + i);
  return bytes;
}

/** A cache that every call of `main` finds as the last one left it. */
let cache: Cache | null = null;

export function main(n: i32): i32 {
  if (!cache) cache = new Cache(n / 4);
  const random = new Random(5);
  let sum: u32 = 0;
  for (let i = 0; i < 8 * n; i++) {
    // small numbers are asked for more often
    const key = "file-" + (random.below(n) * random.below(n) / n).toString();
    const bytes = cache!.get(key);
    sum = sum * 31 + bytes[i % bytes.length];
  }
  const current = cache!;
  print(current.hits.toString() + " hits, " + current.misses.toString() + " misses, " + current.size.toString() + " entries");
  print("sum " + sum.toString());
  return current.misses;
}
