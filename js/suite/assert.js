/** Assertions, the same in node and in browsers. */

export class AssertionError extends Error {
    get name() {
        return 'AssertionError';
    }
}

function show(value) {
    const plain = (_, part) => (typeof part === 'bigint' ? `${part}n` : part);
    if (value instanceof Error) {
        return String(value);
    }
    return typeof value === 'object' && value !== null ? JSON.stringify(value, plain) : String(value);
}

function same(left, right) {
    if (Object.is(left, right)) {
        return true;
    }
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
        return false;
    }
    const keys = Object.keys(left);
    return (
        Array.isArray(left) === Array.isArray(right) &&
        keys.length === Object.keys(right).length &&
        keys.every((key) => Object.hasOwn(right, key) && same(left[key], right[key]))
    );
}

export function ok(condition, message) {
    if (!condition) {
        throw new AssertionError(message ?? 'expected something true');
    }
}

export function equal(found, expected, what = 'found') {
    if (!same(found, expected)) {
        throw new AssertionError(`${what}: ${show(found)}, expected: ${show(expected)}`);
    }
}

/** `expected`: properties that the error must have; regular expressions are matched. */
function check(error, expected) {
    for (const [key, wanted] of Object.entries(expected)) {
        const found = error?.[key];
        const fits = wanted instanceof RegExp ? wanted.test(String(found)) : same(found, wanted);
        ok(fits, `the error's ${key} is: ${show(found)}, expected: ${show(wanted)}\nthe error: ${error}`);
    }
    return error;
}

/** Returns the error. */
export function throws(f, expected = {}) {
    let result;
    try {
        result = f();
    } catch (error) {
        return check(error, expected);
    }
    throw new AssertionError(`nothing was thrown; returned: ${show(result)}`);
}

/** Returns the error. */
export async function rejects(promise, expected = {}) {
    let result;
    try {
        result = await promise;
    } catch (error) {
        return check(error, expected);
    }
    throw new AssertionError(`nothing was thrown; the promise became: ${show(result)}`);
}
