/** What a host may do while it is told: allocate, register, throw. */

import { instantiateSync } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

export default ({ test, wasm }) => {
    test('the callback allocates and registers', () => {
        let revived = 0;
        const runtime = instantiateSync(wasm, {
            configure: { VERIFY: 1, POISON: 1 },
            onDecref(kind, handle, value, inside) {
                inside.scope((scope) => {
                    const p = scope.push(inside.alloc(24));
                    inside.memory.writeU32(p, handle);
                    if (value > 0) {
                        inside.wrap(scope.push(inside.allocAtomic(16)), kind, value - 1);
                        revived += 1;
                    }
                    equal(inside.memory.readU32(p), handle);
                });
            },
        });
        for (let i = 0; i < 1000; i += 1) {
            runtime.wrap(runtime.allocAtomic(16), 2, 3);
        }
        for (let i = 0; i < 5; i += 1) {
            runtime.collect();
        }
        equal(revived, 3000);
        const { made, live, toldOnce, isClean } = runtime.handles.audit();
        equal([made, live, toldOnce, isClean], [4000, 0, 4000, true]);
        equal(runtime.sp, runtime.stackBase);
    });

    test('a nested collection is refused and counted', () => {
        let nested = 0;
        const runtime = instantiateSync(wasm, {
            onDecref(kind, handle, value, inside) {
                const before = inside.stat('COLLECTIONS');
                inside.collect();
                nested += inside.stat('COLLECTIONS') - before;
            },
        });
        for (let i = 0; i < 10; i += 1) {
            runtime.wrap(runtime.allocAtomic(16), 1, i);
        }
        runtime.collect();
        equal(nested, 0);
        equal([runtime.stat('COLLECTIONS'), runtime.stat('NESTED_REFUSED')], [1, 10]);
        runtime.collect();
        equal(runtime.stat('COLLECTIONS'), 2);
    });

    test('an error of the callback reaches the caller as it is, and the rest are told later', () => {
        const told = [];
        const mine = new Error('of the host');
        const runtime = instantiateSync(wasm, {
            onDecref(kind, handle, value, inside) {
                told.push(value);
                if (value === 3) {
                    inside.openScope().push(inside.alloc(8));
                    throw mine;
                }
            },
        });
        const kept = runtime.pushRoot(runtime.alloc(16));
        const sp = runtime.sp;
        for (let i = 0; i < 10; i += 1) {
            runtime.wrap(runtime.allocAtomic(16), 1, i);
        }
        ok(throws(() => runtime.collect()) === mine);
        equal(runtime.sp, sp, 'gc_sp is what it was');
        ok(told.length < 10 && told.includes(3));
        ok(runtime.memory.readU32(kept) !== 0);
        // the runtime takes the next call for what it is: an outer one
        runtime.collect();
        equal(runtime.stat('NESTED_REFUSED'), 0);
        equal([...told].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        equal(runtime.stat('COLLECTIONS'), 2);
        ok(runtime.handles.audit().isClean);
        equal(runtime.verify(), 0);
    });

    test('scopes that an error has left open are closed', () => {
        const runtime = instantiateSync(wasm, {
            onDecref(kind, handle, value, inside) {
                inside.openScope().push(inside.alloc(8));
                throw new Error('of the host');
            },
        });
        runtime.scope((scope) => {
            scope.push(runtime.alloc(8));
            for (const collect of [() => runtime.collect(), () => runtime.alloc(8)]) {
                runtime.wrap(runtime.allocAtomic(16), 1, 'dead');
                runtime.configure({ EAGER: 1 });
                throws(collect, { message: 'of the host' });
                runtime.configure({ EAGER: 0 });
                scope.push(runtime.alloc(8));
            }
            equal(runtime.sp, runtime.stackBase + 12);
        });
        equal(runtime.sp, runtime.stackBase);
    });

    test('an error of the callback out of every call that may collect', () => {
        for (const call of [
            (runtime) => runtime.alloc(16),
            (runtime) => runtime.allocAtomic(16),
            (runtime) => runtime.tryAlloc(16),
            (runtime, spare) => runtime.wrap(spare, 1, 'next'),
            (runtime) => runtime.collect(),
            (runtime) => runtime.shutdown(),
            (runtime) => runtime.call(() => runtime.exports.gc_collect()),
        ]) {
            const runtime = instantiateSync(wasm, {
                onDecref(kind, handle, value) {
                    if (value === 'bad') {
                        throw new TypeError('of the host');
                    }
                },
            });
            runtime.scope((scope) => {
                const spare = scope.push(runtime.alloc(16));
                const sp = runtime.sp;
                runtime.wrap(runtime.allocAtomic(16), 1, 'bad');
                runtime.wrap(runtime.allocAtomic(16), 1, 'good');
                runtime.configure({ EAGER: 1 });
                throws(() => call(runtime, spare), { name: 'TypeError', message: 'of the host' });
                equal(runtime.sp, sp);
            });
            runtime.configure({ EAGER: 0 });
            runtime.collect();
            runtime.shutdown();
            const { live, neverTold, isClean } = runtime.handles.audit();
            equal([live, neverTold, isClean], [0, 0, true], String(call));
        }
    });

    test('an error of the runtime inside the callback is readable outside', () => {
        const runtime = instantiateSync(wasm, {
            onDecref(kind, handle, value, inside) {
                inside.unpin(value);
            },
        });
        const p = runtime.alloc(16);
        runtime.pin(p);
        runtime.wrap(runtime.allocAtomic(16), 1, p);
        runtime.wrap(runtime.allocAtomic(16), 1, p);
        const error = throws(() => runtime.collect(), { code: 'UNPIN_UNDERFLOW', argument: p });
        ok(error.cause instanceof WebAssembly.RuntimeError);
        equal(runtime.sp, runtime.stackBase);
        runtime.collect();
        ok(runtime.handles.audit().isClean);
    });
};
