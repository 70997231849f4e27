/** What the real runtime does not show: a runtime of another build, older or broken, encoded by hand. */

import { instantiate, instantiateSync } from '../rootstock.js';
import { EXPORTS } from '../src/abi.js';
import { equal, throws } from './assert.js';
import { encode, op } from './encode.js';

const told = (kind, handle) => [op.i32Const(kind), op.i32Const(handle), op.call(0)];

/** A module with all exports of the ABI, whose functions return 0 where nothing else is said. */
function fake({ code = {}, start } = {}) {
    const rows = Object.entries(EXPORTS);
    const zero = { i32: op.i32Const(0), i64: op.i64Const(0) };
    const functions = rows
        .filter(([, { kind }]) => kind === 'func')
        .map(([name, { params, results }]) => ({ name, params, results, code: code[name] ?? results.map((type) => zero[type]) }));
    const globals = rows
        .filter(([, { kind }]) => kind === 'global')
        .map(([name, { content, mutable }]) => ({ name, content, mutable, init: op.i32Const(1024) }));
    functions.find(({ name }) => name === 'gc_abi_version').code = [op.i32Const(1)];
    // the last value that gc_configure was given
    globals.push({ content: 'i32', mutable: true, init: op.i32Const(99) });
    functions.push({ code: start ?? [] });
    return encode({
        imports: [['host', 'host_decref_handle', { kind: 'func', params: ['i32', 'i32'], results: [] }]],
        functions,
        globals,
        memory: 1,
        memoryName: 'memory',
        start: start === undefined ? undefined : functions.length,
    });
}

const LAST_VALUE = Object.values(EXPORTS).filter(({ kind }) => kind === 'global').length;

export default ({ test }) => {
    test('a runtime that does not know an option: those that were set already are set back', () => {
        // EAGER (0) was 0; POISON (1) is refused with -1
        const runtime = instantiateSync(
            fake({
                code: {
                    gc_configure: [op.localGet(1), op.globalSet(LAST_VALUE), op.i32Const(0), op.localGet(0), op.i32Sub],
                    gc_last_error: [op.globalGet(LAST_VALUE)],
                },
            }),
        );
        equal(runtime.configure({ EAGER: 5 }), { EAGER: 0 });
        equal(runtime.exports.gc_last_error(), 5);
        throws(() => runtime.configure({ EAGER: 7, POISON: 1 }), { code: 'OPTION_REFUSED', message: /1 .* POISON/ });
        equal(runtime.exports.gc_last_error(), 0);
    });

    test('addresses above 2 GiB are unsigned', () => {
        const high = [op.i32Const(-16)];
        const runtime = instantiateSync(fake({ code: { alloc: high, alloc_atomic: high, try_alloc: high, gc_base: high } }));
        for (const found of [runtime.alloc(1), runtime.allocAtomic(1), runtime.tryAlloc(1), runtime.base(5)]) {
            equal(found, 0xfffffff0);
        }
    });

    test('what is told before there is a runtime is told as soon as there is one', async () => {
        const bytes = fake({ start: [...told(3, 8), ...told(4, 9)] });
        for (const make of [instantiate, instantiateSync]) {
            const seen = [];
            const runtime = await make(bytes, { onDecref: (kind, handle, value, from) => seen.push([kind, handle, from]) });
            equal(seen.map(([kind, handle]) => [kind, handle]), [[3, 8], [4, 9]]);
            equal(seen.every(([, , from]) => from === runtime), true);
            equal(runtime.handles.audit().unknown, 2);
        }
    });

    test('a trap for which no error was stored is told as what it is', () => {
        const runtime = instantiateSync(fake({ code: { gc_unpin: [op.unreachable], gc_pin: [op.unreachable] } }));
        throws(() => runtime.pin(16), { code: 'TRAP', message: /^the program trapped: unreachable/i });
    });

    test('an error that is newer than this package is told with its number', () => {
        const code = {
            gc_unpin: [op.unreachable],
            gc_pin: [op.unreachable],
            gc_last_error: [op.i32Const(77)],
            gc_last_error_arg: [op.i32Const(255)],
        };
        const runtime = instantiateSync(fake({ code }));
        throws(() => runtime.pin(16), { code: 'ERROR_77', number: 77, argument: 255, argumentText: '0x000000ff' });
        equal(runtime.lastError(), { code: 'ERROR_77', number: 77, argument: 255 });
    });

    test('a statistic that the runtime does not know is -1', () => {
        const runtime = instantiateSync(fake({ code: { gc_stat: [op.i64Const(-1)] } }));
        equal([runtime.stat('PINS'), runtime.stats().PINS], [-1, -1]);
    });
};
