// Bytes that wait for a connection that is being opened: a list of chunks. A list is two words, the first chunk and the last.
import { CHUNK_BYTES, CHUNK_DATA, CHUNK_MAX, CHUNK_NEXT, CHUNK_SIZE } from "../layout/ingress.ts";
import { allocate } from "../memory/arena.ts";
import { give, take } from "../memory/pool.ts";
import * as tcp from "../socket/tcp.ts";

const LAST: usize = 4;

let freed: usize = 0;

/** A chunk without bytes at the end of a list. */
export function add(list: usize): usize {
  if (!freed) freed = allocate(64);
  const chunk = take(freed, CHUNK_SIZE);
  store<usize>(chunk, 0, CHUNK_NEXT);
  store<i32>(chunk, 0, CHUNK_BYTES);
  const last = load<usize>(list, LAST);
  if (last) store<usize>(last, chunk, CHUNK_NEXT);
  else store<usize>(list, chunk);
  store<usize>(list, chunk, LAST);
  return chunk;
}

/** Puts bytes behind those that wait already. */
export function append(list: usize, at: usize, length: i32): void {
  let p = at;
  let left = length;
  while (left > 0) {
    let chunk = load<usize>(list, LAST);
    if (!chunk || load<i32>(chunk, CHUNK_BYTES) == CHUNK_MAX) chunk = add(list);
    const bytes = load<i32>(chunk, CHUNK_BYTES);
    const part = min<i32>(left, CHUNK_MAX - bytes);
    memory.copy(chunk + CHUNK_DATA + <usize>bytes, p, <usize>part);
    store<i32>(chunk, bytes + part, CHUNK_BYTES);
    p += <usize>part;
    left -= part;
  }
}

/** Gives all that waits to a connection. */
export function send(list: usize, c: usize): void {
  for (let chunk = load<usize>(list); chunk; chunk = load<usize>(chunk, CHUNK_NEXT)) {
    tcp.write(c, chunk + CHUNK_DATA, load<i32>(chunk, CHUNK_BYTES));
  }
  free(list);
}

/** Forgets what waits. */
export function free(list: usize): void {
  let chunk = load<usize>(list);
  while (chunk) {
    const next = load<usize>(chunk, CHUNK_NEXT);
    give(freed, chunk);
    chunk = next;
  }
  store<usize>(list, 0);
  store<usize>(list, 0, LAST);
}
