/** What a trap means: the runtime's own are looked up in its table, the engine's are put into words. */

import { RootstockError, hex } from './errors.js';
import { DECREF, HOST } from './imports.js';
import { ERRORS } from './tables.js';

/**
 * How Firefox names a module that was compiled from bytes: by the place in JavaScript where that was done. All modules that
 * this package compiles have that name in common, so it tells none from another.
 */
const COMPILED_HERE = / > WebAssembly\./;

/** What fills freed cells when POISON is on. */
const POISON = 0xdbdbdbdb;
/** The code of an error that is found after a call, too. */
export const OVERFLOW = 'SHADOW_STACK_OVERFLOW';
const BYTE_UNITS = ['KiB', 'MiB', 'GiB'];

/** What there is to say about traps of the engine, in the words of several engines. */
const ENGINE_TRAPS = [
    {
        pattern: /memory access out of bounds|out of bounds memory access|^index out of bounds/i,
        advice: 'look for a wild or stale pointer; EAGER and POISON show a missing root',
    },
    {
        pattern: /call stack|too much recursion/i,
        advice: 'look for endless recursion; for deep recursion allow a larger stack (node --stack-size)',
    },
];

/** The argument of an error in the unit that it has. */
export function argumentText({ name }, argument) {
    switch (name) {
        case 'HEAP_EXHAUSTED':
        case 'SIZE_TOO_LARGE': {
            const signed = argument | 0;
            if (signed < 0) {
                return `${argument} bytes (${bytes(argument)}; ${signed} as a signed number)`;
            }
            return argument < 1024 ? `${argument} bytes` : `${argument} bytes (${bytes(argument)})`;
        }
        case 'WRAP_TABLE_FULL':
            return `${argument} entries`;
        case 'NONE':
        case 'HEAP_CORRUPT':
            return String(argument);
        default:
            return hex(argument);
    }
}

function bytes(count) {
    let value = count;
    let unit = 'bytes';
    for (const next of BYTE_UNITS) {
        if (value < 1024) {
            break;
        }
        value /= 1024;
        unit = next;
    }
    return `${value.toFixed(1)} ${unit}`;
}

/** The report of an error of the runtime: what it is, its argument, what to do. */
function reportOf(row, argument, cause) {
    const text = argumentText(row, argument);
    const poison = row.name === 'NOT_AN_OBJECT' && argument === POISON;
    const lines = [
        `${row.name}: ${row.meaning}`,
        `  argument    ${text}: ${row.argument}`,
        `  what to do  ${row.advice}`,
    ];
    if (poison) {
        lines.push('              the pointer is poison: it was read from an object that had been freed');
    }
    const { number, meaning, advice } = row;
    return new RootstockError(row.name, lines.join('\n'), {
        cause,
        number,
        argument,
        argumentText: text,
        meaning,
        advice,
    });
}

/** Whether an engine's error is one of "the stack is full"; engines do not agree on its class. */
function isStackOverflow(error) {
    return error instanceof RangeError ? /call stack/i.test(error.message) : error?.name === 'InternalError';
}

/** The innermost wasm frame of an error: the line, and the part of it that names the module. */
function wasmFrame(error) {
    for (const line of String(error?.stack ?? '').split('\n')) {
        const end = line.indexOf(':wasm-function[');
        if (end >= 0) {
            // `    at name (MODULE:wasm-function[3]:0x2b6)`, `    at MODULE:wasm-...`, or `name@MODULE:wasm-...`
            const start = Math.max(line.lastIndexOf('(', end), line.lastIndexOf('@', end));
            return { line: line.trim(), module: line.slice(start + 1, end).replace(/^\s*at /, '') };
        }
    }
    return undefined;
}

/**
 * Explains the traps of one instance of the runtime.
 *
 * The runtime stores its error and then executes `unreachable`. The stored error stays until the next one, so a
 * program's own `unreachable` must be told from the runtime's: by the module that the innermost frame names.
 */
export class Traps {
    #module;
    #exports;
    #ownModule;
    #probed = false;
    #seen = '0 0';
    #ownFrames = new Set();

    constructor(module, exports) {
        this.#module = module;
        this.#exports = exports;
    }

    /** The last error of the runtime, with its row of the table. */
    last() {
        const number = this.#exports.gc_last_error() >>> 0;
        const argument = this.#exports.gc_last_error_arg() >>> 0;
        const row = ERRORS[number] ?? {
            number,
            name: `ERROR_${number}`,
            meaning: 'an error of a newer runtime',
            argument: 'see its ABI.md',
            advice: 'update this package',
        };
        return { row, argument };
    }

    /** The error as a person wants to read it. What was thrown by a host's function stays what it is. */
    explain(error) {
        if (isStackOverflow(error)) {
            return this.#engineTrap(error, 'STACK_OVERFLOW');
        }
        if (!(error instanceof WebAssembly.RuntimeError)) {
            return error;
        }
        if (/unreachable/i.test(error.message) && this.#isOwn(error)) {
            const { row, argument } = this.last();
            return reportOf(row, argument, error);
        }
        return this.#engineTrap(error, 'TRAP');
    }

    /** The shadow stack was found overrun after a call, with `gc_sp` as it was then; the call may have failed too. */
    overrun(sp, cause) {
        const row = ERRORS.find(({ name }) => name === OVERFLOW);
        return reportOf(row, sp, cause);
    }

    #engineTrap(error, code) {
        const known = ENGINE_TRAPS.find(({ pattern }) => pattern.test(error.message));
        const lines = [`the program trapped: ${error.message}`];
        if (known !== undefined) {
            lines.push(`  what to do  ${known.advice}`);
        }
        return new RootstockError(code, lines.join('\n'), {
            cause: error,
            meaning: error.message,
            ...(known === undefined ? {} : { advice: known.advice }),
        });
    }

    /** Notes that an error was stored without a trap. */
    noteStored() {
        this.#seen = this.#stored();
    }

    #stored() {
        return `${this.#exports.gc_last_error()} ${this.#exports.gc_last_error_arg()}`;
    }

    #isOwn(error) {
        const stored = this.#stored();
        const isNew = stored !== this.#seen;
        this.#seen = stored;
        if (stored.startsWith('0 ')) {
            return false;
        }
        const frame = wasmFrame(error);
        const own = this.#whereOwnTrapsAre();
        if (frame !== undefined && own !== undefined) {
            return frame.module === own;
        }
        // The runtime was merged with a program, or the engine's stacks say too little. A new error is the runtime's,
        // and so is another at the same place.
        if (isNew && frame !== undefined) {
            this.#ownFrames.add(frame.line);
        }
        return isNew || this.#ownFrames.has(frame?.line);
    }

    /** The runtime's module as stacks name it: learnt from a trap of a second instance, which is thrown away. */
    #whereOwnTrapsAre() {
        if (!this.#probed) {
            this.#probed = true;
            const imports = WebAssembly.Module.imports(this.#module);
            if (imports.length === 1 && imports[0].name === DECREF) {
                try {
                    const probe = new WebAssembly.Instance(this.#module, { [HOST]: { [DECREF]() {} } });
                    probe.exports.gc_unpin(0);
                } catch (error) {
                    const module = wasmFrame(error)?.module;
                    this.#ownModule = COMPILED_HERE.test(module) ? undefined : module;
                }
            }
        }
        return this.#ownModule;
    }
}
