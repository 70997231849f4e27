/** The suite in node. */

import { describe, test } from 'node:test';

import { bytesOf, guestPath, wasmPath } from '../suite/files.mjs';
import { SUITES } from '../suite/index.js';

const wasm = bytesOf(wasmPath());
const guest = async (name) => bytesOf(guestPath(name));

for (const [name, suite] of Object.entries(SUITES)) {
    describe(name, () => suite({ test, wasm, guest }));
}
