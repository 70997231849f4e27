/** Programs that are linked with the runtime, and those that cannot be. */

import { ABI_VERSION, hostModule, instantiateSync } from '../rootstock.js';
import { equal, ok, rejects, throws } from './assert.js';
import { encode, op } from './encode.js';

const func = (params, results) => ({ kind: 'func', params, results });
const alloc = func(['i32'], ['i32']);
const memory = { kind: 'memory', minimum: 1 };
const global = (mutable, content = 'i32') => ({ kind: 'global', content, mutable });

/** A program that hands `alloc` through. */
const allocating = encode({
    imports: [['runtime', 'alloc', alloc]],
    functions: [{ name: 'make', params: ['i32'], results: ['i32'], code: [op.localGet(0), op.call(0)] }],
});
const requiring = (version) =>
    encode({
        functions: [{ code: [op.unreachable] }],
        globals: [{ name: 'gc_abi_required', content: 'i32', mutable: false, init: op.i32Const(version) }],
        start: 0,
    });

export default ({ test, wasm }) => {
    const runtime = instantiateSync(wasm);

    test('a program comes from bytes, a Response, a promise of one, or a Module', async () => {
        const headers = { 'content-type': 'application/wasm' };
        for (const source of [
            allocating,
            allocating.buffer,
            new Response(allocating, { headers }),
            Promise.resolve(new Response(allocating)),
            new WebAssembly.Module(allocating),
        ]) {
            const program = await runtime.link(source);
            const p = program.call('make', 16) >>> 0;
            equal(runtime.base(p), p);
            ok(program.exports === program.instance.exports);
        }
    });

    test('calls of a program are checked by name and by number of arguments', () => {
        const program = runtime.linkSync(allocating, { name: 'list.wasm' });
        equal(program.name, 'list.wasm');
        throws(() => program.call('mkae', 1), {
            code: 'BAD_ARGUMENT',
            message: 'list.wasm: it exports no function `mkae`; did you mean `make`?',
        });
        throws(() => program.call('make'), { message: 'list.wasm: `make` takes 1 arguments, and was called with 0' });
        throws(() => program.call('make', 1, 2), { code: 'BAD_ARGUMENT' });
        const constant = runtime.linkSync(
            encode({ globals: [{ name: 'version', content: 'i32', mutable: false, init: op.i32Const(3) }] }),
        );
        throws(() => constant.call('version'), { message: /its export `version` is not a function/ });
        throws(() => constant.call('main'), { message: /no function `main`; there is none/ });
    });

    /** Counts its calls. */
    const reactor = (params = []) =>
        encode({
            imports: [['runtime', 'alloc', alloc]],
            functions: [
                { name: '_initialize', params, code: [op.globalGet(0), op.i32Const(1), op.i32Add, op.globalSet(0)] },
                { name: 'runs', results: ['i32'], code: [op.globalGet(0)] },
            ],
            globals: [{ content: 'i32', mutable: true, init: op.i32Const(0) }],
        });

    test('what a reactor exports to be called first is called once, before anything else', async () => {
        for (const program of [await runtime.link(reactor()), runtime.linkSync(reactor())]) {
            equal([program.call('runs'), program.call('runs')], [1, 1]);
        }
        // a function of that name that takes something is an ordinary export
        equal(runtime.linkSync(reactor(['i32'])).call('runs'), 0);
        const failing = encode({ functions: [{ name: '_initialize', code: [op.unreachable] }] });
        throws(() => runtime.linkSync(failing), { code: 'TRAP' });
    });

    test('programs share the runtime, and import from each other', async () => {
        const first = await runtime.link(allocating);
        const second = await runtime.link(
            encode({
                imports: [['first', 'make', alloc]],
                functions: [{ name: 'twice', params: [], results: ['i32'], code: [op.i32Const(40), op.call(0)] }],
            }),
            { imports: { first: first.exports } },
        );
        const p = second.call('twice');
        ok(runtime.size(p) >= 40);
    });

    test('imports that cannot be satisfied are told apart, all of them', async () => {
        const cases = [
            ['runtime', 'aloc', alloc, /it imports runtime\.aloc, which the runtime does not export; did you mean `alloc`\?$/],
            ['runtime', 'brk', alloc, /runtime\.brk, which the runtime does not export; there are: .*gc_collect/],
            ['env', 'print', alloc, /it imports env\.print, but there is no module `env`: there are `host`, `runtime`$/],
            ['host', 'prnt_i32', alloc, /host\.prnt_i32, which the host does not export; did you mean `print_i32`\?$/],
            ['host', 'host_decref_handle', func(['i32', 'i32'], []), /host_decref_handle, which the host does not export/],
            [
                'runtime',
                'alloc',
                func(['i32', 'i32'], ['i32']),
                /as \(func \(param i32 i32\) \(result i32\)\), but that is \(func \(param i32\) \(result i32\)\)$/,
            ],
            ['runtime', 'gc_stat', func(['i32'], ['i32']), /that is \(func \(param i32\) \(result i64\)\)$/],
            ['runtime', 'gc_collect', func(['i32'], []), /that is \(func\)$/],
            ['runtime', 'gc_sp', global(false), /as \(global i32\), but that is \(global \(mut i32\)\)$/],
            ['runtime', 'gc_stack_base', global(true), /as \(global \(mut i32\)\), but that is \(global i32\)$/],
            ['runtime', 'gc_sp', alloc, /as a function, but that is a global$/],
            ['runtime', 'memory', alloc, /as a function, but that is a memory$/],
            ['host', 'print_i32', memory, /as a memory, but that is a function$/],
            ['runtime', 'memory', { kind: 'memory', minimum: 60000 }, /as \(memory 60000\), but that is \(memory \d+\)$/],
        ];
        const imports = { host: hostModule(runtime) };
        for (const [module, name, type, message] of cases) {
            const program = encode({ imports: [[module, name, type]] });
            const options = { imports, name: 'p.wasm' };
            const error = await rejects(runtime.link(program, options), { code: 'BAD_IMPORT', message });
            ok(error.message.startsWith('p.wasm: '), error.message);
            throws(() => runtime.linkSync(program, options), { code: 'BAD_IMPORT', message });
        }
        // nobody may forge a death, not even who is given the means
        const forging = encode({ imports: [['host', 'host_decref_handle', func(['i32', 'i32'], [])]] });
        throws(() => runtime.linkSync(forging, { imports: { host: { host_decref_handle() {} } } }), { code: 'BAD_IMPORT' });
        // a module may have one memory
        const all = encode({ imports: cases.slice(0, -1).map(([module, name, type]) => [module, name, type]) });
        const { message } = throws(() => runtime.linkSync(all, { imports }), { code: 'BAD_IMPORT' });
        equal(message.split('\n').length, 12);
        ok(message.startsWith('the program: 13 imports cannot be satisfied:\n  it imports runtime.aloc'), message);
        ok(message.endsWith('\n  ... and 3 more'), message);
    });

    test('a Module says less of itself, but enough', () => {
        const link = (module, name, type) => {
            const program = new WebAssembly.Module(encode({ imports: [[module, name, type]] }));
            return throws(() => runtime.linkSync(program), { code: 'BAD_IMPORT' }).message;
        };
        ok(/runtime\.aloc, .* did you mean `alloc`/.test(link('runtime', 'aloc', alloc)));
        ok(/as a function, but that is a global$/.test(link('runtime', 'gc_sp', alloc)));
        // the engine's words from here on
        ok(/^the program: it cannot be linked: .*alloc/.test(link('runtime', 'alloc', func([], []))));
        ok(/^the program: it cannot be linked: /.test(link('runtime', 'gc_sp', global(false))));
    });

    test("what is given for a program's imports is looked at", () => {
        const program = encode({ imports: [['env', 'f', func([], [])]] });
        throws(() => runtime.linkSync(program, { imports: { env: { f: 'text' } } }), {
            code: 'BAD_IMPORT',
            message: /env\.f, but what was given for that is string, which wasm cannot import/,
        });
        throws(() => runtime.linkSync(program, { imports: { env: { f: 5 } } }), {
            code: 'BAD_IMPORT',
            message: /as a function, but that is a global/,
        });
        throws(() => runtime.linkSync(program, { imports: { runtime: {} } }), { code: 'BAD_ARGUMENT' });
        for (const [type, value] of [
            [global(false), 7],
            [global(false, 'i64'), 7n],
            [global(true), new WebAssembly.Global({ value: 'i32', mutable: true }, 7)],
            [memory, new WebAssembly.Memory({ initial: 1 })],
            [func([], []), () => {}],
        ]) {
            runtime.linkSync(encode({ imports: [['env', 'x', type]] }), { imports: { env: { x: value } } });
        }
    });

    test('a file that is no program is refused before any of it runs', async () => {
        const cases = [
            [new TextEncoder().encode('(module)'), /wasm text/],
            [new Uint8Array([0x7f, 0x45, 0x4c, 0x46]), /begins with 7f 45 4c 46$/],
            [new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]), /a component, not a core module/],
            [encode({ customs: ['linking'] }), /an object file, not a module: link it with libruntime\.a first/],
            [
                encode({
                    customs: ['linking'],
                    imports: [['env', '__linear_memory', memory]],
                    globals: [{ ...global(false), init: [0x41, 0], name: 'kept' }],
                }),
                /an object file, not a module/,
            ],
            [
                encode({ imports: [['runtime', 'alloc', alloc]], memory: 1 }),
                /it defines its own memory, .* import it instead, with \(import "runtime" "memory" \(memory 1\)\)/,
            ],
            [allocating.subarray(0, allocating.length - 3), /^odd\.wasm: .*@\+\d+|^odd\.wasm: /],
        ];
        for (const [source, message] of cases) {
            await rejects(runtime.link(source, { name: 'odd.wasm' }), { code: 'BAD_MODULE', message });
            throws(() => runtime.linkSync(source, { name: 'odd.wasm' }), { code: 'BAD_MODULE', message });
        }
        const gone = new Response('', { status: 500 });
        await rejects(runtime.link(gone), { code: 'BAD_MODULE', message: /the server answered 500/ });
        // a memory of its own is nobody's business where the runtime is not used
        runtime.linkSync(encode({ memory: 1 }));
        // what was linked with --emit-relocs has the sections of an object file
        runtime.linkSync(encode({ memory: 1, memoryName: 'memory', customs: ['linking', 'reloc.CODE'] }));
    });

    test('a program for another version of the ABI is refused before any of it runs', () => {
        const expected = {
            code: 'ABI_VERSION',
            message: `p.wasm (gc_abi_required) has version 9 of the ABI; this package speaks version ${ABI_VERSION}`,
        };
        throws(() => runtime.linkSync(requiring(9), { name: 'p.wasm' }), expected);
        for (const version of [64, -1, -2000, 70_000, 0x7fffffff]) {
            throws(() => runtime.linkSync(requiring(version)), { code: 'ABI_VERSION', found: version });
        }
        // with the right version its start function is reached
        throws(() => runtime.linkSync(requiring(ABI_VERSION)), { code: 'TRAP' });
        // of a Module the version is seen only after it started
        const quiet = encode({
            globals: [{ name: 'gc_abi_required', content: 'i32', mutable: false, init: op.i32Const(9) }],
        });
        throws(() => runtime.linkSync(new WebAssembly.Module(quiet), { name: 'p.wasm' }), expected);
    });

    test('a start function that traps leaves gc_sp as it was', async () => {
        const start = encode({
            imports: [
                ['runtime', 'gc_unpin', func(['i32'], [])],
                ['runtime', 'gc_sp', global(true)],
            ],
            functions: [{ code: [op.globalGet(0), op.i32Const(4), op.i32Add, op.globalSet(0), op.i32Const(12), op.call(0)] }],
            start: 1,
        });
        const before = runtime.sp;
        for (const error of [await rejects(runtime.link(start)), throws(() => runtime.linkSync(start))]) {
            equal([error.code, error.argument], ['NOT_AN_OBJECT', 12]);
            equal(runtime.sp, before);
        }
    });

    test("hostModule is the native host's module `host`", () => {
        const printed = [];
        const fresh = instantiateSync(wasm);
        const host = hostModule(fresh, (bytes) => printed.push(new TextDecoder().decode(bytes)));
        const handle = host.handle_new(3, 77n);
        equal([host.handle_value(handle), host.handle_kind(handle), host.handle_count()], [77n, 3, 1]);
        equal(host.handle_kind(99), -1);
        throws(() => host.handle_value(99), { code: 'NOT_A_HANDLE', message: /99 is not a live handle \(it was never/ });
        const p = fresh.allocAtomic(8);
        fresh.memory.write(p, new TextEncoder().encode('hi'));
        host.print_i32(-5);
        host.print_i64(5n);
        host.print_f64(0.5);
        host.print_str(p, 2);
        equal(printed, ['-5\n', '5\n', '0.5\n', 'hi']);
        throws(() => hostModule(fresh).print_i32(1), { code: 'BAD_ARGUMENT', message: /was not given where to/ });
    });
};
