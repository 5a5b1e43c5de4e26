// How a connection comes to its end: what a FIN of the peer changes, and TIME-WAIT.
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import { PEER_CLOSED, note } from "./tcp-outcome.ts";
import { setState, state } from "./tcp-record.ts";
import { setDeadline } from "./tcp-timer.ts";

export const TIME_WAIT: u64 = 60 * SECOND;
const FIN_TIMEOUT: u64 = 60 * SECOND; // tcp_fin_timeout

export function enterTimeWait(c: usize): void {
  setState(c, R.TCPS_TIME_WAIT);
  setDeadline(c, now + TIME_WAIT);
}

export function peerClosed(c: usize): void {
  note(PEER_CLOSED);
  const current = state(c);
  if (current == R.TCPS_ESTABLISHED || current == R.TCPS_SYN_RECV) setState(c, R.TCPS_CLOSE_WAIT);
  else if (current == R.TCPS_FIN_WAIT1) setState(c, R.TCPS_CLOSING);
  else if (current == R.TCPS_FIN_WAIT2) enterTimeWait(c);
}

/** The FIN is acknowledged. A connection that no application holds any more waits for the peer's FIN no longer than a minute. */
export function enterFinWait2(c: usize): void {
  setState(c, R.TCPS_FIN_WAIT2);
  if (!load<u32>(c, R.TCP_OWNER)) setDeadline(c, now + FIN_TIMEOUT);
}
