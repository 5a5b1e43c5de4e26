// Segments that came before their turn, until what was missing is there.
import { USED_STREAM } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { copy } from "../memory/bytes.ts";
import * as frames from "../memory/frames.ts";
import { after, before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import { peerClosed } from "./tcp-close.ts";
import { DATA, connection, dataLength, setData, setHappened } from "./tcp-outcome.ts";
import { memoryOf } from "./tcp-receive-window.ts";
import { noteTwice } from "./tcp-sack.ts";
import { segmentEnd } from "./tcp-segment.ts";

/** Keeps a segment that came before its turn, in order of sequence. False: there is no room for so many (tcp_try_rmem_schedule). */
export function keepEarly(c: usize, seq: u32, from: usize, length: i32, fin: bool): bool {
  const stamp = load<u32>(c, R.TCP_SACK_STAMP) + 1;
  store<u32>(c, stamp, R.TCP_SACK_STAMP);
  let link = c + R.TCP_OUT_OF_ORDER;
  let other = load<usize>(link);
  while (other && before(load<u32>(other, R.SEG_SEQ), seq)) {
    link = other + FRAME_NEXT;
    other = load<usize>(link);
  }
  if (other && load<u32>(other, R.SEG_SEQ) == seq) {
    store<u32>(other, stamp, R.SEG_STAMP);
    noteTwice(c, seq, seq + <u32>length);
    return true;
  }
  const held = load<u32>(c, R.TCP_RCV_HELD) + memoryOf(length);
  if (held > load<u32>(c, R.TCP_RCV_BUF)) return false;
  store<u32>(c, held, R.TCP_RCV_HELD);
  // What was put together from fragments may be larger than any frame of a link.
  const segment = frames.newFrameFor(length);
  store<u32>(segment, seq, R.SEG_SEQ);
  store<i32>(segment, length, R.SEG_LENGTH);
  store<i32>(segment, fin ? tcp.FIN : 0, R.SEG_FLAGS);
  store<u32>(segment, stamp, R.SEG_STAMP);
  copy(load<usize>(segment, FRAME_DATA), from, length);
  store<usize>(segment, other, FRAME_NEXT);
  store<usize>(link, segment);
  return true;
}

let early: usize = 0;

export function dropEarly(): void {
  if (early) frames.release(early, USED_STREAM);
  early = 0;
}

/** Where the bytes that the application has taken end; those before TCP_RCV_NXT are acknowledged already. */
let delivered: u32 = 0;

/** The application has what lies before this. */
export function setDelivered(to: u32): void {
  delivered = to;
}

/** Whether bytes wait that are acknowledged, but that the application has not taken. */
export function hasUnread(c: usize): bool {
  for (let at = load<usize>(c, R.TCP_OUT_OF_ORDER); at; at = load<usize>(at, FRAME_NEXT)) {
    const seq = load<u32>(at, R.SEG_SEQ);
    if (!before(seq, load<u32>(c, R.TCP_RCV_NXT))) return false;
    if (after(seq + load<u32>(at, R.SEG_LENGTH), delivered)) return true;
  }
  return false;
}

/** Whether segments came early for which something before them is missing. */
export function hasGap(c: usize): bool {
  const next = load<u32>(c, R.TCP_RCV_NXT);
  for (let at = load<usize>(c, R.TCP_OUT_OF_ORDER); at; at = load<usize>(at, FRAME_NEXT)) {
    if (after(load<u32>(at, R.SEG_SEQ), next)) return true;
  }
  return false;
}

/** What an earlier gap had held back is acknowledged together with what filled the gap (tcp_ofo_queue). */
export function countEarly(c: usize): void {
  let segment = load<usize>(c, R.TCP_OUT_OF_ORDER);
  let next = load<u32>(c, R.TCP_RCV_NXT);
  while (segment && !after(load<u32>(segment, R.SEG_SEQ), next)) {
    const end = segmentEnd(segment);
    if (after(end, next)) next = end;
    segment = load<usize>(segment, FRAME_NEXT);
  }
  store<u32>(c, next, R.TCP_RCV_NXT);
}

/** After DATA: the next run of bytes that an earlier gap had held back; false if there is none. */
export function takeEarly(): bool {
  dropEarly();
  const c = connection;
  while (true) {
    const segment = load<usize>(c, R.TCP_OUT_OF_ORDER);
    if (!segment || after(load<u32>(segment, R.SEG_SEQ), delivered)) return false;
    store<usize>(c, load<usize>(segment, FRAME_NEXT), R.TCP_OUT_OF_ORDER);
    store<u32>(c, load<u32>(c, R.TCP_RCV_HELD) - memoryOf(load<u32>(segment, R.SEG_LENGTH)), R.TCP_RCV_HELD);
    const skip = delivered - load<u32>(segment, R.SEG_SEQ);
    const length = load<u32>(segment, R.SEG_LENGTH);
    const fin = load<i32>(segment, R.SEG_FLAGS) & tcp.FIN;
    if (skip >= length && !fin) {
      frames.release(segment, USED_STREAM);
      continue;
    }
    early = segment;
    setHappened(DATA);
    setData(load<usize>(segment, FRAME_DATA) + <usize>skip, <i32>(length > skip ? length - skip : 0));
    delivered += <u32>dataLength;
    if (fin) peerClosed(c);
    return true;
  }
}
