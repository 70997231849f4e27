/** The examples of README.md do what it says. */

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { JS, ROOT, guestPath, wasmPath } from '../suite/files.mjs';

const text = await readFile(`${JS}README.md`, 'utf8');
const examples = [...text.matchAll(/```js\n([^]*?)```\n\n```text\n([^]*?)```/g)].map(([, code, output]) => ({ code, output }));

// What rootstock link -O uses; tests/run installs it.
const optimiser = `${ROOT}target/tools/node_modules/.bin/wasm-opt`;

/** Why an example is not run here, if it is not. */
function leftOut(code) {
    if (code.includes('WebAssembly.Suspending') && WebAssembly.Suspending === undefined) {
        return 'this node does not have JSPI; js/suite/waiting.js runs in Chromium';
    }
    return code.includes('-asyncify.wasm') && !existsSync(optimiser) ? `${optimiser} is not there` : false;
}

let folder;
before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rootstock-readme-'));
    await copyFile(wasmPath(), join(folder, 'runtime.wasm'));
    // the program of the README at the root, not the one of that name in tests/guests
    await copyFile(guestPath('readme/list'), join(folder, 'list.wasm'));
    await copyFile(guestPath('waits'), join(folder, 'waits.wasm'));
    const [, options] = /`wasm-opt ([^`]*)`/.exec(text);
    if (existsSync(optimiser)) {
        execFileSync(optimiser, options.split(' '), { cwd: folder });
    }
});
after(() => rm(folder, { recursive: true, force: true }));

test('every example has its output', () => {
    assert.ok(examples.length >= 3);
    assert.equal(text.match(/```js\n/g).length, examples.length);
});

for (const [at, { code, output }] of examples.entries()) {
    test(`example ${at + 1}`, { skip: leftOut(code) }, async () => {
        const module = code.replace("'./rootstock.js'", JSON.stringify(pathToFileURL(`${JS}rootstock.js`).href));
        const args = ['--input-type=module', '--eval', module];
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });
        assert.equal(stderr, '');
        assert.equal(stdout, output);
    });
}
