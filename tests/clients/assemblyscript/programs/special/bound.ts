// What bindings carry across: text, numbers, arrays, records, objects, and calls of the host.

import { Handle } from "../lib/handle";

/** A record: it is copied. */
class Point {
  x: i32 = 0;
  y: f64 = 0;
  name: string = "";
  tags: string[] = [];
}

/** No record: the host holds a reference. */
class Counter {
  private names: string[];

  constructor(first: string) {
    this.names = [first];
  }

  add(name: string): string {
    this.names.push(name);
    return this.names.join(",");
  }
}

// @ts-ignore: decorator
@external("env", "upper") declare function upper(text: string, numbers: i32[]): string;

export let calls: i32 = 0;
export const greeting: string = "hello";

export function greet(name: string): string {
  calls++;
  return greeting + " " + upper(name, [1, 2, name.length]);
}

export function join(lists: string[][], separator: string | null): string[] {
  const by: string = separator === null ? "/" : separator;
  const joined: string[] = [];
  for (let i = 0; i < lists.length; i++) joined.push(lists[i].join(by));
  return joined;
}

export function scaled(values: Float64Array, by: f64): Float64Array {
  const result = values.slice();
  for (let i = 0; i < result.length; i++) result[i] *= by;
  return result;
}

export function bytes(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

export function moved(point: Point, by: i32): Point {
  const result = new Point();
  result.x = point.x + by;
  result.y = point.y * 2;
  result.name = point.name + "'";
  result.tags = point.tags.concat(["moved"]);
  return result;
}

export function total(values: StaticArray<i64>): i64 {
  let total: i64 = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

export function counter(first: string): Counter {
  return new Counter(first);
}

export function count(counter: Counter, name: string): string {
  return counter.add(name);
}

/** How many of `n` handles are alive when nothing holds them. */
export function handles(n: i32): i32 {
  for (let i = 0; i < n; i++) new Handle(i);
  __collect();
  return Handle.alive;
}

export function fail(why: string): void {
  throw new Error(why);
}
