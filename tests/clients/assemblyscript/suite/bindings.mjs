// The bindings that asc generates for JavaScript: as they are, beside the runtime and merged with it.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assemble, client, compileForRootstock, runtimePath } from '../rootstock/build.mjs';
import { command } from './programs.mjs';
import { check, same } from './report.mjs';

/** Options of the runtime by number. */
const EAGER = 0, POISON = 1, VERIFY = 2;

const folder = join(client, '../../../target/assemblyscript/bound');

/** A package that a program's bindings import by its name. */
function makePackage(at, name, text) {
    const path = join(at, 'node_modules', name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'package.json'), JSON.stringify({ name, type: 'module', exports: './index.mjs' }));
    writeFileSync(join(path, 'index.mjs'), text);
}

/** The host's functions, which the runtime and the program import. */
const HOST = `
const handles = new Map();
let next = 1;
export const handle_new = (kind, value) => (handles.set(next, value), next++);
export const handle_value = (handle) => handles.get(handle);
export const handle_count = () => handles.size;
export const host_decref_handle = (kind, handle) => void handles.delete(handle);
`;

const RUNTIME = `
import { readFileSync } from 'node:fs';
import * as host from 'host';
const module = new WebAssembly.Module(readFileSync(${JSON.stringify(runtimePath)}));
export default new WebAssembly.Instance(module, { host }).exports;
`;

/** Compiles the program with bindings of a kind into a folder of its own; the path of its JavaScript, and its exports. */
async function build(kind, merged) {
    const at = join(folder, `${kind}-${merged ? 'merged' : 'linked'}`);
    rmSync(at, { recursive: true, force: true });
    makePackage(at, 'host', HOST);
    if (!merged) makePackage(at, 'runtime', RUNTIME);
    const { text, written } = await compileForRootstock(['programs/special/bound.ts', '--bindings', kind], { name: 'bound', merged });
    writeFileSync(join(at, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(at, 'bound.js'), written['bound.js']);
    const program = join(at, merged ? 'beside.wasm' : 'bound.wasm');
    writeFileSync(program, assemble(text));
    if (merged) execFileSync(command, ['link', program, '-o', join(at, 'bound.wasm'), '--export-runtime', '--runtime', runtimePath]);
    return { at, exported: WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(program))).map(({ name }) => name) };
}

const load = (at, file) => import(pathToFileURL(join(at, file)));

/** What the program exports, through its bindings, and the runtime's function to set options, where it can be reached. */
async function bound(kind, merged, at) {
    const host = await load(at, 'node_modules/host/index.mjs');
    const runtime = merged ? {} : (await load(at, 'node_modules/runtime/index.mjs')).default;
    const bindings = await load(at, 'bound.js');
    if (kind === 'esm') return { exports: bindings, configure: runtime.gc_configure };
    const module = new WebAssembly.Module(readFileSync(join(at, 'bound.wasm')));
    const exports = await bindings.instantiate(module, { runtime, host, env: {} });
    return { exports, configure: runtime.gc_configure ?? exports.gc_configure };
}

/** Calls across the bindings; throws at the first that is wrong. */
function use({ greet, join, scaled, bytes, moved, total, counter, count, handles, fail, calls, greeting }, n) {
    const seen = calls.value;
    same(greet('w\u00f6rld'), 'hello W\u00d6RLD 1,2,5', 'text, and a call of the host');
    check(calls.value === seen + 1, 'a global');
    same(greeting.value, 'hello', 'a constant of text');
    same(join([['a', 'b'], [], ['c']], null).join(';'), 'a/b;;c', 'arrays of arrays');
    const large = Array.from({ length: n }, (_, i) => [`${i}`, 'x'.repeat(i % 50)]);
    same(join(large, '-').join(), large.map((list) => list.join('-')).join(), 'many arrays');
    same(scaled(Float64Array.of(1, 2.5), 4).join(), '4,10', 'a typed array');
    same(new TextDecoder().decode(bytes('\u20ac')), '\u20ac', 'bytes');
    const point = moved({ x: 1, y: 1.5, name: 'p', tags: ['t', 'u'] }, 4);
    same(JSON.stringify(point), '{"x":5,"y":3,"name":"p\'","tags":["t","u","moved"]}', 'a record');
    check(total([1n, 2n, 1n << 40n]) === 3n + (1n << 40n), 'a static array');
    const one = counter('a'), other = counter('z');
    for (let i = 0; i < n; i++) count(one, `${i}`);
    same(count(other, 'y'), 'z,y', 'an object');
    same(count(one, 'end'), ['a', ...Array(n).keys(), 'end'].join(), 'an object that has grown');
    check(handles(n) === 0, 'handles that are dead');
    let message;
    try {
        fail('for a reason');
    } catch (error) {
        ({ message } = error);
    }
    check(/^for a reason in programs\/special\/bound\.ts:/.test(message), `abort: ${message}`);
}

export async function bindingsTests(report) {
    for (const kind of ['esm', 'raw']) {
        for (const merged of [false, true]) {
            await report.test(`bindings, ${kind}, ${merged ? 'merged' : 'linked'}`, async () => {
                globalThis.upper = (text, numbers) => `${text.toUpperCase()} ${numbers}`;
                const { at, exported } = await build(kind, merged);
                const runtime = exported.filter((name) => name.startsWith('__'));
                same(runtime.sort().join(), '__collect,__new,__pin,__rtti_base,__unpin', 'exports of the runtime');
                const { exports, configure } = await bound(kind, merged, at);
                use(exports, 500);
                if (!configure) return;
                for (const [option, value] of [[EAGER, 1], [POISON, 1], [VERIFY, 1]]) configure(option, value);
                use(exports, 20);
            });
        }
    }
}
