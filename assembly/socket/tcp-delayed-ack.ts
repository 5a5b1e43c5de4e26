// When what came is acknowledged: at once, every second full segment, when the program has read it, or late (tcp_ack_snd_check).
import * as R from "../layout/records.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import { hasGap } from "./tcp-early.ts";
import { sendAck } from "./tcp-output.ts";
import { ATO_MIN, isInteractive, isQuick } from "./tcp-quick-ack.ts";
import { offerable, windowLeft } from "./tcp-receive-window.ts";
import { DUPACKS } from "./tcp-scoreboard.ts";
import { isCrowded } from "./tcp-sack.ts";
import { clearFlag, has, state } from "./tcp-record.ts";
import { setAckTimer } from "./tcp-timer.ts";

const LEAST: u64 = 40 * MILLISECOND; // TCP_DELACK_MIN
const MOST_PUSHED: u64 = 200 * MILLISECOND; // TCP_DELACK_MAX
const MOST_SPARSE: u64 = 500 * MILLISECOND;
const MOST: u64 = 196 * MILLISECOND; // the least time-out of a sender, but for a tick of 4 ms (tcp_delack_max)
/** A timer fires with a tick of the clock: at 250 a second 2 ms late on average. */
const HALF_TICK: u64 = 2 * MILLISECOND;

const COMPRESSED_MOST: u32 = 44; // tcp_comp_sack_nr
const COMPRESSED_LONGEST: u64 = MILLISECOND; // tcp_comp_sack_delay_ns

function waiting(c: usize): u32 {
  return load<u32>(c, R.TCP_RCV_NXT) - load<u32>(c, R.TCP_RCV_WUP);
}

/** Acknowledges what came, now or later (__tcp_ack_snd_check). */
export function acknowledgeData(c: usize): void {
  if (!has(c, R.TCPF_ACK_DUE)) return;
  const isSecond = waiting(c) > load<u32>(c, R.TCP_RCV_MSS) && offerable(c) >= load<u32>(c, R.TCP_RCV_WND);
  if (isSecond || isQuick(c) || has(c, R.TCPF_ACK_NOW)) sendAck(c);
  else if (hasGap(c)) compress(c);
  else wait(c);
}

/**
 * A gap is reported three times at once, which begins the peer's recovery. Then one acknowledgement reports what comes early in a
 * twentieth of a round trip, a millisecond at most, or 44 segments.
 */
function compress(c: usize): void {
  const count = load<u32>(c, R.TCP_COMPRESSED);
  const next = load<u32>(c, R.TCP_RCV_NXT);
  if (load<u32>(c, R.TCP_COMPRESSED_AT) != next) {
    store<u32>(c, next, R.TCP_COMPRESSED_AT);
    store<u32>(c, 0, R.TCP_TOLD);
  }
  const told = load<u32>(c, R.TCP_TOLD);
  const isSacked = has(c, R.TCPF_SACK);
  if (!isSacked || count >= COMPRESSED_MOST || told < DUPACKS) {
    if (isSacked && told < DUPACKS) store<u32>(c, told + 1, R.TCP_TOLD);
    sendAck(c);
    return;
  }
  store<u32>(c, count + 1, R.TCP_COMPRESSED);
  if (count) return;
  let rtt = (<u64>load<u32>(c, R.TCP_RCV_RTT) * 1000) >> 3;
  const srtt = load<u64>(c, R.TCP_SRTT);
  if (srtt) rtt = min<u64>(rtt, srtt);
  setAckTimer(c, now + min<u64>(rtt / 20, COMPRESSED_LONGEST));
}

/** Before a segment is kept that came early: reports those that came before it, if it would take their place in the report (tcp_sack_new_ofo_skb). */
export function makeRoom(c: usize, from: u32, to: u32): void {
  if (load<u32>(c, R.TCP_COMPRESSED) && isCrowded(c, from, to)) sendAck(c);
}

/** Lets the acknowledgement wait for data to go with (tcp_send_delayed_ack). */
function wait(c: usize): void {
  let ato = <u64>load<u32>(c, R.TCP_ATO) * 1000;
  if (ato > LEAST) {
    const srtt = load<u64>(c, R.TCP_SRTT);
    const most = isInteractive(c) || has(c, R.TCPF_PUSHED) ? MOST_PUSHED : MOST_SPARSE;
    ato = min<u64>(ato, srtt ? min<u64>(most, max<u64>(srtt, LEAST)) : most);
  }
  ato = min<u64>(ato, MOST);
  const set = load<u64>(c, R.TCP_ACK_AT);
  if (set && set <= now + (ato >> 2)) {
    sendAck(c);
    return;
  }
  const at = now + ato + HALF_TICK;
  setAckTimer(c, set ? min<u64>(at, set) : at);
}

/** The program has read `length` bytes: that may be worth an acknowledgement (tcp_cleanup_rbuf). */
export function hasRead(c: usize, length: i32): void {
  if (has(c, R.TCPF_ACK_DUE)) {
    const isDrained = !load<u32>(c, R.TCP_RCV_HELD);
    const isPushed = has(c, R.TCPF_PUSHED_AGAIN) || (has(c, R.TCPF_PUSHED) && !isInteractive(c));
    if (waiting(c) > load<u32>(c, R.TCP_RCV_MSS) || (length > 0 && isPushed && isDrained)) {
      sendAck(c);
      return;
    }
  }
  const current = state(c);
  const isOpen = current == R.TCPS_ESTABLISHED || current == R.TCPS_FIN_WAIT1 || current == R.TCPS_FIN_WAIT2;
  const left = windowLeft(c);
  if (!isOpen || left << 1 > load<u32>(c, R.TCP_RCV_CLAMP)) return;
  const next = offerable(c);
  if (next && next >= left << 1) sendAck(c);
}

/** An acknowledgement has waited long enough: no data went that would have carried it (tcp_delack_timer_handler). */
export function onTimer(c: usize): void {
  if (!has(c, R.TCPF_ACK_DUE)) return;
  if (load<u32>(c, R.TCP_COMPRESSED)) {
    sendAck(c);
    return;
  }
  if (isInteractive(c)) {
    clearFlag(c, R.TCPF_INTERACTIVE);
    store<u32>(c, ATO_MIN, R.TCP_ATO);
  } else {
    const rto = load<u64>(c, R.TCP_RTO) / 1000;
    store<u32>(c, <u32>min<u64>(load<u32>(c, R.TCP_ATO) << 1, rto), R.TCP_ATO);
  }
  sendAck(c);
}
