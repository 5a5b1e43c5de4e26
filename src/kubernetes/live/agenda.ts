// What is to happen in a cluster's life, in order of time: each thing may put others on the list.

interface Item {
  atNs: number;
  run: (nowNs: number) => void;
}

export class Agenda {
  readonly #items: Item[] = [];

  /** Things of one moment happen in the order in which they were put down. */
  at(atNs: number, run: (nowNs: number) => void): void {
    let place = this.#items.length;
    while (place > 0 && (this.#items[place - 1]?.atNs ?? 0) <= atNs) place--;
    this.#items.splice(place, 0, { atNs, run });
  }

  /** Has everything happen that is due before a moment. */
  play(endNs: number): void {
    for (let next = this.#items.pop(); next && next.atNs < endNs; next = this.#items.pop()) next.run(next.atNs);
  }
}
