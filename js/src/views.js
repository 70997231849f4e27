/** Linear memory, in views that survive its growth. */

import { RootstockError, hex, u32 } from './errors.js';

const decoder = new TextDecoder();

/**
 * Views of a memory. When memory grows, the engine detaches every view of it; these getters make a new one then.
 *
 * So take the view again after anything that may allocate: `views.u8[p]`, not `const u8 = views.u8`.
 */
export class Views {
    #memory;
    #buffer;
    #u8;
    #i32;
    #u32;
    #f64;
    #data;

    /** @param {WebAssembly.Memory} memory */
    constructor(memory) {
        this.#memory = memory;
        this.#refresh();
    }

    #refresh() {
        this.#buffer = this.#memory.buffer;
        this.#u8 = new Uint8Array(this.#buffer);
        this.#i32 = new Int32Array(this.#buffer);
        this.#u32 = new Uint32Array(this.#buffer);
        this.#f64 = new Float64Array(this.#buffer);
        this.#data = new DataView(this.#buffer);
    }

    /** A detached view has length 0, which is cheaper to see than whether the memory has another buffer now. */
    #check() {
        if (this.#u8.length === 0) {
            this.#refresh();
        }
    }

    /** The memory. */
    get memory() {
        return this.#memory;
    }

    /** How many bytes memory has now. */
    get size() {
        this.#check();
        return this.#u8.length;
    }

    /** By bytes: index `p`. */
    get u8() {
        this.#check();
        return this.#u8;
    }

    /** By signed words: index `p >>> 2`. */
    get i32() {
        this.#check();
        return this.#i32;
    }

    /** By words: index `p >>> 2`. */
    get u32() {
        this.#check();
        return this.#u32;
    }

    /** By doubles: index `p >>> 3`. */
    get f64() {
        this.#check();
        return this.#f64;
    }

    /** For every other type. Wasm is little-endian: pass `true`. */
    get data() {
        this.#check();
        return this.#data;
    }

    /** Bytes `address` to `address + length`, as a view that the next growth detaches. */
    #at(address, length) {
        const start = u32(address, 'the address');
        if (!Number.isInteger(length) || length < 0) {
            throw new RootstockError('BAD_ARGUMENT', `the length is ${length}, which is not a number of bytes`);
        }
        const all = this.u8;
        if (start + length > all.length) {
            throw new RootstockError(
                'OUT_OF_BOUNDS',
                `${length} bytes at ${hex(start)} do not lie in linear memory, which has ${all.length} bytes`,
                { argument: start },
            );
        }
        return all.subarray(start, start + length);
    }

    /** A copy of some bytes. */
    read(address, length) {
        return this.#at(address, length).slice();
    }

    /** Copies bytes into memory. */
    write(address, bytes) {
        this.#at(address, bytes.length).set(bytes);
    }

    /** The word at an address, which need not be aligned. */
    readU32(address) {
        this.#at(address, 4);
        return this.#data.getUint32(address >>> 0, true);
    }

    /** Writes a word at an address, which need not be aligned. */
    writeU32(address, value) {
        this.#at(address, 4);
        this.#data.setUint32(address >>> 0, u32(value, 'the value'), true);
    }

    /** Text in UTF-8. What is not UTF-8 becomes U+FFFD. */
    readString(address, length) {
        return decoder.decode(this.#at(address, length));
    }
}
