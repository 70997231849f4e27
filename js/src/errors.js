/** The one class of errors that this package throws. */

/**
 * A failure with a `code` that programs can compare, and a message that people can act on.
 *
 * Where the runtime trapped, `code` is the ABI's name of the error and `number` its number; `argument` is the number
 * that came with it, `argumentText` the same in words, `meaning` and `advice` are the table's texts. Errors of other
 * origins have what applies. `cause` is the engine's error, whose stack says where in wasm it was.
 */
export class RootstockError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {{cause?: unknown, number?: number, argument?: number, argumentText?: string, meaning?: string,
     *     advice?: string}} [details]
     */
    constructor(code, message, { cause, ...details } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.code = code;
        Object.assign(this, details);
    }

    get name() {
        return 'RootstockError';
    }
}

/** Two spellings of the same number are one: wasm hands out i32 signed, people write them unsigned. */
export function u32(value, what) {
    // bigints and symbols have no such operators
    if (typeof value === 'number') {
        if (value >>> 0 === value) {
            return value;
        }
        if ((value | 0) === value) {
            return value >>> 0;
        }
    }
    const shown = typeof value === 'bigint' ? `${value}n` : String(value);
    throw new RootstockError('BAD_ARGUMENT', `${what} is ${shown}, which is not a whole number of 32 bits`);
}

/** An address as messages give it. */
export function hex(address) {
    return `0x${(address >>> 0).toString(16).padStart(8, '0')}`;
}

/** "; did you mean ...?", or the list of what there is. */
export function choice(name, offered) {
    let best;
    // Names that are further apart than this are not meant.
    let least = Math.max(2, Math.floor(name.length / 3)) + 1;
    for (const offer of offered) {
        const distance = editDistance(name.toLowerCase(), offer.toLowerCase());
        if (distance < least) {
            least = distance;
            best = offer;
        }
    }
    if (best !== undefined) {
        return `; did you mean \`${best}\`?`;
    }
    if (offered.length === 0) {
        return '; there is none';
    }
    return offered.length <= 40 ? `; there are: ${offered.join(', ')}` : '';
}

/** How many letters must be changed, added or left out to turn one word into the other. */
function editDistance(from, to) {
    let row = Array.from({ length: to.length + 1 }, (_, column) => column);
    for (let i = 1; i <= from.length; i += 1) {
        const next = [i];
        for (let j = 1; j <= to.length; j += 1) {
            const changed = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
            next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1));
        }
        row = next;
    }
    return row[to.length];
}
