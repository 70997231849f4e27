// AssemblyScript's incremental collector against Rootstock: the same programs, the same optimiser, in turns in one
// process. Writes docs/assemblyscript.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { client } from '../rootstock/build.mjs';
import { Running } from '../rootstock/host.mjs';
import { mergedModule, programModule, programs, stockModule } from './programs.mjs';
import { same } from './report.mjs';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: '' } } });
process.chdir(client);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** Milliseconds in a new instance, what it printed, and what memory it took. */
function once(running, { large, calls = 1 }) {
    globalThis.gc?.();
    const start = performance.now();
    let text;
    for (let call = 0; call < calls; call++) text = running.call(large);
    return { time: performance.now() - start, text, memory: running.memory };
}

async function compare(program, rounds) {
    const { name } = program;
    const modules = { stock: await stockModule(name), linked: await programModule(name), merged: await mergedModule(name) };
    const runs = { stock: [], linked: [], merged: [] };
    for (let round = 0; round <= rounds; round++) {
        const results = {};
        for (const how of Object.keys(modules)) results[how] = once(Running[how](modules[how]), program);
        same(results.linked.text, results.stock.text, `${name}, linked`);
        same(results.merged.text, results.stock.text, `${name}, merged`);
        // in the first round the engine is still compiling
        if (round > 0) for (const how of Object.keys(modules)) runs[how].push(results[how]);
    }
    return runs;
}

const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(1);

/** Times of one in terms of the other, pair by pair. */
function ratio(runs, how) {
    const ratios = runs[how].map(({ time }, round) => time / runs.stock[round].time);
    const figure = (value) => value.toFixed(2);
    return `${figure(median(ratios))} (${figure(Math.min(...ratios))}-${figure(Math.max(...ratios))})`;
}

const rows = [];
for (const program of programs.filter(({ name, large }) => large && name.includes(options.only))) {
    const runs = await compare(program, Number(options.rounds));
    rows.push([
        program.name,
        String(program.large),
        'the same',
        median(runs.stock.map(({ time }) => time)).toFixed(0),
        ratio(runs, 'linked'),
        ratio(runs, 'merged'),
        megabytes(runs.stock[0].memory),
        megabytes(runs.linked[0].memory),
    ]);
    console.log(rows.at(-1).join(' | '));
}

if (!options.only) {
    const file = join(client, '../../../docs/assemblyscript.md');
    const marked = /(<!-- table -->\n)[^]*(<!-- end of table -->)/;
    const page = readFileSync(file, 'utf8');
    if (!marked.test(page)) throw new Error(`${file} has no place for the table`);
    const head = ['program', '`main` of', 'result', 'AssemblyScript, ms', 'Rootstock / AssemblyScript', 'the same, merged', 'memory, MB', 'on Rootstock'];
    const line = (cells) => `| ${cells.join(' | ')} |\n`;
    const table = line(head) + line(head.map(() => '---')) + rows.map(line).join('');
    writeFileSync(file, page.replace(marked, (_, start, end) => `${start}${table}${end}`));
}
