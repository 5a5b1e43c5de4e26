// What is taken back of a reduction of the window when it shows that nothing had been lost: original segments arrived late, by F-RTO
// (RFC 5682) or their timestamps (RFC 3522), or every repetition came twice, by D-SACK (tcp_try_undo_*).
import { FRAME_NEXT } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { after, before } from "../track/tcp-window.ts";
import * as tcp from "../wire/tcp.ts";
import { clearFlag, has, setFlag } from "./tcp-record.ts";
import * as scoreboard from "./tcp-scoreboard.ts";

/** A reduction begins, from a window and a threshold that may come back (tcp_init_undo, tcp_current_ssthresh). */
export function begin(c: usize): void {
  const cwnd = load<u32>(c, R.TCP_CWND);
  const again = load<i32>(c, R.TCP_AGAIN) + (has(c, R.TCPF_TAIL_AGAIN) ? 1 : 0);
  setFlag(c, R.TCPF_UNDO);
  store<u32>(c, max<u32>(load<u32>(c, R.TCP_SSTHRESH), (cwnd >> 1) + (cwnd >> 2)), R.TCP_PRIOR_SSTHRESH);
  store<u32>(c, load<u32>(c, R.TCP_SND_UNA), R.TCP_UNDO_FROM);
  // -1: nothing has been sent again that could come twice.
  store<i32>(c, again ? again : -1, R.TCP_UNDO_AGAIN);
}

/** A segment is sent again with a timestamp. */
export function noteRepetition(c: usize, stamp: u32): void {
  store<i32>(c, max<i32>(load<i32>(c, R.TCP_UNDO_AGAIN), 0) + 1, R.TCP_UNDO_AGAIN);
  if (has(c, R.TCPF_REPEATED)) return;
  setFlag(c, R.TCPF_REPEATED);
  store<u32>(c, stamp, R.TCP_REPEATED_AT);
}

/** The peer reports that a segment came twice, which ends at `end` (tcp_check_dsack). */
export function noteTwice(c: usize, end: u32, segments: i32): void {
  const again = load<i32>(c, R.TCP_UNDO_AGAIN);
  if (!has(c, R.TCPF_UNDO) || again <= 0 || !after(end, load<u32>(c, R.TCP_UNDO_FROM))) return;
  store<i32>(c, max<i32>(again - segments, 0), R.TCP_UNDO_AGAIN);
}

/** Whether what was acknowledged had been sent before anything was sent again (tcp_packet_delayed). */
export function isDelayed(c: usize): bool {
  if (!has(c, R.TCPF_REPEATED)) return true;
  if (!has(c, R.TCPF_TIMESTAMPS) || !tcp.optionTimestamps || !tcp.optionEcho) return false;
  return before(tcp.optionEcho, load<u32>(c, R.TCP_REPEATED_AT));
}

/** Whether each repetition came twice. */
function isAllTwice(c: usize): bool {
  return has(c, R.TCPF_UNDO) && load<i32>(c, R.TCP_UNDO_AGAIN) == 0;
}

/** Whether the reduction was in vain (tcp_may_undo). */
export function isInVain(c: usize): bool {
  return isAllTwice(c) || (has(c, R.TCPF_UNDO) && isDelayed(c));
}

/** The window and the threshold are what they were; `unmark`: nothing counts as lost (tcp_undo_cwnd_reduction). */
export function revert(c: usize, unmark: bool): void {
  if (unmark) {
    const unsent = load<usize>(c, R.TCP_UNSENT);
    for (let at = load<usize>(c, R.TCP_QUEUE); at != unsent; at = load<usize>(at, FRAME_NEXT)) {
      const marks = load<u32>(at, R.SEG_MARKS);
      if (marks & R.SEGM_LOST) scoreboard.mark(c, at, marks & ~R.SEGM_LOST);
    }
  }
  store<u32>(c, max<u32>(load<u32>(c, R.TCP_CWND), load<u32>(c, R.TCP_PRIOR_CWND)), R.TCP_CWND);
  store<u32>(c, max<u32>(load<u32>(c, R.TCP_SSTHRESH), load<u32>(c, R.TCP_PRIOR_SSTHRESH)), R.TCP_SSTHRESH);
  clearFlag(c, R.TCPF_UNDO);
}

/** Takes a reduction back if each repetition came twice (tcp_try_undo_dsack). Whether it did. */
export function revertTwice(c: usize): bool {
  if (!isAllTwice(c)) return false;
  store<u32>(c, min<u32>(load<u32>(c, R.TCP_REO_PERSIST) + 1, scoreboard.REO_PERSIST), R.TCP_REO_PERSIST);
  revert(c, false);
  return true;
}

/** Nothing that was sent again is under way any more: the next repetition is a first one (tcp_any_retrans_done). */
export function settle(c: usize): void {
  if (!load<u32>(c, R.TCP_AGAIN)) clearFlag(c, R.TCPF_REPEATED);
}
