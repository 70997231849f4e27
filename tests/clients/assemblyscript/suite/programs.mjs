// The programs, how much each does, and the modules that are made of them, once.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { client, rootstock, runtimePath, stock } from '../rootstock/build.mjs';

const target = join(client, '../../../target');

/**
 * `size` is the argument of `main`, `small` the one for a collection at each allocation, `large` the one for times, in so
 * many `calls`.
 * Where AssemblyScript's own runtime does not do it, `text` has the result for an argument.
 */
export const programs = [
    { name: 'json', size: 1000, small: 20, large: 4000 },
    { name: 'words', size: 10000, small: 150, large: 200000 },
    { name: 'trees', size: 12, small: 5, large: 16 },
    { name: 'queens', size: 8, small: 4, large: 10 },
    { name: 'language', size: 20, small: 6, large: 20, calls: 20 },
    { name: 'numbers', size: 300, small: 25, large: 2000 },
    { name: 'bank', size: 5000, small: 60, large: 100000 },
    { name: 'cache', size: 4000, small: 60, large: 40000 },
    { name: 'memory', size: 1000, small: 100 },
    { name: 'deep', size: 5000, small: 300, text: deep },
    { name: 'handles', size: 20000, small: 200, text: handles },
    { name: 'forgets', size: 1000, small: 40, text: forgets },
];

function deep(n) {
    return `the sum of a list that was made ${n} calls deep: ${n * (n + 1) / 2}\n${n}`;
}

function handles(n) {
    const kept = Array.from({ length: Math.ceil(n / 10) }, (_, i) => 10 * i);
    const rest = kept.filter((_, i) => i % 2 === 1);
    // the program multiplies 32 bits
    const sum = (values) => values.reduce((sum, value) => sum + BigInt(Math.imul(value, value)), 0n);
    return [
        `made ${n}: ${kept.length} alive`,
        `sum ${sum(kept)}`,
        `disposed of ${kept.length - rest.length}`,
        `after that: ${rest.length} alive`,
        `sum ${sum(rest)}`,
        'none kept: 0 alive',
        '0',
    ].join('\n');
}

function forgets(n) {
    const kept = n - Math.ceil(n / 8);
    // those of the last eighth that were replaced have the value -i
    let sum = 0;
    for (let i = 0; i < n; i++) sum += i % 8 === 0 ? -i : i;
    return [
        'popped: 0',
        'shifted: 0',
        'spliced: 3',
        'shortened: 0',
        'filled: 0',
        'deleted: 0',
        'keys deleted: 0',
        `of ${n} every eighth deleted: ${kept}`,
        `sum ${sum}`,
        ...['cleared', 'numbers', 'unmanaged', 'sorted'].map((what) => `${what}: 0`),
        '0',
    ].join('\n');
}

const made = new Map();

function once(key, make) {
    if (!made.has(key)) made.set(key, make());
    return made.get(key);
}

/** The module with AssemblyScript's own runtime. */
export function stockModule(name) {
    return once(`stock ${name}`, async () => new WebAssembly.Module(await stock(name)));
}

/** The bytes of the module for Rootstock. */
export function program(name) {
    return once(`program ${name}`, () => rootstock(name));
}

/** The same, compiled by node. */
export function programModule(name) {
    return once(`module ${name}`, async () => new WebAssembly.Module(await program(name)));
}

/** A file with the module for Rootstock. */
export function programFile(name) {
    return once(`file ${name}`, async () => {
        const folder = join(target, 'assemblyscript/programs');
        mkdirSync(folder, { recursive: true });
        const file = join(folder, `${name}.wasm`);
        writeFileSync(file, await program(name));
        return file;
    });
}

/** A file with the program and the runtime merged into one module. */
export function mergedFile(name) {
    return once(`merged file ${name}`, async () => {
        const file = await programFile(name);
        const merged = file.replace(/\.wasm$/, '.merged.wasm');
        execFileSync(command, ['link', file, '-o', merged, '--export-runtime', '--runtime', runtimePath]);
        return merged;
    });
}

/** The same, compiled by node. */
export function mergedModule(name) {
    return once(`merged ${name}`, async () => new WebAssembly.Module(readFileSync(await mergedFile(name))));
}

/** The command `rootstock`. */
export const command = process.env.ROOTSTOCK_COMMAND ?? join(target, 'debug/rootstock');
