// From a program in AssemblyScript to modules: one for Rootstock, and one with AssemblyScript's own runtime.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { adapt } from './adapt.mjs';

/** The folder of this client: asc's names of files are relative to it. */
export const client = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(client, '../../..');

/** Where `run` has installed the packages. The optimiser is the compiler's own, so that it is the same for both. */
const packages = pathToFileURL(join(root, 'target/assemblyscript/node_modules/'));
const asc = await import(new URL('assemblyscript/dist/asc.js', packages));
const { default: binaryen } = await import(new URL('binaryen/index.js', packages));

/** The version of the compiler. */
export const { version } = asc;

/** The runtime. */
export const runtimePath = process.env.ROOTSTOCK_WASM ?? join(root, 'target/wasm32-unknown-unknown/release/runtime.wasm');

/** The runtime, compiled by node. */
export const runtimeModule = new WebAssembly.Module(readFileSync(runtimePath));

/** What every instance of the runtime exports as constants. */
const { exports: constants } = new WebAssembly.Instance(runtimeModule, { host: { host_decref_handle() {} } });
if (constants.gc_abi_version() !== 1) throw new Error(`${runtimePath} is of another version of the ABI`);

const COMMON = ['--use', 'abort=programs/lib/host/abort'];

/** Runs the compiler; returns what it wrote by the names of the files. */
async function compile(program, options) {
    const { error, stderr, ...rest } = await asc.main([`programs/${program}.ts`, ...COMMON, ...options], {
        readFile(name, folder) {
            try {
                return readFileSync(join(folder, name), 'utf8');
            } catch {
                return null;
            }
        },
        writeFile(name, contents) {
            written[name] = contents;
        },
        listFiles: () => [],
    });
    if (error) throw new Error(`${program}: ${stderr.toString().trim() || error.message}`);
    return rest;
}

let written = {};

/** The program as it comes with AssemblyScript's incremental collector. */
export async function stock(program) {
    written = {};
    await compile(program, ['--runtime', 'incremental', '-O3', '--outFile', 'stock.wasm']);
    return written['stock.wasm'];
}

/** The program as text, adapted and not optimised. */
export async function adapted(program, options = []) {
    written = {};
    const programBase = constants.gc_program_base.value;
    await compile(program, [
        '--runtime', './rootstock/runtime',
        '--importMemory', '--memoryBase', String(programBase),
        // any size makes the compiler keep roots on its shadow stack; the adapter puts that elsewhere
        '--stackSize', '64',
        '--textFile', 'program.wat',
        ...options,
    ]);
    return adapt(written['program.wat'], { programBase });
}

/** The module of an adapted text, optimised as asc's `-O3` does it. */
export function assemble(text) {
    const module = binaryen.parseText(text);
    try {
        // what asc itself has enabled
        const { MutableGlobals, BulkMemory, BulkMemoryOpt, SignExt, NontrappingFPToInt } = binaryen.Features;
        module.setFeatures(MutableGlobals | BulkMemory | BulkMemoryOpt | SignExt | NontrappingFPToInt);
        if (!module.validate()) throw new Error('the adapted module is not valid');
        binaryen.setOptimizeLevel(3);
        binaryen.setShrinkLevel(0);
        module.optimize();
        return module.emitBinary();
    } finally {
        module.dispose();
    }
}

/** The program for Rootstock. */
export async function rootstock(program) {
    return assemble(await adapted(program));
}
