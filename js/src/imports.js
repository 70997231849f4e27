/** Whether a program's imports can be had, and if not, what is wrong with each of them. */

import { EXPORTS } from './abi.js';
import { choice } from './errors.js';
import { isSuspending } from './suspend.js';

/** The module that the runtime's own import lives in, and its name. */
export const HOST = 'host';
export const DECREF = 'host_decref_handle';
/** The module that programs import the runtime from. */
export const RUNTIME = 'runtime';

/** More faults than this are counted, not listed. */
const LISTED = 10;
const PAGE = 65536;

const KIND_TEXT = {
    func: 'a function',
    global: 'a global',
    memory: 'a memory',
    table: 'a table',
    tag: 'an exception tag',
};

/** The engine's word for a kind, where it is another. */
const kindOf = (kind) => (kind === 'function' ? 'func' : kind);

/**
 * All that is wrong with a program's imports, in words; `undefined` if nothing is.
 *
 * @param wanted `{module, name, type}` of each import from the outline, or `{module, name, kind}` from the engine
 * @param available the import object that the program will be instantiated with
 */
export function importFaults(wanted, available) {
    const faults = [];
    for (const entry of wanted) {
        const type = entry.type ?? { kind: kindOf(entry.kind) };
        // The runtime's own import: a program that called it would forge a death.
        const forges = entry.module === HOST && entry.name === DECREF;
        const found = forges ? undefined : available[entry.module]?.[entry.name];
        const offer = found === undefined ? undefined : typeOf(found, entry);
        if (offer === undefined) {
            faults.push(missing(entry, found, available));
        } else if (!fits(offer, type)) {
            const what = describe(type, offer.kind !== type.kind);
            const is = describe(offer, offer.kind !== type.kind);
            faults.push(`it imports ${entry.module}.${entry.name} as ${what}, but that is ${is}`);
        }
    }
    if (faults.length <= 1) {
        return faults[0];
    }
    const listed = faults.slice(0, LISTED).map((fault) => `\n  ${fault}`);
    const more = faults.length > LISTED ? `\n  ... and ${faults.length - LISTED} more` : '';
    return `${faults.length} imports cannot be satisfied:${listed.join('')}${more}`;
}

function missing({ module, name }, found, available) {
    if (found !== undefined) {
        return `it imports ${module}.${name}, but what was given for that is ${typeof found}, which wasm cannot import`;
    }
    const names = Object.keys(available[module] ?? {}).filter((key) => module !== HOST || key !== DECREF);
    if (names.length === 0) {
        const modules = Object.keys(available).filter((key) => Object.keys(available[key]).length > 0);
        const all = modules.sort().join('`, `');
        return `it imports ${module}.${name}, but there is no module \`${module}\`: there are \`${all}\``;
    }
    const whose = module === RUNTIME ? 'the runtime' : module === HOST ? 'the host' : `module \`${module}\``;
    return `it imports ${module}.${name}, which ${whose} does not export${choice(name, names)}`;
}

/** What is known of the type of a value; `undefined` for what wasm cannot import. */
function typeOf(value, { module, name }) {
    if (module === RUNTIME) {
        const known = EXPORTS[name] ?? {};
        return value instanceof WebAssembly.Memory ? memoryType(value) : known;
    }
    switch (typeof value) {
        case 'function':
            return { kind: 'func' };
        case 'number':
        case 'bigint':
            return { kind: 'global' };
        default:
    }
    if (isSuspending(value)) {
        return { kind: 'func' };
    }
    if (value instanceof WebAssembly.Memory) {
        return memoryType(value);
    }
    if (value instanceof WebAssembly.Global) {
        return { kind: 'global' };
    }
    if (value instanceof WebAssembly.Table) {
        return { kind: 'table' };
    }
    // older engines have no tags
    return WebAssembly.Tag !== undefined && value instanceof WebAssembly.Tag ? { kind: 'tag' } : undefined;
}

function memoryType(memory) {
    return { kind: 'memory', minimum: memory.buffer.byteLength / PAGE };
}

/** Whether the offer is what is wanted, as far as both are known. The engine decides the rest. */
function fits(offer, wanted) {
    if (offer.kind !== wanted.kind) {
        return false;
    }
    switch (wanted.kind) {
        case 'func':
            return (
                offer.params === undefined ||
                wanted.params === undefined ||
                (same(offer.params, wanted.params) && same(offer.results, wanted.results))
            );
        case 'global':
            return (
                offer.content === undefined ||
                wanted.content === undefined ||
                (offer.content === wanted.content && offer.mutable === wanted.mutable)
            );
        case 'memory':
            return wanted.minimum === undefined || offer.minimum >= wanted.minimum;
        default:
            return true;
    }
}

const same = (left, right) => left.length === right.length && left.every((type, at) => type === right[at]);

/** A type as the text format writes it, or only its kind. */
function describe(type, kindOnly) {
    if (kindOnly) {
        return KIND_TEXT[type.kind];
    }
    switch (type.kind) {
        case 'func': {
            const part = (word, types) => (types.length > 0 ? ` (${word} ${types.join(' ')})` : '');
            return `(func${part('param', type.params)}${part('result', type.results)})`;
        }
        case 'global':
            return `(global ${type.mutable ? `(mut ${type.content})` : type.content})`;
        default:
            return `(memory ${type.minimum})`;
    }
}
