/** The matrix of engines and checks; tests/engines/run starts it, and says which options it takes. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { ENGINES, ROOT, TARGET, install } from './engines.mjs';

const FOLDER = `${ROOT}target/engines`;
const README = `${ROOT}README.md`;
const TABLE = /(<!-- engines -->\n)[^]*?(<!-- \/engines -->)/;

const { values: options } = parseArgs({
    options: {
        install: { type: 'boolean' },
        only: { type: 'string' },
        quick: { type: 'boolean' },
    },
});

const update = process.env.ROOTSTOCK_UPDATE === '1';

/** The engines that are asked for. */
function chosen() {
    const names = options.only?.split(',') ?? ENGINES.map(({ name }) => name);
    const unknown = names.find((name) => !ENGINES.some((engine) => engine.name === name));
    if (unknown !== undefined) {
        console.error(`there is no engine \`${unknown}\`; there are: ${ENGINES.map(({ name }) => name).join(', ')}`);
        process.exit(2);
    }
    return ENGINES.filter(({ name, isQuick }) => names.includes(name) && (isQuick || !options.quick));
}

/** Links the programs, and puts them beside the checks, where the drivers look for them. */
function prepare() {
    mkdirSync(FOLDER, { recursive: true });
    const list = /```wat file=list.wat\n([^]*?)```/.exec(readFileSync(README, 'utf8'))[1];
    writeFileSync(`${FOLDER}/list.wat`, list);
    const checks = JSON.parse(readFileSync(new URL('checks.json', import.meta.url), 'utf8'));
    for (const { name, link } of checks) {
        const inputs = link.map((word) => (word === 'list.wat' ? `${FOLDER}/list.wat` : word));
        execFileSync(`${TARGET}/debug/rootstock`, ['link', ...inputs, '-o', `${FOLDER}/${name}.wasm`], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
    }
    writeFileSync(`${FOLDER}/checks.json`, JSON.stringify(checks));
    return checks;
}

/** What is wrong with the outcome of a check; `undefined` if its results are the right ones. */
function faultOf({ steps }, outcome) {
    if (outcome?.results === undefined) {
        return outcome?.error ?? 'the driver says nothing of it';
    }
    const wanted = steps.map(([, , result]) => result.replace(/^\w+:/, ''));
    const at = wanted.findIndex((result, step) => result !== outcome.results[step]);
    if (at < 0) {
        return undefined;
    }
    const [step, args] = steps[at];
    return `step ${at + 1}, ${step}(${args.join(', ')}), gives ${outcome.results[at]}, not ${wanted[at]}`;
}

/** Runs the checks in an engine: for each, its fault or `undefined`. */
async function faultsIn(engine, found, checks) {
    try {
        const outcomes = await engine.run(found, FOLDER);
        return checks.map((check) => faultOf(check, outcomes.find(({ name }) => name === check.name)));
    } catch (error) {
        return checks.map(() => String(error.stderr || error.message || error));
    }
}

function tableOf(checks, rows) {
    const line = (cells) => `| ${cells.join(' | ')} |`;
    const head = ['engine', 'version', ...checks.map(({ title }) => title)];
    return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** README's table has a row for each engine and a column for each check. */
function readmeFault(checks) {
    const found = TABLE.exec(readFileSync(README, 'utf8'))?.[0] ?? '';
    const absent = [...checks, ...ENGINES].find(({ title }) => !found.includes(`| ${title} |`));
    return absent && `README.md's table has no \`${absent.title}\`: ROOTSTOCK_UPDATE=1 tests/engines/run writes it`;
}

const engines = chosen();
if (options.install) {
    install(engines);
}
const checks = prepare();
const rows = [];
const leftOut = ENGINES.filter((engine) => !engines.includes(engine)).map(({ title }) => `${title}: not asked for`);
const faults = [readmeFault(checks)].filter((fault) => fault !== undefined && !update);
let passed = 1 - faults.length;
for (const engine of engines) {
    const found = engine.find();
    if (found === undefined) {
        leftOut.push(`${engine.title}: ${engine.missing}`);
        continue;
    }
    const start = performance.now();
    const outcomes = await faultsIn(engine, found, checks);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    rows.push([engine.title, engine.version(found), ...outcomes.map((fault) => (fault === undefined ? 'yes' : 'NO'))]);
    passed += outcomes.filter((fault) => fault === undefined).length;
    outcomes.forEach((fault, at) => fault !== undefined && faults.push(`${engine.title}: ${checks[at].title}: ${fault}`));
    console.log(`${engine.title}: ${seconds} s`);
}

const table = tableOf(checks, rows);
console.log(`\n${table}\n`);
leftOut.forEach((line) => console.log(`left out: ${line}`));
faults.forEach((fault) => console.error(`FAILED: ${fault}`));
if (update && (faults.length > 0 || leftOut.length > 0)) {
    console.log("README.md's table is left as it is: it has a row for each engine");
} else if (update) {
    const text = readFileSync(README, 'utf8');
    writeFileSync(README, text.replace(TABLE, (_, before, after) => `${before}${table}\n${after}`));
}
console.log(`${passed} passed, ${faults.length} failed`);
process.exitCode = faults.length > 0 ? 1 : 0;
