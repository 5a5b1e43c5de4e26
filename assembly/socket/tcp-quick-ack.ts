// How soon a connection acknowledges: at once at its start and after trouble, late while it answers with data (icsk_ack, tcp_input.c).
import * as R from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { clearFlag, has, setFlag } from "./tcp-record.ts";

/** The least time that an acknowledgement waits, in microseconds (TCP_ATO_MIN). */
export const ATO_MIN: u32 = 40000;
const QUICK_MAX: u32 = 16; // TCP_MAX_QUICKACKS

/** Whether what comes is answered with data (inet_csk_in_pingpong_mode). */
export function isInteractive(c: usize): bool {
  return has(c, R.TCPF_INTERACTIVE);
}

/** Whether each segment is acknowledged at once (tcp_in_quickack_mode). */
export function isQuick(c: usize): bool {
  return load<u32>(c, R.TCP_QUICK) != 0 && !isInteractive(c);
}

/** The next acknowledgements do not wait: as many as full segments fill half the window (tcp_incr_quickack). */
function hurry(c: usize): void {
  const half = load<u32>(c, R.TCP_RCV_WND) / (2 * load<u32>(c, R.TCP_RCV_MSS));
  const count = min<u32>(half ? half : 2, QUICK_MAX);
  if (count > load<u32>(c, R.TCP_QUICK)) store<u32>(c, count, R.TCP_QUICK);
}

/** Something is wrong with what comes: the peer is to know at once, and for a while (tcp_enter_quickack_mode). */
export function enterQuick(c: usize): void {
  hurry(c);
  clearFlag(c, R.TCPF_INTERACTIVE);
  store<u32>(c, ATO_MIN, R.TCP_ATO);
}

/** Data came in its turn: the time between segments says how long an acknowledgement may wait (tcp_event_data_recv). */
export function dataCame(c: usize): void {
  setFlag(c, R.TCPF_ACK_DUE);
  const ato = load<u32>(c, R.TCP_ATO);
  if (!ato) {
    hurry(c);
    store<u32>(c, ATO_MIN, R.TCP_ATO);
  } else {
    const passed = (now - load<u64>(c, R.TCP_LAST_DATA)) / 1000;
    if (passed <= ATO_MIN / 2) store<u32>(c, (ato >> 1) + ATO_MIN / 2, R.TCP_ATO);
    else {
      const rto = load<u64>(c, R.TCP_RTO) / 1000;
      if (passed < ato) store<u32>(c, <u32>min<u64>((ato >> 1) + passed, rto), R.TCP_ATO);
      else if (passed > rto) hurry(c);
    }
  }
  store<u64>(c, now, R.TCP_LAST_DATA);
}

/** A segment acknowledges all that came (tcp_event_ack_sent, tcp_dec_quickack_mode). */
export function ackSent(c: usize): void {
  if (!has(c, R.TCPF_ACK_DUE)) return;
  clearFlag(c, R.TCPF_ACK_DUE | R.TCPF_ACK_NOW | R.TCPF_PUSHED | R.TCPF_PUSHED_AGAIN);
  store<u64>(c, 0, R.TCP_ACK_AT);
  store<u32>(c, 0, R.TCP_COMPRESSED);
  const quick = load<u32>(c, R.TCP_QUICK);
  if (!quick) return;
  store<u32>(c, quick - 1, R.TCP_QUICK);
  if (quick == 1) store<u32>(c, ATO_MIN, R.TCP_ATO);
}

/** Data is sent: soon after data came it is taken for an answer (tcp_event_data_sent). */
export function dataSent(c: usize): void {
  const ato = <u64>load<u32>(c, R.TCP_ATO);
  if (now - load<u64>(c, R.TCP_LAST_DATA) < ato * 1000) setFlag(c, R.TCPF_INTERACTIVE);
}
