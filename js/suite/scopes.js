/** Root scopes: what is pushed lives until the end, and `gc_sp` is what it was. */

import { instantiateSync } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

export default ({ test, wasm }) => {
    const setup = () => {
        const runtime = instantiateSync(wasm, { configure: { POISON: 1, VERIFY: 1 } });
        const live = () => {
            runtime.collect();
            return runtime.stat('LIVE_OBJECTS');
        };
        return { runtime, live };
    };

    test('what a scope roots lives until it ends', () => {
        const { runtime, live } = setup();
        const result = runtime.scope((scope) => {
            const p = scope.push(runtime.alloc(16));
            equal(runtime.sp, runtime.stackBase + 4);
            equal(live(), 1);
            equal(runtime.base(p), p);
            return 'done';
        });
        equal(result, 'done');
        equal(runtime.sp, runtime.stackBase);
        equal(live(), 0);
    });

    test('scopes nest, and an error ends those that it passes', () => {
        const { runtime, live } = setup();
        runtime.scope((outer) => {
            outer.push(runtime.alloc(16));
            throws(
                () =>
                    runtime.scope((inner) => {
                        inner.push(runtime.alloc(16));
                        runtime.openScope().push(runtime.alloc(16));
                        equal(live(), 3);
                        throw new Error('mine');
                    }),
                { name: 'Error', message: 'mine' },
            );
            equal(live(), 1);
            equal(runtime.sp, runtime.stackBase + 4);
            outer.push(runtime.alloc(16));
            equal(live(), 2);
        });
        equal(live(), 0);
    });

    test('a slot roots what it was given last', () => {
        const { runtime, live } = setup();
        const slot = runtime.scope((scope) => {
            const inside = scope.slot();
            equal(inside.value, 0);
            inside.value = runtime.alloc(16);
            const first = inside.value;
            inside.value = runtime.alloc(16);
            equal(live(), 1);
            equal(runtime.base(first), undefined);
            equal(runtime.memory.readU32(inside.address), inside.value);
            // an inner scope may use it, too
            runtime.scope(() => {
                inside.value = runtime.alloc(24);
            });
            equal(live(), 1);
            equal(scope.slot(inside.value).value, inside.value);
            return inside;
        });
        throws(() => slot.value, { code: 'BAD_SCOPE', message: /a scope that has ended/ });
        throws(() => {
            slot.value = 8;
        }, { code: 'BAD_SCOPE' });
        equal(live(), 0);
    });

    test('only the innermost scope takes roots', () => {
        const { runtime } = setup();
        const outer = runtime.openScope();
        const inner = runtime.openScope();
        throws(() => outer.push(8), { code: 'BAD_SCOPE', message: /another scope was opened inside it/ });
        throws(() => outer.slot(), { code: 'BAD_SCOPE' });
        inner.push(8);
        inner.end();
        outer.push(8);
        outer.end();
        throws(() => outer.push(8), { code: 'BAD_SCOPE', message: /it has ended/ });
        equal([outer.isOpen, inner.isOpen], [false, false]);
        equal(runtime.sp, runtime.stackBase);
    });

    test('a scope ends those inside it, and ending twice does no harm', () => {
        const { runtime } = setup();
        const outer = runtime.openScope();
        outer.push(8);
        const inner = runtime.openScope();
        inner.push(8);
        outer.end();
        equal(inner.isOpen, false);
        equal(runtime.sp, runtime.stackBase);
        const next = runtime.openScope();
        next.push(8);
        inner.end();
        outer.end();
        equal(runtime.sp, runtime.stackBase + 4, 'the roots of a later scope are its own');
        next.end();
    });

    test('scopes can be used with `using`, where the engine knows of it', () => {
        const { runtime } = setup();
        const scope = runtime.openScope();
        scope.push(8);
        if (Symbol.dispose === undefined) {
            scope.end();
        } else {
            scope[Symbol.dispose]();
            equal(Object.keys(scope), []);
        }
        equal([scope.isOpen, runtime.sp], [false, runtime.stackBase]);
        // new syntax, so it must not stand in this file
        let using;
        try {
            using = new Function('runtime', '{ using scope = runtime.openScope(); scope.push(8); } return runtime.sp;');
        } catch (error) {
            equal(error.name, 'SyntaxError');
            return;
        }
        equal(using(runtime), runtime.stackBase);
    });

    test('an asynchronous function is no scope', () => {
        const { runtime } = setup();
        throws(() => runtime.scope(async (scope) => scope.push(8)), { code: 'BAD_SCOPE', message: /a promise/ });
        equal(runtime.sp, runtime.stackBase);
    });

    test('a shadow stack that is full says so, and nothing is written above it', () => {
        const { runtime, live } = setup();
        const slots = (runtime.stackLimit - runtime.stackBase) / 4;
        runtime.scope((scope) => {
            const p = runtime.alloc(16);
            for (let i = 0; i < slots; i += 1) {
                scope.push(p);
            }
            throws(() => scope.push(p), {
                code: 'SHADOW_STACK_FULL',
                message: `the shadow stack is full: gc_sp has reached its limit, 0x${runtime.stackLimit.toString(16).padStart(8, '0')}`,
            });
            throws(() => scope.slot(p), { code: 'SHADOW_STACK_FULL' });
            // the guard word is intact, or the collection would trap
            equal(live(), 1);
            // also from here on a wrapper in flight is rooted
            const wrapper = runtime.alloc(16);
            runtime.configure({ EAGER: 1 });
            runtime.wrap(wrapper, 1, 'in flight');
            runtime.configure({ EAGER: 0 });
            equal(runtime.stat('WRAPPERS'), 1);
        });
        equal(runtime.sp, runtime.stackBase);
        ok(runtime.stat('STACK_HIGH_WATER') === slots * 4);
        equal(live(), 0);
    });

    test('each shadow stack has its roots and its limit', () => {
        const { runtime, live } = setup();
        runtime.pushRoot(runtime.alloc(16));
        const stack = runtime.newStack(4);
        equal([runtime.stat('STACKS'), runtime.stackEnd], [1, runtime.stackLimit]);
        equal(runtime.switchStack(stack), 0);
        runtime.scope((scope) => {
            for (let i = 0; i < 4; i += 1) {
                scope.push(runtime.alloc(16));
            }
            throws(() => scope.push(8), { code: 'SHADOW_STACK_FULL', argument: runtime.stackEnd });
            equal(live(), 5);
        });
        equal(live(), 1);
        runtime.pushRoot(runtime.alloc(16));
        throws(() => runtime.freeStack(stack), { code: 'BAD_RANGE', argument: stack });
        equal(runtime.switchStack(0), stack);
        equal(live(), 2);
        runtime.freeStack(stack);
        equal(live(), 1);
        throws(() => runtime.switchStack(stack), { code: 'BAD_RANGE', argument: stack });
        throws(() => runtime.newStack(-1), { code: 'HEAP_EXHAUSTED' });
    });

    test('after an error on another shadow stack the one that it was called on is current', () => {
        const { runtime, live } = setup();
        runtime.pushRoot(runtime.alloc(16));
        const stack = runtime.newStack(3);
        throws(
            () =>
                runtime.call(() => {
                    runtime.switchStack(stack);
                    runtime.pushRoot(runtime.alloc(16));
                    throw new Error('mine');
                }),
            { message: 'mine' },
        );
        equal(live(), 1);
        equal(runtime.switchStack(0), 0);
        runtime.freeStack(stack);
    });
};
