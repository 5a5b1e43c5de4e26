// Shorter ways that routers told a host of IPv6 of: over which neighbour to an address (the exceptions that rt6_do_redirect makes).
import { NS_REDIRECTS, REDIRECT_ADDRESS, REDIRECT_SIZE, REDIRECT_UNTIL, REDIRECT_VIA } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";

const LIFETIME: u64 = 30 * SECOND; // net.ipv6.route.gc_interval, at which what is that old is cleared away, used or not

function hashOfRecord(redirect: usize): u32 {
  return hash.mix(load<u32>(redirect, REDIRECT_ADDRESS), 0);
}

function recordOf(ns: usize, to: u32): usize {
  const table = load<usize>(ns, NS_REDIRECTS);
  if (!table) return 0;
  let at = load<usize>(hash.bucket(table, hash.mix(to, 0)));
  while (at && load<u32>(at, REDIRECT_ADDRESS) != to) at = load<usize>(at);
  return at;
}

/** The neighbour that leads to an address, itself if it is on the link; 0: nobody told of one lately. */
export function find(ns: usize, to: u32): u32 {
  const at = recordOf(ns, to);
  return at && now < load<u64>(at, REDIRECT_UNTIL) ? load<u32>(at, REDIRECT_VIA) : 0;
}

/** Notes that a neighbour leads to an address. */
export function learn(ns: usize, to: u32, via: u32): void {
  recorder.changed();
  let at = recordOf(ns, to);
  if (!at) {
    if (!load<usize>(ns, NS_REDIRECTS)) store<usize>(ns, hash.newTable(16), NS_REDIRECTS);
    const table = load<usize>(ns, NS_REDIRECTS);
    if (hash.crowded(table)) hash.grow(table, hashOfRecord);
    at = allocate(REDIRECT_SIZE);
    store<u32>(at, to, REDIRECT_ADDRESS);
    hash.insert(table, hash.mix(to, 0), at);
  }
  store<u32>(at, via, REDIRECT_VIA);
  store<u64>(at, now + LIFETIME, REDIRECT_UNTIL);
}
