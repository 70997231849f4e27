/** rootstock.d.ts declares what there is: every export, every member, every name of the tables. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import * as rootstock from '../rootstock.js';
import { JS, bytesOf, wasmPath } from '../suite/files.mjs';

const text = readFileSync(`${JS}rootstock.d.ts`, 'utf8').replace(/\/\*\*[^]*?\*\//g, '');

/** The names that a class or an interface declares. */
function members(heading) {
    const start = text.search(heading);
    assert.ok(start >= 0, `no ${heading}`);
    const body = text.slice(text.indexOf('{', start) + 1, text.indexOf('\n}', start));
    // four blanks: not what is declared inside a member
    const found = [...body.matchAll(/^ {4}(?:readonly |private )?(\w+|\[[\w.]+\])[?(<:]/gm)].map(([, name]) => name);
    return found.filter((name) => name !== 'constructor').sort();
}

/** The names of the strings in a union. */
const union = (name) =>
    [...text.match(new RegExp(`export type ${name} =([^;]*);`))[1].matchAll(/'([^']*)'/g)].map(([, found]) => found);
const names = (table) => table.map(({ name }) => name);

test('every export', () => {
    const declared = [...text.matchAll(/^export (?:const|class|function) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(declared.sort(), Object.keys(rootstock).sort());
});

test('every member of every class', () => {
    const runtime = rootstock.instantiateSync(bytesOf(wasmPath()));
    const scope = runtime.openScope();
    const program = runtime.linkSync(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const instances = {
        HandleStore: runtime.handles,
        Views: runtime.memory,
        Scope: scope,
        Slot: scope.slot(),
        Runtime: runtime,
        Program: program,
    };
    for (const [name, instance] of Object.entries(instances)) {
        assert.equal(instance.constructor, rootstock[name]);
        const prototype = Reflect.ownKeys(rootstock[name].prototype).map((key) =>
            key === Symbol.dispose ? '[Symbol.dispose]' : key,
        );
        const found = [...prototype, ...Object.keys(instance)].filter((key) => key !== 'constructor');
        if (name === 'Scope' && Symbol.dispose === undefined) {
            found.push('[Symbol.dispose]');
        }
        assert.deepEqual(members(new RegExp(`export class ${name}\\b`)), found.sort(), name);
    }
    assert.deepEqual(members(/export interface RuntimeExports\b/), Object.keys(runtime.exports).sort());
    assert.deepEqual(members(/export interface Audit\b/), Object.keys(runtime.handles.audit()).sort());
    const [info] = rootstock.OPTIONS;
    assert.deepEqual(members(/export interface OptionInfo\b/), Object.keys(info).sort());
});

test('every name of the tables', () => {
    assert.deepEqual(union('OptionName'), names(rootstock.OPTIONS));
    assert.deepEqual(union('StatName'), names(rootstock.STATS));
    assert.deepEqual(['NONE', ...union('TrapName')], names(rootstock.ERRORS));
});

test('every code that is thrown', () => {
    const sources = ['abi', 'errors', 'handles', 'host', 'load', 'program', 'runtime', 'scope', 'source', 'suspend', 'traps', 'views'];
    const thrown = sources.flatMap((file) => {
        const source = readFileSync(`${JS}src/${file}.js`, 'utf8');
        return [...source.matchAll(/(?:RootstockError\(|engineTrap\(error,)\s*'([A-Z_]+)'/g)].map(([, code]) => code);
    });
    assert.deepEqual([...new Set(thrown)].sort(), union('OtherCode').sort());
});
