/** The programs of tests/guests, as a compiler emits them: what the native host makes of them is made of them here. */

import { hostModule, instantiate } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

/** Collect at every allocation, spoil what is freed, check the heap each time. */
const HARD = { EAGER: 1, POISON: 1, VERIFY: 1 };
const EASY = { VERIFY: 1 };

/** The programs, for who must get them ready. */
export const GUESTS = ['closures', 'deep', 'every_export', 'grow', 'list', 'reclaim', 'shapes', 'table', 'waits', 'wrappers'];

/** Beside the runtime, as `rootstock run` has it. */
async function apart(name, configure, { wasm, guest }) {
    const told = [];
    const runtime = await instantiate(wasm, { configure, onDecref: (kind, handle) => told.push([kind, handle]) });
    const imports = { host: hostModule(runtime) };
    const program = await runtime.link(guest(name), { name: `${name}.wasm`, imports });
    return { runtime, program, told };
}

/** In one module with the runtime, as `rootstock link` makes it. */
async function merged(name, configure, { guest }) {
    const told = [];
    // What the program imports is there before the runtime that is in the same module.
    const late = (method) => (...args) => hostModule(runtime)[method](...args);
    const methods = ['handle_new', 'handle_value', 'handle_kind', 'handle_count'];
    const runtime = await instantiate(guest(`${name}_merged`), {
        configure,
        prefix: 'gc.',
        imports: { host: Object.fromEntries(methods.map((method) => [method, late(method)])) },
        onDecref: (kind, handle) => told.push([kind, handle]),
    });
    const { exports } = runtime.instance;
    return { runtime, program: { call: (method, ...args) => runtime.call(exports[method], ...args) }, told };
}

export default (suite) => {
    programs({ ...suite, load: apart });
    const test = (name, f) => suite.test(`merged: ${name}`, f);
    programs({ ...suite, test, load: merged });

    test('nothing is imported but what the program and the runtime ask of the host', async () => {
        const imports = WebAssembly.Module.imports(await WebAssembly.compile(await suite.guest('wrappers_merged')));
        equal(imports.map(({ module, name }) => `${module}.${name}`).sort(), ['host.handle_new', 'host.host_decref_handle']);
    });
};

function programs({ test, wasm, guest, load }) {
    const setup = (name, configure) => load(name, configure, { wasm, guest });

    test('every export is used as it is meant', async () => {
        const { runtime, program, told } = await setup('every_export');
        equal(program.call('main'), 0, 'the number of the step that failed');
        equal(told, [[4, 41], [3, 42], [3, 43], [5, 46], [3, 44]]);
        equal(runtime.sp, runtime.stackBase);
    });

    test('lists are built and summed', async () => {
        for (const [configure, n] of [[EASY, 100_000], [HARD, 300]]) {
            const { runtime, program } = await setup('list', configure);
            equal(program.call('main', n), (BigInt(n) * BigInt(n + 1)) / 2n);
            equal(program.call('churn', 20, n / 20), 1);
            equal(runtime.verify(), 0);
            runtime.collect();
            equal(runtime.stat('LIVE_OBJECTS'), 0);
        }
    });

    test('a list that the program made is held by a scope of the host', async () => {
        const { runtime, program } = await setup('list', EASY);
        runtime.scope((scope) => {
            const list = scope.push(program.call('build', 1000));
            program.call('garbage', 100_000, 24);
            ok(runtime.stat('COLLECTIONS') > 2);
            runtime.collect();
            equal([program.call('length', list), program.call('total', list)], [1000, 500_500n]);
            equal(runtime.memory.readU32(list + 4), 1000);
        });
        runtime.collect();
        equal(runtime.stat('LIVE_OBJECTS'), 0);
    });

    test('trees, closures and strings', async () => {
        for (const [configure, rounds, depth] of [[EASY, 40, 14], [HARD, 3, 7]]) {
            const { program } = await setup('shapes', configure);
            equal(program.call('trees', rounds, depth), (rounds + 1) * ((1 << depth) - 1));
        }
        for (const [configure, n] of [[EASY, 3000], [HARD, 150]]) {
            const { runtime, program } = await setup('closures', configure);
            equal(program.call('fold', n), 20 * n);
            const [string, length] = program.call('join', n);
            equal(runtime.memory.readString(string, length), Array.from({ length: n }, (_, i) => i).join(''));
            equal(runtime.verify(), 0);
        }
    });

    test('a table under mutation keeps every slot', async () => {
        for (const [configure, slots, steps, max] of [[EASY, 5000, 200_000, 500], [HARD, 60, 500, 2000]]) {
            const { runtime, program } = await setup('table', configure);
            equal(program.call('main', slots, steps, max), slots);
            program.call('forget');
            runtime.collect();
            equal(runtime.stat('LIVE_OBJECTS'), 0, 'the table hung from its range alone');
        }
    });

    test('memory that the program grows itself stays its own, and views follow', async () => {
        const { runtime, program } = await setup('grow', EASY);
        const { u8 } = runtime.memory;
        equal(program.call('main', 50, 3, 10_000, 64), 150);
        equal(u8.length, 0);
        equal(runtime.memory.u8.length, runtime.stat('MEMORY_PAGES') * 65536);
        equal(runtime.verify(), 0);
    });

    test('the three shapes of reclamation', async () => {
        for (const [configure, n] of [[EASY, 10_000], [HARD, 150]]) {
            for (const [fold, expected] of [['map_fold', n], ['set_fold', n], ['decimal_fold', (n * (n - 1)) / 2]]) {
                const { runtime, program } = await setup('reclaim', configure);
                equal(program.call(fold, n), BigInt(expected), fold);
                runtime.collect();
                const { live, isClean } = runtime.handles.audit();
                equal([live, isClean], [1, true], fold);
                runtime.shutdown();
                equal(runtime.handles.liveCount, 0);
            }
        }
    });

    test('a million wrappers with no other pressure', async () => {
        const { runtime, program } = await setup('wrappers', EASY);
        equal(program.call('burst', 1_000_000), 1_000_000);
        runtime.shutdown();
        const { made, toldOnce, live, isClean } = runtime.handles.audit();
        equal([made, toldOnce, live, isClean], [1_000_000, 1_000_000, 0, true]);
    });

    test('a program that overruns the shadow stack is told at the end of the call', async () => {
        const { runtime, program } = await setup('deep', EASY);
        equal(program.call('main', 5000), 12_502_500n);
        const slots = (runtime.stackLimit - runtime.stackBase) / 4;
        runtime.scope(() => {
            program.call('forget', slots);
            runtime.collect();
        });
        const overrun = { code: 'SHADOW_STACK_OVERFLOW', argument: runtime.stackLimit + 4 };
        throws(() => program.call('forget', slots + 1), overrun);
        equal(runtime.sp, runtime.stackBase);
        runtime.collect();
        equal(runtime.verify(), 0);
    });
}
