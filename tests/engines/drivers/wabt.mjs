/**
 * The checks in wabt's interpreter: `node wabt.mjs FOLDER` prints the outcomes as JSON.
 *
 * `spectest-interp` runs scripts of the specification's tests, so each check becomes one: the host is a module too, and
 * each step is an assertion.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const folder = process.argv[2];
const host = readFileSync(new URL('host.wat', import.meta.url), 'utf8');

const typed = (text) => text.replace(/^(\w+):(.*)$/, '($1.const $2)');
const bytesAsText = (bytes) => Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

function script({ name, host: hasHost, steps }) {
    const program = bytesAsText(readFileSync(`${folder}/${name}.wasm`));
    const lines = hasHost ? [host, '(register "host" $host)'] : [];
    lines.push(`(module $program binary "${program}")`);
    for (const [step, args, result] of steps) {
        const [module, given] = step === 'notified' ? ['$host', []] : ['$program', args];
        const values = given.map((arg) => `(i32.const ${arg})`).join(' ');
        lines.push(`(assert_return (invoke ${module} "${step}" ${values}) ${typed(result)})`);
    }
    return lines.join('\n');
}

function run(check) {
    const base = `${folder}/${check.name}-wabt`;
    writeFileSync(`${base}.wast`, script(check));
    execFileSync('wast2json', [`${base}.wast`, '-o', `${base}.json`], { stdio: 'pipe' });
    const { stdout, stderr, status } = spawnSync('spectest-interp', [`${base}.json`], { encoding: 'utf8' });
    // it counts the modules and the registration too
    const [, passed] = /^(\d+)\/\1 tests passed\.$/m.exec(stdout) ?? [];
    if (status !== 0 || !(Number(passed) >= check.steps.length)) {
        throw new Error(`${stdout}${stderr}`.trim());
    }
    // each assertion has compared its result
    return check.steps.map(([, , result]) => result.replace(/^\w+:/, ''));
}

const outcomes = JSON.parse(readFileSync(`${folder}/checks.json`, 'utf8')).map((check) => {
    try {
        return { name: check.name, results: run(check) };
    } catch (error) {
        return { name: check.name, error: String(error.stderr ?? error.message) };
    }
});
console.log(JSON.stringify(outcomes));
