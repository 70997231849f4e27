/**
 * The host's handle store, and the audit of what became of each handle. It agrees with the native host's, rule by
 * rule.
 *
 * A *handle* is a number that stands for a value of the host inside a program. The runtime promises to tell the host
 * exactly once when the object that stood for it is dead; the store holds it to that.
 *
 * Numbers run from 1 upwards and are not given out again before all 2^31 of them have been: a number that is told
 * twice, or used after it was told, is found out. Bit 31 is never set in a number, and is ignored in one that comes
 * back, so that clients may tag words with it.
 *
 *   number = [ chunk: 19 bits | slot: 12 bits ]
 *   chunks = [ generation | generation | Chunk -> 4096 slots | Chunk | (none yet) ]
 *
 * Slots live in chunks of 4,096. A chunk whose handles were all told is dropped to one number, so memory follows the
 * handles that are alive, not those that ever were. (A Map from numbers would be simpler, and full at 2^24 entries.)
 */

import { RootstockError, u32 } from './errors.js';

const SLOT_BITS = 12;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
/** What clients may put into bit 31 is not part of the number. */
const NUMBER_MASK = 0x7fffffff;
const CHUNKS = 2 ** (31 - SLOT_BITS);
/** More faults than this are counted, not kept. */
const KEPT_FAULTS = 64;

// The state of a slot.
const FRESH = 0;
const LIVE = 1;
/** Live, and should have been told. */
const OVERDUE = 2;
const TOLD = 3;
const REMOVED = 4;

const isAlive = (state) => state === LIVE || state === OVERDUE;

/** A status as part of a sentence. */
export const STATUS_TEXT = {
    live: 'it is alive',
    'told once': 'the host was told that it is dead',
    'told twice': 'the host was told twice that it is dead',
    'never told': 'the host should have been told that it is dead',
    removed: 'the host took it back',
    unknown: 'it was never given out',
};

class Chunk {
    values = new Array(SLOTS).fill(undefined);
    kinds = new Uint32Array(SLOTS);
    states = new Uint8Array(SLOTS);
    /** Slots that are neither fresh nor finished with. */
    live = 0;

    constructor(generation) {
        this.generation = generation;
    }
}

/** Handles by number. */
export class HandleStore {
    /** A Chunk, or the generation of one whose numbers are all finished with. */
    #chunks = [];
    #next = 1;
    /** Numbers that were removed, or told more than once, with what their dropped chunk can no longer say. */
    #exceptions = new Map();
    #limit;
    #live = 0;
    #overdue = 0;
    #made = 0;
    #told = 0;
    #toldTwice = 0;
    #removed = 0;
    #unknown = 0;
    #wrongKind = 0;
    #faults = [];

    /** @param {{limit?: number}} [options] `limit`: the most handles that may be alive */
    constructor({ limit = NUMBER_MASK } = {}) {
        this.#limit = Math.min(u32(limit, 'the limit'), NUMBER_MASK);
    }

    /** Where the store goes on to look for a number. To set it is for tests of what happens when numbers come round. */
    get next() {
        return this.#next;
    }

    set next(number) {
        this.#next = u32(number, 'the number') & NUMBER_MASK;
    }

    /** Makes a handle for a value; its number is not 0 and has bit 31 clear. */
    insert(kind, value) {
        const kindNumber = u32(kind, 'the kind');
        if (this.#live >= this.#limit) {
            throw this.#full();
        }
        const number = this.#nextNumber();
        const chunk = this.#chunks[number >>> SLOT_BITS];
        const slot = number & SLOT_MASK;
        chunk.values[slot] = value;
        chunk.kinds[slot] = kindNumber;
        chunk.states[slot] = LIVE;
        chunk.live += 1;
        this.#live += 1;
        this.#made += 1;
        this.#next = (number + 1) & NUMBER_MASK;
        return number;
    }

    #full() {
        return new RootstockError('STORE_FULL', `the host's handle store is full: ${this.#live} handles are alive`);
    }

    /**
     * The first number from `next` on that can be given out; makes its chunk. Chunks that still hold live handles from
     * the lap before are passed over whole, because a finished slot in them must keep its history.
     */
    #nextNumber() {
        // A lap passes each chunk once, and may begin and end in the middle of the same one.
        for (let passed = 0; passed <= CHUNKS; ) {
            // 0 is nobody's handle.
            this.#next ||= 1;
            const at = this.#next >>> SLOT_BITS;
            const chunk = this.#chunks[at];
            if (!(chunk instanceof Chunk)) {
                this.#openChunk(at, chunk ?? 0);
            } else if (chunk.states[this.#next & SLOT_MASK] === FRESH) {
                return this.#next;
            } else {
                this.#next = ((at + 1) % CHUNKS) * SLOTS;
                passed += 1;
            }
        }
        throw this.#full();
    }

    #openChunk(at, generation) {
        if (generation > 0 && this.#exceptions.size > 0) {
            // A new lap: what the numbers were before no longer matters.
            for (const number of this.#exceptions.keys()) {
                if (number >>> SLOT_BITS === at) {
                    this.#exceptions.delete(number);
                }
            }
        }
        this.#chunks[at] = new Chunk(generation);
    }

    /** The live handle behind a number. */
    get(number) {
        const bare = u32(number, 'the handle') & NUMBER_MASK;
        const chunk = this.#chunks[bare >>> SLOT_BITS];
        const slot = bare & SLOT_MASK;
        if (!(chunk instanceof Chunk) || !isAlive(chunk.states[slot])) {
            return undefined;
        }
        return { kind: chunk.kinds[slot], value: chunk.values[slot], generation: chunk.generation };
    }

    /** The value behind a live handle; throws for any other number. */
    value(number) {
        const found = this.get(number);
        if (found === undefined) {
            throw new RootstockError(
                'NOT_A_HANDLE',
                `${number >>> 0} is not a live handle (${STATUS_TEXT[this.status(number)]})`,
                { argument: number >>> 0 },
            );
        }
        return found.value;
    }

    /**
     * The runtime tells that a handle is dead: returns what it stood for, and lets go of it. A breach of the promise
     * is kept for the audit, and `undefined` is returned.
     */
    tell(kind, number) {
        const bare = number & NUMBER_MASK;
        const told = kind >>> 0;
        const found = this.get(bare);
        if (found?.kind === told) {
            this.#finish(bare, TOLD);
            return found;
        }
        if (found !== undefined) {
            this.#wrongKind += 1;
            return this.#fault(told, bare, 'wrong kind', found.kind);
        }
        const status = this.status(bare);
        if (status === 'told once' || status === 'told twice') {
            this.#toldTwice += status === 'told once' ? 1 : 0;
            this.#exceptions.set(bare, 'told twice');
            return this.#fault(told, bare, 'told twice');
        }
        this.#unknown += 1;
        return this.#fault(told, bare, 'unknown');
    }

    #fault(kind, handle, what, madeWith) {
        if (this.#faults.length < KEPT_FAULTS) {
            this.#faults.push(madeWith === undefined ? { kind, handle, what } : { kind, handle, what, madeWith });
        }
        return undefined;
    }

    /** The host takes a handle back that no wrapper stands for, for instance because registering it failed. */
    remove(number) {
        const found = this.get(number);
        if (found !== undefined) {
            const bare = number & NUMBER_MASK;
            this.#finish(bare, REMOVED);
            this.#exceptions.set(bare, 'removed');
        }
        return found;
    }

    #finish(number, state) {
        const at = number >>> SLOT_BITS;
        const chunk = this.#chunks[at];
        const slot = number & SLOT_MASK;
        this.#overdue -= chunk.states[slot] === OVERDUE ? 1 : 0;
        chunk.states[slot] = state;
        // What the handle stood for is the host's collector's business from here on.
        chunk.values[slot] = undefined;
        if (state === REMOVED) {
            this.#removed += 1;
        } else {
            this.#told += 1;
        }
        this.#live -= 1;
        chunk.live -= 1;
        if (chunk.live === 0 && chunk.states[SLOTS - 1] !== FRESH) {
            this.#chunks[at] = chunk.generation + 1;
        }
    }

    /** Says that this live handle's object is dead and was reclaimed: it counts as never told until it is told. */
    expectTold(number) {
        const bare = u32(number, 'the handle') & NUMBER_MASK;
        const chunk = this.#chunks[bare >>> SLOT_BITS];
        if (chunk instanceof Chunk && chunk.states[bare & SLOT_MASK] === LIVE) {
            chunk.states[bare & SLOT_MASK] = OVERDUE;
            this.#overdue += 1;
        }
    }

    /** Says that every handle made so far should have been told: those that are left count as never told. */
    expectAllTold() {
        for (const [number] of this.live()) {
            this.expectTold(number);
        }
    }

    /** What became of a number. */
    status(number) {
        const bare = u32(number, 'the handle') & NUMBER_MASK;
        const exception = this.#exceptions.get(bare);
        if (exception !== undefined) {
            return exception;
        }
        const chunk = this.#chunks[bare >>> SLOT_BITS];
        if (chunk === undefined || bare === 0) {
            return 'unknown';
        }
        if (!(chunk instanceof Chunk)) {
            return 'told once';
        }
        switch (chunk.states[bare & SLOT_MASK]) {
            case FRESH:
                // A slot that waits for its next lap was told in the one before.
                return chunk.generation > 0 ? 'told once' : 'unknown';
            case LIVE:
                return 'live';
            case OVERDUE:
                return 'never told';
            case REMOVED:
                return 'removed';
            default:
                return 'told once';
        }
    }

    /** Handles that are alive now. */
    get liveCount() {
        return this.#live;
    }

    /** The live handles with their numbers, by number. */
    *live() {
        for (let at = 0; at < this.#chunks.length; at += 1) {
            const chunk = this.#chunks[at];
            if (!(chunk instanceof Chunk)) {
                continue;
            }
            for (let slot = 0; slot < SLOTS; slot += 1) {
                if (isAlive(chunk.states[slot])) {
                    const { kinds, values, generation } = chunk;
                    yield [at * SLOTS + slot, { kind: kinds[slot], value: values[slot], generation }];
                }
            }
        }
    }

    /** The sum over all handles. */
    audit() {
        const audit = {
            made: this.#made,
            live: this.#live - this.#overdue,
            toldOnce: this.#told - this.#toldTwice,
            toldTwice: this.#toldTwice,
            neverTold: this.#overdue,
            removed: this.#removed,
            unknown: this.#unknown,
            wrongKind: this.#wrongKind,
            faults: this.#faults.map((fault) => ({ ...fault })),
        };
        const broken = audit.toldTwice + audit.neverTold + audit.unknown + audit.wrongKind;
        return { ...audit, isClean: broken === 0 };
    }
}
