/** Each export as a method, and a heap of a million objects. */

import { instantiateSync } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

export default ({ test, wasm }) => {
    test('every method does what its export promises', () => {
        const runtime = instantiateSync(wasm, { configure: { VERIFY: 1 } });
        const { programBase, memory } = runtime;
        runtime.init(programBase + 8);
        runtime.init(programBase + 8);

        const zeroed = runtime.alloc(100);
        equal(zeroed % 16, 0);
        ok(zeroed >= programBase + 8);
        ok(memory.read(zeroed, 100).every((byte) => byte === 0));
        equal(runtime.base(zeroed + 99), zeroed);
        ok(runtime.size(zeroed + 99) >= 100);
        equal([runtime.base(4), runtime.size(4)], [undefined, undefined]);
        ok(runtime.alloc(0) !== runtime.alloc(0));
        ok(runtime.tryAlloc(16) > 0);
        equal(runtime.tryAlloc(0xfffffff0), undefined);

        // held by: a pin, a range, another object
        const [pinned, ranged, held] = [runtime.alloc(16), runtime.alloc(16), runtime.allocAtomic(16)];
        memory.u8.fill(7, held, held + 16);
        equal(runtime.pin(pinned), pinned);
        runtime.pin(pinned);
        runtime.addRoots(programBase, programBase + 8);
        memory.writeU32(programBase + 4, ranged);
        memory.writeU32(ranged, held);
        runtime.collect();
        equal(runtime.stat('LIVE_OBJECTS'), 3);
        equal(memory.u8[held + 15], 7);
        equal([runtime.stat('PINS'), runtime.stat('ROOT_RANGES')], [1, 1]);

        runtime.unpin(pinned);
        runtime.collect();
        equal(runtime.stat('LIVE_OBJECTS'), 3, 'pins are counted');
        runtime.unpin(pinned);
        runtime.removeRoots(programBase, programBase + 8);
        runtime.collect();
        equal(runtime.stat('LIVE_OBJECTS'), 0);
        equal(runtime.base(pinned), undefined);
        equal(runtime.verify(), 0);
    });

    test('numbers that are none of 32 bits are refused before they become others', () => {
        const runtime = instantiateSync(wasm);
        for (const bad of [undefined, null, NaN, 1.5, 2 ** 32, -(2 ** 31) - 1, '16', 16n, {}]) {
            throws(() => runtime.alloc(bad), { code: 'BAD_ARGUMENT', message: /^the size is .* 32 bits$/ });
            throws(() => runtime.pin(bad), { code: 'BAD_ARGUMENT' });
            throws(() => runtime.registerWrapper(runtime.alloc(8), bad, 1), { code: 'BAD_ARGUMENT' });
            throws(() => runtime.pushRoot(bad), { code: 'BAD_ARGUMENT' });
            throws(() => {
                runtime.sp = bad;
            }, { code: 'BAD_ARGUMENT' });
        }
        equal(runtime.sp, runtime.stackBase);
        equal(runtime.stat('WRAPPERS'), 0);
    });

    test('a million objects live while they are rooted, and no longer', () => {
        const runtime = instantiateSync(wasm);
        const { memory } = runtime;
        const count = 1_000_000;
        runtime.scope((scope) => {
            const list = scope.slot();
            for (let i = 1; i <= count; i += 1) {
                const cell = runtime.alloc(8);
                const words = memory.u32;
                words[cell >>> 2] = i;
                words[(cell >>> 2) + 1] = list.value;
                list.value = cell;
            }
            runtime.collect();
            equal(runtime.stat('LIVE_OBJECTS'), count);
            let sum = 0;
            let length = 0;
            for (let cell = list.value; cell !== 0; cell = memory.u32[(cell >>> 2) + 1]) {
                sum += memory.u32[cell >>> 2];
                length += 1;
            }
            equal([length, sum], [count, (count * (count + 1)) / 2]);
        });
        runtime.collect();
        equal(runtime.stat('LIVE_OBJECTS'), 0);
        ok(memory.size <= 2.5 * 8 * count + 2 ** 21, `memory has ${memory.size} bytes`);
        equal(runtime.verify(), 0);
        // dropped memory serves again
        const pages = runtime.stat('MEMORY_PAGES');
        for (let i = 0; i < count; i += 1) {
            runtime.alloc(8);
        }
        equal(runtime.stat('MEMORY_PAGES'), pages);
    });
};
