// SYN cookies: sequence numbers that say what a listener would have to remember of a SYN (syncookies.c). Linux makes them with SipHash
// and a secret of the machine; here the secret is a namespace's, from its generator, and the hash is shorter.
import * as R from "../layout/records.ts";
import { isSix } from "../memory/addresses.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { next32 } from "../memory/random.ts";

const COUNT_SHIFT: u32 = 24; // below: the MSS, hidden; above: the minute
const LOW: u32 = (1 << COUNT_SHIFT) - 1;
const PERIOD: u64 = 60 * SECOND;
const MAX_AGE: u32 = 2; // periods
const MSS_COUNT: u32 = 4;

/** The segments that a cookie can tell, of IPv4 and of IPv6. */
function mssAt(index: u32, six: bool): i32 {
  if (six) return index == 0 ? 1220 : index == 1 ? 1420 : index == 2 ? 1440 : 8940;
  return index == 0 ? 536 : index == 1 ? 1300 : index == 2 ? 1440 : 1460;
}

function secret(ns: usize, index: usize): u32 {
  const at = ns + R.NS_COOKIE_SECRET;
  if (!load<u32>(at) && !load<u32>(at, 4)) {
    store<u32>(at, next32(ns + R.NS_RANDOM) | 1);
    store<u32>(at, next32(ns + R.NS_RANDOM), 4);
  }
  return load<u32>(at + (index << 2));
}

function hashOf(ns: usize, local: u32, remote: u32, ports: u32, count: u32, index: usize): u32 {
  return hash.mix(hash.mix(hash.mix(remote, secret(ns, index)), hash.mix(local, ports)), count);
}

function minute(): u32 {
  return <u32>(now / PERIOD);
}

/** The sequence number that answers a SYN with the sequence number `seq` and an MSS (secure_tcp_syn_cookie). */
export function make(ns: usize, local: u32, remote: u32, ports: u32, seq: u32, mss: i32): u32 {
  const six = isSix(remote);
  let index = MSS_COUNT - 1;
  while (index && mss < mssAt(index, six)) index--;
  const count = minute();
  const low = (hashOf(ns, local, remote, ports, count, 1) + index) & LOW;
  return hashOf(ns, local, remote, ports, 0, 0) + seq + (count << COUNT_SHIFT) + low;
}

/** The MSS that a cookie tells; 0: it is none, or too old (check_tcp_syn_cookie). */
export function read(ns: usize, local: u32, remote: u32, ports: u32, seq: u32, cookie: u32): i32 {
  const rest = cookie - hashOf(ns, local, remote, ports, 0, 0) - seq;
  const count = minute();
  const age = (count - (rest >> COUNT_SHIFT)) & (0xffffffff >> COUNT_SHIFT);
  if (age >= MAX_AGE) return 0;
  const index = (rest - hashOf(ns, local, remote, ports, count - age, 1)) & LOW;
  return index < MSS_COUNT ? mssAt(index, isSix(remote)) : 0;
}
