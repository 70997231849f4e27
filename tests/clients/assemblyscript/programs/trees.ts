// Binary trees: many short-lived ones beside one that lives long.

import { print } from "./lib/host";

class Tree {
  left: Tree | null = null;
  right: Tree | null = null;

  count(): i32 {
    const left = this.left, right = this.right;
    return 1 + (left ? left.count() : 0) + (right ? right.count() : 0);
  }
}

function grow(depth: i32): Tree {
  const tree = new Tree();
  if (depth > 0) {
    tree.left = grow(depth - 1);
    tree.right = grow(depth - 1);
  }
  return tree;
}

export function main(n: i32): i32 {
  const longLived = grow(n);
  for (let depth = 4; depth <= n; depth += 4) {
    const times = 1 << (n - depth + 4);
    let nodes = 0;
    for (let i = 0; i < times; i++) nodes += grow(depth).count();
    print(times.toString() + " trees of depth " + depth.toString() + ": " + nodes.toString() + " nodes");
  }
  const nodes = longLived.count();
  print("long-lived tree of depth " + n.toString() + ": " + nodes.toString() + " nodes");
  return nodes;
}
