// Words: counted, sorted, grouped by their letters.

import { Random, digest, print } from "./lib/host";

const SYLLABLES = "ba con di fe gor hu ji ka lem mo nu po qua re sti to".split(" ");

function text(words: i32): string {
  const random = new Random(7);
  const lines: string[] = [];
  while (words > 0) {
    const line: string[] = [];
    for (let i = 0; i < 12 && words > 0; i++, words--) {
      let word = "";
      for (let syllables = 1 + random.below(3); syllables > 0; syllables--) word += SYLLABLES[random.below(16)];
      line.push(random.below(10) == 0 ? word.toUpperCase() : word);
    }
    lines.push(line.join(" "));
  }
  return lines.join("\n");
}

class Entry {
  constructor(public word: string, public count: i32) {}
}

function byCount(a: Entry, b: Entry): i32 {
  if (a.count != b.count) return b.count - a.count;
  return a.word < b.word ? -1 : a.word > b.word ? 1 : 0;
}

function letters(word: string): string {
  return word.split("").sort().join("");
}

export function main(n: i32): i32 {
  const counts = new Map<string, i32>();
  const lengths = new Set<i32>();
  const lines = text(n).split("\n");
  for (let i = 0; i < lines.length; i++) {
    const words = lines[i].toLowerCase().split(" ");
    for (let j = 0; j < words.length; j++) {
      const word = words[j];
      counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1);
      lengths.add(word.length);
    }
  }

  const words = counts.keys();
  const entries: Entry[] = [];
  for (let i = 0; i < words.length; i++) entries.push(new Entry(words[i], counts.get(words[i])));
  entries.sort(byCount);
  for (let i = 0; i < 10; i++) print(entries[i].word + " " + entries[i].count.toString());

  const anagrams = new Map<string, string[]>();
  for (let i = 0; i < entries.length; i++) {
    const key = letters(entries[i].word);
    if (!anagrams.has(key)) anagrams.set(key, []);
    anagrams.get(key).push(entries[i].word);
  }
  let largest: string[] = [];
  const groups = anagrams.values();
  for (let i = 0; i < groups.length; i++) if (groups[i].length > largest.length) largest = groups[i];
  print("most anagrams: " + largest.sort().join(" "));

  const all = entries.map<string>((entry) => entry.word + ":" + entry.count.toString()).join(",");
  print(entries.length.toString() + " words of " + lengths.size.toString() + " lengths, " + digest(all).toString(16));
  return entries.length;
}
