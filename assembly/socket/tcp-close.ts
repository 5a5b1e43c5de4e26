// How a connection comes to its end: what a FIN of the peer changes, and TIME-WAIT.
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import { PEER_CLOSED, note } from "./tcp-outcome.ts";
import { setState, state } from "./tcp-record.ts";
import { setDeadline } from "./tcp-timer.ts";

export const TIME_WAIT: u64 = 60 * SECOND;

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
