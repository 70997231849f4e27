/** The checks in JavaScriptCore's shell: `jsc --module-file=jsc.mjs -- FOLDER` prints the outcomes as JSON. */

import { runChecks } from './checks.js';

const folder = globalThis.arguments[0];
const checks = JSON.parse(readFile(`${folder}/checks.json`));
print(JSON.stringify(await runChecks(checks, (name) => readFile(`${folder}/${name}.wasm`, 'binary'))));
