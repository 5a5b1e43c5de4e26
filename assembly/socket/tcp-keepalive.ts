// Keep-alives: whether the peer of a silent connection is still there (tcp_keepalive_timer).
import * as R from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as tcp from "../wire/tcp.ts";
import { EXPIRED, setHappened } from "./tcp-outcome.ts";
import { emit } from "./tcp-output.ts";
import { destroy, isRemnant } from "./tcp-record.ts";
import { setKeepAlive } from "./tcp-timer.ts";

// What Go sets for every connection: after so long a silence, so often, so many times.
const IDLE: u64 = 15 * SECOND;
const INTERVAL: u64 = 15 * SECOND;
const PROBES: u32 = 9;

/** A connection is established: if its program is one of those that ask, it is watched from now on. */
export function start(c: usize): void {
  const owner = load<u32>(c, R.TCP_OWNER);
  store<u64>(c, now, R.TCP_LAST_HEARD);
  if (owner == R.OWNER_SERVICE || owner == R.OWNER_FLOW) setKeepAlive(c, now + IDLE);
}

/** The peer was heard of. */
export function heard(c: usize): void {
  store<u64>(c, now, R.TCP_LAST_HEARD);
  store<u32>(c, 0, R.TCP_KEEP_PROBES);
}

/** Asks, or gives up, or waits on. */
export function onTimer(c: usize): void {
  if (isRemnant(c)) return;
  // What is under way or waits tells by itself whether the peer is there.
  if (load<usize>(c, R.TCP_QUEUE)) {
    setKeepAlive(c, now + IDLE);
    return;
  }
  const last = load<u64>(c, R.TCP_LAST_HEARD);
  if (now - last < IDLE) {
    setKeepAlive(c, last + IDLE);
    return;
  }
  const probes = load<u32>(c, R.TCP_KEEP_PROBES);
  if (probes >= PROBES) {
    emit(c, tcp.RST | tcp.ACK, load<u32>(c, R.TCP_SND_NXT), 0, 0);
    setHappened(EXPIRED);
    destroy(c);
    return;
  }
  store<u32>(c, probes + 1, R.TCP_KEEP_PROBES);
  setKeepAlive(c, now + INTERVAL);
  emit(c, tcp.ACK, load<u32>(c, R.TCP_SND_UNA) - 1, 0, 0);
}
