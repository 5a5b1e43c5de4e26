// What a connection's timer does: sends again, acknowledges late, ends TIME-WAIT, gives up (tcp_timer.c).
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import { beginRecovery } from "./tcp-acknowledge.ts";
import { EXPIRED, begin, setHappened } from "./tcp-outcome.ts";
import { retransmit, sendAck } from "./tcp-output.ts";
import { destroy, has, state } from "./tcp-record.ts";
import { arm, setDeadline } from "./tcp-timer.ts";

const RTO_MAX: u64 = 120 * SECOND;
const SYN_RETRIES: u32 = 6;
const SYN_LINEAR_RETRIES: u32 = 4; // tcp_syn_linear_timeouts
const DATA_RETRIES: u32 = 15;

/** The timer event of a connection: retransmits the oldest segment, ends TIME-WAIT, or gives up. Sets `happened`. */
export function onTimer(c: usize, generation: u32): void {
  begin(c);
  if (load<u32>(c, R.TCP_GENERATION) != generation || load<u64>(c, R.TCP_ARMED) != now) return;
  store<u64>(c, 0, R.TCP_ARMED);
  const deadline = load<u64>(c, R.TCP_DEADLINE);
  if (!deadline) return;
  if (deadline > now) {
    arm(c, deadline);
    return;
  }
  if (state(c) == R.TCPS_TIME_WAIT) {
    destroy(c);
    return;
  }
  const segment = load<usize>(c, R.TCP_QUEUE);
  if (!segment) {
    if (has(c, R.TCPF_ACK_DUE)) sendAck(c);
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
  const mss = max<u32>(load<u32>(c, R.TCP_MSS), 1);
  const flight = (load<u32>(c, R.TCP_SND_NXT) - load<u32>(c, R.TCP_SND_UNA)) / mss;
  store<u32>(c, max<u32>(flight >> 1, 2), R.TCP_SSTHRESH);
  store<u32>(c, 1, R.TCP_CWND);
  // The first repetitions of a SYN keep their distance, all others double it.
  if (state(c) != R.TCPS_SYN_SENT || retries > SYN_LINEAR_RETRIES) {
    store<u64>(c, min<u64>(load<u64>(c, R.TCP_RTO) << 1, RTO_MAX), R.TCP_RTO);
  }
  // All that is out counts as lost; it follows as the acknowledgements come in.
  beginRecovery(c);
  retransmit(c, segment);
  setDeadline(c, now + load<u64>(c, R.TCP_RTO));
}
