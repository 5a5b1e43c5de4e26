// Where timestamps start, and those that carry the options of a SYN which is answered by a cookie (syncookies.c).
import * as R from "../layout/records.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";

// The last six bits of such a timestamp: the peer's window scale, SACK, ECN.
const OPTION_BITS: u32 = 63;
const NO_SCALE: u32 = 15;
const SACK: u32 = 16;

/** What the timestamps of a pair of hosts count from. */
export function timestampStart(local: u32, remote: u32): u32 {
  return hash.mix(local, remote);
}

/** The timestamp of a cookie, not later than now: its last bits say what the SYN of `c` has offered (cookie_init_timestamp). */
export function cookieTimestamp(c: usize): u32 {
  const flags = load<u32>(c, R.TCP_FLAGS);
  let options = flags & R.TCPF_WSCALE ? load<u32>(c, R.TCP_PEER_SCALE) : NO_SCALE;
  if (flags & R.TCPF_SACK) options |= SACK;
  const ticks = <u32>(now / MILLISECOND);
  let value = (ticks & ~OPTION_BITS) | options;
  if (value > ticks) value -= OPTION_BITS + 1;
  return value + timestampStart(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE));
}

/** The options that a timestamp which came back says, in the flags and the scale of `c` (cookie_timestamp_decode). */
export function learnFromEcho(c: usize, echo: u32): void {
  const options = echo ? echo - timestampStart(load<u32>(c, R.TCP_LOCAL), load<u32>(c, R.TCP_REMOTE)) : 0;
  let flags = load<u32>(c, R.TCP_FLAGS) | R.TCPF_TIMESTAMPS;
  if (options & SACK) flags |= R.TCPF_SACK;
  if ((options & NO_SCALE) != NO_SCALE) {
    flags |= R.TCPF_WSCALE;
    store<u32>(c, options & NO_SCALE, R.TCP_PEER_SCALE);
  }
  store<u32>(c, flags, R.TCP_FLAGS);
}
