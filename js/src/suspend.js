/**
 * Programs that wait for JavaScript's promises (JSPI), with several activations that wait at once.
 *
 * Activations that suspend and are resumed in any order cannot share a shadow stack: the one that is resumed would pop
 * what another has pushed. So each has a stack of its own, and it is the current one only while the activation runs:
 *
 *   program.callAsync   makes a stack, switches to it, and calls the export
 *   a suspending import leaves it for stack 0, waits, and switches back to it
 *   the export's end    leaves it for stack 0; it is freed when the promise has settled
 *
 * Both switches must happen with nothing in between, in the very job that resumes the program: other jobs may run between
 * the settling of a promise and that. So they are instructions of wasm, in a small module around each function.
 */

import { RootstockError } from './errors.js';
import { TYPE_BYTES } from './outline.js';

/** Whether this engine has JSPI. */
export const canSuspend = () => WebAssembly.Suspending !== undefined && WebAssembly.promising !== undefined;

/** Whether an import may suspend the program that calls it. */
export const isSuspending = (value) => canSuspend() && value instanceof WebAssembly.Suspending;

const END = 0x0b;
const DROP = 0x1a;
const call = (index) => [0x10, index];
const localGet = (index) => [0x20, ...unsigned(index)];
const localSet = (index) => [0x21, ...unsigned(index)];
const i32Const = (value) => [0x41, value];

// What is imported, in this order: the function, and `gc_stack_switch`.
const FUNCTION = 0;
const SWITCH = 1;
// Types: the function's, its results alone, `gc_stack_switch`'s.
const OWN_TYPE = 0;
const RESULTS_TYPE = 1;
const SWITCH_TYPE = 2;

/** An import of a program, with the program's shadow stack put aside while it waits. */
export function suspendingImport(suspending, type, stackSwitch) {
    const own = type.params.length;
    const resume = [...localGet(own), ...call(SWITCH), DROP];
    const code = [
        ...[...i32Const(0), ...call(SWITCH), ...localSet(own)],
        // A promise that is rejected becomes an exception, which the program may catch.
        ...[0x06, RESULTS_TYPE, ...callFunction(type), 0x19, ...resume, 0x09, 0, END],
        ...resume,
    ];
    return wrap(suspending, type, stackSwitch, code);
}

/** An export of a program as a function that returns a promise; it leaves the shadow stack that it was called on. */
export function promisingExport(exported, type, stackSwitch) {
    const code = [...callFunction(type), ...i32Const(0), ...call(SWITCH), DROP];
    return WebAssembly.promising(wrap(exported, type, stackSwitch, code));
}

const callFunction = ({ params }) => [...params.flatMap((_, at) => localGet(at)), ...call(FUNCTION)];

/** A function of the same type, whose code may call the function, `gc_stack_switch`, and use one more local. */
function wrap(f, type, stackSwitch, code) {
    const bytes = encode(type, code);
    const module = new WebAssembly.Module(bytes);
    return new WebAssembly.Instance(module, { '': { f, s: stackSwitch } }).exports.f;
}

function encode({ params, results }, code) {
    const functionType = (takes, gives) => [0x60, ...list(takes.map(typeByte)), ...list(gives.map(typeByte))];
    const imported = (name, type) => [0, 1, name.charCodeAt(0), 0, type];
    const body = [1, 1, ...typeByte('i32'), ...code, END];
    return new Uint8Array([
        ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
        ...section(1, [functionType(params, results), functionType([], results), functionType(['i32'], ['i32'])]),
        ...section(2, [imported('f', OWN_TYPE), imported('s', SWITCH_TYPE)]),
        ...section(3, [[OWN_TYPE]]),
        ...section(7, [[1, 'f'.charCodeAt(0), 0, 2]]),
        ...section(10, [[...unsigned(body.length), ...body]]),
    ]);
}

function section(id, items) {
    const contents = list(items);
    return [id, ...unsigned(contents.length), ...contents];
}

const list = (items) => [...unsigned(items.length), ...items.flat()];

function typeByte(name) {
    return [TYPE_BYTES.get(name)];
}

function unsigned(value) {
    const bytes = [];
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) {
        bytes.push((rest & 0x7f) | 0x80);
    }
    return [...bytes, rest];
}

/** The error where an engine or a module does not allow to wait. */
export function cannotSuspend(name, cause) {
    return new RootstockError('CANNOT_SUSPEND', `${name}: ${cause}`);
}
