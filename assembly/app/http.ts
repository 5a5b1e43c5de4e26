// The head of an HTTP/1.1 message as it comes in, byte for byte: where it ends, and what its Content-Length says.
import { TCP_APP } from "../layout/records.ts";

// The words of the application in a connection's record.
export const MODE: usize = TCP_APP;
const HEAD: usize = MODE + 4; // how far the end of the head and a Content-Length are recognised
export const LENGTH: usize = HEAD + 4; // the value of Content-Length
export const BODY: usize = LENGTH + 4; // bytes of the body that have not come yet

// "\ncontent-length:"
const FIELD: usize = memory.data<u8>([10, 99, 111, 110, 116, 101, 110, 116, 45, 108, 101, 110, 103, 116, 104, 58]);
const FIELD_LENGTH = 16;
const LENGTH_MAX = 1 << 27; // a longer body never ends here, and ten times as much is still a number

/** Takes the next byte of a message's head; true: it is the last one. Notes the value of Content-Length on the way. */
export function endsHead(c: usize, byte: u8): bool {
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
