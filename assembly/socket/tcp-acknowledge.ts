// What acknowledgements say: segments are freed, the congestion window grows, losses are found and repaired (RFC 5681, RFC 6582).
import { USED_STREAM } from "../layout/codes.ts";
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import { after, before } from "../track/tcp-window.ts";
import { WRITABLE, note } from "./tcp-outcome.ts";
import { pump, resendLarge, retransmit, segmentEnd } from "./tcp-output.ts";
import { has, setFlag } from "./tcp-record.ts";
import { measure } from "./tcp-rtt.ts";
import { setDeadline } from "./tcp-timer.ts";

const DUPACKS: u32 = 3;

export function beginRecovery(c: usize): void {
  setFlag(c, R.TCPF_RECOVERY);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_RECOVER);
}

/** Takes an acknowledgement: frees segments, opens the window, closes what waited for it. */
export function acknowledge(c: usize, ack: u32, window: u32, plain: bool): void {
  const una = load<u32>(c, R.TCP_SND_UNA);
  store<u32>(c, window, R.TCP_SND_WND);
  if (ack == una) {
    if (plain && load<usize>(c, R.TCP_QUEUE) && load<u32>(c, R.TCP_SND_NXT) != una) duplicate(c);
    pump(c);
    return;
  }
  store<u32>(c, ack, R.TCP_SND_UNA);
  store<u32>(c, 0, R.TCP_DUPACKS);
  store<u32>(c, 0, R.TCP_RETRIES);
  let segment = load<usize>(c, R.TCP_QUEUE);
  while (segment && segment != load<usize>(c, R.TCP_UNSENT) && !after(segmentEnd(segment), ack)) {
    if (!load<u32>(segment, R.SEG_RETRIES)) measure(c, now - load<u64>(segment, R.SEG_SENT));
    const next = load<usize>(segment, FRAME_NEXT);
    frames.release(segment, USED_STREAM);
    segment = next;
    const cwnd = load<u32>(c, R.TCP_CWND);
    if (cwnd < load<u32>(c, R.TCP_SSTHRESH)) store<u32>(c, cwnd + 1, R.TCP_CWND);
  }
  store<usize>(c, segment, R.TCP_QUEUE);
  if (has(c, R.TCPF_RECOVERY) && !before(ack, load<u32>(c, R.TCP_RECOVER))) {
    store<u32>(c, load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_RECOVERY, R.TCP_FLAGS);
  }
  if (!segment) {
    store<usize>(c, 0, R.TCP_QUEUE_TAIL);
    note(WRITABLE);
  } else if (segment != load<usize>(c, R.TCP_UNSENT) && has(c, R.TCPF_RECOVERY)) {
    // A partial acknowledgement during recovery: the next hole (RFC 6582).
    retransmit(c, segment);
  }
  if (has(c, R.TCPF_SHRUNK)) resendLarge(c);
  if (ack == load<u32>(c, R.TCP_SND_NXT)) {
    setDeadline(c, 0);
  } else {
    setDeadline(c, now + load<u64>(c, R.TCP_RTO));
  }
  pump(c);
}

/** The third duplicate acknowledgement in a row says that a segment was lost (fast retransmit). */
function duplicate(c: usize): void {
  const count = load<u32>(c, R.TCP_DUPACKS) + 1;
  store<u32>(c, count, R.TCP_DUPACKS);
  if (count != DUPACKS || has(c, R.TCPF_RECOVERY)) return;
  beginRecovery(c);
  const half = max<u32>(load<u32>(c, R.TCP_CWND) >> 1, 2);
  store<u32>(c, half, R.TCP_SSTHRESH);
  store<u32>(c, half, R.TCP_CWND);
  retransmit(c, load<usize>(c, R.TCP_QUEUE));
}
