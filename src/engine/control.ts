// What the main thread and the workers share besides the kernel's memory: the barrier, each worker's next moment, the stop flag.

// Words of the control block.
export const BARRIER_COUNT = 0;
export const BARRIER_GENERATION = 1;
/** Set by the main thread: end the run at the next window. */
export const STOP_ASKED = 2;
/** Two words, one for each side: set by worker 0 before the barrier, so that all workers see the same. */
export const STOP_AGREED = 3;
/** A worker has thrown; the others leave at the barrier. */
export const FAILED = 5;
const WORDS = 16;

/** Floats: for each side of the barrier and each worker the time of its next event; then the time reached. */
export interface Control {
  words: Int32Array;
  times: Float64Array;
  captured: Float64Array;
  progress: Float64Array;
}

export const PROGRESS_NOW = 0;
export const PROGRESS_FIELDS = 1;

const MAX_WORKERS = 64;

export function newControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4 + (4 * MAX_WORKERS + PROGRESS_FIELDS) * 8);
}

export function controlOf(buffer: SharedArrayBuffer): Control {
  const floats = (first: number, count: number): Float64Array => new Float64Array(buffer, WORDS * 4 + first * 8, count);
  return {
    words: new Int32Array(buffer, 0, WORDS),
    times: floats(0, 2 * MAX_WORKERS),
    captured: floats(2 * MAX_WORKERS, 2 * MAX_WORKERS),
    progress: floats(4 * MAX_WORKERS, PROGRESS_FIELDS),
  };
}

/** The place of a worker's number on one side. */
export function slot(side: number, worker: number): number {
  return side * MAX_WORKERS + worker;
}
