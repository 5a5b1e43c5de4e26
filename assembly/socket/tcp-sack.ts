// What a receiver reports of segments that came before their turn or twice: the SACK option (RFC 2018), D-SACK (RFC 2883).
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { after, before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import { segmentEnd } from "./tcp-segment.ts";

const HEAD = 4;
const BLOCK = 8;
const BLOCKS_MAX = 4;

// The runs of bytes that came early: where each begins and ends, and the stamp of its newest segment, newest first.
const runs: usize = memory.data(BLOCKS_MAX * 12);
let runCount = 0;

/** Notes what came twice, for the next acknowledgement (tcp_dsack_set). */
export function noteTwice(c: usize, from: u32, to: u32): void {
  store<u32>(c, from, R.TCP_DUP_FROM);
  store<u32>(c, to, R.TCP_DUP_TO);
}

function keepRun(from: u32, to: u32, stamp: u32): void {
  let i = runCount < BLOCKS_MAX ? runCount++ : BLOCKS_MAX;
  while (i > 0 && load<u32>(runs + <usize>(i - 1) * 12, 8) < stamp) {
    if (i < BLOCKS_MAX) memory.copy(runs + <usize>i * 12, runs + <usize>(i - 1) * 12, 12);
    i--;
  }
  if (i == BLOCKS_MAX) return;
  const at = runs + <usize>i * 12;
  store<u32>(at, from);
  store<u32>(at, to, 4);
  store<u32>(at, stamp, 8);
}

function findRuns(c: usize): void {
  runCount = 0;
  let segment = load<usize>(c, R.TCP_OUT_OF_ORDER);
  const expected = load<u32>(c, R.TCP_RCV_NXT);
  while (segment) {
    const from = load<u32>(segment, R.SEG_SEQ);
    let to = segmentEnd(segment);
    let stamp = load<u32>(segment, R.SEG_STAMP);
    segment = load<usize>(segment, FRAME_NEXT);
    while (segment && !after(load<u32>(segment, R.SEG_SEQ), to)) {
      const end = segmentEnd(segment);
      if (after(end, to)) to = end;
      stamp = max<u32>(stamp, load<u32>(segment, R.SEG_STAMP));
      segment = load<usize>(segment, FRAME_NEXT);
    }
    if (before(expected, from)) keepRun(from, to, stamp);
  }
}

/** Whether a segment begins a run of its own while there are as many as can be told of: an older one would not be told any more. */
export function isCrowded(c: usize, from: u32, to: u32): bool {
  let count = 0;
  let end: u32 = 0;
  for (let at = load<usize>(c, R.TCP_OUT_OF_ORDER); at; at = load<usize>(at, FRAME_NEXT)) {
    const seq = load<u32>(at, R.SEG_SEQ);
    const last = segmentEnd(at);
    if (!after(seq, to) && !before(last, from)) return false;
    if (!count || after(seq, end)) count++;
    end = last;
  }
  return count >= BLOCKS_MAX;
}

/** Writes a SACK option of at most `room` bytes if there is something to report; returns its length. */
export function write(c: usize, at: usize, room: i32): i32 {
  const from = load<u32>(c, R.TCP_DUP_FROM);
  const to = load<u32>(c, R.TCP_DUP_TO);
  if (from == to && !load<usize>(c, R.TCP_OUT_OF_ORDER)) return 0;
  const most = min<i32>((room - HEAD) / BLOCK, BLOCKS_MAX);
  if (most <= 0) return 0;
  findRuns(c);
  const twice = from == to ? 0 : 1;
  const count = min<i32>(runCount + twice, most);
  if (!count) return 0;
  let p = tcp.writeSackHead(at, count);
  if (twice) p = tcp.writeBlock(p, from, to);
  for (let i = 0; i < count - twice; i++) {
    const run = runs + <usize>i * 12;
    p = tcp.writeBlock(p, load<u32>(run), load<u32>(run, 4));
  }
  store<u32>(c, to, R.TCP_DUP_FROM);
  return <i32>(p - at);
}
