// When the timer for what is under way fires: the time-out of RFC 6298, or before it a probe of the tail (RFC 8985, section 7).
import * as R from "../layout/records.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import { clearFlag, has, setFlag, state } from "./tcp-record.ts";
import { RTO_MIN } from "./tcp-rtt.ts";
import * as scoreboard from "./tcp-scoreboard.ts";
import { setDeadline } from "./tcp-timer.ts";

/** Two jiffies: no timer of TCP fires earlier. */
export const TIMEOUT_MIN: u64 = 2 * MILLISECOND;

/** Nothing is under way any more. */
export function stop(c: usize): void {
  clearFlag(c, R.TCPF_TAIL | R.TCPF_REORDER);
  setDeadline(c, 0);
}

/** The retransmission timer begins anew (tcp_rearm_rto). */
export function restart(c: usize): void {
  clearFlag(c, R.TCPF_TAIL | R.TCPF_REORDER);
  setDeadline(c, now + load<u64>(c, R.TCP_RTO));
}

/** Something is under way: a probe of the tail is due, or else, if `fromNow`, the retransmission timer begins anew (tcp_schedule_loss_probe). */
export function arm(c: usize, fromNow: bool): void {
  const first = load<usize>(c, R.TCP_QUEUE);
  if (!first || first == load<usize>(c, R.TCP_UNSENT)) return;
  scoreboard.count(c);
  const isOpen = state(c) >= R.TCPS_ESTABLISHED && !has(c, R.TCPF_RECOVERY | R.TCPF_LOSS) && !scoreboard.sacked;
  if (!isOpen || !has(c, R.TCPF_SACK)) {
    if (fromNow) restart(c);
    return;
  }
  const srtt = load<u64>(c, R.TCP_SRTT);
  const wait = srtt ? 2 * srtt + (scoreboard.out == 1 ? RTO_MIN : TIMEOUT_MIN) : SECOND;
  const timeout = (fromNow ? now : load<u64>(first, R.SEG_SENT)) + load<u64>(c, R.TCP_RTO);
  clearFlag(c, R.TCPF_REORDER);
  setFlag(c, R.TCPF_TAIL);
  setDeadline(c, max<u64>(min<u64>(now + wait, timeout), now + 1));
}
