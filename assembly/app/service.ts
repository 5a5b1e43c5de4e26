// What listens on a container's port: HTTP requests get a response, anything else comes back as it is.
import { TCP_APP, TCP_ARG } from "../layout/records.ts";
import * as tcp from "../socket/tcp.ts";

// The words of the application in a connection's record.
const MODE: usize = TCP_APP;
const HEAD: usize = MODE + 4; // how far the end of the head and a Content-Length are recognised
const LENGTH: usize = HEAD + 4; // the value of Content-Length
const BODY: usize = LENGTH + 4; // bytes of the body that have not come yet

const MODE_UNKNOWN: i32 = 0;
const MODE_HTTP: i32 = 1;
const MODE_ECHO: i32 = 2;

// "\ncontent-length:"
const FIELD: usize = memory.data<u8>([10, 99, 111, 110, 116, 101, 110, 116, 45, 108, 101, 110, 103, 116, 104, 58]);
const FIELD_LENGTH = 16;
const LENGTH_MAX = 1 << 27; // a longer body never ends here, and ten times as much is still a number

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

/** Takes the next byte of a request's head; true: it is the last one. Notes the value of Content-Length on the way. */
function endsHead(c: usize, byte: u8): bool {
  const progress = load<i32>(c, HEAD);
  let seen = progress & 255; // bytes of "\r\n\r\n"
  let matched = progress >> 8; // characters of the field's name
  seen = byte == (seen & 1 ? 10 : 13) ? seen + 1 : byte == 13 ? 1 : 0;
  if (matched == FIELD_LENGTH) {
    if (byte >= 48 && byte <= 57) {
      store<i32>(c, min<i32>(load<i32>(c, LENGTH) * 10 + <i32>(byte - 48), LENGTH_MAX), LENGTH);
    } else if (byte == 13) matched = 0;
  } else {
    const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    matched = lower == load<u8>(FIELD + <usize>matched) ? matched + 1 : byte == 10 ? 1 : 0;
  }
  const over = seen == 4;
  store<i32>(c, over ? 0 : seen | (matched << 8), HEAD);
  return over;
}
