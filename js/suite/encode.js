/** Small modules, encoded by hand, and changes to the runtime's: what no compiler would emit. */

const TYPES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };
const KINDS = { func: 0, table: 1, memory: 2, global: 3 };

/** Instructions that the tests use. */
export const op = {
    unreachable: [0x00],
    end: [0x0b],
    drop: [0x1a],
    call: (index) => [0x10, ...unsigned(index)],
    localGet: (index) => [0x20, ...unsigned(index)],
    globalGet: (index) => [0x23, ...unsigned(index)],
    globalSet: (index) => [0x24, ...unsigned(index)],
    i32Load: [0x28, 2, 0],
    i32Store: [0x36, 2, 0],
    i32Const: (value) => [0x41, ...signed(value)],
    i64Const: (value) => [0x42, ...signed(value)],
    i32Add: [0x6a],
    i32Sub: [0x6b],
};

function unsigned(value) {
    const bytes = [];
    let rest = value;
    do {
        bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        rest = Math.floor(rest / 128);
    } while (rest > 0);
    return bytes;
}

function signed(value) {
    const bytes = [];
    for (let rest = value | 0; ; ) {
        const byte = rest & 0x7f;
        rest >>= 7;
        if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
            return [...bytes, byte];
        }
        bytes.push(byte | 0x80);
    }
}

const text = (string) => {
    const bytes = [...new TextEncoder().encode(string)];
    return [...unsigned(bytes.length), ...bytes];
};
const list = (items) => [...unsigned(items.length), ...items.flat()];
const section = (id, items) => (items.length === 0 ? [] : sized(id, list(items)));
const sized = (id, contents) => [id, ...unsigned(contents.length), ...contents];
const functionType = ({ params = [], results = [] }) => [
    0x60,
    ...list(params.map((type) => [TYPES[type]])),
    ...list(results.map((type) => [TYPES[type]])),
];
const globalType = ({ content, mutable }) => [TYPES[content], mutable ? 1 : 0];

/**
 * A module.
 *
 * @param {object} parts
 *     `imports`: `[module, name, {kind, ...type}]`; `functions`: `{name?, params, results, code}`, exported under their
 *     names; `globals`: `{name?, content, mutable, init}`; `memory`: pages of a memory of its own, which is exported if
 *     it has a `memoryName`; `start`: the index of the start function; `customs`: names of empty custom sections
 */
export function encode({ imports = [], functions = [], globals = [], memory, memoryName, start, customs = [] }) {
    const types = [];
    const typeIndex = (type) => types.push(functionType(type)) - 1;
    const importType = (type) => {
        switch (type.kind) {
            case 'func':
                return unsigned(typeIndex(type));
            case 'global':
                return globalType(type);
            default:
                return [0, ...unsigned(type.minimum)];
        }
    };
    const imported = (kind) => imports.filter(([, , type]) => type.kind === kind).length;
    const importItems = imports.map(([module, name, type]) => [
        ...text(module),
        ...text(name),
        KINDS[type.kind],
        ...importType(type),
    ]);
    const functionItems = functions.map((type) => unsigned(typeIndex(type)));
    const exported = (kind, items) =>
        items.flatMap(({ name }, at) =>
            name === undefined ? [] : [[...text(name), KINDS[kind], ...unsigned(imported(kind) + at)]],
        );
    return new Uint8Array([
        ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
        ...customs.flatMap((name) => sized(0, text(name))),
        ...section(1, types),
        ...section(2, importItems),
        ...section(3, functionItems),
        ...section(5, memory === undefined ? [] : [[0, ...unsigned(memory)]]),
        ...section(6, globals.map((type) => [...globalType(type), ...type.init, ...op.end])),
        ...section(7, [
            ...exported('func', functions),
            ...exported('global', globals),
            ...(memoryName === undefined ? [] : exported('memory', [{ name: memoryName }])),
        ]),
        ...(start === undefined ? [] : sized(8, unsigned(start))),
        ...section(10, functions.map(({ code }) => sized(0, [0, ...code.flat(), ...op.end]).slice(1))),
    ]);
}

function read(bytes, at) {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) {
            return [value, at];
        }
    }
}

/** Where each section's contents are. */
function* sections(bytes) {
    for (let at = 8; at < bytes.length; ) {
        const id = bytes[at];
        const [size, start] = read(bytes, at + 1);
        yield { id, head: at, start, end: start + size };
        at = start + size;
    }
}

/** The exports of a module as `[name, kind, index]`. */
function exportsOf(bytes, start) {
    let [count, at] = read(bytes, start);
    const found = [];
    for (; count > 0; count -= 1) {
        const [length, from] = read(bytes, at);
        const name = new TextDecoder().decode(bytes.subarray(from, from + length));
        const [index, next] = read(bytes, from + length + 1);
        found.push([name, bytes[from + length], index]);
        at = next;
    }
    return found;
}

/** The module with other names for its exports; a name of `undefined` drops one. */
export function renameExports(bytes, rename) {
    const { head, start, end } = [...sections(bytes)].find(({ id }) => id === 7);
    const items = exportsOf(bytes, start).flatMap(([name, kind, index]) => {
        const other = rename(name);
        return other === undefined ? [] : [[...text(other), kind, ...unsigned(index)]];
    });
    return new Uint8Array([...bytes.subarray(0, head), ...section(7, items), ...bytes.subarray(end)]);
}

/** The runtime with another version of the ABI: its `gc_abi_version` is `i32.const 1`. */
export function withAbiVersion(bytes, version) {
    const all = [...sections(bytes)];
    const exported = exportsOf(bytes, all.find(({ id }) => id === 7).start);
    const index = exported.find(([name]) => name === 'gc_abi_version')[2];
    // the runtime imports nothing but functions
    const [imports] = read(bytes, all.find(({ id }) => id === 2).start);
    let at = read(bytes, all.find(({ id }) => id === 10).start)[1];
    for (let skipped = imports; skipped < index; skipped += 1) {
        const [size, body] = read(bytes, at);
        at = body + size;
    }
    const [size, body] = read(bytes, at);
    const code = [...bytes.subarray(body, body + size)];
    if (code.join(' ') !== [0, ...op.i32Const(1), ...op.end].join(' ')) {
        throw new Error(`gc_abi_version is not what it was: ${code}`);
    }
    const patched = bytes.slice();
    patched[body + 2] = version;
    return patched;
}
