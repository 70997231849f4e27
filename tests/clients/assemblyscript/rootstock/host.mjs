// A host for node: runs a program with AssemblyScript's own runtime, beside Rootstock's, or merged with it.

import { runtimeModule } from './build.mjs';

/** Options of the runtime by number. */
const EAGER = 0, POISON = 1, VERIFY = 2;
/** Statistics by number. */
const PEAK_BYTES = 2, COLLECTIONS = 4, WRAPPERS = 7;

/** What the host knows: lines that were printed, and handles. */
class Host {
    lines = [];
    told = 0;
    #handles = new Map();
    #next = 1;
    #memory;

    get alive() {
        return this.#handles.size;
    }

    attach(memory) {
        this.#memory = memory;
    }

    imports() {
        return {
            print_str: (at, length) => {
                const bytes = new Uint8Array(this.#memory.buffer, at, length);
                this.lines.push(...new TextDecoder().decode(bytes).trimEnd().split('\n'));
            },
            handle_new: (kind, value) => {
                this.#handles.set(this.#next, { kind, value });
                return this.#next++;
            },
            handle_value: (handle) => this.#handles.get(handle).value,
            handle_count: () => this.#handles.size,
            host_decref_handle: (kind, handle) => {
                if (this.#handles.get(handle)?.kind !== kind) throw new Error(`told about handle ${handle}, which is not alive`);
                this.#handles.delete(handle);
                this.told++;
            },
        };
    }
}

/** An instance of a program. */
export class Running {
    /** @param gc the exports of the runtime, if there is one */
    constructor(host, exports, gc) {
        this.host = host;
        this.exports = exports;
        this.gc = gc;
        host.attach(exports.memory ?? gc.memory);
    }

    /** With AssemblyScript's own runtime. */
    static stock(module) {
        const host = new Host();
        return new Running(host, new WebAssembly.Instance(module, { host: host.imports() }).exports, null);
    }

    /** Beside the runtime. */
    static linked(module) {
        const host = new Host();
        const { exports: gc } = new WebAssembly.Instance(runtimeModule, { host: host.imports() });
        host.attach(gc.memory);
        const { exports } = new WebAssembly.Instance(module, { host: host.imports(), runtime: gc });
        return new Running(host, exports, gc);
    }

    /** Merged with it, the runtime's exports among the program's. */
    static merged(module) {
        const host = new Host();
        const { exports } = new WebAssembly.Instance(module, { host: host.imports() });
        return new Running(host, exports, exports);
    }

    /** Collects at each `n`th allocation, spoils what was freed, and checks the heap each time. */
    eager(n) {
        for (const [option, value] of [[EAGER, n], [POISON, 1], [VERIFY, 1]]) this.gc.gc_configure(option, value);
        return this;
    }

    /** What the program prints and returns, as text. */
    call(argument) {
        const before = this.gc?.gc_sp.value;
        const from = this.host.lines.length;
        const result = this.exports.main(argument);
        if (this.gc && this.gc.gc_sp.value !== before) throw new Error('the program has left roots on the shadow stack');
        return [...this.host.lines.slice(from), String(result)].join('\n');
    }

    /** Throws if anything is wrong with the heap or with handles; ends the runtime. */
    finish() {
        const broken = this.gc.gc_verify();
        if (broken !== 0) throw new Error(`gc_verify found broken invariant ${broken}`);
        if (this.gc.gc_last_error() !== 0) throw new Error(`error ${this.gc.gc_last_error()} is stored`);
        if (this.gc.gc_stat(WRAPPERS) !== BigInt(this.host.alive)) throw new Error('host and runtime know different handles');
        this.gc.gc_shutdown();
        if (this.host.alive !== 0) throw new Error(`${this.host.alive} handles were never told about`);
    }

    get collections() {
        return Number(this.gc.gc_stat(COLLECTIONS));
    }

    /** Bytes of memory. */
    get memory() {
        return (this.exports.memory ?? this.gc.memory).buffer.byteLength;
    }

    /** The most bytes of blocks that the heap ever had. */
    get peak() {
        return Number(this.gc.gc_stat(PEAK_BYTES));
    }
}
