/** Every trap is readable, and none is the end. */

import { ERRORS, RootstockError, instantiateSync } from '../rootstock.js';
import { argumentText } from '../src/traps.js';
import { equal, ok, throws } from './assert.js';
import { encode, op, renameExports } from './encode.js';

const row = (name) => ERRORS.find((candidate) => candidate.name === name);
const hex = (value) => `0x${value.toString(16).padStart(8, '0')}`;

export default ({ test, wasm }) => {
    /** Each error that can be provoked: what provokes it, and its argument. */
    const provocations = {
        HEAP_EXHAUSTED(runtime) {
            runtime.configure({ HEAP_LIMIT: 1 << 20 });
            return [() => runtime.alloc(2 << 20), 2 << 20, '2097152 bytes (2.0 MiB)'];
        },
        SIZE_TOO_LARGE(runtime) {
            return [() => runtime.alloc(-16), 0xfffffff0, '4294967280 bytes (4.0 GiB; -16 as a signed number)'];
        },
        SHADOW_STACK_OVERFLOW(runtime) {
            runtime.sp = runtime.stackLimit + 4;
            return [() => runtime.collect(), runtime.stackLimit + 4, hex(runtime.stackLimit + 4)];
        },
        WRAP_TABLE_FULL(runtime) {
            runtime.configure({ WRAP_LIMIT: 1 });
            const [first, second] = [runtime.pin(runtime.alloc(8)), runtime.pin(runtime.alloc(8))];
            const limit = 1;
            runtime.wrap(first, 1, 'first');
            return [() => runtime.wrap(second, 1, 'second'), limit, '1 entries'];
        },
        NOT_AN_OBJECT(runtime) {
            return [() => runtime.pin(12), 12, '0x0000000c'];
        },
        ALREADY_REGISTERED(runtime) {
            const p = runtime.pin(runtime.alloc(8));
            runtime.wrap(p, 1, 'first');
            return [() => runtime.wrap(p, 1, 'second'), p, hex(p)];
        },
        INIT_TWICE(runtime) {
            runtime.init(runtime.programBase + 100);
            return [() => runtime.init(runtime.programBase + 200), runtime.programBase + 100, hex(runtime.programBase + 100)];
        },
        UNPIN_UNDERFLOW(runtime) {
            const p = runtime.alloc(8);
            return [() => runtime.unpin(p), p, hex(p)];
        },
        BAD_RANGE(runtime) {
            return [() => runtime.addRoots(0x100008, 0x100000), 0x100008, '0x00100008'];
        },
    };

    for (const [name, provoke] of Object.entries(provocations)) {
        test(`${name} says what happened, with which argument, and what to do; then all goes on`, () => {
            const runtime = instantiateSync(wasm, { configure: { VERIFY: 1 } });
            const [trap, argument, words] = provoke(runtime);
            const { number, meaning, advice, argument: what } = row(name);
            const error = throws(trap, { name: 'RootstockError', code: name, number, argument, meaning, advice });
            ok(error instanceof RootstockError && error instanceof Error);
            equal(error.argumentText, words);
            equal(error.message, `${name}: ${meaning}\n  argument    ${words}: ${what}\n  what to do  ${advice}`);
            ok(error.cause instanceof WebAssembly.RuntimeError);
            equal(runtime.lastError(), { code: name, number, argument });
            // on with it
            runtime.sp = runtime.stackBase;
            runtime.configure({ HEAP_LIMIT: 0 });
            runtime.scope((scope) => {
                const p = scope.push(runtime.alloc(2 << 20));
                runtime.collect();
                equal(runtime.base(p), p);
            });
            equal(runtime.verify(), 0);
        });
    }

    test('every error of the table can be provoked here, but two', () => {
        // HEAP_CORRUPT takes a wild write into the runtime's own tables, whose places are nobody's business
        const others = ERRORS.map(({ name }) => name).filter((name) => !(name in provocations));
        equal(others, ['NONE', 'HEAP_CORRUPT']);
        equal(argumentText(row('HEAP_CORRUPT'), 7), '7');
        equal(argumentText(row('NONE'), 0), '0');
        equal(argumentText(row('HEAP_EXHAUSTED'), 1023), '1023 bytes');
        equal(argumentText(row('HEAP_EXHAUSTED'), 1536), '1536 bytes (1.5 KiB)');
        equal(argumentText(row('HEAP_EXHAUSTED'), 0x60000000), '1610612736 bytes (1.5 GiB)');
    });

    test('a pointer that is poison is called that', () => {
        const runtime = instantiateSync(wasm);
        throws(() => runtime.pin(0xdbdbdbdb), { code: 'NOT_AN_OBJECT', message: /the pointer is poison/ });
    });

    test('a runtime without errors has none', () => {
        equal(instantiateSync(wasm).lastError(), undefined);
    });

    const trapping = (wasmOp, extra = {}) => encode({ functions: [{ name: 'main', code: [wasmOp] }], ...extra });

    test("a program's own trap is not taken for an error of the runtime that is long past", () => {
        const runtime = instantiateSync(wasm);
        const program = runtime.linkSync(trapping(op.unreachable));
        const own = { code: 'TRAP', number: undefined, message: /^the program trapped: unreachable/i };
        throws(() => program.call('main'), own);
        throws(() => runtime.unpin(12), { code: 'NOT_AN_OBJECT', argument: 12 });
        throws(() => program.call('main'), own);
        equal(runtime.tryAlloc(0xfffffff0), undefined);
        throws(() => program.call('main'), own);
        // the same error again is the runtime's again
        throws(() => runtime.unpin(12), { code: 'NOT_AN_OBJECT', argument: 12 });
        throws(() => runtime.unpin(12), { code: 'NOT_AN_OBJECT', argument: 12 });
    });

    test('errors are told apart, too, where stacks do not say whose they are', () => {
        // with a prefix, the second instance that would show the runtime's place in stacks has no such export
        const runtime = instantiateSync(renameExports(wasm, (name) => `gc.${name}`), { prefix: 'gc.' });
        const program = runtime.linkSync(trapping(op.unreachable));
        throws(() => program.call('main'), { code: 'TRAP' });
        throws(() => runtime.unpin(12), { code: 'NOT_AN_OBJECT' });
        throws(() => program.call('main'), { code: 'TRAP' });
        throws(() => runtime.unpin(12), { code: 'NOT_AN_OBJECT' });
        equal(runtime.tryAlloc(0xfffffff0), undefined);
        throws(() => program.call('main'), { code: 'TRAP' });
    });

    test('traps of the engine come with advice', () => {
        const runtime = instantiateSync(wasm);
        const wild = encode({
            imports: [['runtime', 'memory', { kind: 'memory', minimum: 1 }]],
            functions: [{ name: 'main', code: [op.i32Const(-8), op.i32Load, op.drop] }],
        });
        throws(() => runtime.linkSync(wild).call('main'), {
            code: 'TRAP',
            message: /^the program trapped: .*out of bounds[^]*\n {2}what to do {2}look for a wild or stale pointer/i,
        });
        const endless = encode({ functions: [{ name: 'main', code: [op.call(0)] }] });
        throws(() => runtime.linkSync(endless).call('main'), {
            code: 'STACK_OVERFLOW',
            message: /\n {2}what to do {2}look for endless recursion/,
        });
    });

    test('an error inside a program is told with the wasm stack, and gc_sp is what it was', () => {
        const runtime = instantiateSync(wasm);
        const type = { kind: 'func', params: ['i32'], results: ['i32'] };
        const program = runtime.linkSync(
            encode({
                imports: [
                    ['runtime', 'alloc', type],
                    ['runtime', 'gc_sp', { kind: 'global', content: 'i32', mutable: true }],
                ],
                functions: [
                    {
                        // a frame that pushes two roots, and has no chance to pop them
                        name: 'main',
                        params: ['i32'],
                        results: ['i32'],
                        code: [op.globalGet(0), op.i32Const(8), op.i32Add, op.globalSet(0), op.localGet(0), op.call(0)],
                    },
                ],
            }),
            { name: 'leaky.wasm' },
        );
        runtime.scope((scope) => {
            scope.push(runtime.alloc(8));
            const sp = runtime.sp;
            const error = throws(() => program.call('main', -1), { code: 'SIZE_TOO_LARGE', argument: 0xffffffff });
            ok(/wasm-function\[/.test(error.cause.stack), error.cause.stack);
            equal(runtime.sp, sp);
            // raw, it is the host's to restore: a scope does
            runtime.scope(() => throws(() => program.exports.main(-1), { name: 'RuntimeError' }));
            equal(runtime.sp, sp);
        });
        equal(program.exports.main(16) >>> 0 > 0, true);
    });

    /** Allocates, writes this word at `gc_stack_limit`, as one push too many does, and ends so. */
    const overrunning = (word, ending = []) =>
        encode({
            imports: [
                ['runtime', 'memory', { kind: 'memory', minimum: 1 }],
                ['runtime', 'alloc', { kind: 'func', params: ['i32'], results: ['i32'] }],
                ['runtime', 'gc_stack_limit', { kind: 'global', content: 'i32', mutable: false }],
            ],
            functions: [
                {
                    name: 'main',
                    code: [op.i32Const(8), op.call(0), op.drop, op.globalGet(0), op.i32Const(word), op.i32Store, ...ending],
                },
                { name: 'fine', code: [op.i32Const(8), op.call(0), op.drop] },
            ],
        });

    test('an overrun of the shadow stack is found at the end of the call, with or without a trap, and once', () => {
        for (const word of [7, 0]) {
            for (const first of ['main', 'fine']) {
                const runtime = instantiateSync(wasm);
                const program = runtime.linkSync(overrunning(word));
                if (first === 'fine') {
                    program.call('fine');
                }
                throws(() => program.call('main'), { code: 'SHADOW_STACK_OVERFLOW', argument: runtime.stackBase });
                program.call('fine');
                equal(runtime.verify(), 0);
                throws(() => program.call('main'), { code: 'SHADOW_STACK_OVERFLOW' });
                runtime.collect();
            }
            const runtime = instantiateSync(wasm);
            const program = runtime.linkSync(overrunning(word, [op.unreachable]));
            const error = throws(() => program.call('main'), { code: 'SHADOW_STACK_OVERFLOW' });
            equal([error.cause.code, error.cause.cause instanceof WebAssembly.RuntimeError], ['TRAP', true]);
        }
    });

    test('a call that leaves gc_sp where no slot is has overrun the shadow stack, and gc_sp is put back', () => {
        const runtime = instantiateSync(wasm);
        const moving = (by) =>
            encode({
                imports: [['runtime', 'gc_sp', { kind: 'global', content: 'i32', mutable: true }]],
                functions: [{ name: 'main', code: [op.globalGet(0), op.i32Const(by), op.i32Add, op.globalSet(0)] }],
            });
        for (const by of [-4, 2, runtime.stackLimit - runtime.stackBase + 4]) {
            const argument = runtime.stackBase + by;
            throws(() => runtime.linkSync(moving(by)).call('main'), { code: 'SHADOW_STACK_OVERFLOW', argument });
            equal(runtime.sp, runtime.stackBase);
        }
        runtime.linkSync(moving(4)).call('main');
        equal(runtime.sp, runtime.stackBase + 4);
    });

    test("errors of a program's imports stay what they are", () => {
        const runtime = instantiateSync(wasm);
        const mine = new SyntaxError('of the host');
        const program = runtime.linkSync(
            encode({
                imports: [['env', 'fail', { kind: 'func' }]],
                functions: [{ name: 'main', code: [op.call(0)] }],
            }),
            {
                imports: {
                    env: {
                        fail() {
                            throw mine;
                        },
                    },
                },
            },
        );
        ok(throws(() => program.call('main')) === mine);
    });
};
