/**
 * What can be seen of a module without running it: the types of its imports and exports, which the JavaScript API
 * keeps to itself, and the constants of its globals.
 *
 *   "\0asm" version | section: id, size, contents | section | ...
 *
 * Only modules that the engine has accepted come here, so nothing is validated. What this reader does not know (types
 * of later proposals) ends it: there is no outline then, and the engine's own messages have to do.
 */

const VALUE_TYPES = new Map([
    [0x7f, 'i32'],
    [0x7e, 'i64'],
    [0x7d, 'f32'],
    [0x7c, 'f64'],
    [0x7b, 'v128'],
    [0x70, 'funcref'],
    [0x6f, 'externref'],
]);
/** And back. */
export const TYPE_BYTES = new Map([...VALUE_TYPES].map(([byte, name]) => [name, byte]));
const KINDS = ['func', 'table', 'memory', 'global', 'tag'];
const decoder = new TextDecoder();

/** Something this reader does not know. */
class Unfamiliar extends Error {}

class Reader {
    #bytes;
    #at;

    constructor(bytes, at) {
        this.#bytes = bytes;
        this.#at = at;
    }

    get done() {
        return this.#at >= this.#bytes.length;
    }

    byte() {
        if (this.done) {
            throw new Unfamiliar();
        }
        return this.#bytes[this.#at++];
    }

    /** An unsigned LEB128 number of up to 64 bits; exact up to 2^53. */
    unsigned() {
        let value = 0;
        for (let shift = 0; ; shift += 7) {
            const byte = this.byte();
            value += (byte & 0x7f) * 2 ** shift;
            if (byte < 0x80) {
                return value;
            }
        }
    }

    /** A signed LEB128 number of 32 bits. */
    signed() {
        let value = 0;
        for (let shift = 0; ; shift += 7) {
            const byte = this.byte();
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) {
                return shift < 25 && (byte & 0x40) !== 0 ? value | (-1 << (shift + 7)) : value;
            }
        }
    }

    skip(bytes) {
        this.#at += bytes;
    }

    /** The next `length` bytes as a reader of their own. */
    part(length) {
        const part = new Reader(this.#bytes.subarray(0, this.#at + length), this.#at);
        this.skip(length);
        return part;
    }

    name() {
        const length = this.unsigned();
        const start = this.#at;
        this.skip(length);
        return decoder.decode(this.#bytes.subarray(start, this.#at));
    }

    list(item) {
        return Array.from({ length: this.unsigned() }, item);
    }

    valueType() {
        const type = VALUE_TYPES.get(this.byte());
        if (type === undefined) {
            throw new Unfamiliar();
        }
        return type;
    }

    functionType() {
        if (this.byte() !== 0x60) {
            throw new Unfamiliar();
        }
        const params = this.list(() => this.valueType());
        return { kind: 'func', params, results: this.list(() => this.valueType()) };
    }

    globalType() {
        return { kind: 'global', content: this.valueType(), mutable: this.byte() === 1 };
    }

    limits() {
        const flags = this.byte();
        const limits = { minimum: this.unsigned() };
        if ((flags & 1) !== 0) {
            limits.maximum = this.unsigned();
        }
        if ((flags & 8) !== 0) {
            // a page size of its own
            throw new Unfamiliar();
        }
        return { ...limits, shared: (flags & 2) !== 0, is64: (flags & 4) !== 0 };
    }

    memoryType() {
        return { kind: 'memory', ...this.limits() };
    }

    tableType() {
        return { kind: 'table', content: this.valueType(), ...this.limits() };
    }

    externType(types) {
        switch (this.byte()) {
            case 0:
                return types[this.unsigned()];
            case 1:
                return this.tableType();
            case 2:
                return this.memoryType();
            case 3:
                return this.globalType();
            case 4:
                this.skip(1);
                this.unsigned();
                return { kind: 'tag' };
            default:
                throw new Unfamiliar();
        }
    }

    /** A constant expression: its value where it is a plain `i32.const`. */
    constant() {
        let value;
        for (let instructions = 0; ; instructions += 1) {
            const opcode = this.byte();
            switch (opcode) {
                case 0x0b: // end
                    return instructions === 1 ? value : undefined;
                case 0x41: // i32.const
                    value = this.signed();
                    break;
                case 0x43: // f32.const
                case 0x44: // f64.const
                    this.skip(opcode === 0x43 ? 4 : 8);
                    break;
                case 0x23: // global.get
                case 0x42: // i64.const
                case 0xd0: // ref.null
                case 0xd2: // ref.func
                    while (this.byte() >= 0x80);
                    break;
                case 0x6a: // i32.add, sub, mul
                case 0x6b:
                case 0x6c:
                case 0x7c: // i64.add, sub, mul
                case 0x7d:
                case 0x7e:
                    break;
                default:
                    throw new Unfamiliar();
            }
        }
    }
}

/** The sections in their order. */
function* sections(bytes) {
    const reader = new Reader(bytes, 8);
    while (!reader.done) {
        const id = reader.byte();
        const size = reader.unsigned();
        yield { id, contents: reader.part(size) };
    }
}

/**
 * @param {Uint8Array} bytes a module that the engine has accepted
 * @returns the outline, or `undefined` where the module has something that this reader does not know
 */
export function readOutline(bytes) {
    try {
        return read(bytes);
    } catch (error) {
        if (error instanceof Unfamiliar) {
            return undefined;
        }
        throw error;
    }
}

function read(bytes) {
    let types = [];
    const imports = [];
    const exported = [];
    const spaces = { func: [], table: [], memory: [], global: [], tag: [] };
    let ownMemories = 0;
    for (const { id, contents: section } of sections(bytes)) {
        switch (id) {
            case 1:
                types = section.list(() => section.functionType());
                break;
            case 2:
                section.list(() => {
                    const entry = { module: section.name(), name: section.name(), type: section.externType(types) };
                    imports.push(entry);
                    spaces[entry.type.kind].push(entry.type);
                });
                break;
            case 3:
                section.list(() => spaces.func.push(types[section.unsigned()]));
                break;
            case 5:
                section.list(() => spaces.memory.push(section.memoryType()));
                ownMemories = spaces.memory.length - imports.filter(({ type }) => type.kind === 'memory').length;
                break;
            case 6:
                section.list(() => {
                    const type = section.globalType();
                    const value = section.constant();
                    spaces.global.push(type.mutable || value === undefined ? type : { ...type, value });
                });
                break;
            case 7:
                section.list(() =>
                    exported.push({ name: section.name(), kind: KINDS[section.byte()], index: section.unsigned() }),
                );
                break;
            default:
        }
    }
    const exports = exported.map((entry) => ({ ...entry, type: spaces[entry.kind][entry.index] }));
    return { imports, exports, ownMemories };
}
