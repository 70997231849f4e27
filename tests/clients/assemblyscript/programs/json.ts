// JSON: documents are built, written, read back, queried and changed.

import { Random, digest, print } from "./lib/host";

abstract class Value {
  abstract write(out: string[]): void;

  toText(): string {
    const out: string[] = [];
    this.write(out);
    return out.join("");
  }
}

class Null extends Value {
  write(out: string[]): void {
    out.push("null");
  }
}

class Flag extends Value {
  constructor(public value: bool) {
    super();
  }

  write(out: string[]): void {
    out.push(this.value ? "true" : "false");
  }
}

class Num extends Value {
  constructor(public value: f64) {
    super();
  }

  write(out: string[]): void {
    const whole = <i64>this.value;
    out.push(<f64>whole == this.value ? whole.toString() : this.value.toString());
  }
}

class Text extends Value {
  constructor(public value: string) {
    super();
  }

  write(out: string[]): void {
    out.push(quote(this.value));
  }
}

class List extends Value {
  items: Value[] = [];

  write(out: string[]): void {
    out.push("[");
    for (let i = 0; i < this.items.length; i++) {
      if (i > 0) out.push(",");
      this.items[i].write(out);
    }
    out.push("]");
  }
}

class Dict extends Value {
  fields: Map<string, Value> = new Map();

  write(out: string[]): void {
    const names = this.fields.keys();
    out.push("{");
    for (let i = 0; i < names.length; i++) {
      if (i > 0) out.push(",");
      out.push(quote(names[i]));
      out.push(":");
      this.fields.get(names[i]).write(out);
    }
    out.push("}");
  }
}

function quote(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code == 0x22 || code == 0x5c) out += "\\" + text.charAt(i);
    else if (code == 0x0a) out += "\\n";
    else if (code < 0x20 || code > 0x7e) out += "\\u" + code.toString(16).padStart(4, "0");
    else out += text.charAt(i);
  }
  return out + '"';
}

class Reader {
  private at: i32 = 0;

  constructor(private text: string) {}

  read(): Value {
    const value = this.value();
    this.space();
    if (this.at != this.text.length) throw new Error("text behind the document");
    return value;
  }

  private space(): void {
    while (this.at < this.text.length && this.text.charCodeAt(this.at) <= 0x20) this.at++;
  }

  private peek(): i32 {
    this.space();
    if (this.at >= this.text.length) throw new Error("the document ends too early");
    return this.text.charCodeAt(this.at);
  }

  private expect(word: string): void {
    if (this.text.substr(this.at, word.length) != word) throw new Error("expected " + word);
    this.at += word.length;
  }

  private value(): Value {
    switch (this.peek()) {
      case 0x7b: return this.dict();
      case 0x5b: return this.list();
      case 0x22: return new Text(this.string());
      case 0x74: this.expect("true"); return new Flag(true);
      case 0x66: this.expect("false"); return new Flag(false);
      case 0x6e: this.expect("null"); return new Null();
      default: return this.number();
    }
  }

  private number(): Value {
    const start = this.at;
    while (this.at < this.text.length && "+-.eE0123456789".includes(this.text.charAt(this.at))) this.at++;
    if (this.at == start) throw new Error("expected a value");
    return new Num(parseFloat(this.text.substring(start, this.at)));
  }

  private string(): string {
    this.peek();
    this.expect('"');
    const parts: string[] = [];
    let start = this.at;
    while (this.text.charCodeAt(this.at) != 0x22) {
      if (this.text.charCodeAt(this.at) != 0x5c) {
        this.at++;
        continue;
      }
      parts.push(this.text.substring(start, this.at));
      const escape = this.text.charAt(this.at + 1);
      this.at += 2;
      if (escape == "u") {
        parts.push(String.fromCharCode(<i32>parseInt(this.text.substr(this.at, 4), 16)));
        this.at += 4;
      } else {
        parts.push(escape == "n" ? "\n" : escape);
      }
      start = this.at;
    }
    parts.push(this.text.substring(start, this.at++));
    return parts.join("");
  }

  private list(): Value {
    const list = new List();
    this.expect("[");
    if (this.peek() != 0x5d) {
      list.items.push(this.value());
      while (this.peek() == 0x2c) {
        this.at++;
        list.items.push(this.value());
      }
    }
    this.expect("]");
    return list;
  }

  private dict(): Value {
    const dict = new Dict();
    this.expect("{");
    if (this.peek() != 0x7d) {
      for (;;) {
        const name = this.string();
        this.peek();
        this.expect(":");
        dict.fields.set(name, this.value());
        if (this.peek() != 0x2c) break;
        this.at++;
      }
    }
    this.expect("}");
    return dict;
  }
}

const TOWNS: string[] = ["Ulm", "Łódź", "A Coruña", 'the "old" town', "back\\slash", "two\nlines"];

function person(random: Random, number: i32): Dict {
  const dict = new Dict();
  dict.fields.set("id", new Num(<f64>number));
  dict.fields.set("name", new Text("person " + number.toString()));
  dict.fields.set("town", new Text(TOWNS[random.below(TOWNS.length)]));
  dict.fields.set("height", new Num(1.5 + <f64>random.below(100) / 128.0));
  dict.fields.set("member", new Flag(random.below(2) == 0));
  const friends = new List();
  for (let i = random.below(5); i > 0; i--) friends.items.push(new Num(<f64>random.below(number + 1)));
  dict.fields.set("friends", friends.items.length > 0 ? friends : new Null());
  return dict;
}

export function main(n: i32): i32 {
  const random = new Random(42);
  const people = new List();
  for (let i = 0; i < n; i++) people.items.push(person(random, i));
  const text = people.toText();
  print("written: " + text.length.toString() + " characters, " + digest(text).toString(16));

  const again = changetype<List>(new Reader(text).read());
  if (again.toText() != text) throw new Error("read back, it is another document");

  let members = 0, friendships = 0;
  const byTown = new Map<string, i32>();
  for (let i = 0; i < again.items.length; i++) {
    const fields = changetype<Dict>(again.items[i]).fields;
    if (changetype<Flag>(fields.get("member")).value) members++;
    const friends = fields.get("friends");
    if (friends instanceof List) friendships += (friends as List).items.length;
    const town = changetype<Text>(fields.get("town")).value;
    byTown.set(town, (byTown.has(town) ? byTown.get(town) : 0) + 1);
    fields.delete("friends");
    fields.set("tags", new Reader("[true, null, [], {}, {\"town\": " + quote(town) + "}]").read());
  }
  print("members: " + members.toString() + ", friendships: " + friendships.toString());
  for (let i = 0; i < TOWNS.length; i++) print(quote(TOWNS[i]) + ": " + byTown.get(TOWNS[i]).toString());
  const changed = again.toText();
  print("changed: " + changed.length.toString() + " characters, " + digest(changed).toString(16));
  return members;
}
