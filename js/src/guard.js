/**
 * The shadow stack, looked at after each call of a program: nobody checks a push, and the collection that would find an
 * overrun may never come.
 *
 *   gc_stack_base        gc_sp          gc_stack_limit
 *   | roots              | free slots   | guard word | static data of the program
 */

import { STATS } from './tables.js';

const HEAP_BYTES = STATS.find(({ name }) => name === 'HEAP_BYTES').number;
/** What `gc_verify` returns where the guard word was overwritten, or `gc_sp` is out of range. */
const BROKEN_STACK = 11;

export class Guard {
    #exports;
    #memory;
    #base;
    #limit;
    /** The word before the heap is first used, and after that. The second is the runtime's own affair, and learnt. */
    #unset;
    #set;

    constructor(exports, memory) {
        this.#exports = exports;
        this.#memory = memory;
        this.#base = exports.gc_stack_base.value >>> 0;
        this.#limit = exports.gc_stack_limit.value >>> 0;
        this.#unset = memory.readU32(this.#limit);
    }

    /** `gc_sp` as it is, if the shadow stack was overrun; it is said once. */
    overrun() {
        const sp = this.#exports.gc_sp.value >>> 0;
        if (this.#isOverwritten()) {
            return sp;
        }
        const isSlot = sp >= this.#base && sp <= this.#limit && sp % 4 === 0;
        // Before the heap is used the runtime finds all in order.
        return isSlot || (this.#isUsed() && this.#verify() === 0) ? undefined : sp;
    }

    #isOverwritten() {
        const word = this.#memory.readU32(this.#limit);
        if (word === this.#set) {
            return false;
        }
        if (this.#set !== undefined) {
            this.#memory.writeU32(this.#limit, this.#set);
            return true;
        }
        if (word === this.#unset && !this.#isUsed()) {
            return false;
        }
        const broken = this.#verify();
        if (broken === BROKEN_STACK) {
            this.#repair();
        }
        if (broken === 0 || broken === BROKEN_STACK) {
            this.#set = this.#memory.readU32(this.#limit);
        }
        return broken === BROKEN_STACK;
    }

    #isUsed() {
        return this.#exports.gc_stat(HEAP_BYTES) > 0n;
    }

    /** A collection that finds the word overwritten puts it back, and does nothing else. */
    #repair() {
        try {
            this.#exports.gc_collect();
        } catch {
            // It says what is known already.
        }
    }

    #verify() {
        try {
            return this.#exports.gc_verify() >>> 0;
        } catch {
            return undefined;
        }
    }
}
