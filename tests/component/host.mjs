// A host of the component in node: `node host.mjs FOLDER`, where FOLDER holds what jco made of it.
import { pathToFileURL } from 'node:url';

const url = (name) => new URL(name, pathToFileURL(`${process.argv[2]}/`));
const { counts, Thing } = await import(url('things.js'));
const component = await import(url('words.js'));

const words = Array.from({ length: 3000 }, (_, n) => `word ${n}; `);
const expect = (found, expected) => {
    if (found !== expected) throw new Error(`${found} is not ${expected}`);
};

for (let round = 0; round < 40; round++) {
    const things = Array.from({ length: 100 }, (_, n) => new Thing(n));
    expect(component.join(words, things), words.join(''));
    expect(component.sum(), 4950);
}
const { dropped } = counts;
expect(dropped > 1000, true);
component.collect();
expect(counts.alive, 100);
component.join([], []);
component.collect();
expect(counts.alive, 0);

// a collection at every 50th allocation, what is freed is spoilt, and the heap is checked
for (const [option, value] of [[1, 1], [2, 1], [0, 50]]) component.configure(option, value);
expect(component.join(words, []), words.join(''));
console.log('ok');
