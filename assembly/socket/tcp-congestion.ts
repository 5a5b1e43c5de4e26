// The congestion window: how it grows and what a loss leaves of it, by CUBIC or NewReno (tcp_cong.c), and PRR (RFC 6937).
import * as R from "../layout/records.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import { before } from "../track/tcp-window.ts";
import * as cubic from "./tcp-cubic.ts";
import { FIRST_CWND, has } from "./tcp-record.ts";

function sysctl(c: usize, which: i32): u32 {
  return load<u32>(load<usize>(c, R.TCP_NAMESPACE) + R.NS_SYSCTLS + ((<usize>which) << 2));
}

function isCubic(c: usize): bool {
  return sysctl(c, R.SYSCTL_TCP_CONGESTION) == R.CONGESTION_CUBIC;
}

/** The handshake is over: what happened to the SYN counts no more, unless it was lost twice (tcp_init_transfer). */
export function start(c: usize, retries: u32): void {
  if (isCubic(c)) cubic.reset(c);
  store<u32>(c, 0x7fffffff, R.TCP_SSTHRESH);
  store<u32>(c, retries > 1 ? 1 : FIRST_CWND, R.TCP_CWND);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_USED_SEQ);
}

/** The window shrinks: the new threshold, and what PRR has to know. */
export function beginReduction(c: usize): void {
  const cwnd = load<u32>(c, R.TCP_CWND);
  store<u32>(c, cwnd, R.TCP_PRIOR_CWND);
  store<u32>(c, 0, R.TCP_PRR_DELIVERED);
  store<u32>(c, 0, R.TCP_PRR_OUT);
  store<u32>(c, 0, R.TCP_CWND_COUNT);
  store<u32>(c, isCubic(c) ? cubic.threshold(c) : max<u32>(cwnd >> 1, 2), R.TCP_SSTHRESH);
}

/** A time-out: one segment, and slow start (tcp_enter_loss). */
export function collapse(c: usize): void {
  if (isCubic(c)) cubic.reset(c);
  store<u32>(c, 0, R.TCP_CWND_COUNT);
  store<u32>(c, 1, R.TCP_CWND);
}

/** In recovery: as much is sent as arrives, until the threshold is reached (tcp_cwnd_reduction). */
export function reduce(c: usize, inFlight: u32, delivered: u32, advanced: bool, newlyLost: bool): void {
  const prior = load<u32>(c, R.TCP_PRIOR_CWND);
  if (!delivered || !prior) return;
  const total = load<u32>(c, R.TCP_PRR_DELIVERED) + delivered;
  store<u32>(c, total, R.TCP_PRR_DELIVERED);
  const out = load<i32>(c, R.TCP_PRR_OUT);
  const threshold = load<u32>(c, R.TCP_SSTHRESH);
  let count: i32;
  if (inFlight > threshold) {
    count = <i32>((threshold * total + prior - 1) / prior) - out;
  } else {
    count = max<i32>(<i32>total - out, <i32>delivered);
    if (advanced && !newlyLost) count++;
    count = min<i32>(<i32>(threshold - inFlight), count);
  }
  count = max<i32>(count, out ? 0 : 1);
  store<u32>(c, inFlight + <u32>count, R.TCP_CWND);
}

/** Whether the window was used, so that it may grow (tcp_is_cwnd_limited). */
function isUsed(c: usize): bool {
  if (has(c, R.TCPF_CWND_LIMITED)) return true;
  const cwnd = load<u32>(c, R.TCP_CWND);
  return cwnd < load<u32>(c, R.TCP_SSTHRESH) && cwnd < 2 * load<u32>(c, R.TCP_USED);
}

/** Data was sent: notes whether the window held more back (tcp_cwnd_validate). */
export function noteUse(c: usize, inFlight: u32, isLimited: bool): void {
  const isOver = !before(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.TCP_USED_SEQ));
  if (!isOver && !isLimited && (has(c, R.TCPF_CWND_LIMITED) || inFlight <= load<u32>(c, R.TCP_USED))) return;
  const flags = load<u32>(c, R.TCP_FLAGS) & ~R.TCPF_CWND_LIMITED;
  store<u32>(c, isLimited ? flags | R.TCPF_CWND_LIMITED : flags, R.TCP_FLAGS);
  store<u32>(c, inFlight, R.TCP_USED);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.TCP_USED_SEQ);
}

/** `acked` segments have arrived: the window grows (tcp_reno_cong_avoid, cubictcp_cong_avoid). */
export function grow(c: usize, acked: u32): void {
  if (!isUsed(c)) return;
  let left = acked;
  const cwnd = load<u32>(c, R.TCP_CWND);
  const threshold = load<u32>(c, R.TCP_SSTHRESH);
  if (cwnd < threshold) {
    const next = min<u32>(cwnd + left, threshold);
    store<u32>(c, next, R.TCP_CWND);
    left -= next - cwnd;
    if (!left) return;
  }
  const step = isCubic(c) ? cubic.pace(c, left) : load<u32>(c, R.TCP_CWND);
  let count = load<u32>(c, R.TCP_CWND_COUNT);
  let grown: u32 = 0;
  // Credit from a time when the window grew more slowly counts once.
  if (count >= step) {
    count = 0;
    grown = 1;
  }
  count += left;
  grown += count / step;
  store<u32>(c, count % step, R.TCP_CWND_COUNT);
  store<u32>(c, load<u32>(c, R.TCP_CWND) + grown, R.TCP_CWND);
}

/** A round trip of `sample` nanoseconds. */
export function measured(c: usize, sample: u64): void {
  if (isCubic(c)) cubic.measured(c, sample);
}

/** Data is to be sent after nothing was under way: the window has aged (tcp_cwnd_restart, RFC 2861). */
export function restart(c: usize): void {
  const last = load<u64>(c, R.TCP_LAST_SENT);
  if (!last) return;
  const rto = load<u64>(c, R.TCP_RTO);
  let idle = now - last;
  if (isCubic(c)) cubic.idle(c, <u32>(idle / MILLISECOND));
  if (idle <= rto || !sysctl(c, R.SYSCTL_TCP_IDLE_RESTART)) return;
  let cwnd = load<u32>(c, R.TCP_CWND);
  // The threshold remembers three quarters of the window (tcp_current_ssthresh).
  store<u32>(c, max<u32>(load<u32>(c, R.TCP_SSTHRESH), (cwnd >> 1) + (cwnd >> 2)), R.TCP_SSTHRESH);
  const least = min<u32>(FIRST_CWND, cwnd);
  while (idle > rto && cwnd > least) {
    idle -= rto;
    cwnd >>= 1;
  }
  store<u32>(c, max<u32>(cwnd, least), R.TCP_CWND);
  store<u32>(c, 0, R.TCP_USED);
}
