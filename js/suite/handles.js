/** The handle store on its own: the rules that the native host's store has, too. */

import { HandleStore } from '../rootstock.js';
import { equal, ok, throws } from './assert.js';

const SLOTS = 4096;
const LAST = 0x7fffffff;

export default ({ test }) => {
    const sum = (store, ...fields) => {
        const audit = store.audit();
        return fields.map((field) => audit[field]);
    };

    test('a handle lives until it is told', () => {
        const store = new HandleStore();
        const value = { any: 'value' };
        const handle = store.insert(3, value);
        equal(store.get(handle), { kind: 3, value, generation: 0 });
        ok(store.value(handle) === value);
        equal(store.status(handle), 'live');
        ok(store.tell(3, handle).value === value);
        equal(store.get(handle), undefined);
        equal(store.status(handle), 'told once');
        equal(sum(store, 'made', 'live', 'toldOnce', 'isClean'), [1, 0, 1, true]);
        throws(() => store.value(handle), {
            code: 'NOT_A_HANDLE',
            message: '1 is not a live handle (the host was told that it is dead)',
        });
    });

    test('numbers begin at one and leave bit 31 to clients', () => {
        const store = new HandleStore();
        equal(store.insert(0, 0), 1);
        const handle = store.insert(9, 42);
        // as wasm hands it out, and as people write it
        equal(store.get(handle | 0x80000000).value, 42);
        equal(store.value((handle | 0x80000000) >>> 0), 42);
        equal(store.tell(9, handle | 0x80000000).value, 42);
        equal(store.status(handle), 'told once');
        equal(store.status(0), 'unknown');
        equal(store.get(0), undefined);
        for (const bad of [undefined, 1.5, '1', 2 ** 32]) {
            throws(() => store.get(bad), { code: 'BAD_ARGUMENT' });
        }
        throws(() => store.insert('string', 0), { code: 'BAD_ARGUMENT' });
    });

    test('telling twice is a fault of one handle however often', () => {
        const store = new HandleStore();
        const [twice, once] = [store.insert(1, 'a'), store.insert(1, 'b')];
        ok(store.tell(1, twice) !== undefined);
        ok(store.tell(1, once) !== undefined);
        equal(store.tell(1, twice), undefined);
        equal(store.tell(1, twice), undefined);
        equal([store.status(twice), store.status(once)], ['told twice', 'told once']);
        const { toldOnce, toldTwice, faults, isClean } = store.audit();
        equal([toldOnce, toldTwice, isClean], [1, 1, false]);
        equal(faults, Array(2).fill({ kind: 1, handle: twice, what: 'told twice' }));
    });

    test('telling twice is found long after the chunk was dropped', () => {
        const store = new HandleStore();
        const first = store.insert(1, 'first');
        store.tell(1, first);
        for (let i = 0; i < 10 * SLOTS; i += 1) {
            store.tell(1, store.insert(1, i));
        }
        equal(store.status(first), 'told once');
        equal(store.tell(1, first), undefined);
        equal([store.status(first), store.status(first + 1)], ['told twice', 'told once']);
        equal(sum(store, 'toldOnce', 'toldTwice'), [10 * SLOTS, 1]);
    });

    test('an unknown number and a wrong kind are faults', () => {
        const store = new HandleStore();
        const handle = store.insert(3, 'x');
        for (const number of [handle + 1, 0, LAST]) {
            equal(store.tell(3, number), undefined);
        }
        equal(store.tell(4, handle), undefined);
        // the telling was not meant for it: it is still alive
        equal(store.status(handle), 'live');
        const { unknown, wrongKind, live, isClean, faults } = store.audit();
        equal([unknown, wrongKind, live, isClean], [3, 1, 1, false]);
        equal(faults.at(-1), { kind: 4, handle, what: 'wrong kind', madeWith: 3 });
        for (let i = 0; i < 100; i += 1) {
            store.tell(3, 0);
        }
        equal([store.audit().unknown, store.audit().faults.length], [103, 64]);
    });

    test('what should have been told is never told until it is', () => {
        const store = new HandleStore();
        const [overdue, live] = [store.insert(1, 'a'), store.insert(1, 'b')];
        store.expectTold(overdue);
        store.expectTold(overdue);
        equal([store.status(overdue), store.status(live)], ['never told', 'live']);
        equal(sum(store, 'live', 'neverTold', 'isClean'), [1, 1, false]);
        store.expectAllTold();
        equal(sum(store, 'neverTold'), [2]);
        equal(store.status(store.insert(1, 'later')), 'live');
        equal(store.value(overdue), 'a', 'it can still be used');
        ok(store.tell(1, overdue) !== undefined);
        ok(store.tell(1, live) !== undefined);
        equal(sum(store, 'live', 'neverTold', 'isClean'), [1, 0, true]);
    });

    test("a removed handle is nobody's", () => {
        const store = new HandleStore();
        const handle = store.insert(2, 8);
        equal(store.remove(handle).value, 8);
        equal(store.remove(handle), undefined);
        equal(store.status(handle), 'removed');
        equal(store.tell(2, handle), undefined);
        equal(sum(store, 'removed', 'live', 'toldOnce', 'unknown'), [1, 0, 0, 1]);
    });

    test('a limit bounds what is alive, not what was', () => {
        const store = new HandleStore({ limit: 2 });
        const first = store.insert(1, 0);
        store.insert(1, 0);
        throws(() => store.insert(1, 0), { code: 'STORE_FULL', message: /: 2 handles are alive/ });
        store.tell(1, first);
        store.insert(1, 0);
        equal(sum(store, 'made', 'live'), [3, 2]);
    });

    test('live handles are listed by number', () => {
        const store = new HandleStore();
        const all = Array.from({ length: 3 * SLOTS }, (_, value) => store.insert(1, value));
        for (const handle of all.filter((number) => number % 1000 !== 0)) {
            store.tell(1, handle);
        }
        const live = [...store.live()];
        equal(live.map(([number]) => number), all.filter((number) => number % 1000 === 0));
        ok(live.every(([number, { kind, value }]) => kind === 1 && value === number - 1));
        equal(store.liveCount, live.length);
    });

    test('numbers come round after 2^31, past what is still alive, as another generation', () => {
        const store = new HandleStore();
        store.next = LAST - 1;
        const kept = store.insert(1, 'kept');
        equal([kept, store.insert(2, 'last')], [LAST - 1, LAST]);
        const first = store.insert(1, 'first');
        equal(first, 1);
        equal([store.status(LAST - 2), store.status(LAST)], ['unknown', 'live']);
        // the first chunk, to its end
        const chunk = [first];
        while (chunk.length < SLOTS - 1) {
            chunk.push(store.insert(1, chunk.length));
        }
        equal(chunk.at(-1), SLOTS - 1);
        chunk.forEach((number) => store.tell(1, number));
        store.tell(1, first);
        equal(store.status(first), 'told twice');

        // a lap later, in a store of its own: a chunk with something alive is passed over, a finished one serves again
        const lap = new HandleStore();
        const numbers = Array.from({ length: 2 * SLOTS }, (_, value) => lap.insert(1, value));
        numbers.filter((number) => number >> 1 !== 2500).forEach((number) => lap.tell(1, number));
        lap.tell(1, 7);
        lap.remove(5001);
        equal([lap.status(7), lap.status(5001), lap.next], ['told twice', 'removed', 2 * SLOTS + 1]);
        lap.next = 0;
        const again = Array.from({ length: SLOTS - 1 }, () => lap.insert(9, 'again'));
        equal([again[0], again.at(-1)], [1, SLOTS - 1]);
        equal(lap.get(7), { kind: 9, value: 'again', generation: 1 });
        equal(lap.insert(9, 'after'), 3 * SLOTS, 'what has a history in an open chunk was passed over');
        equal(lap.value(5000), 4999);
        equal([lap.status(4999), lap.get(5000).generation], ['told once', 0]);
        equal(lap.tell(1, 7), undefined, 'the kind is of the lap before');
        equal(lap.tell(9, 7).value, 'again');
        equal([lap.status(7), lap.status(8)], ['told once', 'live']);
        // a finished chunk is waiting for its lap: what was told stays told
        lap.next = 6 * SLOTS;
        const waiting = Array.from({ length: SLOTS }, () => lap.insert(1, 0));
        waiting.forEach((number) => lap.tell(1, number));
        lap.next = 6 * SLOTS;
        lap.insert(1, 0);
        equal([lap.status(6 * SLOTS), lap.status(6 * SLOTS + 1)], ['live', 'told once']);
        equal(lap.tell(1, 6 * SLOTS + 1), undefined);
    });
};
