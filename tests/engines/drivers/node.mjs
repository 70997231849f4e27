/** The checks in node, deno or bun: `node node.mjs FOLDER` prints the outcomes as JSON. */

import { readFileSync } from 'node:fs';

import { runChecks } from './checks.js';

const folder = process.argv[2];
const checks = JSON.parse(readFileSync(`${folder}/checks.json`, 'utf8'));
console.log(JSON.stringify(await runChecks(checks, (name) => new Uint8Array(readFileSync(`${folder}/${name}.wasm`)))));
