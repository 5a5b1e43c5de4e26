// Answers of a size that the request asked for: what a service says otherwise, with another length and a body that ends later or earlier.
import { TCP_ARG } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import * as tcp from "../socket/tcp.ts";
import { writeNumber } from "./sizes.ts";

const HEAD_ROOM: usize = 1024;
const FILLER: u8 = 46;

// One buffer for all: room for a head, then a body of dots.
let buffer: usize = 0;
let capacity: i32 = 0;

/** Where a body of so many bytes lies. */
function body(bytes: i32): usize {
  if (bytes > capacity) {
    capacity = max<i32>(bytes, max<i32>(capacity << 1, 4096));
    buffer = allocate(<u32>HEAD_ROOM + <u32>capacity);
    memory.fill(buffer + HEAD_ROOM, FILLER, <usize>capacity);
  }
  return buffer + HEAD_ROOM;
}

/** Answers with plain bytes. */
export function plain(c: usize, bytes: i32): void {
  const at = body(bytes);
  tcp.write(c, at, bytes);
}

/** Answers an HTTP request with the usual response of a listener, or with one whose body has the length that was asked for. */
export function respond(c: usize, response: usize, wanted: i32): void {
  if (wanted) sized(c, wanted);
  else tcp.write(c, response + 4, load<i32>(response));
}

/** Answers an HTTP request with a body of so many bytes; the listener's argument is the usual response: its length, then its bytes. */
function sized(c: usize, bytes: i32): void {
  const at = body(bytes);
  const response = load<usize>(c, TCP_ARG) + 4;
  const length = load<i32>(response - 4);
  // The head: up to the digits of Content-Length, then what stands behind them.
  let digits = 0;
  let rest = 0;
  let end = 0;
  for (let i = 0; i + 4 <= length && !end; i++) {
    const four = load<u32>(response + <usize>i);
    // "gth:" ends "Content-Length:", "\r\n\r\n" the head.
    if (four == 0x3a687467) digits = i + 5;
    else if (digits && !rest && i >= digits && load<u8>(response + <usize>i) == 13) rest = i;
    if (four == 0x0a0d0a0d) end = i + 4;
  }
  if (!end || !rest) {
    tcp.write(c, response, length);
    return;
  }
  const number = writeNumber(buffer, <u32>bytes);
  const head = digits + number + (end - rest);
  const first = at - <usize>head;
  memory.copy(first + <usize>digits, buffer, <usize>number);
  memory.copy(first, response, <usize>digits);
  memory.copy(first + <usize>(digits + number), response + <usize>rest, <usize>(end - rest));
  // The body begins with the name of who answers, up to its line feed.
  let name = 0;
  while (end + name < length && load<u8>(response + <usize>(end + name)) != 10) name++;
  name = end + name < length ? min<i32>(name + 1, bytes) : 0;
  memory.copy(at, response + <usize>end, <usize>name);
  tcp.write(c, first, head + bytes);
  memory.fill(at, FILLER, <usize>name);
}
