// Which real server a new connection is given to: the schedulers of Linux (net/netfilter/ipvs/ip_vs_rr.c and so on).
//
// Real servers stand in a list, the one that was added last at its head. `0` as a place in the list is the head itself, before the first.
import {
  VS_BUCKETS,
  SCHEDULER_DH,
  SCHEDULER_FO,
  SCHEDULER_LC,
  SCHEDULER_MH,
  SCHEDULER_NQ,
  SCHEDULER_OVF,
  SCHEDULER_RR,
  SCHEDULER_SED,
  SCHEDULER_SH,
  SCHEDULER_TWOS,
  SCHEDULER_WRR,
  VS_SERVER_ACTIVE,
  VS_SERVER_INACTIVE,
  VS_SERVER_NEXT,
  VS_SERVER_WEIGHT,
  VS_SERVICE_BUCKETS,
  VS_SERVICE_CURRENT,
  VS_SERVICE_IS_DEALT,
  VS_SERVICE_NAMESPACE,
  VS_SERVICE_SCHEDULER,
  VS_SERVICE_SERVERS,
  VS_SERVICE_WEIGHT,
  VS_SERVICE_WEIGHT_MAX,
  VS_SERVICE_WEIGHT_STEP,
} from "../layout/ipvs.ts";
import { NS_RANDOM } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { below } from "../memory/random.ts";
import * as maglev from "./maglev.ts";

/** GOLDEN_RATIO_32 of include/linux/hash.h. */
const GOLDEN: u32 = 0x61c88647;
const BUCKET_BITS: u32 = 8;

function schedulerOf(service: usize): i32 {
  return load<i32>(service, VS_SERVICE_SCHEDULER);
}

function weightOf(server: usize): i32 {
  return load<i32>(server, VS_SERVER_WEIGHT);
}

/** The server behind another, or the first one; 0 after the last. */
function after(service: usize, server: usize): usize {
  return server ? load<usize>(server, VS_SERVER_NEXT) : load<usize>(service, VS_SERVICE_SERVERS);
}

/** A service has been given its scheduler. */
export function begin(service: usize): void {
  store<usize>(service, 0, VS_SERVICE_CURRENT);
  store<i32>(service, 0, VS_SERVICE_WEIGHT);
  changed(service);
}

/** Servers have come or gone, or have other weights. Buckets are dealt when the next connection asks for one. */
export function changed(service: usize): void {
  store<u32>(service, 0, VS_SERVICE_IS_DEALT);
  if (schedulerOf(service) == SCHEDULER_WRR) changedWeights(service);
}

/** A server is about to be taken out of the list: the turn goes back to the one before it (ip_vs_rr_del_dest). */
export function leaves(service: usize, server: usize): void {
  if (load<usize>(service, VS_SERVICE_CURRENT) != server) return;
  let before: usize = 0;
  for (let one = after(service, 0); one != server; one = after(service, one)) before = one;
  store<usize>(service, before, VS_SERVICE_CURRENT);
}

/** Chooses a server for a client's port and address and the address that it calls; 0: none takes connections. */
export function choose(service: usize, client: u32, port: u32, address: u32): usize {
  switch (schedulerOf(service)) {
    case SCHEDULER_RR:
      return roundRobin(service);
    case SCHEDULER_WRR:
      return weightedRoundRobin(service);
    case SCHEDULER_LC:
      return leastConnections(service);
    case SCHEDULER_SH:
      return ofBucket(service, client);
    case SCHEDULER_DH:
      return ofBucket(service, address);
    case SCHEDULER_MH:
      return ofMaglev(service, client, port);
    case SCHEDULER_NQ:
      return neverQueue(service);
    case SCHEDULER_FO:
      return heaviest(service, false);
    case SCHEDULER_OVF:
      return heaviest(service, true);
    case SCHEDULER_TWOS:
      return betterOfTwo(service);
    default:
      return leastLoad(service);
  }
}

function roundRobin(service: usize): usize {
  const last = load<usize>(service, VS_SERVICE_CURRENT);
  let server = last;
  // From the one chosen last to the end, then from the head up to it.
  for (let pass = 0; pass < 2; pass++) {
    for (server = after(service, server); server; server = after(service, server)) {
      if (weightOf(server) > 0) {
        store<usize>(service, server, VS_SERVICE_CURRENT);
        return server;
      }
      if (server == last) return 0;
    }
    if (!last) return 0;
  }
  return 0;
}

function divisor(a: i32, b: i32): i32 {
  let x = a;
  let y = b;
  while (y) {
    const rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}

/** ip_vs_wrr_dest_changed. */
function changedWeights(service: usize): void {
  let step = 0;
  let most = 0;
  for (let server = after(service, 0); server; server = after(service, server)) {
    const weight = weightOf(server);
    if (weight > 0) step = step ? divisor(weight, step) : weight;
    most = max<i32>(most, weight);
  }
  if (!step) step = 1;
  most -= step - 1;
  let asked = load<i32>(service, VS_SERVICE_WEIGHT);
  if (asked > most || !asked) asked = most;
  else if (step > 1) asked = (asked / step) * step + 1;
  store<usize>(service, 0, VS_SERVICE_CURRENT);
  store<i32>(service, step, VS_SERVICE_WEIGHT_STEP);
  store<i32>(service, most, VS_SERVICE_WEIGHT_MAX);
  store<i32>(service, asked, VS_SERVICE_WEIGHT);
}

/** Those of the greatest weight first, then with each round those of a step less, too (ip_vs_wrr_schedule). */
function weightedRoundRobin(service: usize): usize {
  const most = load<i32>(service, VS_SERVICE_WEIGHT_MAX);
  if (most <= 0) return 0;
  const step = load<i32>(service, VS_SERVICE_WEIGHT_STEP);
  const last = load<usize>(service, VS_SERVICE_CURRENT);
  let server = last;
  let stop: usize = 0;
  let lastPass = false;
  let restarted = false;
  while (true) {
    for (server = after(service, server); server; server = after(service, server)) {
      if (weightOf(server) >= load<i32>(service, VS_SERVICE_WEIGHT)) {
        store<usize>(service, server, VS_SERVICE_CURRENT);
        return server;
      }
      if (server == stop) return 0;
    }
    let asked = load<i32>(service, VS_SERVICE_WEIGHT) - step;
    if (asked <= 0) {
      asked = most;
      if (lastPass || !last) {
        store<i32>(service, asked, VS_SERVICE_WEIGHT);
        store<usize>(service, 0, VS_SERVICE_CURRENT);
        return 0;
      }
      restarted = true;
    }
    store<i32>(service, asked, VS_SERVICE_WEIGHT);
    lastPass = asked <= step;
    if (lastPass && restarted && last) stop = last;
  }
}

/** An established connection counts as 256 others. */
function overhead(server: usize): i64 {
  return ((<i64>load<u32>(server, VS_SERVER_ACTIVE)) << 8) + <i64>load<u32>(server, VS_SERVER_INACTIVE);
}

function leastConnections(service: usize): usize {
  let least: usize = 0;
  for (let server = after(service, 0); server; server = after(service, server)) {
    if (weightOf(server) > 0 && (!least || overhead(server) < overhead(least))) least = server;
  }
  return least;
}

/** What a server would have to do with one connection more: with sed and nq only the established ones count. */
function burden(service: usize, server: usize): i64 {
  const scheduler = schedulerOf(service);
  if (scheduler == SCHEDULER_SED || scheduler == SCHEDULER_NQ) return <i64>load<u32>(server, VS_SERVER_ACTIVE) + 1;
  return overhead(server);
}

function isLighter(service: usize, server: usize, than: usize): bool {
  return burden(service, than) * <i64>weightOf(server) > burden(service, server) * <i64>weightOf(than);
}

/** wlc and sed: the least for its weight; the first of equals. */
function leastLoad(service: usize): usize {
  let least: usize = 0;
  for (let server = after(service, 0); server; server = after(service, server)) {
    if (weightOf(server) > 0 && (!least || isLighter(service, server, least))) least = server;
  }
  return least;
}

/** As sed, but whoever has nothing to do comes first. */
function neverQueue(service: usize): usize {
  for (let server = after(service, 0); server; server = after(service, server)) {
    if (weightOf(server) > 0 && !load<u32>(server, VS_SERVER_ACTIVE)) return server;
  }
  return leastLoad(service);
}

/** fo and ovf: the one of the greatest weight, the first of equals; `overflows`: that has no more connections than its weight says. */
function heaviest(service: usize, overflows: bool): usize {
  let most: usize = 0;
  for (let server = after(service, 0); server; server = after(service, server)) {
    if (overflows && load<i32>(server, VS_SERVER_ACTIVE) > weightOf(server)) continue;
    if (weightOf(server) > 0 && (!most || weightOf(server) > weightOf(most))) most = server;
  }
  return most;
}

/** Two by chance, as their weights say, and of them the one with less to do for its weight (ip_vs_twos_schedule). */
function betterOfTwo(service: usize): usize {
  let weights = 0;
  for (let server = after(service, 0); server; server = after(service, server))
    weights += max<i32>(weightOf(server), 0);
  if (!weights) return 0;
  const state = load<usize>(service, VS_SERVICE_NAMESPACE) + NS_RANDOM;
  // The sum itself is drawn, too; with 0 the first server is chosen as with 1.
  const one = atWeight(service, <i32>below(state, <u32>weights + 1));
  const other = atWeight(service, <i32>below(state, <u32>weights + 1));
  const isOtherLess = overhead(one) * <i64>weightOf(other) > overhead(other) * <i64>weightOf(one);
  return isOtherLess ? other : one;
}

/** The first server with which the weights come to so much. */
function atWeight(service: usize, weight: i32): usize {
  let left = weight;
  let last: usize = 0;
  for (let server = after(service, 0); server; server = after(service, server)) {
    if (weightOf(server) <= 0) continue;
    left -= weightOf(server);
    last = server;
    if (left <= 0) break;
  }
  return last;
}

/** The buckets of a service, so many; `isDealt` says whether they are those of its servers as they are now. */
function bucketsOf(service: usize, count: u32): usize {
  const known = load<usize>(service, VS_SERVICE_BUCKETS);
  if (known) return known;
  const buckets = allocate(count << 2);
  store<usize>(service, buckets, VS_SERVICE_BUCKETS);
  return buckets;
}

function isDealt(service: usize): bool {
  if (load<u32>(service, VS_SERVICE_IS_DEALT)) return true;
  store<u32>(service, 1, VS_SERVICE_IS_DEALT);
  return false;
}

/** Deals the buckets out to the servers in turn, with sh as many in a row as their weight says (ip_vs_sh_reassign). */
function assign(service: usize, buckets: usize, byWeight: bool): void {
  let server: usize = 0;
  let dealt = 0;
  for (let i: usize = 0; i < <usize>VS_BUCKETS; i++) {
    if (!server) server = after(service, 0);
    store<usize>(buckets + (i << 2), server);
    if (server && (!byWeight || ++dealt >= weightOf(server))) {
      server = after(service, server);
      dealt = 0;
    }
  }
}

/** The server of an address's bucket, if it takes connections (hash_32 of include/linux/hash.h). */
function ofBucket(service: usize, address: u32): usize {
  const buckets = bucketsOf(service, VS_BUCKETS);
  if (!isDealt(service)) assign(service, buckets, schedulerOf(service) == SCHEDULER_SH);
  return taking(buckets, (address * GOLDEN) >>> (32 - BUCKET_BITS));
}

/** The server of a client's bucket, if it takes connections: the flag mh-fallback is not set (ip_vs_mh_get). */
function ofMaglev(service: usize, client: u32, port: u32): usize {
  const buckets = bucketsOf(service, maglev.BUCKETS);
  if (!isDealt(service)) maglev.deal(service, buckets);
  return taking(buckets, maglev.place(client, port));
}

function taking(buckets: usize, place: u32): usize {
  const server = load<usize>(buckets + ((<usize>place) << 2));
  return server && weightOf(server) > 0 ? server : 0;
}
