// Every test of this client: `run` starts it.

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { adapted, assemble, client, rootstock, stock } from '../rootstock/build.mjs';
import { bindingsTests } from './bindings.mjs';
import { compilerTests } from './compiler.mjs';
import { Running } from '../rootstock/host.mjs';
import { command, mergedFile, mergedModule, programFile, programModule, programs, stockModule } from './programs.mjs';
import { Report, check, same } from './report.mjs';

const { values: options } = parseArgs({ options: { only: { type: 'string', default: '' } } });
process.chdir(client);
const report = new Report(options.only);

/** What a program prints and returns: worked out, or asked of AssemblyScript's own runtime. */
async function expected({ name, text }, argument) {
    return text ? text(argument) : Running.stock(await stockModule(name)).call(argument);
}

/** Runs a program twice in one instance, so that the second finds what the first has left. */
function twice(running, argument, first) {
    same(running.call(argument), first, 'the first call');
    return running.call(argument);
}

/** What `rootstock run` says to a program. */
async function inWasmtime(name, argument, flags = [], file = programFile(name)) {
    const { status, stdout, stderr } = spawnSync(command, ['run', await file, '--invoke', 'main', String(argument), ...flags], {
        encoding: 'utf8',
    });
    return { status, stdout: stdout.trimEnd(), stderr };
}

for (const program of programs) {
    const { name, size, small } = program;
    for (const [how, module] of [['linked', programModule], ['merged', mergedModule]]) {
        await report.test(`${name}, ${how}`, async () => {
            const first = await expected(program, size);
            const running = Running[how](await module(name));
            const second = twice(running, size, first);
            if (!program.text) {
                same(second, twice(Running.stock(await stockModule(name)), size, first), 'the second call');
            }
            check(running.collections > 0, 'there was no collection: the program is too small a test');
            running.finish();
        });
        await report.test(`${name}, ${how}, a collection at each allocation`, async () => {
            const running = Running[how](await module(name)).eager(1);
            twice(running, small, await expected(program, small));
            check(running.collections > small, `there were only ${running.collections} collections`);
            running.finish();
        });
    }
    for (const [how, file] of [['linked', programFile], ['merged', mergedFile]]) {
        await report.test(`${name}, ${how}, in wasmtime`, async () => {
            const flags = ['--eager', '--poison', '--verify'];
            const { status, stdout, stderr } = await inWasmtime(name, small, flags, file(name));
            check(status === 0, stderr);
            same(stdout, await expected(program, small), 'printed');
        });
    }
}

/** An instance of a program with an edit in its text, under a collection at each allocation. */
async function edited(name, pattern, replacement) {
    const text = await adapted(name);
    const changed = text.replace(pattern, replacement);
    check(changed !== text, 'nothing was edited');
    return Running.linked(new WebAssembly.Module(assemble(changed))).eager(1);
}

/** The tests above must see a root that is missing: here one kind of root after the other is. */
for (const [what, name, pattern, replacement] of [
    ['frames', 'language', /^( +)i32\.const \d+\n +i32\.add\n +global\.set \$gc_sp$/gm, '$1i32.const 0\n$1i32.add\n$1global.set $gc_sp'],
    ['managed globals', 'cache', /\(i32\.store \(i32\.const \d+\) \(local\.get \$value\)\)/g, ''],
    ['static data', 'memory', /\(call \$rootstock:gc_add_roots [^\n]*\)\n/g, '\n'],
    ['option INTERIOR', 'trees', /\(call \$rootstock:gc_configure \(i32\.const 7\) \(i32\.const 1\)\)/, '(i32.const 0)'],
]) {
    await report.test(`a program that lacks its ${what} as roots is found out`, async () => {
        const { small } = programs.find((program) => program.name === name);
        const stock = Running.stock(await stockModule(name));
        const right = [stock.call(small), stock.call(small)];
        let found;
        try {
            const running = await edited(name, pattern, replacement);
            found = [running.call(small), running.call(small)];
            running.finish();
        } catch {
            return;
        }
        check(found.join() !== right.join(), 'its result is right all the same');
    });
}

await report.test('a recursion that is too deep for the shadow stack says so', async () => {
    // 131,072 slots, of which each call has four
    const { status, stderr } = await inWasmtime('deep', 200000, ['--stack', '512MiB', '--verify']);
    check(status === 1 && stderr.includes('SHADOW_STACK_OVERFLOW'), `exit code ${status}: ${stderr}`);
});

await report.test('a recursion that AssemblyScript has no stack for', async () => {
    const deep = programs.find(({ name }) => name === 'deep');
    const { status, stdout, stderr } = await inWasmtime('deep', 30000, ['--stack', '512MiB']);
    check(status === 0, stderr);
    same(stdout, await expected(deep, 30000), 'printed');
});

/** The compilation of a program must fail, and say this. */
async function refused(name, text) {
    await adapted(`special/${name}`).then(
        () => check(false, 'it was not'),
        ({ message }) => check(message.includes(text), message),
    );
}

await report.test('an exported global that holds an object is refused', async () => {
    await refused('exported_global', 'exported global $programs/special/exported_global/name');
});

await report.test('__finalize is refused', async () => {
    await refused('finalize', "On Rootstock '__finalize' is never called");
});

await report.test('a program that has no frames and allocates nothing', async () => {
    const { exports } = Running.linked(new WebAssembly.Module(await rootstock('special/no_frames')));
    same(exports.add(2, 3), 5, 'the sum');
    same(Object.keys(exports).join(), 'add,memory', 'exports');
});

await report.test('a library whose class visits what it hides in numbers', async () => {
    const name = 'special/visitor', size = 2000, options = ['--lib', 'programs/special/library'];
    const running = Running.linked(new WebAssembly.Module(await rootstock(name, options)));
    const expected = Running.stock(new WebAssembly.Module(await stock(name, options))).call(size);
    same(running.call(size), expected, 'printed');
    running.finish();
});

await report.test('a program exports nothing of the runtime', async () => {
    const exports = WebAssembly.Module.exports(await programModule('handles')).map(({ name }) => name);
    same(exports.sort().join(), 'main,memory', 'exports');
});

await bindingsTests(report);
await compilerTests(report);

await report.test('a library of another compiler is refused', async () => {
    const { overlay } = await import('../rootstock/overlay.mjs');
    const files = { array: '' };
    try {
        overlay(files);
    } catch ({ message }) {
        check(message.startsWith("the library's array.ts has 0 times"), message);
        same(JSON.stringify(files), '{"array":""}', 'the files');
        return;
    }
    check(false, 'it was not');
});

await report.test('a module of another compiler is refused', async () => {
    const { adapt } = await import('../rootstock/adapt.mjs');
    try {
        adapt('(module\n (memory $0 1)\n)\n', { programBase: 1 << 20 });
    } catch ({ message }) {
        check(message.startsWith("asc's output has 0 times the address"), message);
        return;
    }
    check(false, 'it was not');
});

process.exitCode = report.summary();
