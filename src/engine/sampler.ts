// Samples of a run: what had come of the requests of every line at equal steps of virtual time, for charts.
import type { Kernel } from "../kernel/kernel.ts";

/** sent, delivered, failed */
export const SERIES_FIELDS = 3;
const STEPS = 120;

export class Sampler {
  readonly #kernel: Kernel;
  readonly #lines: number;
  readonly #durationNs: number;
  readonly atNs: number[] = [];
  readonly totals: Uint32Array[] = [];

  constructor(kernel: Kernel, lines: number, durationNs: number) {
    this.#kernel = kernel;
    this.#lines = lines;
    this.#durationNs = durationNs;
  }

  /** The next moment to stop at; windows end there. */
  get next(): number {
    return Math.ceil((this.#durationNs * (this.atNs.length + 1)) / STEPS);
  }

  /** Takes every sample up to a moment; all that is before it has happened, and nothing after it. */
  reached(ns: number): void {
    while (this.atNs.length < STEPS && this.next <= ns) {
      this.atNs.push(this.next);
      const totals = new Uint32Array(this.#lines * SERIES_FIELDS);
      for (let line = 0; line < this.#lines; line++) totals.set(this.#kernel.lineTotals(line), line * SERIES_FIELDS);
      this.totals.push(totals);
    }
  }
}
