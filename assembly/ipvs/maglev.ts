// Maglev hashing: which server each bucket of a service belongs to, so that few change hands when servers come or go (ip_vs_mh.c).
import {
  VS_SERVER_ADDRESS,
  VS_SERVER_LAST_WEIGHT,
  VS_SERVER_NEXT,
  VS_SERVER_PLACE,
  VS_SERVER_PORT,
  VS_SERVER_SKIP,
  VS_SERVER_TURNS,
  VS_SERVICE_SERVERS,
} from "../layout/ipvs.ts";
import { clear } from "../memory/bytes.ts";
import { shortHash } from "../memory/siphash.ts";

/** The fifth prime of the kernel's list, which CONFIG_IP_VS_MH_TAB_INDEX=12 chooses, and half of that number. */
export const BUCKETS: u32 = 4093;
const WEIGHT_BITS: i32 = 6;

// Both words of the keys.
const PLACE_KEY: u64 = 2654435761;
const SKIP_KEY: u64 = 2654446892;

/** The bucket of an address and a port. */
export function place(address: u32, port: u32): u32 {
  return shortHash(address + port, PLACE_KEY, PLACE_KEY) % BUCKETS;
}

function divisor(a: i32, b: i32): i32 {
  return b ? divisor(b, a % b) : a;
}

/** Deals all buckets: each server in turn takes as many as its last weight says, of those that it likes best and are free. */
export function deal(service: usize, buckets: usize): void {
  clear(buckets, (<usize>BUCKETS) << 2);
  const first = load<usize>(service, VS_SERVICE_SERVERS);
  let step = 0;
  let most = 0;
  for (let server = first; server; server = load<usize>(server, VS_SERVER_NEXT)) {
    const weight = load<i32>(server, VS_SERVER_LAST_WEIGHT);
    if (weight > 0) step = divisor(weight, step);
    most = max<i32>(most, weight);
  }
  if (!step) return;
  const shift = max<i32>(32 - clz<i32>(most / step) - WEIGHT_BITS, 0);
  for (let server = first; server; server = load<usize>(server, VS_SERVER_NEXT)) prepare(server, step, shift);
  let left = BUCKETS;
  let server = first;
  while (left) {
    for (let turn = load<u32>(server, VS_SERVER_TURNS); turn && left; turn--) {
      take(buckets, server);
      left--;
    }
    server = load<usize>(server, VS_SERVER_NEXT);
    if (!server) server = first;
  }
}

function prepare(server: usize, step: i32, shift: i32): void {
  const address = load<u32>(server, VS_SERVER_ADDRESS);
  const port = load<u32>(server, VS_SERVER_PORT);
  const weight = load<i32>(server, VS_SERVER_LAST_WEIGHT);
  store<u32>(server, place(address, port), VS_SERVER_PLACE);
  store<u32>(server, (shortHash(address + port, SKIP_KEY, SKIP_KEY) % (BUCKETS - 1)) + 1, VS_SERVER_SKIP);
  store<u32>(server, weight ? max<i32>((weight / step) >> shift, 1) : 0, VS_SERVER_TURNS);
}

function take(buckets: usize, server: usize): void {
  let at = load<u32>(server, VS_SERVER_PLACE);
  while (load<usize>(buckets + ((<usize>at) << 2))) {
    at += load<u32>(server, VS_SERVER_SKIP);
    if (at >= BUCKETS) at -= BUCKETS;
  }
  store<u32>(server, at, VS_SERVER_PLACE);
  store<usize>(buckets + ((<usize>at) << 2), server);
}
