/** The command `rootstock-run`: results, options, and one exit code for each kind of fault. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { JS, guestPath, wasmPath } from '../suite/files.mjs';

let folder;
before(async () => {
    // as the package has it: the runtime lies beside the module
    folder = await mkdtemp(join(tmpdir(), 'rootstock-bin-'));
    for (const name of ['bin', 'src', 'rootstock.js', 'package.json']) {
        await cp(`${JS}${name}`, join(folder, name), { recursive: true });
    }
    await copyFile(wasmPath(), join(folder, 'runtime.wasm'));
});
after(() => rm(folder, { recursive: true, force: true }));

function run(...args) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'bin/run.js'), ...args], {
        encoding: 'utf8',
    });
    return { status, stdout, stderr };
}

const list = guestPath('readme/list');

test('a program runs, beside the runtime or linked with it', () => {
    for (const program of [list, list.replace(/\.wasm$/, '_merged.wasm')]) {
        assert.deepEqual(run(program, '1000'), { status: 0, stdout: '1\n', stderr: '' });
        assert.deepEqual(run(program, '--invoke', 'main', '5'), { status: 0, stdout: '1\n', stderr: '' });
    }
});

test('options are set and statistics are printed', () => {
    const { status, stdout } = run(list, '1000', '--option', 'EAGER=1', '--stats');
    assert.equal(status, 0);
    assert.match(stdout, /COLLECTIONS +│ 1000 /);
});

test('bad input has exit code 2 and says what is at fault', () => {
    for (const [args, words] of [
        [[], /a file is missing/],
        [['--bogus'], /--bogus/],
        [['missing.wasm'], /missing\.wasm: it cannot be read/],
        [[join(folder, 'package.json')], /package\.json: .*magic/],
        [[list, '--invoke', 'nothing'], /no exported function nothing/],
        [[list, 'many'], /many: not a number/],
        [[list, '1', '--option', 'EAGER'], /EAGER: NAME=VALUE/],
        [[list, '1', '--option', 'EAGER=x'], /x: not a number/],
        [[list, '1', '--option', 'NOTHING=1'], /NOTHING/],
        [[list, '1', '--option', 'EAGER=-1'], /refused -1 for the option EAGER/],
        [[list.replace(/\.wasm$/, '_merged.wasm'), '1', '--option', 'EAGER=1'], /linked with its runtime/],
    ]) {
        const { status, stdout, stderr } = run(...args);
        assert.equal(stdout, '', `${args}`);
        assert.match(stderr, words);
        assert.match(stderr, /^rootstock-run: /);
        assert.equal(status, 2, `${args}: ${stderr}`);
    }
});

test('a trap has exit code 1 and its reason', () => {
    const { status, stderr } = run(list, '1000000000');
    assert.match(stderr, /HEAP_EXHAUSTED/);
    assert.equal(status, 1);
});
