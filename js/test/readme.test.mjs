/** The examples of README.md do what it says. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { JS, guestPath, wasmPath } from '../suite/files.mjs';

const text = await readFile(`${JS}README.md`, 'utf8');
const examples = [...text.matchAll(/```js\n([^]*?)```\n\n```text\n([^]*?)```/g)].map(([, code, output]) => ({ code, output }));

let folder;
before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rootstock-readme-'));
    await copyFile(wasmPath(), join(folder, 'runtime.wasm'));
    // the program of the README at the root, not the one of that name in tests/guests
    await copyFile(guestPath('readme/list'), join(folder, 'list.wasm'));
});
after(() => rm(folder, { recursive: true, force: true }));

test('every example has its output', () => {
    assert.ok(examples.length >= 3);
    assert.equal(text.match(/```js\n/g).length, examples.length);
});

for (const [at, { code, output }] of examples.entries()) {
    test(`example ${at + 1}`, async () => {
        const module = code.replace("'./rootstock.js'", JSON.stringify(pathToFileURL(`${JS}rootstock.js`).href));
        const args = ['--input-type=module', '--eval', module];
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });
        assert.equal(stderr, '');
        assert.equal(stdout, output);
    });
}
