/// <reference lib="esnext.disposable" />

/** Rootstock's garbage-collected runtime for WebAssembly, from JavaScript. */

/** The version of the ABI that this package speaks. */
export const ABI_VERSION: number;

/** An address in linear memory, or any number of 32 bits. Signed as wasm hands it out, or unsigned. */
export type U32 = number;

export type OptionName =
    | 'EAGER'
    | 'POISON'
    | 'VERIFY'
    | 'HEAP_LIMIT'
    | 'GROWTH_PERCENT'
    | 'MIN_HEAP'
    | 'WRAP_LIMIT'
    | 'INTERIOR'
    | 'MAX_PAGES'
    | 'MARK_STACK_LIMIT'
    | 'NOTIFY'
    | 'LARGE_INTERIOR'
    | 'BLACKLIST';

export type StatName =
    | 'LIVE_BYTES'
    | 'LIVE_OBJECTS'
    | 'PEAK_BYTES'
    | 'MEMORY_PAGES'
    | 'COLLECTIONS'
    | 'ALLOCATED_BYTES'
    | 'ALLOCATED_OBJECTS'
    | 'WRAPPERS'
    | 'WRAPPERS_PEAK'
    | 'WRAPPERS_REGISTERED'
    | 'WRAPPERS_TOLD'
    | 'STACK_HIGH_WATER'
    | 'LAST_WORK'
    | 'MAX_WORK'
    | 'NESTED_REFUSED'
    | 'EXTERNAL_BYTES'
    | 'WRAP_CAPACITY'
    | 'HEAP_BYTES'
    | 'DEAD_QUEUED'
    | 'PINS'
    | 'ROOT_RANGES'
    | 'MARK_OVERFLOWS'
    | 'TABLE_BYTES'
    | 'STACKS';

/** The runtime's own errors, by their names in the ABI. */
export type TrapName =
    | 'HEAP_EXHAUSTED'
    | 'SIZE_TOO_LARGE'
    | 'SHADOW_STACK_OVERFLOW'
    | 'WRAP_TABLE_FULL'
    | 'NOT_AN_OBJECT'
    | 'ALREADY_REGISTERED'
    | 'INIT_TWICE'
    | 'UNPIN_UNDERFLOW'
    | 'HEAP_CORRUPT'
    | 'BAD_RANGE';

/** Errors of other origins. */
export type OtherCode =
    /** The engine or the program trapped. */
    | 'TRAP'
    /** The engine's own stack is full. */
    | 'STACK_OVERFLOW'
    /** The runtime or the program is for another version of the ABI. */
    | 'ABI_VERSION'
    /** What was given is not the runtime, or not a program. */
    | 'BAD_MODULE'
    /** An import cannot be satisfied. */
    | 'BAD_IMPORT'
    | 'BAD_ARGUMENT'
    /** A scope or a slot was used in a way that would not root anything. */
    | 'BAD_SCOPE'
    /** The engine has no JSPI, or the type of a function is not known. */
    | 'CANNOT_SUSPEND'
    | 'OPTION_REFUSED'
    | 'OUT_OF_BOUNDS'
    | 'SHADOW_STACK_FULL'
    | 'STORE_FULL'
    | 'NOT_A_HANDLE';

export interface OptionInfo {
    readonly number: number;
    readonly name: OptionName;
    readonly default: number;
    readonly min: number;
    readonly max: number;
    readonly meaning: string;
}

export interface StatInfo {
    readonly number: number;
    readonly name: StatName;
    readonly unit: string;
    readonly meaning: string;
}

export interface ErrorInfo {
    readonly number: number;
    readonly name: TrapName | 'NONE';
    readonly meaning: string;
    /** What the error's argument is. */
    readonly argument: string;
    /** What to do about it. */
    readonly advice: string;
}

/** The ABI's options, in the order of their numbers. */
export const OPTIONS: readonly OptionInfo[];
/** The ABI's statistics, in the order of their numbers. */
export const STATS: readonly StatInfo[];
/** The ABI's errors, in the order of their numbers. */
export const ERRORS: readonly ErrorInfo[];

/** A failure with a code that programs can compare, and a message that people can act on. */
export class RootstockError extends Error {
    constructor(code: string, message: string, details?: object);
    /** A runtime newer than this package may have others. */
    readonly code: TrapName | OtherCode | (string & {});
    /** The number of a runtime's error in the ABI. */
    readonly number?: number;
    /** The number that belongs to the error. */
    readonly argument?: number;
    /** The same in words. */
    readonly argumentText?: string;
    readonly meaning?: string;
    readonly advice?: string;
    /** With `ABI_VERSION`: the version of this package. */
    readonly expected?: number;
    /** With `ABI_VERSION`: the version that was found. */
    readonly found?: number;
    /** The engine's error, whose stack says where in wasm it was. */
    readonly cause?: unknown;
}

/** What a handle stands for. */
export interface Handle<T = unknown> {
    readonly kind: number;
    readonly value: T;
    /** How often its number had been given out before. */
    readonly generation: number;
}

/** What became of a number. */
export type HandleStatus = 'live' | 'told once' | 'told twice' | 'never told' | 'removed' | 'unknown';

/** A breach of the runtime's promise, as it was seen. */
export interface HandleFault {
    readonly kind: number;
    readonly handle: number;
    readonly what: 'told twice' | 'unknown' | 'wrong kind';
    /** With `wrong kind`: the kind that the handle was made with. */
    readonly madeWith?: number;
}

/** The sum over all handles of a store. */
export interface Audit {
    /** Handles given out so far. */
    readonly made: number;
    /** Given out and not told, with nothing wrong about that. */
    readonly live: number;
    readonly toldOnce: number;
    readonly toldTwice: number;
    /** Should have been told, and were not: left at `shutdown`, or given to `expectTold`. */
    readonly neverTold: number;
    /** Taken back by the host. */
    readonly removed: number;
    /** Times a number was told that was never given out. */
    readonly unknown: number;
    /** Times a handle was told with another kind than it was made with. */
    readonly wrongKind: number;
    /** The first faults, in the order in which they were seen. */
    readonly faults: readonly HandleFault[];
    /** Nothing told twice, nothing forgotten, nothing made up. */
    readonly isClean: boolean;
}

/** The host's values by number, and the audit of what became of each. */
export class HandleStore<T = unknown> {
    constructor(options?: {
        /** The most handles that may be alive. */
        limit?: number;
    });
    /** Makes a handle for a value; its number is not 0 and has bit 31 clear. */
    insert(kind: U32, value: T): number;
    /** The live handle behind a number, whose bit 31 is ignored. */
    get(number: U32): Handle<T> | undefined;
    /** The value behind a live handle; throws for any other number. */
    value(number: U32): T;
    /** The runtime tells that a handle is dead. `undefined` is a breach, which the audit keeps. */
    tell(kind: U32, number: U32): Handle<T> | undefined;
    /** Takes a handle back that no wrapper stands for. */
    remove(number: U32): Handle<T> | undefined;
    /** Says that this live handle's object is dead: it counts as never told until it is told. */
    expectTold(number: U32): void;
    /** Says that every handle made so far should have been told. */
    expectAllTold(): void;
    status(number: U32): HandleStatus;
    readonly liveCount: number;
    /** The live handles with their numbers, by number. */
    live(): IterableIterator<[number, Handle<T>]>;
    audit(): Audit;
    /** Where the store goes on to look for a number. To set it is for tests of what happens when numbers come round. */
    next: number;
}

/** Views of a memory that are new ones when it has grown. Take them again, too: `views.u8[p]`. */
export class Views {
    constructor(memory: WebAssembly.Memory);
    readonly memory: WebAssembly.Memory;
    /** In bytes. */
    readonly size: number;
    readonly u8: Uint8Array;
    /** Index `p >>> 2`. */
    readonly i32: Int32Array;
    /** Index `p >>> 2`. */
    readonly u32: Uint32Array;
    /** Index `p >>> 3`. */
    readonly f64: Float64Array;
    /** For every other type, and for addresses that are not aligned. Wasm is little-endian. */
    readonly data: DataView;
    /** A copy of some bytes. */
    read(address: U32, length: number): Uint8Array;
    write(address: U32, bytes: Uint8Array): void;
    readU32(address: U32): number;
    writeU32(address: U32, value: U32): void;
    /** Text in UTF-8. */
    readString(address: U32, length: number): string;
}

/** Roots until the scope ends. Only the innermost scope takes roots. */
export class Scope {
    private constructor();
    readonly isOpen: boolean;
    /** Roots an object, and hands it back. */
    push(pointer: U32): number;
    /** A root that can be given other objects. */
    slot(pointer?: U32): Slot;
    /** Ends the scope, and those that are still open inside it. */
    end(): void;
    /** `end()`, for `using`. Engines that do not know `Symbol.dispose` do not have it. */
    [Symbol.dispose](): void;
}

/** One word of the shadow stack. */
export class Slot {
    private constructor();
    readonly address: number;
    /** The object that it roots; 0 for none. */
    value: U32;
}

/** The runtime's exports themselves, by the ABI's names. */
export interface RuntimeExports {
    readonly memory: WebAssembly.Memory;
    readonly gc_sp: WebAssembly.Global;
    readonly gc_stack_base: WebAssembly.Global;
    readonly gc_stack_limit: WebAssembly.Global;
    readonly gc_program_base: WebAssembly.Global;
    gc_abi_version(): number;
    gc_init(staticEnd: number): void;
    alloc(size: number): number;
    alloc_atomic(size: number): number;
    try_alloc(size: number): number;
    try_alloc_atomic(size: number): number;
    gc_run(size: number, atomic: number): number;
    register_wrapper(pointer: number, kind: number, handle: number): void;
    register_wrapper_sized(pointer: number, kind: number, handle: number, externalBytes: number): void;
    try_register_wrapper(pointer: number, kind: number, handle: number): number;
    release_wrapper(pointer: number): number;
    gc_wrapper(pointer: number): number;
    gc_notify(max: number): number;
    gc_collect(): void;
    gc_shutdown(): void;
    gc_add_roots(start: number, end: number): void;
    gc_remove_roots(start: number, end: number): void;
    gc_pin(pointer: number): void;
    gc_unpin(pointer: number): void;
    gc_stack_new(slots: number): number;
    gc_stack_switch(stack: number): number;
    gc_stack_free(stack: number): void;
    gc_stack_end(): number;
    gc_configure(option: number, value: number): number;
    gc_stat(id: number): bigint;
    gc_base(pointer: number): number;
    gc_size(pointer: number): number;
    gc_verify(): number;
    gc_last_error(): number;
    gc_last_error_arg(): number;
}

/** Where a module comes from, for the calls that need it at once. */
export type SyncSource = BufferSource | WebAssembly.Module;
/** Where a module comes from. */
export type Source = SyncSource | Response | Promise<BufferSource | Response | WebAssembly.Module>;

/** Option values by name; `true` is 1. */
export type OptionValues = Partial<Record<OptionName, number | boolean>>;

export interface RuntimeOptions<T = unknown> {
    /**
     * Called once for each wrapper that died, after the handle store was told. It may allocate and register; a
     * collection is refused. What it throws comes out of the call that collected, and the rest is told later.
     */
    onDecref?(kind: number, handle: number, value: T | undefined, runtime: Runtime<T>): void;
    /** The handle store; a new one otherwise. */
    handles?: HandleStore<T>;
    /** Options to begin with. */
    configure?: OptionValues;
    /** More imports: those of a program that was merged with the runtime. */
    imports?: WebAssembly.Imports;
    /** What the runtime's exports begin with, where a merged module gave them a prefix. */
    prefix?: string;
    /** What messages call the runtime. */
    name?: string;
}

export interface LinkOptions {
    /** The program's imports from other modules than `runtime`; a function, or a `WebAssembly.Suspending`. */
    imports?: Record<string, Record<string, WebAssembly.ImportValue | object>>;
    /** Slots of the shadow stack of each `callAsync`; 4,096 otherwise. */
    stackSlots?: number;
    /** What messages call the program. */
    name?: string;
}

/** Instantiates the runtime. */
export function instantiate<T = unknown>(source: Source, options?: RuntimeOptions<T>): Promise<Runtime<T>>;
/** The same at once. Browsers bound the size for this on their main thread. */
export function instantiateSync<T = unknown>(source: SyncSource, options?: RuntimeOptions<T>): Runtime<T>;

/**
 * An instance of the runtime. A method that fails leaves `gc_sp` and the open scopes as they were before it, and the
 * runtime can be used on.
 */
export class Runtime<T = unknown> {
    private constructor();
    readonly name: string;
    readonly module: WebAssembly.Module;
    readonly instance: WebAssembly.Instance;
    /** The fastest way to call the runtime, with the engine's errors. */
    readonly exports: RuntimeExports;
    readonly handles: HandleStore<T>;
    readonly memory: Views;
    /** Of the first shadow stack. */
    readonly stackBase: number;
    readonly stackLimit: number;
    /** One past the last slot of the current shadow stack. */
    readonly stackEnd: number;
    readonly programBase: number;
    /** `gc_sp`: the next free slot of the shadow stack. */
    sp: U32;

    /** Calls a function that may enter wasm, such as a program's export, with errors that can be read. */
    call<A extends unknown[], R>(f: (...args: A) => R, ...args: A): R;

    /** `size` zeroed bytes that are scanned for pointers. */
    alloc(size: U32): number;
    /** `size` bytes that hold no pointers; not zeroed. */
    allocAtomic(size: U32): number;
    /** As `alloc`, but `undefined` where there is no memory. */
    tryAlloc(size: U32): number | undefined;
    /** As `allocAtomic`, but `undefined` where there is no memory. */
    tryAllocAtomic(size: U32): number | undefined;

    /** Runs `f`, which must not be asynchronous, with a scope whose roots are forgotten when it is done. */
    scope<R>(f: (scope: Scope) => R): R;
    /** A scope for `using`, or to be ended with `end()`. */
    openScope(): Scope;
    /** Pushes a root on the shadow stack; returns the slot's address. */
    pushRoot(pointer: U32): number;
    /** Words that hold roots, such as a program's static data. */
    addRoots(start: U32, end: U32): void;
    removeRoots(start: U32, end: U32): void;
    /** Keeps an object alive until it is unpinned as often. */
    pin(pointer: U32): number;
    unpin(pointer: U32): void;

    /** Makes a shadow stack of `slots` slots, for a fiber or a suspended call; returns its number. The first is 0. */
    newStack(slots: U32): number;
    /** Goes on on another shadow stack, where that was left; returns the one that was current. */
    switchStack(stack: U32): number;
    /** Frees a shadow stack that is not current, and the roots on it. */
    freeStack(stack: U32): void;

    /**
     * Makes an object stand for a value of the host; returns the handle, which is in the store now. If the object is to
     * hold the handle, make it with `allocAtomic`: a handle may look like an address.
     */
    wrap(pointer: U32, kind: U32, value: T, externalBytes?: U32): number;
    /** Makes an object stand for a handle. */
    registerWrapper(pointer: U32, kind: U32, handle: U32, externalBytes?: U32): void;
    /** What an object stands for; `undefined` if it stands for nothing, or is no object any more. */
    wrapper(pointer: U32): { kind: number; handle: number } | undefined;
    /** Notifies the host of dead handles that NOTIFY has left queued, `max` at most; returns how many are left. */
    notify(max?: U32): number;
    /** Disposes of a wrapper now; false if the object is none. */
    releaseWrapper(pointer: U32): boolean;

    /** Says where a program's static data ends: once, before the first allocation. */
    init(staticEnd: U32): void;
    collect(): void;
    /** Tells the host about every wrapper. Handles that are left after it count as never told. */
    shutdown(): void;
    /** Sets options, all or none; returns the old values. */
    configure(values: OptionValues): Partial<Record<OptionName, number>>;
    stat(name: StatName): number;
    stats(): Record<StatName, number>;
    /** The object that an address lies in. */
    base(address: U32): number | undefined;
    /** The usable size of the object that an address lies in. */
    size(address: U32): number | undefined;
    /** Walks the whole heap and every table: 0, or the number of the first broken invariant. */
    verify(): number;
    /** The last error that the runtime stored. It stays until the next one. */
    lastError(): { code: string; number: number; argument: number } | undefined;

    /** Instantiates a program against this runtime, and runs its start function. */
    link(source: Source, options?: LinkOptions): Promise<Program>;
    linkSync(source: SyncSource, options?: LinkOptions): Program;
}

/** A program that was instantiated against a runtime. */
export class Program {
    private constructor();
    readonly name: string;
    readonly module: WebAssembly.Module;
    readonly instance: WebAssembly.Instance;
    /** The exports themselves: other programs can import them. */
    readonly exports: WebAssembly.Exports;
    /** Calls an exported function, with errors that can be read. i64 is a bigint. */
    call(name: string, ...args: (number | bigint)[]): any;
    /**
     * Calls an exported function that may wait for imports that are `WebAssembly.Suspending` (JSPI), on a shadow stack of
     * its own. Any number of such calls may wait at once, and may be resumed in any order.
     */
    callAsync(name: string, ...args: (number | bigint)[]): Promise<any>;
}

/** The functions of module `host` that `rootstock run` gives to programs. `print` takes what is printed. */
export function hostModule(runtime: Runtime<any>, print?: (bytes: Uint8Array) => void): WebAssembly.ModuleImports;
