// How a connection comes to its end: what a FIN of the peer changes, connections that no program holds any more, and TIME-WAIT.
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import { after } from "../track/tcp-window.ts";
import { PEER_CLOSED, note } from "./tcp-outcome.ts";
import { freezeWindow } from "./tcp-receive-window.ts";
import { has, isRemnant, setFlag, setState, state } from "./tcp-record.ts";
import { setDeadline } from "./tcp-timer.ts";

export const TIME_WAIT: u64 = 60 * SECOND;
const FIN_TIMEOUT: u64 = 60 * SECOND; // tcp_fin_timeout

export function enterTimeWait(c: usize): void {
  if (!isRemnant(c)) freezeWindow(c);
  setState(c, R.TCPS_TIME_WAIT);
  setDeadline(c, now + TIME_WAIT);
}

/** The peer's FIN came in its turn (tcp_fin). */
export function peerClosed(c: usize): void {
  note(PEER_CLOSED);
  const current = state(c);
  setFlag(c, R.TCPF_ACK_DUE);
  if (current == R.TCPS_ESTABLISHED || current == R.TCPS_SYN_RECV) {
    setState(c, R.TCPS_CLOSE_WAIT);
    // The program will close, too, and its FIN acknowledges this one.
    setFlag(c, R.TCPF_INTERACTIVE);
    return;
  }
  setFlag(c, R.TCPF_ACK_NOW);
  if (current == R.TCPS_FIN_WAIT1) setState(c, R.TCPS_CLOSING);
  else if (current == R.TCPS_FIN_WAIT2) enterTimeWait(c);
}

/** The FIN is acknowledged. A connection that no application holds any more waits for the peer's FIN no longer than a minute. */
export function enterFinWait2(c: usize): void {
  setState(c, R.TCPS_FIN_WAIT2);
  if (has(c, R.TCPF_ORPHAN)) waitForFin(c);
}

/** Nobody holds a connection whose FIN is acknowledged. */
export function waitForFin(c: usize): void {
  freezeWindow(c);
  setDeadline(c, now + FIN_TIMEOUT);
}

/**
 * Whether data has come that nobody will ever read, beyond what is expected up to `expected`; `end` is where the segment ends. It resets
 * the connection (tcp_rcv_state_process; in FIN-WAIT-2 also a FIN that is not the next to come, tcp_timewait_state_process).
 */
export function comesTooLate(c: usize, expected: u32, end: u32, hasData: bool, fin: bool): bool {
  if (!has(c, R.TCPF_ORPHAN)) return false;
  const current = state(c);
  if (current == R.TCPS_FIN_WAIT1) return hasData && after(fin ? end - 1 : end, expected);
  if (current != R.TCPS_FIN_WAIT2 || !after(end, expected)) return false;
  return !fin || end != expected + 1;
}
