// Counts tests, and says what failed.

export class Report {
    #only;
    #failed = [];
    #passed = 0;

    constructor(only) {
        this.#only = only;
    }

    /** Runs one test: whatever is thrown in it is its failure, and the next one goes on. */
    async test(name, body) {
        if (!name.includes(this.#only)) return;
        const start = performance.now();
        try {
            await body();
        } catch (error) {
            this.#failed.push(name);
            console.log(`FAILED ${name}\n       ${error.message}`);
            return;
        }
        this.#passed++;
        console.log(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(2)} s)`);
    }

    /** Prints the last line; the exit code. */
    summary() {
        for (const name of this.#failed) console.error(`failed: ${name}`);
        console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
        return this.#failed.length > 0 || this.#passed === 0 ? 1 : 0;
    }
}

/** Fails the test that is running, unless two texts are the same. */
export function same(found, expected, what) {
    if (found !== expected) throw new Error(`${what}:\n${found}\nexpected:\n${expected}`);
}

/** Fails the test that is running. */
export function check(condition, text) {
    if (!condition) throw new Error(text);
}
