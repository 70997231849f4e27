// Takes samples in V8. Each line of the input names modules and arguments (see src/node.rs); each line of the output says
// how long `run` took in a new instance, and what came of it.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const compiled = new Map();

function load(path) {
  if (!compiled.has(path)) compiled.set(path, new WebAssembly.Module(readFileSync(path)));
  return compiled.get(path);
}

function sample({ allocator, guest, suffix, setup, n, m, options }) {
  let told = 0;
  let sum = 0;
  const host = {
    host_decref_handle(kind, handle) {
      told += 1;
      sum += handle;
    },
    collect: () => globalThis.gc(),
  };
  const runtime = allocator && new WebAssembly.Instance(load(allocator), { host }).exports;
  const { exports } = new WebAssembly.Instance(load(guest), { host, runtime: runtime ?? {} });
  const holder = runtime ?? exports;
  for (const [option, value] of options) {
    if (holder.gc_configure(option, value) === -1) throw new Error(`option ${option} refuses ${value}`);
  }
  const own = (name) => exports[name] ?? exports[name + suffix];
  own('setup')?.(setup);
  const run = own('run');
  const start = process.hrtime.bigint();
  const result = run(n, m);
  const nanoseconds = Number(process.hrtime.bigint() - start);
  const check = own('check')?.() ?? 0n;
  if (sum !== (told * (told - 1)) / 2) throw new Error('a handle was not told exactly once');
  return {
    nanoseconds,
    result: String(result),
    check: String(check),
    told,
    linear: holder.memory?.buffer.byteLength ?? null,
  };
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = sample(JSON.parse(line));
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  // What the instance had is not part of the next one's peak.
  globalThis.gc();
}
