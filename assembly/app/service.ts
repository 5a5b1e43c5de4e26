// What listens on a container's port: HTTP requests get a response, anything else comes back as it is, unless it says how long its answer
// should be.
import { TCP_ARG } from "../layout/records.ts";
import { DIGITS } from "../layout/traffic.ts";
import * as tcp from "../socket/tcp.ts";
import * as answer from "./answer.ts";
import * as calls from "./calls.ts";
import { BODY, endsHead, LENGTH, WANTED } from "./http.ts";
import { modeOf, setMode } from "./service-words.ts";

const MODE_UNKNOWN: i32 = 0;
const MODE_HEAD: i32 = 1; // HTTP: a head is coming
const MODE_BODY: i32 = 2; // HTTP: its body is; LENGTH is how long the answer should be
const MODE_ECHO: i32 = 3;
const MODE_NEXT: i32 = 5; // HTTP: a request may begin
const MODE_SIZED: i32 = 4; // LENGTH is how long the answer should be, BODY what is still to come

// "exchange": then come the length of the request and that of the answer, DIGITS characters each behind a blank.
const SIZED_MARK: u64 = 0x65676e6168637865;
const SIZED_LENGTH = 9;
const SIZED_ANSWER = SIZED_LENGTH + DIGITS + 1;
const SIZED_END = SIZED_ANSWER + DIGITS + 1;

/** Whether bytes begin like an HTTP/1.1 request line: a method of capital letters, a blank and a slash. */
function looksLikeHttp(at: usize, length: i32): bool {
  let i = 0;
  while (i < length && i < 8) {
    const byte = load<u8>(at + <usize>i);
    if (byte == 32) return i >= 3 && i + 1 < length && load<u8>(at + <usize>i + 1) == 47;
    if (byte < 65 || byte > 90) return false;
    i++;
  }
  return false;
}

/** Bytes came over a connection: answer them. The listener's argument is the response: its length, then its bytes. */
export function onData(c: usize, at: usize, length: i32): void {
  let mode = modeOf(c);
  if (mode == MODE_UNKNOWN) {
    if (looksLikeHttp(at, length)) mode = MODE_NEXT;
    else mode = length >= SIZED_END && load<u64>(at) == SIZED_MARK ? MODE_SIZED : MODE_ECHO;
    setMode(c, mode);
  }
  if (mode == MODE_ECHO) tcp.write(c, at, length);
  else if (mode == MODE_SIZED) onSized(c, at, length);
  else onHttp(c, at, length);
}

function onSized(c: usize, at: usize, length: i32): void {
  let i = 0;
  while (i < length) {
    if (!load<i32>(c, BODY)) {
      // A request begins in a segment of its own.
      if (length - i < SIZED_END) return;
      store<i32>(c, max<i32>(readNumber(at + <usize>(i + SIZED_LENGTH)), SIZED_END), BODY);
      store<i32>(c, readNumber(at + <usize>(i + SIZED_ANSWER)), LENGTH);
    }
    const left = load<i32>(c, BODY);
    const part = min<i32>(left, length - i);
    i += part;
    store<i32>(c, left - part, BODY);
    if (left == part) answer.plain(c, load<i32>(c, LENGTH));
  }
}

function readNumber(at: usize): i32 {
  let value = 0;
  for (let i: usize = 0; i < <usize>DIGITS; i++) {
    const byte = load<u8>(at + i);
    if (byte < 48 || byte > 57) break;
    value = value * 10 + <i32>(byte - 48);
  }
  return value;
}

function onHttp(c: usize, at: usize, length: i32): void {
  let i = 0;
  while (i < length) {
    const mode = modeOf(c);
    if (mode == MODE_BODY) {
      const left = load<i32>(c, BODY);
      const part = min<i32>(left, length - i);
      i += part;
      store<i32>(c, left - part, BODY);
      if (left == part) onRequest(c, load<i32>(c, LENGTH));
      continue;
    }
    if (mode == MODE_NEXT) {
      calls.begin(c, at + <usize>i, length - i);
      setMode(c, MODE_HEAD);
    }
    const ends = endsHead(c, load<u8>(at + <usize>i));
    i++;
    if (!ends) continue;
    const body = load<i32>(c, LENGTH);
    const wanted = load<i32>(c, WANTED);
    if (!body) {
      onRequest(c, wanted);
      continue;
    }
    store<i32>(c, wanted, LENGTH);
    store<i32>(c, body, BODY);
    setMode(c, MODE_BODY);
  }
}

/** A request is whole; `wanted`: the length that its answer should have, 0: the usual one. */
function onRequest(c: usize, wanted: i32): void {
  setMode(c, MODE_NEXT);
  store<i32>(c, 0, LENGTH);
  store<i32>(c, 0, WANTED);
  if (!calls.isTaken(c, wanted)) answer.respond(c, load<usize>(c, TCP_ARG), wanted);
}
