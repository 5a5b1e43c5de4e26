// The head of an HTTP/1.1 message as it comes in, byte for byte: where it ends, and what its Content-Length says.
import { TCP_APP } from "../layout/records.ts";

// The words of the application in a connection's record.
export const MODE: usize = TCP_APP;
const HEAD: usize = MODE + 4; // how far the end of the head and a Content-Length are recognised
export const LENGTH: usize = HEAD + 4; // the value of Content-Length
export const BODY: usize = LENGTH + 4; // bytes of the body that have not come yet

/** While a head is coming: the value of X-Response-Bytes, the length that a request would have its answer have. */
export const WANTED: usize = BODY;

// "\ncontent-length:" and "\nx-response-bytes:"
const FIELD: usize = memory.data<u8>([10, 99, 111, 110, 116, 101, 110, 116, 45, 108, 101, 110, 103, 116, 104, 58]);
const FIELD_LENGTH = 16;
// prettier-ignore
const OTHER: usize = memory.data<u8>([10, 120, 45, 114, 101, 115, 112, 111, 110, 115, 101, 45, 98, 121, 116, 101, 115, 58]);
const OTHER_LENGTH = 18;
const LENGTH_MAX = 1 << 27; // a longer body never ends here, and ten times as much is still a number

/** Takes the next byte of a message's head; true: it is the last one. Notes the values of Content-Length and X-Response-Bytes on the way. */
export function endsHead(c: usize, byte: u8): bool {
  const progress = load<i32>(c, HEAD);
  let seen = progress & 255; // bytes of "\r\n\r\n"
  seen = byte == (seen & 1 ? 10 : 13) ? seen + 1 : byte == 13 ? 1 : 0;
  const length = matched(c, byte, (progress >> 8) & 255, FIELD, FIELD_LENGTH, LENGTH);
  const other = matched(c, byte, progress >> 16, OTHER, OTHER_LENGTH, WANTED);
  const over = seen == 4;
  store<i32>(c, over ? 0 : seen | (length << 8) | (other << 16), HEAD);
  return over;
}

/** How many characters of a field's name match with one more byte; once all do, its digits go to a word of the connection. */
function matched(c: usize, byte: u8, before: i32, name: usize, length: i32, word: usize): i32 {
  if (before == length) {
    if (byte >= 48 && byte <= 57) {
      store<i32>(c + word, min<i32>(load<i32>(c + word) * 10 + <i32>(byte - 48), LENGTH_MAX));
    } else if (byte == 13) return 0;
    return before;
  }
  const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
  if (lower != load<u8>(name + <usize>before)) return byte == 10 ? 1 : 0;
  if (before + 1 == length) store<i32>(c + word, 0);
  return before + 1;
}

/** Takes the next bytes of a message; true: it ends with them, by its Content-Length. */
export function endsAnswer(c: usize, at: usize, length: i32): bool {
  for (let i = 0; i < length; i++) {
    if (load<i32>(c, MODE)) {
      const left = load<i32>(c, BODY) - (length - i);
      store<i32>(c, left, BODY);
      return left <= 0;
    }
    if (!endsHead(c, load<u8>(at + <usize>i))) continue;
    store<i32>(c, 1, MODE);
    store<i32>(c, load<i32>(c, LENGTH), BODY);
    if (!load<i32>(c, LENGTH)) return true;
  }
  return false;
}
