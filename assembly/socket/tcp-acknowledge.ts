// What acknowledgements say: segments are freed, windows move, round trips are measured (tcp_ack).
import { USED_STREAM } from "../layout/codes.ts";
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import { after } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import * as congestion from "./tcp-congestion.ts";
import { WRITABLE, note } from "./tcp-outcome.ts";
import { resendLarge, timestamp } from "./tcp-output.ts";
import { has } from "./tcp-record.ts";
import { endTailProbe, follow } from "./tcp-recovery.ts";
import { measure, probeDelay } from "./tcp-rtt.ts";
import * as timer from "./tcp-retransmit-timer.ts";
import * as scoreboard from "./tcp-scoreboard.ts";
import { segmentEnd } from "./tcp-segment.ts";
import { setDeadline } from "./tcp-timer.ts";

/** The peer's window, if the segment is newer than the one that last said it (tcp_may_update_window). Whether it changed. */
function updateWindow(c: usize, seq: u32, isNewer: bool, window: u32): bool {
  const known = load<u32>(c, R.TCP_SND_WND);
  const last = load<u32>(c, R.TCP_SND_WL1);
  if (!isNewer && !after(seq, last) && (seq != last || (window && window <= known))) return false;
  store<u32>(c, window, R.TCP_SND_WND);
  store<u32>(c, seq, R.TCP_SND_WL1);
  return window != known;
}

// When the oldest and the newest of the segments that are acknowledged were sent, if none of them had been sent again.
let isTimed = false;
let oldest: u64 = 0;
let newest: u64 = 0;

/**
 * A round trip, or if a segment had been sent again the time since the timestamp that came back. The oldest segment tells the time-out
 * how long an acknowledgement may be delayed, the newest how long the way is (tcp_ack_update_rtt).
 */
function noteRoundTrip(c: usize): void {
  let whole = now - oldest;
  let way = now - newest;
  if (!isTimed) {
    if (!has(c, R.TCPF_TIMESTAMPS) || !tcp.optionTimestamps || !tcp.optionEcho) return;
    whole = <u64>(timestamp(c) - tcp.optionEcho) * MILLISECOND;
    way = whole;
  }
  const least = load<u64>(c, R.TCP_MIN_RTT);
  if (!least || way < least) store<u64>(c, max<u64>(way, 1), R.TCP_MIN_RTT);
  measure(c, whole);
  congestion.measured(c, way);
}

/** The ACK of a cookie: only the timestamp that came back tells how long the round trip was, if there is one (tcp_synack_rtt_meas). */
export function noteCookieRoundTrip(c: usize): void {
  isTimed = false;
  noteRoundTrip(c);
}

/** Frees what is acknowledged; returns how many segments that were not known to have arrived. */
function free(c: usize, ack: u32): u32 {
  const unsent = load<usize>(c, R.TCP_UNSENT);
  let delivered: u32 = 0;
  let isRepeated = false;
  isTimed = false;
  let segment = load<usize>(c, R.TCP_QUEUE);
  while (segment != unsent && !after(segmentEnd(segment), ack)) {
    const isSacked = (load<u32>(segment, R.SEG_MARKS) & R.SEGM_SACKED) != 0;
    if (load<u32>(segment, R.SEG_RETRIES)) isRepeated = true;
    else if (!isSacked) {
      newest = load<u64>(segment, R.SEG_SENT);
      if (!isTimed) oldest = newest;
      isTimed = true;
    }
    if (!isSacked) {
      delivered++;
      scoreboard.noteOriginal(c, segment);
      scoreboard.arrived(c, segment);
    }
    const next = load<usize>(segment, FRAME_NEXT);
    scoreboard.leave(c, segment);
    frames.release(segment, USED_STREAM);
    segment = next;
  }
  store<usize>(c, segment, R.TCP_QUEUE);
  if (!segment) {
    store<usize>(c, 0, R.TCP_QUEUE_TAIL);
    note(WRITABLE);
  }
  if (isRepeated) isTimed = false;
  if (delivered) noteRoundTrip(c);
  return delivered;
}

/**
 * Takes the acknowledgement of a segment whose options have been read: frees segments, opens the window, repairs losses. What may go
 * now follows when the data of the segment is known (`pump`). `plain`: the segment has neither data nor FIN.
 */
export function acknowledge(c: usize, at: usize, window: u32, plain: bool): void {
  const ack = tcp.acknowledgement(at);
  const una = load<u32>(c, R.TCP_SND_UNA);
  const most = load<u32>(c, R.TCP_SND_NXT);
  const advanced = ack != una;
  const isChanged = updateWindow(c, tcp.sequence(at), advanced, window);
  if (has(c, R.TCPF_PROBING)) {
    store<u32>(c, 0, R.TCP_RETRIES);
    setDeadline(c, now + probeDelay(c));
  }
  let delivered: u32 = 0;
  scoreboard.beginAcknowledgement();
  const isSacked = has(c, R.TCPF_SACK);
  const furthest = scoreboard.furthest(c);
  if (isSacked && tcp.optionBlockCount) delivered = scoreboard.tag(c, ack);
  const early = delivered;
  if (advanced) {
    store<u32>(c, ack, R.TCP_SND_UNA);
    store<u32>(c, 0, R.TCP_DUPACKS);
    store<u32>(c, 0, R.TCP_RETRIES);
    delivered += free(c, ack);
    if (ack == most) timer.stop(c);
    else timer.arm(c, true);
  } else if (!isSacked && plain && !isChanged && una != most) {
    store<u32>(c, load<u32>(c, R.TCP_DUPACKS) + 1, R.TCP_DUPACKS);
    delivered = 1;
  }
  const isWord = delivered != 0 || scoreboard.isTwice;
  if (isWord) {
    scoreboard.noteOrder(c, furthest);
    scoreboard.adapt(c, delivered);
  }
  if (has(c, R.TCPF_TAIL_OUT)) endTailProbe(c, ack, plain && !advanced && !isChanged && !delivered);
  if (isWord) follow(c, delivered, advanced, early);
  if (advanced && has(c, R.TCPF_SHRUNK)) resendLarge(c);
}
