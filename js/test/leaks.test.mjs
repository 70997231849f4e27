/** The store lets go of a value when its handle was told: in node, whose collector can be asked to run. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { HandleStore } from '../rootstock.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

async function isCollected(reference) {
    for (let tries = 0; tries < 10 && reference.deref() !== undefined; tries += 1) {
        // references are cleared between tasks
        await new Promise((resolve) => setTimeout(resolve, 1));
        gc();
    }
    return reference.deref() === undefined;
}

test('a value lives as long as its handle', async () => {
    const store = new HandleStore();
    const make = () => {
        const value = { large: new Array(1000).fill(0) };
        return [store.insert(1, value), new WeakRef(value)];
    };
    const [told, toldValue] = make();
    const [removed, removedValue] = make();
    const [, keptValue] = make();
    store.tell(1, told);
    store.remove(removed);
    assert.ok(await isCollected(toldValue), 'the store keeps what was told');
    assert.ok(await isCollected(removedValue), 'the store keeps what was removed');
    assert.ok(!(await isCollected(keptValue)), 'the store lost what is alive');
    assert.equal(store.liveCount, 1);
});
