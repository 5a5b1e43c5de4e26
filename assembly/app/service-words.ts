// The word of a service's connection that says what it speaks, and in the bits above that the first request that waits for its answer.
import { MODE } from "./http.ts";

const MODE_BITS: usize = 63;

/** What the connection speaks: MODE_* of service.ts. */
export function modeOf(c: usize): i32 {
  return <i32>(load<usize>(c, MODE) & MODE_BITS);
}

export function setMode(c: usize, mode: i32): void {
  store<usize>(c, (load<usize>(c, MODE) & ~MODE_BITS) | (<usize>mode), MODE);
}

/** The first request (SERVED_*), 0 if none waits. */
export function requestsOf(c: usize): usize {
  return load<usize>(c, MODE) & ~MODE_BITS;
}

export function setRequests(c: usize, first: usize): void {
  store<usize>(c, (load<usize>(c, MODE) & MODE_BITS) | first, MODE);
}
