/** The suite in a browser: runs on its own, and posts its results to /results. */

import { instantiate } from '../rootstock.js';
import { equal, ok } from './assert.js';
import { SUITES } from './index.js';

const get = async (path) => {
    const response = await fetch(path);
    if (!response.ok) {
        throw new Error(`${path}: ${response.status} ${await response.text()}`);
    }
    return new Uint8Array(await response.arrayBuffer());
};
const post = (path, body) => fetch(path, { method: 'POST', body: JSON.stringify(body) });
const describe = (error) => String(error?.stack ?? error);

/** What only a page can do. */
const page = ({ test }) => {
    test('the runtime comes from the network', async () => {
        const runtime = await instantiate(fetch('/runtime.wasm'));
        ok(runtime.alloc(16) > 0);
    });

    test('a file that is not there is told by its address', async () => {
        let message;
        try {
            await instantiate(fetch('/js/nothing.wasm'));
        } catch (error) {
            message = error.message;
        }
        equal(message, `${location.origin}/js/nothing.wasm: the server answered 404 Not Found`);
    });
};

async function run() {
    const wasm = await get('/runtime.wasm');
    const guest = (name) => get(`/guests/${name}.wasm`);
    const tests = [];
    for (const [suite, declare] of Object.entries({ ...SUITES, page })) {
        declare({ test: (name, f) => tests.push({ name: `${suite}: ${name}`, f }), wasm, guest });
    }
    const results = [];
    for (const { name, f } of tests) {
        const start = performance.now();
        let error;
        try {
            await f();
        } catch (thrown) {
            error = describe(thrown);
        }
        results.push({ name, error, ms: performance.now() - start });
        // so that a test that never ends can be named
        await post('/progress', { done: name });
    }
    return results;
}

addEventListener('error', (event) => post('/results', { failure: describe(event.error ?? event.message) }));
run().then(
    (results) => post('/results', { results, agent: navigator.userAgent }),
    (error) => post('/results', { failure: describe(error) }),
);
