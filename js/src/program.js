/** A program as an object. */

import { RootstockError, choice } from './errors.js';
import { canSuspend, cannotSuspend, promisingExport } from './suspend.js';

/** Slots of the shadow stack of an activation that may wait, unless `link` was told another number: 16 KiB. */
const STACK_SLOTS = 4096;

/** A program that was instantiated against a runtime. */
export class Program {
    #runtime;
    #types;
    #stackSlots;
    /** Exports that return a promise, by name: made when they are called first. */
    #promising = new Map();

    constructor(runtime, { name, module, outline }, instance, { stackSlots = STACK_SLOTS } = {}) {
        this.#runtime = runtime;
        this.#types = outline?.exports;
        this.#stackSlots = stackSlots;
        this.name = name;
        this.module = module;
        this.instance = instance;
        /** The exports themselves: other programs can import them. */
        this.exports = instance.exports;
    }

    /** Calls an exported function; a failure leaves things in order, as with the methods of `Runtime`. */
    call(name, ...args) {
        return this.#runtime.call(this.#function(name, args), ...args);
    }

    /**
     * Calls an exported function that may wait for suspending imports, on a shadow stack of its own; promises its result.
     * Any number of such calls may wait at once.
     */
    async callAsync(name, ...args) {
        const promising = this.#promisingExport(name, args);
        const runtime = this.#runtime;
        const stack = runtime.newStack(this.#stackSlots);
        // The exports themselves: on another stack than 0, a method's look at the shadow stack is one at the whole heap.
        const { gc_stack_switch: switchStack } = runtime.exports;
        const outer = switchStack(stack);
        const result = promising(...args);
        this.#leave(stack);
        switchStack(outer);
        try {
            return await result;
        } catch (error) {
            // explained first: to leave a stack that was spoilt stores an error too
            const failure = this.#explained(error);
            this.#leave(stack);
            throw failure;
        } finally {
            runtime.freeStack(stack);
        }
    }

    /** Makes stack 0 current. Whoever waits or ends has done that; a trap has not, and may have left `gc_sp` anywhere. */
    #leave(stack) {
        const runtime = this.#runtime;
        for (let tries = 0; ; tries += 1) {
            try {
                runtime.exports.gc_stack_switch(0);
                return;
            } catch (error) {
                // A spoilt guard word is reported once; then its stack can be left.
                if (tries === 2) {
                    throw error;
                }
                runtime.sp = stack;
            }
        }
    }

    #explained(error) {
        try {
            return this.#runtime.call(() => {
                throw error;
            });
        } catch (explained) {
            return explained;
        }
    }

    #promisingExport(name, args) {
        const f = this.#function(name, args);
        const known = this.#promising.get(name);
        if (known !== undefined) {
            return known;
        }
        if (!canSuspend()) {
            throw cannotSuspend(this.name, 'this engine does not have WebAssembly.Suspending (JSPI)');
        }
        const type = this.#types?.find((entry) => entry.name === name)?.type;
        if (type === undefined) {
            throw cannotSuspend(this.name, `the type of \`${name}\` is not known: link bytes, not a WebAssembly.Module`);
        }
        const made = promisingExport(f, type, this.#runtime.exports.gc_stack_switch);
        this.#promising.set(name, made);
        return made;
    }

    /** An exported function with a given number of arguments. */
    #function(name, args) {
        const f = this.exports[name];
        if (typeof f !== 'function') {
            const functions = Object.keys(this.exports).filter((key) => typeof this.exports[key] === 'function');
            const cause =
                f === undefined
                    ? `it exports no function \`${name}\`${choice(name, functions)}`
                    : `its export \`${name}\` is not a function`;
            throw new RootstockError('BAD_ARGUMENT', `${this.name}: ${cause}`);
        }
        if (args.length !== f.length) {
            const cause = `\`${name}\` takes ${f.length} arguments, and was called with ${args.length}`;
            throw new RootstockError('BAD_ARGUMENT', `${this.name}: ${cause}`);
        }
        return f;
    }
}
