/** Wrappers: the host is told exactly once. */

import { instantiateSync } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

/** A generator of numbers that are the same in each run. */
export function random(seed) {
    let state = seed;
    return (bound) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * bound);
    };
}

export default ({ test, wasm }) => {
    test('a wrapper is told when it dies, once, with the value behind it', () => {
        const told = [];
        const runtime = instantiateSync(wasm, {
            onDecref: (kind, handle, value, from) => told.push([kind, handle, value, from === runtime]),
        });
        runtime.scope((scope) => {
            const p = scope.push(runtime.allocAtomic(16));
            const handle = runtime.wrap(p, 7, 'root', 1000);
            runtime.memory.writeU32(p, handle);
            equal(runtime.stat('EXTERNAL_BYTES'), 1000);
            runtime.collect();
            equal(told, []);
            equal(runtime.handles.value(runtime.memory.readU32(p)), 'root');
        });
        runtime.collect();
        runtime.collect();
        equal(told, [[7, 1, 'root', true]]);
        equal(runtime.stat('EXTERNAL_BYTES'), 0);
        runtime.shutdown();
        equal(told.length, 1);
        ok(runtime.handles.audit().isClean);
    });

    test('kinds and handles of all 32 bits arrive as they were given', () => {
        const told = [];
        const runtime = instantiateSync(wasm, { onDecref: (kind, handle) => told.push([kind, handle]) });
        runtime.registerWrapper(runtime.allocAtomic(8), -1, 0x80000005);
        runtime.collect();
        equal(told, [[0xffffffff, 0x80000005]]);
        equal(runtime.handles.audit().unknown, 1, 'nobody had made it');
    });

    test('release tells at once, and only wrappers', () => {
        const told = [];
        const runtime = instantiateSync(wasm, { onDecref: (kind, handle, value) => told.push(value) });
        runtime.scope((scope) => {
            const p = scope.push(runtime.allocAtomic(16));
            equal(runtime.releaseWrapper(p), false);
            runtime.wrap(p, 1, 'first');
            equal(runtime.releaseWrapper(p), true);
            equal(told, ['first']);
            equal(runtime.releaseWrapper(p), false);
            runtime.wrap(p, 1, 'second');
        });
        runtime.collect();
        equal(told, ['first', 'second']);
        equal(runtime.handles.audit(), { ...runtime.handles.audit(), made: 2, toldOnce: 2, isClean: true });
    });

    test('a wrapper that cannot be registered leaves no handle behind', () => {
        const runtime = instantiateSync(wasm);
        throws(() => runtime.wrap(12, 1, 'nobody'), { code: 'NOT_AN_OBJECT' });
        const p = runtime.allocAtomic(8);
        runtime.pin(p);
        runtime.wrap(p, 1, 'first');
        throws(() => runtime.wrap(p, 1, 'second'), { code: 'ALREADY_REGISTERED' });
        const { live, removed, made } = runtime.handles.audit();
        equal([made, live, removed], [3, 1, 2]);
        runtime.shutdown();
        ok(runtime.handles.audit().isClean);
    });

    test('a hundred thousand wrappers with random lives are each told exactly once', () => {
        const next = random(20_240_517);
        const runtime = instantiateSync(wasm, { configure: { POISON: 1 } });
        const slots = 500;
        const count = 100_000;
        const model = new Array(slots).fill(0);
        runtime.scope((scope) => {
            const roots = model.map(() => scope.slot());
            for (let i = 0; i < count; i += 1) {
                const at = next(slots);
                const p = runtime.allocAtomic(8 + next(100));
                roots[at].value = p;
                model[at] = runtime.wrap(p, next(5), i);
                if (next(1000) === 0) {
                    runtime.releaseWrapper(roots[at].value);
                    model[at] = 0;
                }
            }
            runtime.collect();
            const live = [...runtime.handles.live()].map(([number]) => number);
            equal(live, model.filter((number) => number !== 0).sort((a, b) => a - b));
            const { made, toldOnce, isClean } = runtime.handles.audit();
            equal([made, toldOnce, isClean], [count, count - live.length, true]);
            ok(runtime.stat('COLLECTIONS') > 10);
        });
        runtime.shutdown();
        const { live, toldOnce, neverTold, isClean } = runtime.handles.audit();
        equal([live, toldOnce, neverTold, isClean], [0, count, 0, true]);
        equal(runtime.verify(), 0);
    });

    test('a handle that nobody registered is never told, and the audit says so', () => {
        const runtime = instantiateSync(wasm);
        const leaked = runtime.handles.insert(4, 'leaked');
        runtime.wrap(runtime.allocAtomic(8), 4, 'kept');
        runtime.shutdown();
        const { live, toldOnce, neverTold, isClean } = runtime.handles.audit();
        equal([live, toldOnce, neverTold, isClean], [0, 1, 1, false]);
        equal(runtime.handles.status(leaked), 'never told');
    });

    test('at the limit with all alive, one more traps, and the host goes on', () => {
        const runtime = instantiateSync(wasm, { configure: { WRAP_LIMIT: 4096 } });
        runtime.scope((scope) => {
            for (let i = 0; i < 4096; i += 1) {
                runtime.wrap(scope.push(runtime.allocAtomic(8)), 1, i);
            }
            const one = scope.push(runtime.allocAtomic(8));
            throws(() => runtime.wrap(one, 1, 'more'), {
                code: 'WRAP_TABLE_FULL',
                number: 4,
                argument: 4096,
                argumentText: '4096 entries',
            });
            runtime.configure({ WRAP_LIMIT: 4097 });
            runtime.wrap(one, 1, 'more');
        });
        runtime.collect();
        const { live, toldOnce, removed, isClean } = runtime.handles.audit();
        equal([live, toldOnce, removed, isClean], [0, 4097, 1, true]);
    });
};
