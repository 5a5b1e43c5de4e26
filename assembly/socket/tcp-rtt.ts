// Round trips, and the time-out that follows from them (RFC 6298).
import * as R from "../layout/records.ts";
import { MILLISECOND, SECOND } from "../memory/clock.ts";

/** The shortest variance that a time-out counts with. */
export const RTO_MIN: u64 = 200 * MILLISECOND;

/** A round trip of `sample` nanoseconds (RFC 6298). */
export function measure(c: usize, sample: u64): void {
  let srtt = load<u64>(c, R.TCP_SRTT);
  let rttvar = load<u64>(c, R.TCP_RTTVAR);
  if (!srtt) {
    srtt = max<u64>(sample, 1);
    rttvar = sample >> 1;
  } else {
    const error = srtt > sample ? srtt - sample : sample - srtt;
    rttvar = (3 * rttvar + error) >> 2;
    srtt = max<u64>((7 * srtt + sample) >> 3, 1);
  }
  store<u64>(c, srtt, R.TCP_SRTT);
  store<u64>(c, rttvar, R.TCP_RTTVAR);
  store<u64>(c, srtt + max<u64>(rttvar << 2, RTO_MIN), R.TCP_RTO);
}

/** The longest time-out. */
export const RTO_MAX: u64 = 120 * SECOND;

/** The time until a closed window is probed next (tcp_probe0_when). */
export function probeDelay(c: usize): u64 {
  return min<u64>(max<u64>(load<u64>(c, R.TCP_RTO), RTO_MIN) << load<u32>(c, R.TCP_PROBES), RTO_MAX);
}
