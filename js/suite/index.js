/**
 * The tests that run in node and in browsers alike. Each file exports a function that declares its tests:
 *
 *   suite({ test, wasm, guest })
 *
 * `test(name, f)` declares one, `wasm` are the runtime's bytes, `guest(name)` promises those of a program of
 * tests/guests.
 */
import assertions from './assertions.js';
import callbacks from './callbacks.js';
import fake from './fake.js';
import guests from './guests.js';
import handles from './handles.js';
import heap from './heap.js';
import instantiation from './instantiation.js';
import linking from './linking.js';
import memory from './memory.js';
import scopes from './scopes.js';
import traps from './traps.js';
import waiting from './waiting.js';
import wrappers from './wrappers.js';

export const SUITES = {
    assertions,
    instantiation,
    heap,
    memory,
    scopes,
    handles,
    wrappers,
    callbacks,
    traps,
    fake,
    linking,
    guests,
    waiting,
};
