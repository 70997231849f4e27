#!/usr/bin/env node
/**
 * Runs a compiled program in node: `npx rootstock-run FILE.wasm [--invoke EXPORT [NUMBER...]]`.
 *
 * A program that imports the runtime is linked with the `runtime.wasm` of this package; one that `rootstock link` made is
 * instantiated as it is. Exit codes: 0 all is well, 1 the program failed, 2 the file or an argument is at fault.
 */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import { RootstockError, hostModule, instantiate } from '../rootstock.js';

const USAGE = `Usage: rootstock-run <FILE.wasm> [--invoke <EXPORT> [NUMBER...]] [--option <NAME=VALUE>]... [--stats]

Options:
  --invoke <EXPORT>      Call this export, with the numbers as arguments; 5n is an i64 [default: main, if there is one]
  --option <NAME=VALUE>  Set an option of the runtime (ABI.md), such as EAGER=1
  --stats                Print the runtime's statistics at the end
  -h, --help             Print help`;

/** A fault of the file or of an argument, in words. */
class BadInput extends Error {}

const write = (bytes) => process.stdout.write(bytes);

/** What the command line asks for. */
function parse(args) {
    try {
        const { values, positionals } = parseArgs({
            args: args.map((arg) => (/^-\d/.test(arg) ? `\0${arg}` : arg)),
            options: {
                invoke: { type: 'string' },
                option: { type: 'string', multiple: true, default: [] },
                stats: { type: 'boolean', default: false },
                help: { type: 'boolean', short: 'h', default: false },
            },
            allowPositionals: true,
        });
        const [file, ...numbers] = positionals.map((arg) => arg.replace(/^\0/, ''));
        return { ...values, file, numbers };
    } catch (error) {
        throw new BadInput(error.message);
    }
}

/** A number as JavaScript passes it to wasm: `5n` is a BigInt, for parameters of type i64. */
function number(text) {
    if (/^-?\d+n$/.test(text)) return BigInt(text.slice(0, -1));
    const value = Number(text);
    if (text.trim() === '' || Number.isNaN(value)) throw new BadInput(`${text}: not a number`);
    return value;
}

/** The options of the runtime, from `NAME=VALUE` each. */
function configuration(options) {
    return Object.fromEntries(
        options.map((text) => {
            const [name, value] = text.split('=', 2);
            if (value === undefined) throw new BadInput(`${text}: NAME=VALUE is expected`);
            return [name, number(value)];
        }),
    );
}

async function read(file) {
    try {
        return await readFile(file);
    } catch (error) {
        throw new BadInput(`${file}: it cannot be read: ${error.message}`);
    }
}

/** The program at work: its functions and, if it has one of its own or was given one, the runtime. */
async function start(file, configure) {
    const [bytes, runtimeBytes] = await Promise.all([read(file), read(new URL('../runtime.wasm', import.meta.url))]);
    const module = await WebAssembly.compile(bytes).catch((error) => {
        throw new BadInput(`${file}: ${error.message}`);
    });
    const needs = WebAssembly.Module.imports(module);
    if (needs.some(({ module }) => module === 'runtime')) {
        const runtime = await instantiate(runtimeBytes, { configure });
        const program = await runtime.link(module, {
            name: basename(file),
            imports: { host: hostModule(runtime, write) },
        });
        return { runtime, exports: program.exports, call: (name, values) => program.call(name, ...values) };
    }
    if (Object.keys(configure).length !== 0) {
        throw new BadInput(`${file}: it was linked with its runtime, so --option is not for this command to set`);
    }
    const host = { host_decref_handle() {} };
    const { exports } = await WebAssembly.instantiate(module, { host }).catch((error) => {
        throw new BadInput(`${file}: ${error.message}`);
    });
    exports._initialize?.();
    return { exports, call: (name, values) => exports[name](...values) };
}

async function main() {
    const { file, numbers, invoke, option, stats, help } = parse(process.argv.slice(2));
    if (help) return console.log(USAGE);
    if (file === undefined) throw new BadInput(`a file is missing\n\n${USAGE}`);
    const values = numbers.map(number);
    const program = await start(file, configuration(option));
    const name = invoke ?? 'main';
    const found = typeof program.exports[name] === 'function';
    if (!found && (invoke !== undefined || values.length !== 0)) {
        throw new BadInput(`${file}: there is no exported function ${name}`);
    }
    const result = found ? program.call(name, values) : undefined;
    if (result !== undefined) console.log([result].flat().join('\n'));
    if (stats && program.runtime !== undefined) console.table(program.runtime.stats());
}

main().catch((error) => {
    const bad = ['BAD_MODULE', 'BAD_IMPORT', 'ABI_VERSION', 'BAD_ARGUMENT', 'OPTION_REFUSED'];
    const isInput = error instanceof BadInput || (error instanceof RootstockError && bad.includes(error.code));
    const isPlain = isInput || error instanceof RootstockError;
    console.error(`rootstock-run: ${isPlain ? error.message : error.stack}`);
    process.exitCode = isInput ? 2 : 1;
});
