// When a connection's timer fires.
import * as R from "../layout/records.ts";
import * as events from "../memory/events.ts";

/** Sets when the timer should fire (0: never). An event that comes too early sets itself anew. */
export function setDeadline(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_DEADLINE);
  const armed = load<u64>(c, R.TCP_ARMED);
  if (at && (!armed || at < armed)) arm(c, at);
}

/** Sets when the connection should be looked after if it has been silent. */
export function setKeepAlive(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_KEEP_AT);
  const armed = load<u64>(c, R.TCP_ARMED);
  if (!armed || at < armed) arm(c, at);
}

/** Sets when at the latest something is acknowledged. Its event is one of its own: this timer is set often, and mostly in vain. */
export function setAckTimer(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_ACK_AT);
  const armed = load<u64>(c, R.TCP_ACK_ARMED);
  if (armed && armed <= at) return;
  store<u64>(c, at, R.TCP_ACK_ARMED);
  push(c, at);
}

/** After an event: the next one is set, if it is not yet. */
export function rearm(c: usize, now: u64): void {
  const deadline = load<u64>(c, R.TCP_DEADLINE);
  let next = load<u64>(c, R.TCP_KEEP_AT);
  if (deadline > now && (!next || deadline < next)) next = deadline;
  const armed = load<u64>(c, R.TCP_ARMED);
  if (next && (!armed || next < armed)) arm(c, next);
}

export function arm(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_ARMED);
  push(c, at);
}

function push(c: usize, at: u64): void {
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  events.push(at, load<usize>(ns, R.NS_MACHINE), events.EVENT_TCP, c, load<u32>(c, R.TCP_GENERATION));
}
