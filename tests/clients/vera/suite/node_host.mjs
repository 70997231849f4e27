// Runs main() of a merged module in the browser host that Vera ships.
//
//   node node_host.mjs RUNTIME.mjs MODULE.wasm string|number
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [host, module, kind] = process.argv.slice(2);

// The host keeps its instance to itself; a string's bytes have to be read from its memory.
let instance;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...args) => {
  const made = await instantiate(...args);
  instance = made.instance ?? made;
  return made;
};

const { initFromBytes, call } = await import(pathToFileURL(host));
await initFromBytes(readFileSync(module));
let value = call('main');
if (kind === 'string') {
  const [pointer, length] = value;
  const memory = instance.exports['vera.memory'];
  value = new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(memory.buffer, pointer, length));
}
console.log(JSON.stringify({ value: String(value) }));
