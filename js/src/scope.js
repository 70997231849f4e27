/**
 * Roots that last as long as a function or a block.
 *
 *   gc_stack_base                      gc_sp                gc_stack_limit
 *   | the program's frames | a | b | c | free slots ...     |
 *                          ^ sp when the scope was opened: its end sets gc_sp back to here
 */

import { RootstockError, hex, u32 } from './errors.js';

/** The scopes of a runtime that are open, innermost last. */
export class ScopeStack {
    #runtime;
    #open = [];

    constructor(runtime) {
        this.#runtime = runtime;
    }

    get depth() {
        return this.#open.length;
    }

    open() {
        const scope = new Scope(this.#runtime, this);
        this.#open.push(scope);
        return scope;
    }

    isInnermost(scope) {
        return this.#open.at(-1) === scope;
    }

    isOpen(scope) {
        return this.#open.includes(scope);
    }

    /** Ends a scope and those inside it. */
    close(scope) {
        const at = this.#open.lastIndexOf(scope);
        if (at < 0) {
            return false;
        }
        this.truncate(at);
        return true;
    }

    /** Forgets the scopes that an error has left behind; who calls restores `gc_sp`. */
    truncate(depth) {
        this.#open.length = Math.min(depth, this.#open.length);
    }
}

/** Roots until the scope ends. Only the innermost scope takes roots: another's would be forgotten too early. */
export class Scope {
    #runtime;
    #stack;
    #sp;

    constructor(runtime, stack) {
        this.#runtime = runtime;
        this.#stack = stack;
        this.#sp = runtime.sp;
    }

    /** Whether it still takes roots, or would once the scopes inside it have ended. */
    get isOpen() {
        return this.#stack.isOpen(this);
    }

    /** Roots an object until the scope ends, and hands it back. */
    push(pointer) {
        this.#push(u32(pointer, 'the pointer'));
        return pointer;
    }

    /** A root that can be given other objects as time goes by; it begins with this one. */
    slot(pointer = 0) {
        return new Slot(this, this.#runtime, this.#push(u32(pointer, 'the pointer')));
    }

    #push(pointer) {
        if (!this.#stack.isInnermost(this)) {
            const why = this.isOpen ? 'another scope was opened inside it' : 'it has ended';
            throw new RootstockError('BAD_SCOPE', `this scope takes no roots: ${why}`);
        }
        return this.#runtime.pushRoot(pointer);
    }

    /** Ends the scope, and those that are still open inside it. Doing it twice does no harm. */
    end() {
        if (this.#stack.close(this)) {
            this.#runtime.sp = this.#sp;
        }
    }
}

// For `using`, where the engine knows of it.
if (Symbol.dispose !== undefined) {
    Object.defineProperty(Scope.prototype, Symbol.dispose, { value: Scope.prototype.end });
}

/** One word of the shadow stack. */
export class Slot {
    #scope;
    #runtime;
    #address;

    constructor(scope, runtime, address) {
        this.#scope = scope;
        this.#runtime = runtime;
        this.#address = address;
    }

    /** Where it is. */
    get address() {
        return this.#address;
    }

    /** The object that it roots; 0 for none. */
    get value() {
        this.#check();
        return this.#runtime.memory.readU32(this.#address);
    }

    set value(pointer) {
        this.#check();
        this.#runtime.memory.writeU32(this.#address, pointer);
    }

    /** The word belongs to another owner once the scope has ended. */
    #check() {
        if (!this.#scope.isOpen) {
            throw new RootstockError('BAD_SCOPE', `the slot at ${hex(this.#address)} belongs to a scope that has ended`);
        }
    }
}
