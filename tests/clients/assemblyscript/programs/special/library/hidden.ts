// A container of a library that hides references in an array of numbers, and visits them itself.

export class Item {
  constructor(public value: i32) {}
}

export class Hidden {
  private addresses: Uint32Array;
  private length: i32 = 0;

  constructor(capacity: i32) {
    this.addresses = new Uint32Array(capacity);
  }

  push(item: Item): void {
    this.addresses[this.length++] = <u32>changetype<usize>(item);
    __link(changetype<usize>(this), changetype<usize>(item), true);
  }

  sum(): i32 {
    let sum = 0;
    for (let i = 0; i < this.length; i++) sum += changetype<Item>(<usize>this.addresses[i]).value;
    return sum;
  }

  @unsafe private __visit(cookie: u32): void {
    __visit(changetype<usize>(this.addresses), cookie);
    for (let i = 0; i < this.length; i++) __visit(<usize>this.addresses[i], cookie);
  }
}
