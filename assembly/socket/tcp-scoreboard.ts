// What the sender knows of the segments under way: arrived early (SACK), lost (RACK, RFC 8985), sent again (tcp_input.c, tcp_recovery.c).
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { after, before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import { has, setFlag } from "./tcp-record.ts";
import { segmentEnd } from "./tcp-segment.ts";

/** Duplicate acknowledgements, or segments that arrived early, that stand for a loss. */
export const DUPACKS: u32 = 3;

/** What the last `count` found: segments sent and not acknowledged, and how many of them arrived early or were lost. */
export let out: u32 = 0;
export let sacked: u32 = 0;
export let lost: u32 = 0;

/** Reads the counts of a connection; returns the segments in flight (tcp_packets_in_flight). */
export function count(c: usize): u32 {
  out = load<u32>(c, R.TCP_OUT);
  sacked = load<u32>(c, R.TCP_SACKED);
  lost = load<u32>(c, R.TCP_LOST);
  // Without SACK each duplicate acknowledgement stands for one.
  if (!has(c, R.TCPF_SACK)) sacked = min<u32>(load<u32>(c, R.TCP_DUPACKS), out - lost);
  return out - sacked - lost + load<u32>(c, R.TCP_AGAIN);
}

function add(c: usize, field: usize, by: u32): void {
  store<u32>(c + field, load<u32>(c + field) + by);
}

/** Adds a segment with these marks to the counts, or with a `by` of -1 takes it out. */
function tally(c: usize, marks: u32, by: i32): void {
  if (marks & R.SEGM_SACKED) add(c, R.TCP_SACKED, by);
  else {
    if (marks & R.SEGM_LOST) add(c, R.TCP_LOST, by);
    if (marks & R.SEGM_RETRANSMITTED) add(c, R.TCP_AGAIN, by);
  }
}

/** A segment is under way from now on. */
export function enter(c: usize, segment: usize): void {
  add(c, R.TCP_OUT, 1);
  tally(c, load<u32>(segment, R.SEG_MARKS), 1);
}

/** A segment is acknowledged. */
export function leave(c: usize, segment: usize): void {
  add(c, R.TCP_OUT, -1);
  tally(c, load<u32>(segment, R.SEG_MARKS), -1);
}

/** What is known of a segment under way changes. */
export function mark(c: usize, segment: usize, marks: u32): void {
  tally(c, load<u32>(segment, R.SEG_MARKS), -1);
  store<u32>(segment, marks, R.SEG_MARKS);
  tally(c, marks, 1);
}

/** A segment arrived: what was sent before it should have, too (tcp_rack_advance). */
export function arrived(c: usize, segment: usize): void {
  const sent = load<u64>(segment, R.SEG_SENT);
  const took = now - sent;
  // The answer may be to the first of two transmissions.
  if (load<u32>(segment, R.SEG_RETRIES) && took + 1 < load<u64>(c, R.TCP_MIN_RTT)) return;
  store<u64>(c, took, R.TCP_RACK_RTT);
  const last = load<u64>(c, R.TCP_RACK_TIME);
  const end = segmentEnd(segment);
  if (sent < last || (sent == last && !after(end, load<u32>(c, R.TCP_RACK_SEQ)))) return;
  store<u64>(c, sent, R.TCP_RACK_TIME);
  store<u32>(c, end, R.TCP_RACK_SEQ);
}

/** Recoveries after which the way is taken to keep its order again (TCP_RACK_RECOVERY_THRESH). */
export const REO_PERSIST: u32 = 16;
const REO_STEPS_MOST: u32 = 255;
const REORDERING_MOST: u32 = 300; // tcp_max_reordering

/** Whether the last acknowledgement said of a segment that was sent once, before the recovery or time-out, that it arrived. */
export let isOriginal: bool = false;
/** Whether it reported something that came twice: where that ends, and how many segments it is. */
export let isTwice: bool = false;
export let twiceEnd: u32 = 0;
export let twiceSegments: i32 = 0;
/** The lowest sequence number of a segment that was sent once and has now arrived. */
let lowest: u32 = 0;
let hasLowest = false;

/** Before an acknowledgement is read. */
export function beginAcknowledgement(): void {
  isOriginal = false;
  isTwice = false;
  hasLowest = false;
}

/** A segment that had not been reported arrived; if it was sent once it tells more. */
export function noteOriginal(c: usize, segment: usize): void {
  if (load<u32>(segment, R.SEG_RETRIES)) return;
  const seq = load<u32>(segment, R.SEG_SEQ);
  if (!hasLowest || before(seq, lowest)) lowest = seq;
  hasLowest = true;
  if (!after(segmentEnd(segment), load<u32>(c, R.TCP_RECOVER))) isOriginal = true;
}

/** The end of the segment furthest ahead that has arrived (tcp_highest_sack_seq). */
export function furthest(c: usize): u32 {
  return load<u32>(c + (load<u32>(c, R.TCP_SACKED) ? R.TCP_HIGHEST_SACK : R.TCP_SND_UNA));
}

/** Whether a segment arrived after `highest`, which was sent after it: the way does not keep the order (tcp_check_sack_reordering). */
export function noteOrder(c: usize, highest: u32): void {
  if (!hasLowest || !before(lowest, highest)) return;
  const mss = load<u32>(c, R.TCP_MSS);
  const by = min<u32>((highest - lowest + mss - 1) / mss, REORDERING_MOST);
  if (by > load<u32>(c, R.TCP_REORDERING)) store<u32>(c, by, R.TCP_REORDERING);
  setFlag(c, R.TCPF_REORDERS);
}

/** `delivered` segments have arrived: RACK waits longer once something was sent again in vain (tcp_rack_update_reo_wnd). */
export function adapt(c: usize, delivered: u32): void {
  const prior = load<u32>(c, R.TCP_DELIVERED);
  store<u32>(c, prior + delivered, R.TCP_DELIVERED);
  const isProbe = has(c, R.TCPF_TAIL_AGAIN) && twiceEnd == load<u32>(c, R.TCP_TAIL_END);
  if (isTwice && !isProbe && !before(prior, load<u32>(c, R.TCP_REO_DELIVERED))) {
    store<u32>(c, min<u32>(load<u32>(c, R.TCP_REO_STEPS) + 1, REO_STEPS_MOST), R.TCP_REO_STEPS);
    store<u32>(c, prior + delivered, R.TCP_REO_DELIVERED);
    store<u32>(c, REO_PERSIST, R.TCP_REO_PERSIST);
  } else if (!load<u32>(c, R.TCP_REO_PERSIST)) store<u32>(c, 1, R.TCP_REO_STEPS);
}

/** Whether the first block reports what came twice: it lies before `ack`, or in the second one (tcp_check_dsack). */
function findTwice(c: usize, ack: u32): void {
  const from = tcp.blockStart(0);
  const to = tcp.blockEnd(0);
  const isInside = tcp.optionBlockCount > 1 && !after(to, tcp.blockEnd(1)) && !before(from, tcp.blockStart(1));
  if (!before(from, ack) && !isInside) return;
  isTwice = true;
  twiceEnd = to;
  const mss = load<u32>(c, R.TCP_MSS);
  twiceSegments = <i32>max<u32>((to - from + mss - 1) / mss, 1);
}

/** Takes the SACK option that was read last; returns how many segments it reports for the first time (tcp_sacktag_write_queue). */
export function tag(c: usize, ack: u32): u32 {
  let found: u32 = 0;
  findTwice(c, ack);
  let highest = furthest(c);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  const most = load<u32>(c, R.TCP_SND_NXT);
  for (let i = 0; i < tcp.optionBlockCount; i++) {
    const from = tcp.blockStart(i);
    const to = tcp.blockEnd(i);
    // D-SACK reports what is acknowledged already.
    if (!after(to, ack) || !before(from, to) || after(to, most)) continue;
    for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
      const seq = load<u32>(at, R.SEG_SEQ);
      if (!before(seq, to)) break;
      const marks = load<u32>(at, R.SEG_MARKS);
      if (before(seq, from) || after(segmentEnd(at), to) || marks & R.SEGM_SACKED) continue;
      if (after(segmentEnd(at), highest)) highest = segmentEnd(at);
      mark(c, at, R.SEGM_SACKED);
      arrived(c, at);
      noteOriginal(c, at);
      found++;
    }
  }
  store<u32>(c, highest, R.TCP_HIGHEST_SACK);
  return found;
}

/** When the timer has to look for losses again, in nanoseconds from now; 0: it need not. */
export let wait: u64 = 0;

/** Before an acknowledgement is looked at: nothing to wait for. */
export function begin(): void {
  wait = 0;
}

/** How much later than others a segment may come (tcp_rack_reo_wnd). */
function patience(c: usize): u64 {
  if (!has(c, R.TCPF_REORDERS)) {
    if (has(c, R.TCPF_RECOVERY | R.TCPF_LOSS)) return 0;
    count(c);
    if (sacked >= load<u32>(c, R.TCP_REORDERING)) return 0;
  }
  const quarter = load<u64>(c, R.TCP_MIN_RTT) >> 2;
  return min<u64>(quarter * <u64>load<u32>(c, R.TCP_REO_STEPS), load<u64>(c, R.TCP_SRTT));
}

/** Marks what was sent before the segment that arrived last, and is late (tcp_rack_detect_loss). Whether something is newly lost. */
export function findLost(c: usize): bool {
  wait = 0;
  const last = load<u64>(c, R.TCP_RACK_TIME);
  const lastEnd = load<u32>(c, R.TCP_RACK_SEQ);
  const rtt = load<u64>(c, R.TCP_RACK_RTT) + patience(c);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  let found = false;
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
    const marks = load<u32>(at, R.SEG_MARKS);
    if (marks & R.SEGM_SACKED || (marks & R.SEGM_LOST && !(marks & R.SEGM_RETRANSMITTED))) continue;
    const sent = load<u64>(at, R.SEG_SENT);
    // What follows a segment that was sent once was sent no earlier.
    if (sent > last && !load<u32>(at, R.SEG_RETRIES)) break;
    // Of two transmissions at one moment the repetition was the later one.
    const isRepeated = (marks & R.SEGM_RETRANSMITTED) != 0;
    if (sent > last || (sent == last && (isRepeated || !after(lastEnd, segmentEnd(at))))) continue;
    if (sent + rtt <= now) {
      mark(c, at, R.SEGM_LOST);
      found = true;
    } else wait = max<u64>(wait, sent + rtt - now);
  }
  return found;
}

/** Without SACK only the oldest segment is known to be missing. Whether that is new. */
export function loseFirst(c: usize): bool {
  const first = load<usize>(c, R.TCP_QUEUE);
  if (load<u32>(first, R.SEG_MARKS)) return false;
  mark(c, first, R.SEGM_LOST);
  return true;
}

/** After a time-out nothing is in flight any more (tcp_enter_loss). */
export function loseAll(c: usize): void {
  store<u32>(c, 0, R.TCP_DUPACKS);
  const unsent = load<usize>(c, R.TCP_UNSENT);
  for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
    if (!(load<u32>(at, R.SEG_MARKS) & R.SEGM_SACKED)) mark(c, at, R.SEGM_LOST);
  }
}
