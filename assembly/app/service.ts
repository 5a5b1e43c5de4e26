// What listens on a container's port: HTTP requests get a response, anything else comes back as it is.
import { TCP_ARG } from "../layout/records.ts";
import * as tcp from "../socket/tcp.ts";
import { BODY, endsHead, LENGTH, MODE } from "./http.ts";

const MODE_UNKNOWN: i32 = 0;
const MODE_HTTP: i32 = 1;
const MODE_ECHO: i32 = 2;

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
  let mode = load<i32>(c, MODE);
  if (mode == MODE_UNKNOWN) {
    mode = looksLikeHttp(at, length) ? MODE_HTTP : MODE_ECHO;
    store<i32>(c, mode, MODE);
  }
  if (mode == MODE_ECHO) {
    tcp.write(c, at, length);
    return;
  }
  let i = 0;
  while (i < length) {
    const body = load<i32>(c, BODY);
    if (body) {
      const part = min<i32>(body, length - i);
      i += part;
      store<i32>(c, body - part, BODY);
      if (body == part) respond(c);
    } else {
      if (endsHead(c, load<u8>(at + <usize>i))) {
        const wanted = load<i32>(c, LENGTH);
        store<i32>(c, wanted, BODY);
        store<i32>(c, 0, LENGTH);
        if (!wanted) respond(c);
      }
      i++;
    }
  }
}

function respond(c: usize): void {
  const response = load<usize>(c, TCP_ARG);
  tcp.write(c, response + 4, load<i32>(response));
}
