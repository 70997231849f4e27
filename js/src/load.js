/** Instantiates the runtime, and is its host. */

import { abiExports } from './abi.js';
import { RootstockError } from './errors.js';
import { HandleStore } from './handles.js';
import { DECREF, HOST, RUNTIME } from './imports.js';
import { Runtime, initialize } from './runtime.js';
import { engineWords, load, loadSync } from './source.js';

const FALLBACK_NAME = 'the runtime';

/**
 * Instantiates the runtime.
 *
 * @param source bytes, a Response, a promise of either, or a `WebAssembly.Module`
 * @param {import('../rootstock.js').RuntimeOptions} [options]
 */
export async function instantiate(source, options = {}) {
    const host = new Host(options);
    const loaded = await load(source, options.name, FALLBACK_NAME);
    let instance;
    try {
        instance = await WebAssembly.instantiate(loaded.module, host.imports);
    } catch (error) {
        throw notInstantiated(loaded, error);
    }
    return host.serve(loaded, instance);
}

/** The same at once, from bytes or a `WebAssembly.Module`. Browsers bound the size for this on their main thread. */
export function instantiateSync(source, options = {}) {
    const host = new Host(options);
    const loaded = loadSync(source, options.name, FALLBACK_NAME);
    let instance;
    try {
        instance = new WebAssembly.Instance(loaded.module, host.imports);
    } catch (error) {
        throw notInstantiated(loaded, error);
    }
    return host.serve(loaded, instance);
}

/** What the engine says to imports: a TypeError if there is no such module, a LinkError if there is no such name. */
function notInstantiated({ name }, error) {
    if (error instanceof WebAssembly.LinkError || error instanceof TypeError) {
        const words = `${name}: it cannot be instantiated: ${engineWords(error)}`;
        return new RootstockError('BAD_IMPORT', words, { cause: error });
    }
    if (error instanceof WebAssembly.RuntimeError) {
        const words = `${name}: its start function trapped: ${error.message}`;
        return new RootstockError('TRAP', words, { cause: error, meaning: error.message });
    }
    return error;
}

/** The runtime's host: its handle store, and the callback. */
class Host {
    #runtime;
    #onDecref;
    #options;
    /** What was told before there was a runtime to speak of: by the start function of a merged module. */
    #early = [];

    constructor(options) {
        this.#options = options;
        this.#onDecref = options.onDecref;
        if (this.#onDecref !== undefined && typeof this.#onDecref !== 'function') {
            throw new RootstockError('BAD_ARGUMENT', 'onDecref is not a function');
        }
        this.handles = options.handles ?? new HandleStore();
        const extra = options.imports ?? {};
        if (extra[HOST]?.[DECREF] !== undefined || extra[RUNTIME] !== undefined) {
            const what = 'give onDecref instead';
            throw new RootstockError('BAD_ARGUMENT', `${HOST}.${DECREF} is this package's, and so is \`${RUNTIME}\`: ${what}`);
        }
        const told = (kind, handle) => this.#told(kind >>> 0, handle >>> 0);
        this.imports = { ...extra, [HOST]: { ...extra[HOST], [DECREF]: told } };
    }

    #told(kind, handle) {
        // A breach stays in the store for the audit: stopping here would hide what comes after it.
        const value = this.handles.tell(kind, handle)?.value;
        if (this.#onDecref === undefined) {
            return;
        }
        if (this.#runtime === undefined) {
            this.#early.push([kind, handle, value]);
        } else {
            this.#onDecref(kind, handle, value, this.#runtime);
        }
    }

    serve({ name, module }, instance) {
        const { prefix = '', configure } = this.#options;
        const exports = abiExports(name, instance, prefix);
        this.#runtime = new Runtime({ name, module, instance, exports, handles: this.handles });
        if (configure !== undefined) {
            this.#runtime.configure(configure);
        }
        for (const told of this.#early.splice(0)) {
            this.#onDecref(...told, this.#runtime);
        }
        initialize(this.#runtime, instance);
        return this.#runtime;
    }
}
