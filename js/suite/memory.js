/** Views that survive growth, and the accesses that are checked. */

import { Views, instantiateSync } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

const KINDS = ['u8', 'i32', 'u32', 'f64', 'data'];

export default ({ test, wasm }) => {
    test('views are the same until memory grows, and right after it did', () => {
        const runtime = instantiateSync(wasm);
        const { memory } = runtime;
        for (const kind of KINDS) {
            ok(memory[kind] === memory[kind], `${kind} is a new one each time`);
        }
        // by JavaScript, by the runtime, and noticed by each of the views first
        const grow = [
            () => memory.memory.grow(1),
            () => runtime.alloc(1 << 20),
            () => memory.memory.grow(0),
            () => memory.memory.grow(3),
            () => runtime.alloc(1 << 22),
        ];
        for (const [at, kind] of KINDS.entries()) {
            const before = memory.u8;
            grow[at]();
            equal(before.length, 0, 'the engine detached the old view');
            equal(memory[kind].buffer === memory.memory.buffer, true, kind);
            equal(memory[kind].byteLength, memory.memory.buffer.byteLength, kind);
            equal(memory.size, memory.memory.buffer.byteLength);
        }
    });

    test('what was written before the growth is read after it', () => {
        const runtime = instantiateSync(wasm);
        const { memory } = runtime;
        runtime.scope((scope) => {
            const p = scope.push(runtime.alloc(32));
            memory.u8[p] = 200;
            memory.i32[(p + 4) >>> 2] = -5;
            memory.f64[(p + 8) >>> 3] = 0.5;
            memory.data.setBigInt64(p + 16, -1n, true);
            const size = memory.size;
            while (memory.size === size) {
                scope.push(runtime.alloc(1 << 18));
            }
            equal(memory.u8[p], 200);
            equal(memory.u32[(p + 4) >>> 2], 0xfffffffb);
            equal(memory.f64[(p + 8) >>> 3], 0.5);
            equal(memory.data.getBigInt64(p + 16, true), -1n);
        });
    });

    test('words and bytes and text go in and out, aligned or not', () => {
        const runtime = instantiateSync(wasm);
        const { memory } = runtime;
        const p = runtime.allocAtomic(64);
        memory.writeU32(p + 1, 0xdeadbeef);
        equal(memory.readU32(p + 1), 0xdeadbeef);
        equal([...memory.read(p + 1, 4)], [0xef, 0xbe, 0xad, 0xde]);
        memory.writeU32(p, -1);
        equal(memory.readU32(p), 0xffffffff);
        const text = new TextEncoder().encode('Wurzelstock \u{1f331}');
        memory.write(p, text);
        equal(memory.readString(p, text.length), 'Wurzelstock \u{1f331}');
        const copy = memory.read(p, 4);
        memory.u8[p] = 0;
        equal(copy[0], 'W'.charCodeAt(0), 'what read returns is a copy');
    });

    test('accesses outside memory are refused, with all three numbers', () => {
        const { memory } = instantiateSync(wasm);
        const end = memory.size;
        equal(memory.read(end, 0).length, 0);
        memory.writeU32(end - 4, 1);
        const message = `4 bytes at 0x${(end - 3).toString(16).padStart(8, '0')} do not lie in linear memory, which has ${end} bytes`;
        for (const f of [
            () => memory.readU32(end - 3),
            () => memory.writeU32(end - 3, 0),
            () => memory.read(end - 3, 4),
            () => memory.write(end - 3, new Uint8Array(4)),
            () => memory.readString(end - 3, 4),
        ]) {
            throws(f, { code: 'OUT_OF_BOUNDS', message, argument: end - 3 });
        }
        throws(() => memory.read(0xffffffff, 2), { code: 'OUT_OF_BOUNDS' });
        throws(() => memory.read(-4, 8), { code: 'OUT_OF_BOUNDS', argument: 0xfffffffc });
        throws(() => memory.read(0, -1), { code: 'BAD_ARGUMENT' });
        throws(() => memory.read(0, 1.5), { code: 'BAD_ARGUMENT' });
        throws(() => memory.readU32(undefined), { code: 'BAD_ARGUMENT' });
        throws(() => memory.writeU32(0, 2 ** 32), { code: 'BAD_ARGUMENT' });
    });

    test('views can be had of any memory', () => {
        const memory = new WebAssembly.Memory({ initial: 1 });
        const views = new Views(memory);
        views.writeU32(65532, 7);
        memory.grow(1);
        equal(views.readU32(65532), 7);
        equal(views.size, 131072);
        ok(views.memory === memory);
    });
};
