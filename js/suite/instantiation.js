/** From bytes to a runtime whose ABI was checked. */

import { ABI_VERSION, HandleStore, OPTIONS, RootstockError, STATS, instantiate, instantiateSync } from '../rootstock.js';
import { EXPORTS } from '../src/abi.js';
import { readOutline } from '../src/outline.js';
import { equal, ok, rejects, throws } from './assert.js';
import { encode, op, renameExports, withAbiVersion } from './encode.js';

export default ({ test, wasm }) => {
    const response = (init) => new Response(wasm, { headers: { 'content-type': 'application/wasm' }, ...init });

    test('the runtime comes from bytes, a Response, a promise of one, or a Module', async () => {
        const sources = [
            wasm,
            wasm.slice().buffer,
            new DataView(wasm.slice().buffer),
            new Uint8Array([1, 2, 3, ...wasm, 4]).subarray(3, 3 + wasm.length),
            response(),
            Promise.resolve(response()),
            new WebAssembly.Module(wasm),
        ];
        for (const source of sources) {
            const runtime = await instantiate(source);
            equal(runtime.exports.gc_abi_version(), ABI_VERSION);
            equal(runtime.sp, runtime.stackBase);
            ok(runtime.stackBase < runtime.stackLimit && runtime.stackLimit < runtime.programBase);
        }
        for (const source of [wasm, wasm.slice().buffer, new WebAssembly.Module(wasm)]) {
            const runtime = instantiateSync(source);
            const p = runtime.alloc(8);
            equal(runtime.memory.u32[p >>> 2], 0);
        }
    });

    test('instances do not share anything', async () => {
        const module = new WebAssembly.Module(wasm);
        const [one, other] = [instantiateSync(module), instantiateSync(module)];
        one.wrap(one.allocAtomic(16), 1, 'one');
        equal([one.stat('WRAPPERS'), other.stat('WRAPPERS')], [1, 0]);
        equal([one.handles.liveCount, other.handles.liveCount], [1, 0]);
    });

    test('the exports have the types that the table says, and there are no others of the ABI', () => {
        const { imports, exports } = readOutline(wasm);
        equal(imports.map(({ module, name }) => `${module}.${name}`), ['host.host_decref_handle']);
        equal(imports[0].type, { kind: 'func', params: ['i32', 'i32'], results: [] });
        // the linker exports symbols of its own, with two underscores
        const abi = exports.filter(({ name }) => !name.startsWith('__'));
        equal(abi.map(({ name }) => name).sort(), Object.keys(EXPORTS).sort());
        for (const { name, type } of abi) {
            const { minimum, shared, is64, value, ...rest } = type;
            equal(rest, EXPORTS[name], name);
        }
    });

    test('a runtime with another version of the ABI is refused, with both numbers', async () => {
        const newer = withAbiVersion(wasm, ABI_VERSION + 1);
        const expected = {
            name: 'RootstockError',
            code: 'ABI_VERSION',
            found: ABI_VERSION + 1,
            expected: ABI_VERSION,
            message: `the runtime has version ${ABI_VERSION + 1} of the ABI; this package speaks version ${ABI_VERSION}`,
        };
        await rejects(instantiate(newer), expected);
        throws(() => instantiateSync(newer), expected);
        // the version decides, not what else a later version may have dropped
        const other = renameExports(newer, (name) => (name === 'gc_pin' ? undefined : name));
        await rejects(instantiate(other, { name: 'v2.wasm' }), { message: /^v2\.wasm has version 2 of the ABI/ });
    });

    test('a module that is not the runtime is refused', async () => {
        await rejects(instantiate(encode({})), { code: 'BAD_MODULE', message: /`gc_abi_version`.*runtime\.wasm\?/ });
        const without = renameExports(wasm, (name) => (name === 'gc_pin' ? undefined : name));
        await rejects(instantiate(without), { code: 'BAD_MODULE', message: /`gc_pin`.*nothing of that name/ });
        const swapped = renameExports(wasm, (name) => ({ gc_sp: 'gc_stack_base', gc_stack_base: 'gc_sp' })[name] ?? name);
        await rejects(instantiate(swapped), { code: 'BAD_MODULE', message: /`gc_sp`.*it is not mutable/ });
        const other = renameExports(wasm, (name) => ({ alloc: 'gc_pin2', gc_collect: 'alloc', gc_pin2: '' })[name] ?? name);
        await rejects(instantiate(other), { code: 'BAD_MODULE', message: /`alloc`.*it takes 0 arguments, not 1/ });
        const importing = encode({ imports: [['env', 'clock', { kind: 'func', results: ['i32'] }]] });
        const told = await rejects(instantiate(importing), { code: 'BAD_IMPORT', message: /^the runtime: .*env/ });
        ok(told.cause instanceof Error);
    });

    test('what is not wasm is refused, in words', async () => {
        const text = new TextEncoder();
        for (const [source, message] of [
            [new Uint8Array(), /^lib\.wasm: there are no bytes/],
            [text.encode('<!DOCTYPE html>'), /begins with the bytes 00 61 73 6d: it begins with 3c 21 44 4f$/],
            [text.encode(' (module)'), /it looks like wasm text, which must be assembled/],
            [new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]), /a component, not a core module/],
            [wasm.subarray(0, 1000), /^lib\.wasm: /],
            ['runtime.wasm', /none of: bytes, a Response, a WebAssembly\.Module/],
            [undefined, /none of/],
            [null, /none of/],
        ]) {
            await rejects(instantiate(source, { name: 'lib.wasm' }), { code: 'BAD_MODULE', message });
            throws(() => instantiateSync(source, { name: 'lib.wasm' }), { code: 'BAD_MODULE', message });
        }
    });

    test('an answer of the server that is none is refused, in its words', async () => {
        const missing = new Response('nothing here', { status: 404, statusText: 'Not Found' });
        await rejects(instantiate(missing), { code: 'BAD_MODULE', message: /the server answered 404 Not Found/ });
        const failed = Promise.reject(new TypeError('network down'));
        await rejects(instantiate(failed), { name: 'TypeError', message: 'network down' });
    });

    test('every option has the default and the range that the table says', () => {
        const runtime = instantiateSync(wasm);
        for (const { name, number, default: normal, min, max } of OPTIONS) {
            equal(runtime.configure({ [name]: max }), { [name]: normal });
            equal(runtime.configure({ [name]: min }), { [name]: max });
            for (const value of [min - 1, max + 1, 0.5, NaN, '1', undefined]) {
                throws(() => runtime.configure({ [name]: value }), {
                    code: 'OPTION_REFUSED',
                    message: `the runtime refused ${value} for the option ${name}: ${min} to ${max} are allowed`,
                });
            }
            // the runtime's own range
            equal(runtime.exports.gc_configure(number, max + 1), -1);
            equal(min > 0 ? runtime.exports.gc_configure(number, min - 1) : -1, -1);
            equal(runtime.configure({ [name]: normal }), { [name]: min });
        }
        equal(runtime.exports.gc_configure(OPTIONS.length, 0), -1, 'the runtime has more options');
    });

    test('options are set together or not at all', () => {
        const runtime = instantiateSync(wasm, { configure: { EAGER: 3, POISON: true } });
        throws(() => runtime.configure({ EAGER: 5, POISON: 2 }), { code: 'OPTION_REFUSED' });
        const old = runtime.configure({ EAGER: 1, VERIFY: true });
        equal(old, { EAGER: 3, VERIFY: 0 });
        equal(runtime.configure(old), { EAGER: 1, VERIFY: 1 });
        equal(runtime.configure({}), {});
        throws(() => runtime.configure({ EAGRE: 1 }), { code: 'BAD_ARGUMENT', message: /`EAGRE`; did you mean `EAGER`/ });
        throws(() => instantiateSync(wasm, { configure: { POISON: 7 } }), { code: 'OPTION_REFUSED' });
    });

    test('every statistic is there by name', () => {
        const runtime = instantiateSync(wasm);
        const before = runtime.stats();
        equal(Object.keys(before), STATS.map(({ name }) => name));
        ok(Object.values(before).every((value) => value >= 0));
        equal(runtime.exports.gc_stat(STATS.length), -1n, 'the runtime has more statistics');
        runtime.alloc(100);
        equal(runtime.stats().ALLOCATED_OBJECTS, 1);
        equal(runtime.stat('ALLOCATED_OBJECTS'), 1);
        equal(runtime.stats().MEMORY_PAGES, runtime.memory.size / 65536);
        throws(() => runtime.stat('COLECTIONS'), { code: 'BAD_ARGUMENT', message: /did you mean `COLLECTIONS`/ });
    });

    test('exports may have a prefix, as in a module that was merged with a program', async () => {
        const merged = renameExports(wasm, (name) => `gc.${name}`);
        const told = [];
        const options = { prefix: 'gc.', onDecref: (kind, handle, value) => told.push(value) };
        const runtime = await instantiate(merged, options);
        runtime.wrap(runtime.allocAtomic(16), 1, 'dead');
        runtime.collect();
        equal(told, ['dead']);
        const error = await rejects(instantiate(merged), { code: 'BAD_MODULE' });
        ok(error.message.includes('did you mean `gc.gc_abi_version`'), error.message);
        await rejects(instantiate(merged, { prefix: 'vera.' }), { message: /`vera\.gc_abi_version`/ });
    });

    test('the host is what the options say', async () => {
        const handles = new HandleStore({ limit: 1 });
        const runtime = await instantiate(wasm, { handles });
        ok(runtime.handles === handles);
        runtime.wrap(runtime.allocAtomic(16), 1, 'kept');
        throws(() => runtime.wrap(runtime.allocAtomic(16), 1, 'too many'), { code: 'STORE_FULL' });
        await rejects(instantiate(wasm, { onDecref: 5 }), { code: 'BAD_ARGUMENT' });
        const imports = { host: { host_decref_handle() {} } };
        await rejects(instantiate(wasm, { imports }), { code: 'BAD_ARGUMENT', message: /onDecref/ });
    });

    test('a start function that traps is told as that', async () => {
        const trapping = encode({ functions: [{ code: [op.unreachable] }], start: 0 });
        for (const error of [await rejects(instantiate(trapping)), throws(() => instantiateSync(trapping))]) {
            ok(error instanceof RootstockError);
            equal(error.code, 'TRAP');
            ok(/its start function trapped: .*unreachable/i.test(error.message), error.message);
        }
    });
};
