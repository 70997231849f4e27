// The host's side of the interface `things`, for the component as jco transpiles it.

export const counts = { alive: 0, dropped: 0 };

export class Thing {
    #number;
    #dropped = false;

    constructor(number) {
        this.#number = number;
        counts.alive++;
    }

    value() {
        if (this.#dropped) throw new Error(`thing ${this.#number} is used after it was dropped`);
        return this.#number;
    }

    // jco calls it when the component drops its handle
    [Symbol.dispose ?? Symbol.for('dispose')]() {
        if (this.#dropped) throw new Error(`thing ${this.#number} is dropped twice`);
        this.#dropped = true;
        counts.alive--;
        counts.dropped++;
    }
}
