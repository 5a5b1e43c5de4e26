// When a connection's timer fires.
import * as R from "../layout/records.ts";
import * as events from "../memory/events.ts";

/** Sets when the timer should fire (0: never). An event that comes too early sets itself anew. */
export function setDeadline(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_DEADLINE);
  const armed = load<u64>(c, R.TCP_ARMED);
  if (at && (!armed || at < armed)) arm(c, at);
}

export function arm(c: usize, at: u64): void {
  store<u64>(c, at, R.TCP_ARMED);
  const ns = load<usize>(c, R.TCP_NAMESPACE);
  events.push(at, load<usize>(ns, R.NS_MACHINE), events.EVENT_TCP, c, load<u32>(c, R.TCP_GENERATION));
}
