// From a program in AssemblyScript to modules: one for Rootstock, and one with AssemblyScript's own runtime.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { adapt } from './adapt.mjs';
import { Hooks } from './hooks.mjs';
import { overlay } from './overlay.mjs';

/** The folder of this client: asc's names of files are relative to it. */
export const client = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(client, '../../..');

/** Where `run` has installed the packages. The optimiser is the compiler's own, so that it is the same for both. */
const packages = pathToFileURL(join(root, 'target/assemblyscript/node_modules/'));
export const asc = await import(new URL('assemblyscript/dist/asc.js', packages));
export const { default: binaryen } = await import(new URL('binaryen/index.js', packages));

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

/** The compilations, one after the other: the compiler's library is one object, which Rootstock's change. */
let compilations = Promise.resolve();

/**
 * Runs the compiler; returns what it wrote by the names of the files.
 *
 * @param {string[]} args what `asc` is given
 * @param {Hooks} [hooks] if it is for Rootstock
 */
export function compile(args, hooks) {
    const compilation = compilations.then(() => compileNow(args, hooks));
    compilations = compilation.catch(() => {});
    return compilation;
}

async function compileNow(args, hooks) {
    const written = {};
    const restore = hooks ? overlay(asc.libraryFiles) : () => {};
    const { error, stderr } = await asc.main(args, {
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
        transforms: hooks ? [hooks] : [],
    }).finally(restore);
    if (error) throw new Error(`${args[0]}: ${stderr.toString().trim() || error.message}`);
    return written;
}

/** The program as it comes with AssemblyScript's incremental collector. */
export async function stock(program, options = []) {
    const args = [`programs/${program}.ts`, ...COMMON, ...options];
    const written = await compile([...args, '--runtime', 'incremental', '-O3', '--outFile', 'stock.wasm']);
    return written['stock.wasm'];
}

/**
 * Compiles for Rootstock: the text, adapted and not optimised, and what else the compiler wrote.
 *
 * @param {string[]} args the program's files and more options of `asc`
 * @param {{name?: string, merged?: boolean}} options the name of the module's file, without its ending, and whether bindings
 *     are for the program that is merged with the runtime
 */
export async function compileForRootstock(args, { name = 'program', merged = false } = {}) {
    const programBase = constants.gc_program_base.value;
    const hooks = new Hooks(asc.libraryFiles, { merged });
    const { [`${name}.wat`]: text, ...written } = await compile([
        ...args,
        '--runtime', './rootstock/runtime',
        '--importMemory', '--memoryBase', String(programBase),
        // any size makes the compiler keep roots on its shadow stack; the adapter puts that elsewhere
        '--stackSize', '64',
        '--textFile', `${name}.wat`,
    ], hooks);
    return { text: adapt(text, { programBase, constants: hooks.constants, visitors: hooks.visitors }), written };
}

/** The program as text, adapted and not optimised. */
export async function adapted(program, options = []) {
    const { text } = await compileForRootstock([`programs/${program}.ts`, ...COMMON, ...options]);
    return text;
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
export async function rootstock(program, options) {
    return assemble(await adapted(program, options));
}
