/** The functions of module `host` that `rootstock run` gives to programs, so that the same programs run here. */

import { RootstockError } from './errors.js';

const encoder = new TextEncoder();

/**
 * | import | meaning |
 * | --- | --- |
 * | `handle_new(kind: i32, value: i64) -> i32` | makes a handle |
 * | `handle_value(handle: i32) -> i64` | the value behind a live handle |
 * | `handle_kind(handle: i32) -> i32` | its kind, or -1 for a number that is no live handle |
 * | `handle_count() -> i32` | how many handles are alive |
 * | `print_i32`, `print_i64`, `print_f64` | prints a number and a newline |
 * | `print_str(ptr: i32, len: i32)` | prints bytes of memory as they are, and no newline |
 *
 * @param {import('./runtime.js').Runtime} runtime
 * @param {(bytes: Uint8Array) => void} [print] takes what is printed; without it, printing is an error
 */
export function hostModule(runtime, print = notGiven) {
    const { handles, memory } = runtime;
    const printLine = (value) => print(encoder.encode(`${value}\n`));
    return {
        handle_new: (kind, value) => handles.insert(kind >>> 0, value),
        handle_value: (handle) => handles.value(handle),
        handle_kind: (handle) => handles.get(handle)?.kind ?? -1,
        handle_count: () => handles.liveCount,
        print_i32: printLine,
        print_i64: printLine,
        print_f64: printLine,
        print_str: (pointer, length) => print(memory.read(pointer >>> 0, length >>> 0)),
    };
}

function notGiven() {
    throw new RootstockError('BAD_ARGUMENT', 'the program prints, but hostModule was not given where to');
}
