// A simulation: customers of several kinds, tellers, a queue of events by time, statistics.

import { Random, print } from "./lib/host";

/** A heap of things that have an order. */
class Heap<T> {
  private items: T[] = [];

  constructor(private before: (a: T, b: T) => bool) {}

  get size(): i32 {
    return this.items.length;
  }

  push(item: T): void {
    this.items.push(item);
    let at = this.items.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(this.items[at], this.items[parent])) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  pop(): T {
    const top = this.items[0];
    const last = this.items.pop();
    if (this.items.length > 0) {
      this.items[0] = last;
      let at = 0;
      for (;;) {
        let least = at;
        for (let child = 2 * at + 1; child <= 2 * at + 2; child++) {
          if (child < this.items.length && this.before(this.items[child], this.items[least])) least = child;
        }
        if (least == at) break;
        this.swap(at, least);
        at = least;
      }
    }
    return top;
  }

  private swap(a: i32, b: i32): void {
    const item = this.items[a];
    this.items[a] = this.items[b];
    this.items[b] = item;
  }
}

interface Describable {
  describe(): string;
}

abstract class Customer implements Describable {
  constructor(public number: i32, public arrival: i32) {}
  abstract patience(): i32;
  abstract business(random: Random): i32;
  abstract describe(): string;
}

class Depositor extends Customer {
  patience(): i32 {
    return 60;
  }
  business(random: Random): i32 {
    return 2 + random.below(5);
  }
  describe(): string {
    return "depositor " + this.number.toString();
  }
}

class Borrower extends Customer {
  patience(): i32 {
    return 200;
  }
  business(random: Random): i32 {
    return 10 + random.below(30);
  }
  describe(): string {
    return "borrower " + this.number.toString();
  }
}

class Tourist extends Customer {
  constructor(number: i32, arrival: i32, private country: string) {
    super(number, arrival);
  }
  patience(): i32 {
    return 20;
  }
  business(random: Random): i32 {
    return 5 + this.country.length + random.below(3);
  }
  describe(): string {
    return "tourist from " + this.country;
  }
}

abstract class Event {
  constructor(public time: i32) {}
  abstract happen(bank: Bank): void;
}

class Arrival extends Event {
  constructor(private customer: Customer) {
    super(customer.arrival);
  }
  happen(bank: Bank): void {
    bank.enter(this.customer);
  }
}

class Departure extends Event {
  constructor(time: i32, private teller: Teller) {
    super(time);
  }
  happen(bank: Bank): void {
    this.teller.customer = null;
    bank.serve(this.time);
  }
}

class Teller {
  customer: Customer | null = null;
  served: string[] = [];

  constructor(public name: string) {}
}

class Bank {
  private events: Heap<Event> = new Heap<Event>((a, b) => a.time < b.time);
  private waiting: Customer[] = [];
  private tellers: Teller[] = [];
  private random: Random = new Random(99);
  longest: i32 = 0;
  total: i64 = 0;
  left: i32 = 0;

  constructor(names: string[]) {
    for (let i = 0; i < names.length; i++) this.tellers.push(new Teller(names[i]));
  }

  schedule(event: Event): void {
    this.events.push(event);
  }

  enter(customer: Customer): void {
    this.waiting.push(customer);
    this.longest = max(this.longest, this.waiting.length);
    this.serve(customer.arrival);
  }

  serve(time: i32): void {
    for (let i = 0; i < this.tellers.length && this.waiting.length > 0; i++) {
      const teller = this.tellers[i];
      if (teller.customer) continue;
      const customer = this.waiting.shift();
      const waited = time - customer.arrival;
      if (waited > customer.patience()) {
        this.left++;
        i--;
        continue;
      }
      this.total += waited;
      teller.customer = customer;
      teller.served.push(customer.describe());
      if (teller.served.length > 50) teller.served = teller.served.slice(25);
      this.schedule(new Departure(time + customer.business(this.random), teller));
    }
  }

  run(): i32 {
    let time = 0;
    while (this.events.size > 0) {
      const event = this.events.pop();
      time = event.time;
      event.happen(this);
    }
    return time;
  }

  report(): void {
    for (let i = 0; i < this.tellers.length; i++) {
      const served = this.tellers[i].served;
      print(this.tellers[i].name + " served last: " + served.slice(-3).join(", "));
    }
    print("longest queue " + this.longest.toString() + ", waited " + this.total.toString() + ", left " + this.left.toString());
  }
}

const COUNTRIES: StaticArray<string> = ["Chad", "Peru", "Iceland", "New Zealand"];

export function main(n: i32): i32 {
  const bank = new Bank(["Ada", "Grace", "Edsger"]);
  const random = new Random(1);
  let time = 0;
  for (let number = 0; number < n; number++) {
    time += random.below(9);
    let customer: Customer;
    switch (random.below(8)) {
      case 0: customer = new Borrower(number, time); break;
      case 1:
      case 2: customer = new Tourist(number, time, COUNTRIES[random.below(4)]); break;
      default: customer = new Depositor(number, time);
    }
    bank.schedule(new Arrival(customer));
  }
  const end = bank.run();
  bank.report();
  print("closed at " + end.toString());
  return end;
}
