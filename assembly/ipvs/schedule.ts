// Which real server a new connection is given to: the schedulers of Linux (net/netfilter/ipvs/ip_vs_rr.c and so on).
//
// Real servers stand in a list, the one that was added last at its head. `0` as a place in the list is the head itself, before the first.
import {
  VS_BUCKETS,
  SCHEDULER_DH,
  SCHEDULER_LC,
  SCHEDULER_NQ,
  SCHEDULER_RR,
  SCHEDULER_SED,
  SCHEDULER_SH,
  SCHEDULER_WRR,
  VS_SERVER_ACTIVE,
  VS_SERVER_INACTIVE,
  VS_SERVER_NEXT,
  VS_SERVER_WEIGHT,
  VS_SERVICE_BUCKETS,
  VS_SERVICE_CURRENT,
  VS_SERVICE_SCHEDULER,
  VS_SERVICE_SERVERS,
  VS_SERVICE_WEIGHT,
  VS_SERVICE_WEIGHT_MAX,
  VS_SERVICE_WEIGHT_STEP,
} from "../layout/ipvs.ts";
import { allocate } from "../memory/arena.ts";

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

/** Servers have come or gone, or have other weights. */
export function changed(service: usize): void {
  const scheduler = schedulerOf(service);
  if (scheduler == SCHEDULER_WRR) changedWeights(service);
  else if (scheduler == SCHEDULER_SH || scheduler == SCHEDULER_DH) assign(service, scheduler == SCHEDULER_SH);
}

/** A server is about to be taken out of the list: the turn goes back to the one before it (ip_vs_rr_del_dest). */
export function leaves(service: usize, server: usize): void {
  if (load<usize>(service, VS_SERVICE_CURRENT) != server) return;
  let before: usize = 0;
  for (let one = after(service, 0); one != server; one = after(service, one)) before = one;
  store<usize>(service, before, VS_SERVICE_CURRENT);
}

/** Chooses a server for a client of an address; 0: none takes connections. */
export function choose(service: usize, client: u32, address: u32): usize {
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
    case SCHEDULER_NQ:
      return neverQueue(service);
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

/** Deals the buckets out to the servers in turn, with sh as many in a row as their weight says (ip_vs_sh_reassign). */
function assign(service: usize, byWeight: bool): void {
  let buckets = load<usize>(service, VS_SERVICE_BUCKETS);
  if (!buckets) {
    buckets = allocate(VS_BUCKETS << 2);
    store<usize>(service, buckets, VS_SERVICE_BUCKETS);
  }
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
  const place = (address * GOLDEN) >>> (32 - BUCKET_BITS);
  const server = load<usize>(load<usize>(service, VS_SERVICE_BUCKETS) + ((<usize>place) << 2));
  return server && weightOf(server) > 0 ? server : 0;
}
