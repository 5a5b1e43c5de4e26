// What a connection's timer does: sends again, acknowledges late, ends TIME-WAIT, gives up (tcp_timer.c).
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import * as delayedAck from "./tcp-delayed-ack.ts";
import { EXPIRED, begin, setHappened } from "./tcp-outcome.ts";
import { probe } from "./tcp-output.ts";
import * as keepalive from "./tcp-keepalive.ts";
import { destroy, has, state } from "./tcp-record.ts";
import * as recovery from "./tcp-recovery.ts";
import { RTO_MAX, probeDelay } from "./tcp-rtt.ts";
import { rearm, setAckTimer, setDeadline } from "./tcp-timer.ts";

const SYN_RETRIES: u32 = 6;
const SYN_LINEAR_RETRIES: u32 = 4; // tcp_syn_linear_timeouts
const DATA_RETRIES: u32 = 15;

/** The timer event of a connection: retransmits the oldest segment, ends TIME-WAIT, or gives up. Sets `happened`. */
export function onTimer(c: usize, generation: u32): void {
  begin(c);
  if (load<u32>(c, R.TCP_GENERATION) != generation) return;
  if (load<u64>(c, R.TCP_ACK_ARMED) == now) {
    store<u64>(c, 0, R.TCP_ACK_ARMED);
    const at = load<u64>(c, R.TCP_ACK_AT);
    if (at > now) setAckTimer(c, at);
    else if (at) delayedAck.onTimer(c);
  }
  if (load<u64>(c, R.TCP_ARMED) != now) return;
  store<u64>(c, 0, R.TCP_ARMED);
  const keepAt = load<u64>(c, R.TCP_KEEP_AT);
  if (keepAt && keepAt <= now) {
    store<u64>(c, 0, R.TCP_KEEP_AT);
    keepalive.onTimer(c);
    if (load<u32>(c, R.TCP_GENERATION) != generation) return;
  }
  const deadline = load<u64>(c, R.TCP_DEADLINE);
  if (deadline && deadline <= now) onDeadline(c);
  if (load<u32>(c, R.TCP_GENERATION) == generation) rearm(c, now);
}

/** What the timer was set for is due. */
function onDeadline(c: usize): void {
  if (state(c) == R.TCPS_TIME_WAIT) {
    destroy(c);
    return;
  }
  const segment = load<usize>(c, R.TCP_QUEUE);
  if (!segment) {
    if (state(c) == R.TCPS_FIN_WAIT2) destroy(c);
    return;
  }
  if (has(c, R.TCPF_REORDER)) {
    recovery.onReorderTimer(c);
    return;
  }
  if (has(c, R.TCPF_TAIL)) {
    recovery.probeTail(c);
    return;
  }
  if (segment == load<usize>(c, R.TCP_UNSENT)) {
    probeWindow(c);
    return;
  }
  const retries = load<u32>(c, R.TCP_RETRIES) + 1;
  let limit = DATA_RETRIES;
  if (state(c) == R.TCPS_SYN_SENT) limit = SYN_RETRIES;
  else if (state(c) == R.TCPS_SYN_RECV) {
    limit = load<u32>(load<usize>(c, R.TCP_NAMESPACE) + R.NS_SYSCTLS, R.SYSCTL_SYNACK_RETRIES << 2);
  }
  if (retries > limit) {
    setHappened(EXPIRED);
    destroy(c);
    return;
  }
  store<u32>(c, retries, R.TCP_RETRIES);
  // The first repetitions of a SYN keep their distance, all others double it.
  if (state(c) != R.TCPS_SYN_SENT || retries > SYN_LINEAR_RETRIES) {
    store<u64>(c, min<u64>(load<u64>(c, R.TCP_RTO) << 1, RTO_MAX), R.TCP_RTO);
  }
  recovery.timedOut(c, retries);
  setDeadline(c, now + load<u64>(c, R.TCP_RTO));
}

/** The window is closed and nothing is under way: asks after it, ever less often, and for ever if the peer answers (tcp_probe_timer). */
function probeWindow(c: usize): void {
  const unanswered = load<u32>(c, R.TCP_RETRIES) + 1;
  if (unanswered > DATA_RETRIES) {
    setHappened(EXPIRED);
    destroy(c);
    return;
  }
  store<u32>(c, unanswered, R.TCP_RETRIES);
  const backoff = load<u32>(c, R.TCP_PROBES);
  if (backoff < DATA_RETRIES) store<u32>(c, backoff + 1, R.TCP_PROBES);
  setDeadline(c, now + probeDelay(c));
  probe(c);
}
