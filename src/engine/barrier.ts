// Where the workers meet after each window: spin briefly, then sleep.
import { BARRIER_COUNT, BARRIER_GENERATION, FAILED } from "./control.ts";

const SPINS = 20_000;

/** Thrown by the workers that wait for one that has failed. */
export class Abandoned extends Error {}

/** A meeting of `workers` workers. Spinning helps only while each has a core of its own. */
export class Barrier {
  readonly #words: Int32Array;
  readonly #workers: number;
  readonly #spins: number;

  constructor(words: Int32Array, workers: number, cores: number) {
    this.#words = words;
    this.#workers = workers;
    this.#spins = workers <= cores ? SPINS : 0;
  }

  /** Returns when all workers have come. */
  meet(): void {
    if (this.#workers === 1) return;
    const words = this.#words;
    const generation = Atomics.load(words, BARRIER_GENERATION);
    // One that failed after this line changes the generation; one that failed before it is seen here.
    this.#check();
    if (Atomics.add(words, BARRIER_COUNT, 1) === this.#workers - 1) {
      Atomics.store(words, BARRIER_COUNT, 0);
      this.#release();
    } else {
      let spins = this.#spins;
      while (Atomics.load(words, BARRIER_GENERATION) === generation) {
        if (spins-- <= 0) Atomics.wait(words, BARRIER_GENERATION, generation);
      }
    }
    this.#check();
  }

  #check(): void {
    if (Atomics.load(this.#words, FAILED) !== 0) throw new Abandoned("another worker has failed");
  }

  /** Lets the others go on to find out that this one cannot. */
  fail(): void {
    Atomics.store(this.#words, FAILED, 1);
    this.#release();
  }

  #release(): void {
    Atomics.add(this.#words, BARRIER_GENERATION, 1);
    Atomics.notify(this.#words, BARRIER_GENERATION);
  }
}
