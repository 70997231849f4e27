// Numbers of any length, in arrays that hold no pointers.

import { digest, print } from "./lib/host";

const BASE: u64 = 1000000000;

/** A natural number: nine decimal digits in each word, the lowest first. */
class Natural {
  constructor(private words: Uint32Array) {}

  static of(value: u32): Natural {
    const words = new Uint32Array(2);
    words[0] = value % <u32>BASE;
    words[1] = value / <u32>BASE;
    return new Natural(words).trimmed();
  }

  private trimmed(): Natural {
    let length = this.words.length;
    while (length > 1 && this.words[length - 1] == 0) length--;
    return length == this.words.length ? this : new Natural(this.words.slice(0, length));
  }

  plus(other: Natural): Natural {
    const length = max(this.words.length, other.words.length) + 1;
    const words = new Uint32Array(length);
    let carry: u64 = 0;
    for (let i = 0; i < length; i++) {
      let sum = carry;
      if (i < this.words.length) sum += this.words[i];
      if (i < other.words.length) sum += other.words[i];
      words[i] = <u32>(sum % BASE);
      carry = sum / BASE;
    }
    return new Natural(words).trimmed();
  }

  times(other: Natural): Natural {
    const words = new Uint32Array(this.words.length + other.words.length);
    for (let i = 0; i < this.words.length; i++) {
      let carry: u64 = 0;
      for (let j = 0; j < other.words.length; j++) {
        const sum = <u64>words[i + j] + carry + <u64>this.words[i] * <u64>other.words[j];
        words[i + j] = <u32>(sum % BASE);
        carry = sum / BASE;
      }
      words[i + other.words.length] = <u32>carry;
    }
    return new Natural(words).trimmed();
  }

  toString(): string {
    const last = this.words.length - 1;
    const parts: string[] = [this.words[last].toString()];
    for (let i = last - 1; i >= 0; i--) parts.push(this.words[i].toString().padStart(9, "0"));
    return parts.join("");
  }
}

function factorial(n: u32): Natural {
  let product = Natural.of(1);
  for (let i: u32 = 2; i <= n; i++) product = product.times(Natural.of(i));
  return product;
}

function fibonacci(n: i32): Natural {
  let a = Natural.of(0), b = Natural.of(1);
  for (; n > 0; n--) {
    const sum = a.plus(b);
    a = b;
    b = sum;
  }
  return a;
}

function power(base: Natural, exponent: i32): Natural {
  let result = Natural.of(1);
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result.times(base);
    base = base.times(base);
  }
  return result;
}

function show(name: string, number: Natural): void {
  const text = number.toString();
  const ends = text.length > 40 ? text.substring(0, 20) + "..." + text.substring(text.length - 20) : text;
  print(name + ": " + ends + ", " + text.length.toString() + " digits, " + digest(text).toString(16));
}

export function main(n: i32): i32 {
  show("25!", factorial(25));
  show("n!", factorial(n));
  show("the 10n-th Fibonacci number", fibonacci(10 * n));
  show("7^(4n)", power(Natural.of(7), 4 * n));
  return n;
}
