// An interpreter of a small language: text to tokens, to a tree, to values. Functions are values, with their scope.

import { print } from "./lib/host";

abstract class Value {
  abstract show(): string;
  truth(): bool {
    return true;
  }
}

class Num extends Value {
  constructor(public value: i64) {
    super();
  }
  show(): string {
    return this.value.toString();
  }
  truth(): bool {
    return this.value != 0;
  }
}

class Pair extends Value {
  constructor(public first: Value, public second: Value) {
    super();
  }
  show(): string {
    return "(" + this.first.show() + " . " + this.second.show() + ")";
  }
}

class Nil extends Value {
  show(): string {
    return "nil";
  }
  truth(): bool {
    return false;
  }
}

class Closure extends Value {
  constructor(public parameters: string[], public body: Node, public scope: Scope) {
    super();
  }
  show(): string {
    return "fn/" + this.parameters.length.toString();
  }
}

class Scope {
  private names: Map<string, Value> = new Map();

  constructor(private outer: Scope | null) {}

  define(name: string, value: Value): void {
    this.names.set(name, value);
  }

  get(name: string): Value {
    if (this.names.has(name)) return this.names.get(name);
    const outer = this.outer;
    if (!outer) throw new Error("unknown name " + name);
    return outer.get(name);
  }
}

const nil = new Nil();

abstract class Node {
  abstract evaluate(scope: Scope): Value;
}

class Literal extends Node {
  constructor(private value: Value) {
    super();
  }
  evaluate(scope: Scope): Value {
    return this.value;
  }
}

class Name extends Node {
  constructor(public name: string) {
    super();
  }
  evaluate(scope: Scope): Value {
    return scope.get(this.name);
  }
}

class Binary extends Node {
  constructor(private operator: string, private left: Node, private right: Node) {
    super();
  }
  evaluate(scope: Scope): Value {
    const left = this.left.evaluate(scope);
    if (this.operator == ":") return new Pair(left, this.right.evaluate(scope));
    const a = (left as Num).value, b = (this.right.evaluate(scope) as Num).value;
    if (this.operator == "+") return new Num(a + b);
    if (this.operator == "-") return new Num(a - b);
    if (this.operator == "*") return new Num(a * b);
    if (this.operator == "%") return new Num(a % b);
    if (this.operator == "<") return new Num(a < b ? 1 : 0);
    throw new Error("unknown operator " + this.operator);
  }
}

class If extends Node {
  constructor(private test: Node, private yes: Node, private no: Node) {
    super();
  }
  evaluate(scope: Scope): Value {
    return (this.test.evaluate(scope).truth() ? this.yes : this.no).evaluate(scope);
  }
}

class Let extends Node {
  constructor(private name: string, private value: Node, private body: Node) {
    super();
  }
  evaluate(scope: Scope): Value {
    const inner = new Scope(scope);
    inner.define(this.name, this.value.evaluate(inner));
    return this.body.evaluate(inner);
  }
}

class Function_ extends Node {
  constructor(private parameters: string[], private body: Node) {
    super();
  }
  evaluate(scope: Scope): Value {
    return new Closure(this.parameters, this.body, scope);
  }
}

class Call extends Node {
  constructor(private callee: Node, private args: Node[]) {
    super();
  }
  evaluate(scope: Scope): Value {
    if (this.callee instanceof Name) {
      // the two built-in functions
      const name = (this.callee as Name).name;
      if (name == "first") return (this.args[0].evaluate(scope) as Pair).first;
      if (name == "rest") return (this.args[0].evaluate(scope) as Pair).second;
    }
    const closure = this.callee.evaluate(scope) as Closure;
    const inner = new Scope(closure.scope);
    for (let i = 0; i < this.args.length; i++) inner.define(closure.parameters[i], this.args[i].evaluate(scope));
    return closure.body.evaluate(inner);
  }
}

class Parser {
  private at: i32 = 0;

  constructor(private tokens: string[]) {}

  program(): Node {
    const node = this.expression();
    if (this.at != this.tokens.length) throw new Error("unexpected " + this.tokens[this.at]);
    return node;
  }

  private peek(): string {
    return this.at < this.tokens.length ? this.tokens[this.at] : "";
  }

  private take(token: string): bool {
    if (this.peek() != token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw new Error("expected " + token + ", found " + this.peek());
  }

  private expression(): Node {
    if (this.take("let")) {
      const name = this.tokens[this.at++];
      this.expect("=");
      const value = this.expression();
      this.expect("in");
      return new Let(name, value, this.expression());
    }
    if (this.take("if")) {
      const test = this.expression();
      this.expect("then");
      const yes = this.expression();
      this.expect("else");
      return new If(test, yes, this.expression());
    }
    if (this.take("fn")) {
      const parameters: string[] = [];
      while (!this.take("=>")) parameters.push(this.tokens[this.at++]);
      return new Function_(parameters, this.expression());
    }
    return this.operators(0);
  }

  private operators(level: i32): Node {
    const levels = [":", "<", "+-", "*%"];
    if (level == levels.length) return this.calls();
    const left = this.operators(level + 1);
    if (level == 0) return this.take(":") ? new Binary(":", left, this.operators(0)) : left;
    let node = left;
    while (this.peek().length == 1 && levels[level].includes(this.peek())) {
      const operator = this.tokens[this.at++];
      node = new Binary(operator, node, this.operators(level + 1));
    }
    return node;
  }

  private calls(): Node {
    let node = this.atom();
    while (this.take("(")) {
      const args: Node[] = [];
      if (!this.take(")")) {
        args.push(this.expression());
        while (this.take(",")) args.push(this.expression());
        this.expect(")");
      }
      node = new Call(node, args);
    }
    return node;
  }

  private atom(): Node {
    if (this.take("(")) {
      const node = this.expression();
      this.expect(")");
      return node;
    }
    const token = this.tokens[this.at++];
    if (token == "nil") return new Literal(nil);
    const code = token.charCodeAt(0);
    if (code >= 0x30 && code <= 0x39) return new Literal(new Num(I64.parseInt(token)));
    return new Name(token);
  }
}

function tokens(text: string): string[] {
  const found: string[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char == " " || char == "\n") {
      at++;
    } else if (text.substr(at, 2) == "=>") {
      found.push("=>");
      at += 2;
    } else if ("()+-*%<:=,".includes(char)) {
      found.push(char);
      at++;
    } else {
      const start = at;
      while (at < text.length && !" \n()+-*%<:=,".includes(text.charAt(at))) at++;
      found.push(text.substring(start, at));
    }
  }
  return found;
}

function run(name: string, text: string): void {
  print(name + ": " + new Parser(tokens(text)).program().evaluate(new Scope(null)).show());
}

export function main(n: i32): i32 {
  run("arithmetic", "1 + 2 * (3 - 4) * 5 % 7");
  run("fibonacci", "let fib = fn n => if n < 2 then n else fib(n - 1) + fib(n - 2) in fib(" + (n / 2).toString() + ")");
  run("adders", "let add = fn a => fn b => a + b in add(40)(2)");
  const lists = `
    let range = fn from to => if from < to then from : range(from + 1, to) else nil in
    let map = fn f list => if list then f(first(list)) : map(f, rest(list)) else nil in
    let fold = fn f start list => if list then fold(f, f(start, first(list)), rest(list)) else start in
    let filter = fn keep list =>
      if list then (if keep(first(list)) then first(list) : filter(keep, rest(list)) else filter(keep, rest(list))) else nil in `;
  run("a list", lists + "map(fn x => x * x, range(1, 6))");
  run("a sum", lists + "fold(fn a b => (a * 31 + b) % 1000003, 7, map(fn x => x * x, range(0, " + (n * 10).toString() + ")))");
  run("primes", lists + `
    let sieve = fn list =>
      if list then first(list) : sieve(filter(fn x => if x % first(list) then 1 else 0, rest(list))) else nil in
    fold(fn a b => a + 1, 0, sieve(range(2, ` + (n * 10).toString() + ")))");
  return n;
}
