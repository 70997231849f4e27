// Changes to AssemblyScript's own library, made while it is compiled for Rootstock.
//
// Its collector follows visitors that know how long an array is and which entries of a map are deleted. Rootstock scans
// the whole buffer, so what leaves a container is cleared there. Buffers that never hold references are not scanned.
//
// Each edit looks for exactly what it expects, as many times as it expects it, and stays on its line: the numbers of
// lines in messages are those of the library.

export class UnexpectedLibrary extends Error {}

const bufferOf = (size) => `__new(${size}, idof<ArrayBuffer>())`;
const atomicBuffer = (size) => `__rootstock_atomic_buffer(${size})`;

/** Of every buffer of this size one that is not scanned. */
const atomic = (size, times = 1) => [bufferOf(size), atomicBuffer(size), times];

/** The same for `new ArrayBuffer`: `condition`, in the library's terms, says when its words are no references. */
const entries = (size, condition, times) => [
    `new ArrayBuffer(${size})`,
    condition
        ? `changetype<ArrayBuffer>(${condition} ? ${bufferOf(size)} : ${atomicBuffer(size)})`
        : `changetype<ArrayBuffer>(${atomicBuffer(size)})`,
    times,
];

const after = (line, added, times = 1) => [line, `${line} ${added}`, times];

/** Edits of a table: buckets hold addresses in the buffer of entries, which the table itself keeps. */
function table(entry, parameters, managed) {
    const size = `ENTRY_SIZE<${parameters}>()`;
    const clear = Object.entries(managed)
        .map(([field, type]) => `if (isManaged<${type}>()) store<usize>(changetype<usize>(entry), 0, offsetof<${entry}<${parameters}>>("${field}"));`)
        .join(' ');
    const condition = Object.values(managed).map((type) => `isManaged<${type}>()`).join(' || ');
    return [
        after('entry.taggedNext |= EMPTY;', clear),
        entries('INITIAL_CAPACITY * <i32>BUCKET_SIZE', null, 2),
        entries('newBucketsCapacity * <i32>BUCKET_SIZE', null, 1),
        entries(`INITIAL_CAPACITY * <i32>${size}`, condition, 2),
        entries(`newEntriesCapacity * <i32>${size}`, condition, 1),
    ];
}

const clearElements = (base, from, count) =>
    `memory.fill(${base} + (<usize>${from} << alignof<T>()), 0, <usize>${count} << alignof<T>());`;

/** The edits by file: what is looked for, what takes its place, how many times. */
const edits = {
    'array': [
        [bufferOf('bufferSize'), `isManaged<T>() ? ${bufferOf('bufferSize')} : ${atomicBuffer('bufferSize')}`, 1],
        ['__renew(oldData, newCapacity)', '__rootstock_renew_buffer(array, oldData, newCapacity)', 1],
        after('ensureCapacity(changetype<usize>(this), newLength, alignof<T>(), false);',
            `if (isManaged<T>() && newLength < this.length_) ${clearElements('this.dataStart', 'newLength', '(this.length_ - newLength)')}`),
        after('let val = load<T>(this.dataStart + (<usize>(--len) << alignof<T>()));',
            'if (isManaged<T>()) store<usize>(this.dataStart + (<usize>len << alignof<T>()), 0);'),
        after('this.length_ = len - deleteCount;',
            `if (isManaged<T>()) ${clearElements('thisStart', '(len - deleteCount)', 'deleteCount')}`),
    ],
    'map': table('MapEntry', 'K,V', { key: 'K', value: 'V' }),
    'set': table('SetEntry', 'T', { key: 'T' }),
    'rt': [['__newBuffer(bufferSize, idof<ArrayBuffer>(), data)', '__rootstock_array_buffer(bufferSize, id, data)', 1]],
    'arraybuffer': [atomic('length = length << alignLog2'), atomic('<usize>length'), atomic('outSize')],
    'typedarray': [atomic('byteLength'), atomic('len << alignof<T>()')],
    'string': [atomic('<usize>byteLength(str, nullTerminated)'), atomic('<usize>byteLength(str)')],
    // while two runs are merged, an element may be in the buffer alone
    'util/sort': [
        ['__alloc(lgPlus2Size << 1)', '__rootstock_pinned(lgPlus2Size << 1, false)', 1],
        ['__alloc(len << alignof<T>())', '__rootstock_pinned(len << alignof<T>(), isManaged<T>())', 1],
        ['__free(buffer)', '__rootstock_unpinned(buffer)', 1],
        ['__free(leftRunStartBuf)', '__rootstock_unpinned(leftRunStartBuf)', 1],
    ],
    // Unmanaged memory: pages that the program grows itself, which the collector does not look at. The allocator's
    // root is an object, it grows by its own size, and static data have no header that says how long they are.
    'rt/tlsf': [
        ['let rootOffset = (__heap_base + AL_MASK) & ~AL_MASK;', 'let rootOffset = __rootstock_pinned(ROOT_SIZE, false);', 1],
        ['addMemory(root, memStart, <u64>memory.size() << 16);', ';', 1],
        ['max(pagesBefore, pagesNeeded); // double memory', 'max(pool, pagesNeeded);', 1],
        after('let pagesAfter = memory.size();', 'pool += pagesAfter - pagesBefore;'),
        after('@lazy export let ROOT: Root = changetype<Root>(0);', '@lazy let pool: i32 = 0;'),
        ['? changetype<usize>(moveBlock(ROOT, checkUsedBlock(ptr), size))', '? changetype<usize>(copyStatic(ROOT, ptr, size))', 1],
        after('/** Frees a block. */', 'function copyStatic(root: Root, ptr: usize, size: usize): Block { '
            + 'let block = allocateBlock(root, size); '
            + 'memory.copy(changetype<usize>(block) + BLOCK_OVERHEAD, ptr, min(size, __heap_base - ptr)); return block; }'),
    ],
};

/**
 * Edits the compiler's library.
 *
 * @param {Record<string, string>} files its files by name, which are changed
 * @returns a function that puts back what they were
 */
export function overlay(files) {
    const before = {};
    for (const [name, changes] of Object.entries(edits)) {
        before[name] = files[name];
        for (const [from, to, times] of changes) {
            const found = (files[name] ?? '').split(from).length - 1;
            if (found !== times) {
                Object.assign(files, before);
                throw new UnexpectedLibrary(`the library's ${name}.ts has ${found} times '${from}', not ${times}`);
            }
            files[name] = files[name].replaceAll(from, () => to);
        }
    }
    return () => Object.assign(files, before);
}
