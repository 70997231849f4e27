/** What the runtime exports, and whether an instance is it, in the right version. */

import { RootstockError, choice } from './errors.js';

/** The version of the ABI that this package speaks. */
export const ABI_VERSION = 1;

const func = (params, results) => ({ kind: 'func', params: Array(params).fill('i32'), results });
const constant = { kind: 'global', content: 'i32', mutable: false };

/** What the runtime exports, with the types. The suite holds it to the runtime that was built. */
export const EXPORTS = {
    memory: { kind: 'memory' },
    gc_sp: { kind: 'global', content: 'i32', mutable: true },
    gc_stack_base: constant,
    gc_stack_limit: constant,
    gc_program_base: constant,
    gc_abi_version: func(0, ['i32']),
    gc_init: func(1, []),
    alloc: func(1, ['i32']),
    alloc_atomic: func(1, ['i32']),
    try_alloc: func(1, ['i32']),
    try_alloc_atomic: func(1, ['i32']),
    gc_run: func(2, ['i32']),
    register_wrapper: func(3, []),
    register_wrapper_sized: func(4, []),
    try_register_wrapper: func(3, ['i32']),
    release_wrapper: func(1, ['i32']),
    gc_wrapper: func(1, ['i32']),
    gc_notify: func(1, ['i32']),
    gc_collect: func(0, []),
    gc_shutdown: func(0, []),
    gc_add_roots: func(2, []),
    gc_remove_roots: func(2, []),
    gc_pin: func(1, []),
    gc_unpin: func(1, []),
    gc_stack_new: func(1, ['i32']),
    gc_stack_switch: func(1, ['i32']),
    gc_stack_free: func(1, []),
    gc_stack_end: func(0, ['i32']),
    gc_configure: func(2, ['i32']),
    gc_stat: func(1, ['i64']),
    gc_base: func(1, ['i32']),
    gc_size: func(1, ['i32']),
    gc_verify: func(0, ['i32']),
    gc_last_error: func(0, ['i32']),
    gc_last_error_arg: func(0, ['i32']),
};

/** The runtime's exports under the ABI's names, checked: the version first, because others may have other exports. */
export function abiExports(name, instance, prefix) {
    const fault = (key, cause) =>
        new RootstockError(
            'BAD_MODULE',
            `${name} does not have the export \`${prefix}${key}\` of the runtime's ABI: ${cause}`,
        );
    const version = instance.exports[`${prefix}gc_abi_version`];
    if (typeof version !== 'function') {
        const names = Object.keys(instance.exports);
        const hint = names.some((key) => key.endsWith('gc_abi_version')) ? choice('gc_abi_version', names) : '';
        throw fault('gc_abi_version', `is this Rootstock's runtime.wasm${hint === '' ? '?' : hint}`);
    }
    checkAbi(name, version());
    const exports = {};
    for (const [key, type] of Object.entries(EXPORTS)) {
        const found = instance.exports[prefix + key];
        const cause = found === undefined ? 'nothing of that name is exported' : mismatch(found, type);
        if (cause !== undefined) {
            throw fault(key, cause);
        }
        exports[key] = found;
    }
    return Object.freeze(exports);
}

/** Throws if a module was made for another version of the ABI. */
export function checkAbi(what, found) {
    if (found !== ABI_VERSION) {
        throw new RootstockError(
            'ABI_VERSION',
            `${what} has version ${found} of the ABI; this package speaks version ${ABI_VERSION}`,
            { expected: ABI_VERSION, found },
        );
    }
}

/** What is wrong with an export, as far as JavaScript can see. */
function mismatch(found, { kind, params, mutable }) {
    switch (kind) {
        case 'func':
            if (typeof found !== 'function') {
                return 'it is not a function';
            }
            return found.length === params.length ? undefined : `it takes ${found.length} arguments, not ${params.length}`;
        case 'memory':
            return found instanceof WebAssembly.Memory ? undefined : 'it is not a memory';
        default:
            if (!(found instanceof WebAssembly.Global) || typeof found.value !== 'number') {
                return 'it is not an i32 global';
            }
            return isMutable(found) === mutable ? undefined : `it is ${mutable ? 'not ' : ''}mutable`;
    }
}

function isMutable(global) {
    try {
        // the same value: only whether it may be written is asked
        global.value = Number(global.value);
        return true;
    } catch {
        return false;
    }
}
