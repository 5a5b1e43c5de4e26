// Path MTUs that were learned: what fits on the way to an address, where a router or a tunnel said so (struct fib_nh_exception).
import {
  EXCEPTION_ADDRESS,
  EXCEPTION_LOCKED,
  EXCEPTION_MTU,
  EXCEPTION_SIZE,
  EXCEPTION_UNTIL,
  NS_EXCEPTIONS,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";

const LIFETIME: u64 = 600 * SECOND; // net.ipv4.route.mtu_expires
const LEAST: u32 = 552; // net.ipv4.route.min_pmtu

function hashOfRecord(exception: usize): u32 {
  return hash.mix(load<u32>(exception, EXCEPTION_ADDRESS), 0);
}

function recordOf(ns: usize, to: u32): usize {
  const exceptions = load<usize>(ns, NS_EXCEPTIONS);
  if (!exceptions) return 0;
  let at = load<usize>(hash.bucket(exceptions, hash.mix(to, 0)));
  while (at && load<u32>(at, EXCEPTION_ADDRESS) != to) at = load<usize>(at);
  return at;
}

/** What was learned about the way to an address, 0: nothing that still holds. */
export function find(ns: usize, to: u32): usize {
  const at = recordOf(ns, to);
  return at && now < load<u64>(at, EXCEPTION_UNTIL) ? at : 0;
}

/**
 * Notes for ten minutes that no more than `mtu` bytes fit; `before` is what was believed so far, which is not raised. Less than 552 is
 * not believed: packets may be fragmented then (__ip_rt_update_pmtu).
 */
export function learn(ns: usize, to: u32, mtu: u32, before: u32): void {
  if (before < mtu) return;
  recorder.changed();
  let at = recordOf(ns, to);
  if (!at) {
    if (!load<usize>(ns, NS_EXCEPTIONS)) store<usize>(ns, hash.newTable(16), NS_EXCEPTIONS);
    const exceptions = load<usize>(ns, NS_EXCEPTIONS);
    if (hash.crowded(exceptions)) hash.grow(exceptions, hashOfRecord);
    at = allocate(EXCEPTION_SIZE);
    store<u32>(at, to, EXCEPTION_ADDRESS);
    hash.insert(exceptions, hash.mix(to, 0), at);
  }
  store<u32>(at, mtu < LEAST ? min<u32>(before, LEAST) : mtu, EXCEPTION_MTU);
  store<u32>(at, mtu < LEAST ? 1 : 0, EXCEPTION_LOCKED);
  store<u64>(at, now + LIFETIME, EXCEPTION_UNTIL);
}
