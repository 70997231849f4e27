/** The assertions themselves: each fails when it should. */

import { AssertionError, equal, ok, rejects, throws } from './assert.js';

function mustFail(f) {
    try {
        f();
    } catch (error) {
        if (error instanceof AssertionError) {
            return;
        }
        throw error;
    }
    throw new Error('the assertion passed');
}

export default ({ test }) => {
    test('equal compares values, not only identities', () => {
        equal([1, { a: [2n] }], [1, { a: [2n] }]);
        for (const [left, right] of [
            [1, 2],
            [1, '1'],
            [[1], [1, 2]],
            [{ a: 1 }, { b: 1 }],
            [{ a: 1 }, { a: 1, b: 2 }],
            [[], {}],
            [null, {}],
            [undefined, null],
        ]) {
            mustFail(() => equal(left, right));
            mustFail(() => equal(right, left));
        }
    });

    test('throws wants an error, and the right one', () => {
        throws(() => {
            throw new RangeError('too long');
        }, { message: /long/, name: 'RangeError' });
        mustFail(() => throws(() => 1));
        mustFail(() =>
            throws(() => {
                throw new Error('short');
            }, { message: /long/ }),
        );
        mustFail(() => ok(false));
    });

    test('rejects wants a rejection, and the right one', async () => {
        await rejects(Promise.reject(new Error('long')), { message: /long/ });
        for (const promise of [Promise.resolve(1), Promise.reject(new Error('short'))]) {
            let failed = false;
            try {
                await rejects(promise, { message: /long/ });
            } catch (error) {
                failed = error instanceof AssertionError;
            }
            ok(failed, 'the assertion passed');
        }
    });
};
