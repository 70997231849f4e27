// AssemblyScript's own compiler as a program: it must write what the one writes that runs in JavaScript.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asc, binaryen, client, compile, compileForRootstock, runtimePath, version } from '../rootstock/build.mjs';
import { command } from './programs.mjs';
import { check } from './report.mjs';
import { extract, folder } from './sources.mjs';

const write = (name, contents) => {
    writeFileSync(join(folder, name), contents);
    return join(folder, name);
};

/** The compiler as a module, and the bindings that the compiler has written for it. */
async function instantiate(wasm, bindings) {
    const { instantiate } = await import(pathToFileURL(write(`${wasm}.mjs`, bindings)));
    const module = new WebAssembly.Module(readFileSync(join(folder, wasm)));
    return instantiate(module, { binaryen, env: {} });
}

const driver = relative(client, join(folder, 'driver.ts')).replaceAll('\\', '/');

/** For Rootstock, merged with it. */
async function onRootstock() {
    const { text, written } = await compileForRootstock([driver, '--bindings', 'raw'], { name: 'compiler', merged: true });
    // Binaryen takes a minute for a text of this size
    const program = write('rootstock.wat', text);
    execFileSync(command, ['link', program, '-o', join(folder, 'rootstock.wasm'), '--runtime', runtimePath]);
    return instantiate('rootstock.wasm', written['compiler.js']);
}

/** With AssemblyScript's own collector. Its stack is as large as Rootstock's. */
async function onItsOwn() {
    const args = ['--runtime', 'incremental', '--stackSize', String(1 << 19), '--bindings', 'raw', '--outFile', 'compiler.wasm'];
    const written = await compile([driver, ...args]);
    write('stock.wasm', written['compiler.wasm']);
    return instantiate('stock.wasm', written['compiler.js']);
}

/** A text of the compiler's library, which is by this name or in a folder of it. */
function libraryFile(name) {
    const found = [name, `${name}/index`].find((path) => Object.hasOwn(asc.libraryFiles, path));
    return found && { path: `~lib/${found}.ts`, text: asc.libraryFiles[found] };
}

function ownFile(name) {
    for (const path of [`${name}.ts`, `${name}/index.ts`]) {
        try {
            return { path, text: readFileSync(join(client, path), 'utf8') };
        } catch {}
    }
    return undefined;
}

/** Compiles a program as `asc` does it without options; the text of the module. */
function run(compiler, entry) {
    compiler.begin(...version.split('.').map(Number));
    for (const [alias, name] of Object.entries(entry.use)) compiler.use(alias, name);
    for (const [name, text] of Object.entries(asc.libraryFiles)) {
        if (!name.includes('/')) compiler.parse(text, `~lib/${name}.ts`, false);
    }
    const { path, text } = libraryFile('rt/index-incremental');
    compiler.parse(text, path, true);
    compiler.parse(entry.text, entry.path, true);
    for (;;) {
        const backlog = [];
        for (let name; (name = compiler.nextFile()) !== null;) backlog.push(name);
        if (backlog.length === 0) break;
        for (const name of backlog) {
            const file = name.startsWith('~lib/') ? libraryFile(name.slice('~lib/'.length)) : ownFile(name);
            compiler.parse(file?.text ?? null, file?.path ?? `${name}.ts`, false);
        }
    }
    const module = compiler.compile();
    const error = compiler.nextError();
    if (error !== null) throw new Error(`${entry.path}: ${error}`);
    check(compiler.finish(), `${entry.path}: the module is not valid`);
    const binary = binaryen.wrapModule(module);
    binaryen.setOptimizeStackIR(true);
    const result = binary.emitStackIR();
    binary.dispose();
    compiler.end();
    return result;
}

/** What the compiler in JavaScript writes. */
async function expected({ path, use }) {
    const args = Object.entries(use).flatMap(([alias, name]) => ['--use', `${alias}=${name}`]);
    const written = await compile([path, ...args, '--runtime', 'incremental', '--textFile', 'program.wat']);
    return written['program.wat'];
}

/** The files of the compiler's library that have functions of their own. */
const LIBRARY = [
    'builtins', 'math', 'memory', 'number', 'string', 'symbol', 'uri', 'bindings/asyncify', 'rt/itcms', 'rt/tlsf',
    'util/casemap', 'util/math', 'util/memory', 'util/string', 'util/uri',
];

/** The programs of this client, and one for each of those files, which exports what it does. */
function entries() {
    const own = readdirSync(join(client, 'programs')).filter((name) => name.endsWith('.ts'));
    return [
        ...own.map((name) => ({ path: `programs/${name}`, use: { abort: 'programs/lib/host/abort' } })),
        ...LIBRARY.map((name) => {
            const file = write(`${name.replace('/', '-')}.ts`, `export * from "${name}";\n`);
            return { path: relative(client, file).replaceAll('\\', '/'), use: {} };
        }),
    ];
}

/** Tests that the compiler on Rootstock is right, and takes no more memory than it should. */
export async function compilerTests(report) {
    let own, other;
    await report.test('the compiler, compiled for Rootstock', async () => {
        extract();
        [own, other] = [await onRootstock(), await onItsOwn()];
    });
    if (!own) return;
    for (const entry of entries()) {
        await report.test(`the compiler compiles ${entry.path.split('/').at(-1)}`, async () => {
            const text = readFileSync(join(client, entry.path), 'utf8');
            check(run(own, { ...entry, text }) === await expected(entry), 'it writes another module');
            run(other, { ...entry, text });
        });
    }
    await report.test('the compiler takes at most one and a half times the memory that it does with its own collector', async () => {
        const [bytes, theirs] = [own, other].map(({ memory }) => memory.buffer.byteLength);
        console.log(`      ${bytes} bytes of memory, and ${theirs} with AssemblyScript's collector`);
        check(bytes <= 1.5 * theirs, `${bytes} bytes, and ${theirs} with AssemblyScript's collector`);
    });
}
