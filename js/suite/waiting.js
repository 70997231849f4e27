/** Programs that wait for promises (JSPI), several activations at once: each keeps its roots. */

import { instantiate } from '../rootstock.js';
import { equal, ok, rejects, throws } from './assert.js';

const HARD = { EAGER: 1, POISON: 1, VERIFY: 1 };
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** A runtime, the program, and what waits: for each number, how to settle the promise that its activation waits for. */
async function setup({ wasm, guest }, options = {}) {
    const waiting = new Map();
    const wait = (n) => new Promise((resolve, reject) => waiting.set(n, { resolve, reject }));
    const runtime = await instantiate(wasm, { configure: HARD });
    const imports = { env: { wait: new WebAssembly.Suspending(wait) } };
    const program = await runtime.link(guest('waits'), { name: 'waits.wasm', imports, ...options });
    const settle = async (n, how, value) => {
        waiting.get(n)[how](value);
        await later();
    };
    return { runtime, program, waiting, settle };
}

/** After all that is ready to run has run. */
const later = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Nothing is left of any activation. */
function isTidy(runtime) {
    equal(runtime.sp, runtime.stackBase, 'gc_sp');
    equal(runtime.stat('STACKS'), 0, 'stacks');
    runtime.collect();
    equal([runtime.stat('LIVE_OBJECTS'), runtime.verify()], [0, 0]);
}

export default (suite) => {
    const { test } = suite;
    if (WebAssembly.Suspending === undefined) {
        test('without JSPI a program cannot wait, and it is said', async () => {
            const runtime = await instantiate(suite.wasm);
            const imports = { env: { wait: () => 0 } };
            const program = await runtime.link(suite.guest('waits'), { imports });
            await rejects(program.callAsync('main', 1), { code: 'CANNOT_SUSPEND' });
            isTidy(runtime);
        });
        return;
    }

    test('three activations are resumed in any order, twice, and keep their roots', async () => {
        const { runtime, program, settle } = await setup(suite);
        for (const first of ORDERS) {
            for (const second of ORDERS) {
                const results = [0, 1, 2].map((n) => program.callAsync('main', n));
                equal([runtime.sp, runtime.stat('STACKS')], [runtime.stackBase, 3]);
                for (const n of first) {
                    await settle(n, 'resolve', 10 + n);
                }
                for (const n of second) {
                    await settle(n, 'resolve', 20 + n);
                }
                equal(await Promise.all(results), [10_020, 1_011_021, 2_012_022], `${first} ${second}`);
                isTidy(runtime);
            }
        }
    });

    test('activations that become ready at once do not mix', async () => {
        const { runtime, program, waiting } = await setup(suite);
        const results = [0, 1, 2].map((n) => program.callAsync('deep', 50, n));
        for (const round of [1, 2]) {
            // one job settles them all
            [2, 0, 1].forEach((n) => waiting.get(n).resolve(round));
            await later();
        }
        equal(await Promise.all(results), [50, 50, 50]);
        isTidy(runtime);
    });

    test('the host works on while activations wait, and may start one inside a scope', async () => {
        const { runtime, program, settle } = await setup(suite);
        let result;
        runtime.scope((scope) => {
            const p = scope.push(runtime.alloc(16));
            result = program.callAsync('main', 7);
            equal(runtime.sp, runtime.stackBase + 4);
            runtime.collect();
            equal(runtime.base(p), p);
            equal(runtime.stat('LIVE_OBJECTS'), 2, 'the scope\'s, and the one of the activation');
        });
        await settle(7, 'resolve', 8);
        runtime.scope((scope) => scope.push(runtime.alloc(16)));
        await settle(7, 'resolve', 9);
        equal(await result, 7_008_009);
        isTidy(runtime);
    });

    test('what fails fails alone', async () => {
        const { runtime, program, settle } = await setup(suite);
        const [kept, refused, trapped] = [program.callAsync('main', 1), program.callAsync('main', 2), program.callAsync('fall', 3)];
        const outcomes = [
            rejects(refused, { message: 'refused' }),
            rejects(trapped, { code: 'TRAP', message: /unreachable/ }),
        ];
        await settle(2, 'reject', new Error('refused'));
        await settle(3, 'resolve', 0);
        await Promise.all(outcomes);
        equal([runtime.sp, runtime.stat('STACKS')], [runtime.stackBase, 1]);
        await settle(1, 'resolve', 4);
        await settle(1, 'resolve', 5);
        equal(await kept, 1_004_005);
        isTidy(runtime);
    });

    test('an activation that needs more slots than it was given is told so', async () => {
        const { runtime, program, settle } = await setup(suite, { stackSlots: 8 });
        await rejects(program.callAsync('deep', 20, 1), { code: 'SHADOW_STACK_OVERFLOW' });
        const result = program.callAsync('main', 5);
        await settle(5, 'resolve', 6);
        await settle(5, 'resolve', 7);
        equal(await result, 5_006_007);
        isTidy(runtime);
    });

    test('a plain call cannot wait, and leaves nothing behind', async () => {
        const { runtime, program } = await setup(suite);
        // engines have words of their own for it, and classes
        throws(() => program.call('main', 1));
        isTidy(runtime);
        await rejects(program.callAsync('absent'), { code: 'BAD_ARGUMENT' });
        await rejects(program.callAsync('main'), { code: 'BAD_ARGUMENT' });
        ok(runtime.verify() === 0);
    });
};
