// Slows virtual time to the wall clock, for somebody who looks on. It changes when things happen on the clock, and no result.
import { performance } from "node:perf_hooks";
import { STOP_ASKED } from "./control.ts";

const NEVER = 0;
const STEP_MS = 50;

export class Pacer {
  readonly #began = performance.now();
  readonly #nsPerMs: number;
  readonly #words: Int32Array;
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));

  /** `pace`: seconds of virtual time in a second on the clock. `words`: the control block, whose stop flag ends a wait. */
  constructor(pace: number, words: Int32Array) {
    this.#nsPerMs = pace * 1e6;
    this.#words = words;
  }

  /** Returns when the clock has come as far as a moment of virtual time. */
  wait(untilNs: number): void {
    const due = this.#began + untilNs / this.#nsPerMs;
    for (let left = due - performance.now(); left > 0; left = due - performance.now()) {
      if (Atomics.load(this.#words, STOP_ASKED) !== 0) return;
      Atomics.wait(this.#pause, 0, NEVER, Math.min(left, STEP_MS));
    }
  }
}
