// What the host gives to programs, and what programs owe to it.

// @ts-ignore: decorator
@external("host", "print_str") declare function printBytes(ptr: usize, length: i32): void;

/** Prints a line. */
export function print(line: string): void {
  const bytes = String.UTF8.encode(line + "\n");
  printBytes(changetype<usize>(bytes), bytes.byteLength);
}

/** For `asc --use abort=`: says what failed, and traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message ? message : "failed";
  const where = file ? file : "?";
  print("abort: " + what + " at " + where + ":" + line.toString() + ":" + column.toString());
  unreachable();
}

/** Numbers that look random, the same each time. */
export class Random {
  constructor(private state: u32) {}

  /** The next one below `limit`. */
  below(limit: i32): i32 {
    this.state = this.state * 1664525 + 1013904223;
    return <i32>(<u64>(this.state >> 4) * <u64>limit >> 28);
  }
}

/** FNV-1a over the characters of a text. */
export function digest(text: string, seed: u32 = 0x811c9dc5): u32 {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    hash = (hash ^ <u32>text.charCodeAt(i)) * 0x01000193;
  }
  return hash;
}
