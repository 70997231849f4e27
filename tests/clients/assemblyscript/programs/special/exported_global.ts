// A host could set `name` without the adapter's knowledge, so this is refused.

import { print } from "../lib/host";

export let name: string = "a";

export function main(n: i32): i32 {
  name += n.toString();
  print(name);
  return name.length;
}
