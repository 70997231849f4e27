/** The runtime as an object; what it exports, as methods. */

import { checkAbi } from './abi.js';
import { RootstockError, choice, hex, u32 } from './errors.js';
import { Guard } from './guard.js';
import { RUNTIME, importFaults } from './imports.js';
import { Program } from './program.js';
import { ScopeStack } from './scope.js';
import { engineWords, load, loadSync } from './source.js';
import { cannotSuspend, isSuspending, suspendingImport } from './suspend.js';
import { OPTIONS, STATS } from './tables.js';
import { OVERFLOW, Traps } from './traps.js';
import { Views } from './views.js';

/** A program may export an immutable i32 global of this name: the version of the ABI that it was compiled for. */
const ABI_REQUIRED = 'gc_abi_required';
/** A reactor exports a function of this name, to be called once before any other. */
const INITIALIZE = '_initialize';

const byName = (table, what, name) => {
    const row = table.find((candidate) => candidate.name === name);
    if (row === undefined) {
        const names = table.map((candidate) => candidate.name);
        throw new RootstockError('BAD_ARGUMENT', `there is no ${what} \`${String(name)}\`${choice(String(name), names)}`);
    }
    return row;
};

/**
 * An instance of the runtime.
 *
 * Each method that calls it leaves things in order when the call fails: `gc_sp` is what it was before, scopes that were
 * opened since are closed, and the error is a `RootstockError` that says what happened. The runtime can be used on.
 */
export class Runtime {
    #traps;
    #sp;
    #scopes;
    #guard;

    constructor({ name, module, instance, exports, handles }) {
        this.name = name;
        this.module = module;
        this.instance = instance;
        /** The exports themselves, by the ABI's names: the fastest way to call them, and with the engine's errors. */
        this.exports = exports;
        this.handles = handles;
        this.memory = new Views(exports.memory);
        this.stackBase = exports.gc_stack_base.value >>> 0;
        this.stackLimit = exports.gc_stack_limit.value >>> 0;
        this.programBase = exports.gc_program_base.value >>> 0;
        this.#sp = exports.gc_sp;
        this.#traps = new Traps(module, exports);
        this.#scopes = new ScopeStack(this);
        this.#guard = new Guard(exports, this.memory);
    }

    /** `gc_sp`: the next free slot of the shadow stack. */
    get sp() {
        return this.#sp.value >>> 0;
    }

    set sp(address) {
        this.#sp.value = u32(address, 'gc_sp');
    }

    /** Calls a function that may enter wasm, such as a program's export, and sees whether it kept to the shadow stack. */
    call(f, ...args) {
        const sp = this.#sp.value;
        const depth = this.#scopes.depth;
        let result;
        try {
            result = f(...args);
        } catch (error) {
            throw this.#failed(error, sp, depth);
        }
        const found = this.#guard.overrun();
        if (found !== undefined) {
            this.#restore(sp, depth);
            throw this.#traps.overrun(found);
        }
        return result;
    }

    #failed(error, sp, depth) {
        const explained = this.#traps.explain(error);
        // What a function of the host's threw is the host's; an overrun is found at the end of the next call then.
        const isKnown = explained === error || explained.code === OVERFLOW;
        const found = isKnown ? undefined : this.#guard.overrun();
        this.#restore(sp, depth);
        return found === undefined ? explained : this.#traps.overrun(found, explained);
    }

    #restore(sp, depth) {
        this.#sp.value = sp;
        this.#scopes.truncate(depth);
    }

    // Memory.

    /** `size` zeroed bytes that are scanned for pointers. */
    alloc(size) {
        return this.#alloc(this.exports.alloc, size);
    }

    /** `size` bytes that hold no pointers; not zeroed. */
    allocAtomic(size) {
        return this.#alloc(this.exports.alloc_atomic, size);
    }

    /** As `alloc`, but `undefined` where there is no memory. */
    tryAlloc(size) {
        return this.#tryAlloc(this.exports.try_alloc, size);
    }

    /** As `allocAtomic`, but `undefined` where there is no memory. */
    tryAllocAtomic(size) {
        return this.#tryAlloc(this.exports.try_alloc_atomic, size);
    }

    #tryAlloc(alloc, size) {
        const pointer = this.#alloc(alloc, size);
        if (pointer === 0) {
            this.#traps.noteStored();
            return undefined;
        }
        return pointer;
    }

    // Apart from `call`: spreading arguments would cost as much as the allocation.
    #alloc(alloc, size) {
        const bytes = u32(size, 'the size');
        const sp = this.#sp.value;
        const depth = this.#scopes.depth;
        try {
            return alloc(bytes) >>> 0;
        } catch (error) {
            throw this.#failed(error, sp, depth);
        }
    }

    // Roots.

    /** Runs `f` with a scope whose roots are forgotten when it returns or throws. */
    scope(f) {
        const scope = this.openScope();
        let result;
        try {
            result = f(scope);
        } finally {
            scope.end();
        }
        if (typeof result?.then === 'function') {
            throw new RootstockError(
                'BAD_SCOPE',
                'the function of a scope returned a promise: its roots were forgotten before it was done. ' +
                    'Open a scope in each part that runs without waiting, or pin',
            );
        }
        return result;
    }

    /** A scope for `using`, or to be ended with `end()`. */
    openScope() {
        return this.#scopes.open();
    }

    /** Pushes a root on the shadow stack; returns the slot's address. */
    pushRoot(pointer) {
        const word = u32(pointer, 'the pointer');
        const sp = this.sp;
        // Other stacks lie above the first.
        if (sp >= this.stackLimit && sp >= this.stackEnd) {
            throw new RootstockError(
                'SHADOW_STACK_FULL',
                `the shadow stack is full: gc_sp has reached its limit, ${hex(this.stackEnd)}`,
                { argument: this.stackEnd },
            );
        }
        this.memory.writeU32(sp, word);
        this.#sp.value = sp + 4;
        return sp;
    }

    /** Words that hold roots, such as a program's static data. */
    addRoots(start, end) {
        this.call(this.exports.gc_add_roots, u32(start, 'the start'), u32(end, 'the end'));
    }

    removeRoots(start, end) {
        this.call(this.exports.gc_remove_roots, u32(start, 'the start'), u32(end, 'the end'));
    }

    /** Keeps an object alive until it is unpinned as often. */
    pin(pointer) {
        this.call(this.exports.gc_pin, u32(pointer, 'the pointer'));
        return pointer;
    }

    unpin(pointer) {
        this.call(this.exports.gc_unpin, u32(pointer, 'the pointer'));
    }

    // Shadow stacks.

    /** Makes a shadow stack of `slots` slots, for a fiber or a suspended call; returns its number. The first is 0. */
    newStack(slots) {
        return this.call(this.exports.gc_stack_new, u32(slots, 'the number of slots')) >>> 0;
    }

    /** Goes on on another shadow stack, where that was left; returns the one that was current. */
    switchStack(stack) {
        return this.call(this.exports.gc_stack_switch, u32(stack, 'the stack')) >>> 0;
    }

    /** Frees a shadow stack that is not current, and the roots on it. */
    freeStack(stack) {
        this.call(this.exports.gc_stack_free, u32(stack, 'the stack'));
    }

    /** One past the last slot of the current shadow stack. */
    get stackEnd() {
        return this.exports.gc_stack_end() >>> 0;
    }

    // Wrappers.

    /** Makes an object stand for a value of the host: a new handle in the store, registered. Returns the handle. */
    wrap(pointer, kind, value, externalBytes = 0) {
        const handle = this.handles.insert(kind, value);
        try {
            this.registerWrapper(pointer, kind, handle, externalBytes);
        } catch (error) {
            // Nothing stands for it, so nobody would ever tell it.
            this.handles.remove(handle);
            throw error;
        }
        return handle;
    }

    /** Makes an object stand for a handle. */
    registerWrapper(pointer, kind, handle, externalBytes = 0) {
        this.call(
            this.exports.register_wrapper_sized,
            u32(pointer, 'the pointer'),
            u32(kind, 'the kind'),
            u32(handle, 'the handle'),
            u32(externalBytes, 'the external size'),
        );
    }

    /** The kind and the handle that an object stands for; `undefined` if it stands for none, or is no object any more. */
    wrapper(pointer) {
        const entry = this.exports.gc_wrapper(u32(pointer, 'the pointer')) >>> 0;
        if (entry === 0) {
            return undefined;
        }
        return { kind: this.memory.readU32(entry), handle: this.memory.readU32(entry + 4) };
    }

    /** Notifies the host of dead handles that NOTIFY has left queued, `max` at most; returns how many are left. */
    notify(max = 0xffffffff) {
        return this.call(this.exports.gc_notify, u32(max, 'the number')) >>> 0;
    }

    /** Disposes of a wrapper now; false if the object is none. */
    releaseWrapper(pointer) {
        return this.call(this.exports.release_wrapper, u32(pointer, 'the pointer')) !== 0;
    }

    // The whole heap.

    /** Says where a program's static data ends: once, before the first allocation. */
    init(staticEnd) {
        this.call(this.exports.gc_init, u32(staticEnd, 'the end of static data'));
    }

    collect() {
        this.call(this.exports.gc_collect);
    }

    /** Tells the host about every wrapper. Handles that are left after it count as never told. */
    shutdown() {
        this.call(this.exports.gc_shutdown);
        this.handles.expectAllTold();
    }

    /** Sets options by name; returns the old values, which `configure` takes back. Nothing is set if one is refused. */
    configure(values) {
        const wanted = Object.entries(values).map(([name, value]) => {
            const row = byName(OPTIONS, 'option', name);
            const number = Number(value);
            const isNumber = typeof value === 'number' || typeof value === 'boolean';
            if (!isNumber || !Number.isInteger(number) || number < row.min || number > row.max) {
                throw refused(row, value);
            }
            return { row, number };
        });
        const old = {};
        for (const { row, number } of wanted) {
            const before = this.exports.gc_configure(row.number, number);
            if (before < 0) {
                this.configure(old);
                throw refused(row, number);
            }
            old[row.name] = before;
        }
        return old;
    }

    /** One statistic, by name. */
    stat(name) {
        return Number(this.exports.gc_stat(byName(STATS, 'statistic', name).number));
    }

    /** All statistics, by name. */
    stats() {
        return Object.fromEntries(STATS.map(({ name, number }) => [name, Number(this.exports.gc_stat(number))]));
    }

    /** The object that an address lies in. */
    base(address) {
        return this.exports.gc_base(u32(address, 'the address')) >>> 0 || undefined;
    }

    /** The usable size of the object that an address lies in. */
    size(address) {
        const at = u32(address, 'the address');
        return this.base(at) === undefined ? undefined : this.exports.gc_size(at) >>> 0;
    }

    /** Walks the whole heap and every table: 0, or the number of the first broken invariant. */
    verify() {
        return this.call(this.exports.gc_verify) >>> 0;
    }

    /** The last error that the runtime stored. It stays until the next one. */
    lastError() {
        const { row, argument } = this.#traps.last();
        return row.number === 0 ? undefined : { code: row.name, number: row.number, argument };
    }

    // Programs.

    /** Instantiates a program against this runtime, and runs its start function. */
    async link(source, options = {}) {
        const loaded = await load(source, options.name, 'the program');
        const imports = this.#prepare(loaded, options);
        try {
            // At once: the start function must find `gc_sp` as it is when it is restored after a trap.
            return this.#instantiate(loaded, imports, options);
        } catch (error) {
            if (!(error instanceof RangeError) || !/main thread/.test(error.message)) {
                throw error;
            }
        }
        // A browser that does not instantiate a module of this size at once.
        return this.#linked(loaded, await WebAssembly.instantiate(loaded.module, imports), options);
    }

    /** The same at once, from bytes or a `WebAssembly.Module`. */
    linkSync(source, options = {}) {
        const loaded = loadSync(source, options.name, 'the program');
        return this.#instantiate(loaded, this.#prepare(loaded, options), options);
    }

    #instantiate(loaded, imports, options) {
        try {
            return this.#linked(loaded, this.call(() => new WebAssembly.Instance(loaded.module, imports)), options);
        } catch (error) {
            if (error instanceof WebAssembly.LinkError) {
                const words = `${loaded.name}: it cannot be linked: ${engineWords(error)}`;
                throw new RootstockError('BAD_IMPORT', words, { cause: error });
            }
            throw error;
        }
    }

    /** All checks that can be made before any of the program's code runs. */
    #prepare({ name, module, outline }, { imports = {} }) {
        if (imports[RUNTIME] !== undefined) {
            throw new RootstockError('BAD_ARGUMENT', `the module \`${RUNTIME}\` is the runtime's: it cannot be given`);
        }
        const bad = (cause) => new RootstockError('BAD_MODULE', `${name}: ${cause}`);
        if (isObject(module)) {
            throw bad('an object file, not a module: link it with libruntime.a first');
        }
        const required = outline?.exports.find(({ name: key }) => key === ABI_REQUIRED);
        if (required?.type?.value !== undefined) {
            checkAbi(`${name} (${ABI_REQUIRED})`, required.type.value);
        }
        const wanted = outline?.imports ?? WebAssembly.Module.imports(module);
        const kinds = wanted.map(({ type, kind }) => type?.kind ?? kind);
        const needsRuntime = wanted.some((entry) => entry.module === RUNTIME);
        if (needsRuntime && outline?.ownMemories > 0 && !kinds.includes('memory')) {
            throw bad(
                "it defines its own memory, but pointers of the runtime are addresses in the runtime's: " +
                    'import it instead, with (import "runtime" "memory" (memory 1))',
            );
        }
        const available = { ...imports, [RUNTIME]: this.exports };
        const fault = importFaults(wanted, available);
        if (fault !== undefined) {
            throw new RootstockError('BAD_IMPORT', `${name}: ${fault}`);
        }
        return this.#suspendable(name, wanted, available);
    }

    /** The imports, where those that may suspend the program put its shadow stack aside while it waits. */
    #suspendable(name, wanted, available) {
        const imports = { ...available };
        for (const { module, name: key, type } of wanted) {
            const value = available[module][key];
            if (isSuspending(value)) {
                if (type === undefined) {
                    throw cannotSuspend(name, `the type of ${module}.${key} is not known: link bytes, not a WebAssembly.Module`);
                }
                const waiting = suspendingImport(value, type, this.exports.gc_stack_switch);
                imports[module] = { ...imports[module], [key]: waiting };
            }
        }
        return imports;
    }

    #linked(loaded, instance, options) {
        const required = instance.exports[ABI_REQUIRED];
        if (required instanceof WebAssembly.Global) {
            checkAbi(`${loaded.name} (${ABI_REQUIRED})`, required.value);
        }
        initialize(this, instance);
        return new Program(this, loaded, instance, options);
    }
}

/**
 * Whether nobody has linked the module yet. What a linker was told to keep its relocations in (`--emit-relocs`) has the
 * section too; but object files export nothing, and leave the memory to the linker.
 */
function isObject(module) {
    const isLinearMemory = ({ kind, name }) => kind === 'memory' && name === '__linear_memory';
    return (
        WebAssembly.Module.customSections(module, 'linking').length > 0 &&
        (WebAssembly.Module.exports(module).length === 0 || WebAssembly.Module.imports(module).some(isLinearMemory))
    );
}

/** Calls what a reactor exports to be called first. A function of that name with parameters is an ordinary export. */
export function initialize(runtime, instance) {
    const first = instance.exports[INITIALIZE];
    if (typeof first === 'function' && first.length === 0) {
        runtime.call(first);
    }
}

const refused = ({ name, min, max }, value) =>
    new RootstockError(
        'OPTION_REFUSED',
        `the runtime refused ${String(value)} for the option ${name}: ${min} to ${max} are allowed`,
    );
