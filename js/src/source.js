/** Bytes, a Response or a Module become a module that the engine has accepted, with its outline. */

import { RootstockError } from './errors.js';
import { readOutline } from './outline.js';

/** A module with what is known of it: where only a `WebAssembly.Module` was given, that is little. */
class Loaded {
    constructor(name, module, bytes) {
        this.name = name;
        this.module = module;
        this.outline = bytes === undefined ? undefined : readOutline(bytes);
    }
}

const badModule = (name, cause, error) =>
    new RootstockError('BAD_MODULE', `${name}: ${cause}`, error === undefined ? {} : { cause: error });

/** The bytes of a source; `undefined` if it is none that has them at hand. */
function bytesOf(source) {
    if (ArrayBuffer.isView(source)) {
        return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    }
    const isShared = typeof SharedArrayBuffer !== 'undefined' && source instanceof SharedArrayBuffer;
    return source instanceof ArrayBuffer || isShared ? new Uint8Array(source) : undefined;
}

/** Why bytes cannot be a module, in words that say more than the engine's; `undefined` if they may be one. */
function objection(bytes) {
    if (bytes.length === 0) {
        return 'there are no bytes in it';
    }
    const magic = [0x00, 0x61, 0x73, 0x6d];
    if (magic.some((byte, at) => bytes[at] !== byte)) {
        const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
        const text = new TextDecoder().decode(bytes.subarray(0, 200)).trimStart();
        const hint = /^(\(module|;;|\(;)/.test(text) ? '; it looks like wasm text, which must be assembled first' : '';
        return `not a wasm module, which begins with the bytes 00 61 73 6d: it begins with ${start}${hint}`;
    }
    if (bytes[6] === 1) {
        return 'a component, not a core module; compile the program without componentising it';
    }
    return undefined;
}

async function resolve(source, name) {
    const given = await source;
    if (given instanceof WebAssembly.Module) {
        return { given, name };
    }
    if (typeof given?.arrayBuffer === 'function') {
        const called = name ?? (given.url || undefined);
        if (given.ok === false) {
            throw badModule(called ?? 'the response', `the server answered ${given.status} ${given.statusText}`.trimEnd());
        }
        return { bytes: new Uint8Array(await given.arrayBuffer()), name: called };
    }
    return { bytes: bytesOf(given), name };
}

function checkBytes(bytes, name) {
    if (bytes === undefined) {
        const what = 'what was given is none of: bytes, a Response, a WebAssembly.Module';
        throw badModule(name, what);
    }
    const fault = objection(bytes);
    if (fault !== undefined) {
        throw badModule(name, fault);
    }
}

/** The engine's words begin with the name of the function that was called, which says nothing here. */
export const engineWords = (error) => error.message.replace(/^WebAssembly\.\w+\(\): /, '');

export async function load(source, name, fallback) {
    const found = await resolve(source, name);
    const called = found.name ?? fallback;
    if (found.given !== undefined) {
        return new Loaded(called, found.given);
    }
    checkBytes(found.bytes, called);
    try {
        return new Loaded(called, await WebAssembly.compile(found.bytes), found.bytes);
    } catch (error) {
        throw asBadModule(called, error);
    }
}

export function loadSync(source, name, fallback) {
    const called = name ?? fallback;
    if (source instanceof WebAssembly.Module) {
        return new Loaded(called, source);
    }
    const bytes = bytesOf(source);
    checkBytes(bytes, called);
    try {
        return new Loaded(called, new WebAssembly.Module(bytes), bytes);
    } catch (error) {
        throw asBadModule(called, error);
    }
}

const asBadModule = (name, error) =>
    error instanceof WebAssembly.CompileError ? badModule(name, engineWords(error), error) : error;
