/** Where the tests find what was built (node only). `js/test/run` builds it. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const JS = `${ROOT}js/`;

const target = process.env.CARGO_TARGET_DIR ?? `${ROOT}target`;
const wasm = process.env.ROOTSTOCK_WASM ?? `${target}/wasm32-unknown-unknown/release/runtime.wasm`;
const guests = process.env.ROOTSTOCK_GUESTS ?? `${target}/js-guests`;

function built(path, variable) {
    if (!existsSync(path)) {
        throw new Error(`${path} is not there: js/test/run builds it, or set ${variable}`);
    }
    return path;
}

export const wasmPath = () => built(wasm, 'ROOTSTOCK_WASM');
export const guestPath = (name) => built(`${guests}/${name}.wasm`, 'ROOTSTOCK_GUESTS');
/** As a plain Uint8Array: node's Buffers are slices of a larger buffer. */
export const bytesOf = (path) => new Uint8Array(readFileSync(path));
