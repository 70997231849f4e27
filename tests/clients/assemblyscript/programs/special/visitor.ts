// Uses a container that visits what it keeps: `library/hidden.ts`, given by `--lib`.

import { Hidden, Item } from "hidden";
import { print } from "../lib/host";

const kept = new Hidden(10000);

export function main(n: i32): i32 {
  for (let i = 0; i < n; i++) {
    kept.push(new Item(i));
    i.toString().repeat(5);
  }
  __collect();
  for (let i = 0; i < n; i++) new Item(-1);
  print("sum " + kept.sum().toString());
  return n;
}
