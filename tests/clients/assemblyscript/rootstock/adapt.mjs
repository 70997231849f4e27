// What asc emits, made a program of Rootstock: an edit of the text that it writes.
//
// asc's text has one instruction on a line, and what its passes add has a fixed form, so that each edit looks for
// exactly what it expects and refuses a module that has something else.

/** Static objects lie on a multiple of this, and so do the copies of globals behind them. */
const ALIGNMENT = 16;

const STACK_POINTER = '$~lib/memory/__stack_pointer';

class UnexpectedModule extends Error {}

/** The one match of a pattern. */
function only(text, pattern, what) {
    const found = [...text.matchAll(new RegExp(pattern, 'gm'))];
    if (found.length !== 1) throw new UnexpectedModule(`asc's output has ${found.length} times ${what}, not once`);
    return found[0];
}

/** The bytes of a string of the text format. */
function bytesOf(string) {
    const named = { t: 9, n: 10, r: 13, '"': 34, "'": 39, '\\': 92 };
    const bytes = [];
    for (const [, hex, name, plain] of string.matchAll(/\\([0-9a-fA-F]{2})|\\(.)|([^\\])/g)) {
        const byte = hex ? Number.parseInt(hex, 16) : name ? named[name] : plain.charCodeAt(0);
        if (!(byte < 256)) throw new UnexpectedModule(`a string of asc's output has ${JSON.stringify(name ?? plain)}`);
        bytes.push(byte);
    }
    return Uint8Array.from(bytes);
}

/** Numbers of classes and flags of the compiler. */
const ID_BUFFER = 1, ID_STRING = 2;
const ARRAY = 1 << 1, POINTERFREE = 1 << 5, VALUE_MANAGED = 1 << 14;

/** The flags of the classes by number. */
function classes(segments, rttiBase) {
    const { view } = segments.find(({ offset }) => offset === rttiBase) ?? {};
    if (!view) throw new UnexpectedModule("asc's output has no table of its classes");
    return Array.from({ length: view.getUint32(0, true) }, (_, id) => view.getUint32(4 + 4 * id, true));
}

/** What a static object has before it: memory manager, two words of the collector, class, size. */
const HEADER = 20;

/** The static objects: where each is, its class and its size. */
function staticObjects(segments, flags) {
    return segments.flatMap(({ offset, view }) => {
        const isObject = view.byteLength >= HEADER && (offset + HEADER) % ALIGNMENT === 0
            && view.getUint32(0, true) === view.byteLength - 4
            && view.getUint32(4, true) === 0 && view.getUint32(8, true) === 0
            && view.getUint32(12, true) < flags.length && view.getUint32(16, true) <= view.byteLength - HEADER;
        return isObject ? [{ start: offset + HEADER, id: view.getUint32(12, true), size: view.getUint32(16, true), view }] : [];
    });
}

/**
 * Where static data may come to hold objects: the static objects that are no strings, tables of numbers and such. Some of
 * those look like addresses.
 */
function staticRoots(segments, rttiBase) {
    const flags = classes(segments, rttiBase);
    const objects = staticObjects(segments, flags);
    const isArrayOfNumbers = ({ id }) => (flags[id] & ARRAY) !== 0 && (flags[id] & VALUE_MANAGED) === 0;
    const buffersOfNumbers = new Set(objects.filter(isArrayOfNumbers).map(({ view }) => view.getUint32(HEADER, true)));
    return objects
        .filter(({ start, id }) => id === ID_BUFFER
            ? !buffersOfNumbers.has(start)
            : id !== ID_STRING && (flags[id] & POINTERFREE) === 0)
        .map(({ start, size }) => [start, start + (size & ~3)])
        .filter(([start, end]) => end > start);
}

/** The text of a function, which ends where its indentation does. */
function functionText(text, name) {
    const start = text.indexOf(`\n (func ${name}`);
    if (start < 0) throw new UnexpectedModule(`asc's output has no function ${name}`);
    const end = text.indexOf('\n )\n', start) + '\n )\n'.length;
    return text.slice(start, end);
}

/** What the compiler puts around a function with a frame of so many bytes: at its start `sub`, at each of its ends `add`. */
const FRAME = /^( *)global\.get \$~lib\/memory\/__stack_pointer\n *i32\.const (\d+)\n *i32\.(sub|add)\n *global\.set \$~lib\/memory\/__stack_pointer$/gm;

/**
 * The compiler's shadow stack becomes Rootstock's, which grows upwards. A frame begins where gc_sp was when the function
 * was called, and a local remembers that.
 */
function moveFrames(text) {
    return text.replace(/^ \(func [^]*?^ \)$/gm, (body) => {
        const starts = [...body.matchAll(FRAME)].filter(([, , , step]) => step === 'sub');
        if (starts.length === 0) return body;
        if (starts.length > 1) throw new UnexpectedModule('a function has several frames');
        return body
            .replace('\n', '\n  (local $rootstock:frame i32)\n')
            .replace(FRAME, (_, indent, bytes, step) =>
                (step === 'sub'
                    ? ['global.get $gc_sp', 'local.tee $rootstock:frame', `i32.const ${bytes}`, 'i32.add', 'global.set $gc_sp']
                    : ['local.get $rootstock:frame', 'global.set $gc_sp'])
                    .map((line) => indent + line)
                    .join('\n'))
            .replace(/^( *)global\.get \$~lib\/memory\/__stack_pointer$/gm, '$1local.get $rootstock:frame');
    });
}

/**
 * The check at the start of each function that has a frame, when nothing is in the frame yet. A collection does not
 * begin with gc_sp above the limit: it traps with SHADOW_STACK_OVERFLOW. (The program's own `abort` may need a frame.)
 */
function checkLimit(text) {
    // a program of which no function has a frame has no check
    if (!text.includes('\n (func $~stack_check')) return text;
    const check = functionText(text, '$~stack_check');
    only(check, ` +global\\.get \\${STACK_POINTER}\n +global\\.get \\$~lib/memory/__data_end\n +i32\\.lt_s\n`, 'the test of its stack');
    return text.replace(check, () => `
 (func $~stack_check
  global.get $gc_sp
  global.get $gc_stack_limit
  i32.gt_u
  if
   call $rootstock:gc_collect
   unreachable
  end
 )
`);
}

/** The managed globals that may change: those that the compiler's own visitor of globals looks at. */
function managedGlobals(text) {
    const visitor = functionText(text, '$~lib/rt/__visit_globals');
    const names = [...visitor.matchAll(/global\.get (\S+)/g)].map((match) => match[1]);
    const mutable = new Set([...text.matchAll(/^ \(global (\S+) \(mut i32\)/gm)].map((match) => match[1]));
    return [...new Set(names)].filter((name) => mutable.has(name));
}

/** Keeps copies of the managed globals in memory, from `slots` on, by functions that set both. */
function copyGlobals(text, globals, slots, constants) {
    const exports = new Set([...text.matchAll(/^ \(export .* \(global (\S+)\)\)$/gm)].map((match) => match[1]));
    const exported = globals.find((name) => exports.has(name) && !constants.has(name.slice(1)));
    if (exported) throw new UnexpectedModule(`a host could set the exported global ${exported}, which holds an object`);
    const indices = new Map(globals.map((name, index) => [name, index]));
    text = text.replace(/global\.set (\S+)$/gm, (set, name) => (indices.has(name) ? `call $rootstock:set:${indices.get(name)}` : set));
    const setters = globals.map((name, index) => `
 (func $rootstock:set:${index} (param $value i32)
  (global.set ${name} (local.get $value))
  (i32.store (i32.const ${slots + 4 * index}) (local.get $value)))`);
    return { text, setters };
}

/** Makes segments passive: memory belongs to the runtime, which may have less than the program's data need. */
function passiveSegments(text) {
    const segments = [];
    text = text.replace(/^ \(data (\S+) \(i32\.const (\d+)\) "(.*)"\)$/gm, (_, name, offset, string) => {
        segments.push({ name, offset: Number(offset), view: new DataView(bytesOf(string).buffer) });
        return ` (data ${name} "${string}")`;
    });
    const copies = segments.map(({ name, offset, view }) => `
  (memory.init ${name} (i32.const ${offset}) (i32.const 0) (i32.const ${view.byteLength}))
  (data.drop ${name})`);
    return { text, segments, copies };
}

/** Takes out the call that has made the compiler write the visitor of globals, which is run by nothing else. */
function withoutVisitor(text) {
    const call = only(text, String.raw`^ *i32\.const 0\n *call \$~lib/rt/__visit_globals\n`, 'the call of the visitor of globals')[0];
    return text.replace(call, () => '').replace(functionText(text, '$~lib/rt/__visit_globals'), () => '\n');
}

/** Scans every buffer, for a program whose own classes visit references that the compiler does not know of. */
function scanBuffers(text) {
    const name = '$rootstock/runtime/__rootstock_atomic_buffer';
    if (!text.includes(`\n (func ${name}`)) return text;
    const body = functionText(text, name);
    const scanned = body.replace('call $rootstock/runtime/allocAtomic\n', 'call $rootstock:alloc\n');
    if (scanned === body) throw new UnexpectedModule(`${name} does not allocate`);
    return text.replace(body, () => scanned);
}

/** What every program imports, in place of its import of memory: imports come first. */
const IMPORTS = ` (import "runtime" "memory" (memory $0 1))
 (import "runtime" "gc_sp" (global $gc_sp (mut i32)))
 (import "runtime" "gc_stack_limit" (global $gc_stack_limit i32))
 (import "runtime" "gc_init" (func $rootstock:gc_init (param i32)))
 (import "runtime" "gc_configure" (func $rootstock:gc_configure (param i32 i32) (result i32)))
 (import "runtime" "gc_collect" (func $rootstock:gc_collect))
 (import "runtime" "gc_add_roots" (func $rootstock:gc_add_roots (param i32 i32)))`;

const INTERIOR = 7;

/** What programs import that have visitors of their own. */
const IMPORT_ALLOC = ' (import "runtime" "alloc" (func $rootstock:alloc (param i32) (result i32)))';

/** Rounds up. */
const aligned = (address) => Math.ceil(address / ALIGNMENT) * ALIGNMENT;

/**
 * The program of a module that was compiled with `runtime.ts`: `programBase` is where its static data lie.
 *
 * @param {string} module what asc wrote, not optimised
 * @param {{programBase: number, constants?: Set<string>, visitors?: boolean}} options where static data lie, the globals
 *     that are constants, and whether classes of the program have visitors
 */
export function adapt(module, { programBase, constants = new Set(), visitors = false }) {
    const address = (name) =>
        Number(only(module, String.raw`^ \(global \$~lib/${name} i32 \(i32\.const (\d+)\)\)`, `the address ${name}`)[1]);
    const dataEnd = address('memory/__heap_base');
    if (dataEnd <= programBase) throw new UnexpectedModule('asc was not told of the base of static data');
    const memory = only(module, String.raw`^ \(import "env" "memory" \(memory \$0 \d+\)\)$`, 'an import of memory')[0];

    // Copies of the managed globals, behind all static data.
    const globals = managedGlobals(module);
    const slots = aligned(dataEnd);
    const slotsEnd = slots + 4 * globals.length;
    const copied = copyGlobals(withoutVisitor(module), globals, slots, constants);

    const moved = checkLimit(moveFrames(copied.text)).replace(new RegExp(`^ \\(global \\${STACK_POINTER} .*\n`, 'm'), '');
    if (moved.includes(STACK_POINTER)) throw new UnexpectedModule('the compiler uses its shadow stack in a way that is not known');

    const { text, segments, copies } = passiveSegments(moved);
    // a program that allocates nothing has no table of classes
    const hasClasses = text.includes('\n (global $~lib/rt/__rtti_base ');
    const ranges = hasClasses ? staticRoots(segments, address('rt/__rtti_base')) : [];
    if (globals.length > 0) ranges.push([slots, slotsEnd]);
    const roots = ranges.map(([start, end]) => `
  (call $rootstock:gc_add_roots (i32.const ${start}) (i32.const ${end}))`);

    const start = text.match(/^ \(start (\S+)\)\n/m);
    const program = (visitors ? scanBuffers(text) : text)
        .replace(memory, () => (visitors ? `${IMPORTS}\n${IMPORT_ALLOC}` : IMPORTS))
        .replace(start?.[0] ?? '', '');
    const added = `${copied.setters.join('')}
 (func $rootstock:start
  (call $rootstock:gc_init (i32.const ${aligned(slotsEnd)}))
  (drop (call $rootstock:gc_configure (i32.const ${INTERIOR}) (i32.const 1)))${copies.join('')}${roots.join('')}${start ? `
  (call ${start[1]})` : ''})
 (start $rootstock:start)
`;
    return `${program.slice(0, program.lastIndexOf(')'))}${added})\n`;
}
