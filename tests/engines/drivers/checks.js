/** Runs the checks in the engine that this file is loaded by: node, deno, bun, JavaScriptCore's shell, or a page. */

/** The functions of module `host` that the programs import, and what the host was notified of. */
function host() {
    const values = new Map();
    let made = 0;
    let notified = 0;
    const functions = {
        handle_new(kind, value) {
            made += 1;
            values.set(made, value);
            return made;
        },
        handle_value(handle) {
            if (!values.has(handle)) {
                throw new Error(`${handle} is no live handle`);
            }
            return values.get(handle);
        },
        host_decref_handle(kind, handle) {
            if (!values.delete(handle)) {
                throw new Error(`notified of ${handle}, which is no live handle`);
            }
            notified += 1;
        },
    };
    return { functions, notified: () => notified };
}

/** One check: a module in an instance of its own, and calls of it in turn. */
async function runCheck(check, bytes) {
    const { functions, notified } = host();
    const { instance } = await WebAssembly.instantiate(bytes, check.host ? { host: functions } : {});
    return check.steps.map(([name, args]) => {
        const call = name === 'notified' ? notified : instance.exports[name];
        return String(call(...args) ?? '');
    });
}

/**
 * All checks: for each, its results as text, or what went wrong.
 *
 * @param {{name: string, host?: boolean, steps: [string, number[], string][]}[]} checks
 * @param {(name: string) => BufferSource | Promise<BufferSource>} bytesOf the module of a check
 */
export async function runChecks(checks, bytesOf) {
    const outcomes = [];
    for (const check of checks) {
        const { name } = check;
        try {
            outcomes.push({ name, results: await runCheck(check, await bytesOf(name)) });
        } catch (error) {
            outcomes.push({ name, error: String(error) });
        }
    }
    return outcomes;
}
