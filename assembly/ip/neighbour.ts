// Neighbours: who has which address on a link, the frames that wait for the answer, and the timers (net/core/neighbour.c).
import {
  DROP_NEIGH_FAILED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from "../layout/codes.ts";
import { FRAME_NEXT } from "../layout/frame.ts";
import {
  CACHE_NEIGHBOUR,
  DEV_NAMESPACE,
  DEV_NEIGH_DELAY,
  DEV_NEIGH_LOCKTIME,
  DEV_NEIGH_RETRANS,
  NEIGH_ADDRESS,
  NEIGH_CACHED,
  NEIGH_CONFIRMED,
  NEIGH_DEVICE,
  NEIGH_GENERATION,
  NEIGH_MAC_HIGH,
  NEIGH_MAC_LOW,
  NEIGH_PROBES,
  NEIGH_QUEUE,
  NEIGH_QUEUED,
  NEIGH_QUEUE_TAIL,
  NEIGH_SIZE,
  NEIGH_STATE,
  NEIGH_UPDATED,
  NEIGH_USED,
  NS_MACHINE,
  NS_NEIGHBOURS,
} from "../layout/records.ts";
import { cached } from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";
import { drop } from "../observe/drops.ts";

const REACHABLE_TIME: u64 = 30 * SECOND; // base_reachable_time; the kernel varies it by half
const NUD_VALID: u32 = NUD_PERMANENT | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
const PROBES: u32 = 3; // mcast_solicit and ucast_solicit
const QUEUE_MAX: u32 = 101; // unres_qlen

function find(ns: usize, device: usize, address: u32): usize {
  let entry = load<usize>(hash.bucket(load<usize>(ns, NS_NEIGHBOURS), hash.mix(address, 0)));
  while (entry) {
    if (load<u32>(entry, NEIGH_ADDRESS) == address && load<usize>(entry, NEIGH_DEVICE) == device) return entry;
    entry = load<usize>(entry);
  }
  return 0;
}

/** The entry of an address on a device; a new one in state NONE if there was none. */
export function entryOf(ns: usize, device: usize, address: u32): usize {
  const known = find(ns, device, address);
  if (known) return known;
  const entry = allocate(NEIGH_SIZE);
  store<usize>(entry, device, NEIGH_DEVICE);
  store<u32>(entry, address, NEIGH_ADDRESS);
  const table = load<usize>(ns, NS_NEIGHBOURS);
  if (hash.crowded(table)) hash.grow(table, hashOfRecord);
  hash.insert(table, hash.mix(address, 0), entry);
  return entry;
}

/** The hash that a record stands under. */
function hashOfRecord(entry: usize): u32 {
  return hash.mix(load<u32>(entry, NEIGH_ADDRESS), 0);
}

/** The entry that `remember` left for a next hop, 0 if there is none for this device. */
export function remembered(ns: usize, device: usize, hop: u32): usize {
  const entry = load<usize>(cached(ns, hop), CACHE_NEIGHBOUR);
  return entry && load<usize>(entry, NEIGH_DEVICE) == device ? entry : 0;
}

/** Keeps the entry of a next hop, which is no broadcast address, beside its route until that may change. */
export function remember(ns: usize, hop: u32, entry: usize): void {
  store<usize>(cached(ns, hop), entry, CACHE_NEIGHBOUR);
}

/** The entry of an address on a device, 0 if there is none. */
export function lookup(ns: usize, device: usize, address: u32): usize {
  return find(ns, device, address);
}

/** Whether the link address of an entry is known (NUD_VALID). */
export function isValid(entry: usize): bool {
  return (load<u32>(entry, NEIGH_STATE) & NUD_VALID) != 0;
}

/** A time that the device's neighbour parameters say, in units of `unit`. */
function timeOf(entry: usize, parameter: usize, unit: u64): u64 {
  return <u64>load<u32>(load<usize>(entry, NEIGH_DEVICE) + parameter) * unit;
}

function retransTime(entry: usize): u64 {
  return timeOf(entry, DEV_NEIGH_RETRANS, MILLISECOND);
}

function setTimer(entry: usize, after: u64): void {
  const generation = load<u32>(entry, NEIGH_GENERATION) + 1;
  store<u32>(entry, generation, NEIGH_GENERATION);
  const ns = load<usize>(load<usize>(entry, NEIGH_DEVICE), DEV_NAMESPACE);
  events.push(now + after, load<usize>(ns, NS_MACHINE), events.EVENT_NEIGHBOUR, entry, generation);
}

export const SEND: i32 = 0; // the address is known: NEIGH_MAC_*
export const ASK: i32 = 1; // the frame waits; send a request now
export const WAIT: i32 = 2; // the frame waits; a request is out
export const FULL: i32 = 3; // the frame waits; `pushedOut` had to make room
export let pushedOut: usize = 0;

/** What to do with a frame for a neighbour. Except for SEND the entry keeps the frame. */
export function resolve(entry: usize, frame: usize): i32 {
  const state = load<u32>(entry, NEIGH_STATE);
  store<u64>(entry, now, NEIGH_USED);
  if (state & (NUD_REACHABLE | NUD_PERMANENT | NUD_DELAY | NUD_PROBE)) {
    if (state == NUD_REACHABLE && now - load<u64>(entry, NEIGH_CONFIRMED) >= REACHABLE_TIME) delay(entry);
    else if (recorder.frame) recorder.note(recorder.RESOLVED, entry);
    return SEND;
  }
  if (state == NUD_STALE) {
    delay(entry);
    return SEND;
  }
  pushedOut = 0;
  recorder.spoil();
  if (load<u32>(entry, NEIGH_QUEUED) == QUEUE_MAX) pushedOut = takeFirst(entry);
  store<usize>(frame, 0, FRAME_NEXT);
  const tail = load<usize>(entry, NEIGH_QUEUE_TAIL);
  if (tail) store<usize>(tail, frame, FRAME_NEXT);
  else store<usize>(entry, frame, NEIGH_QUEUE);
  store<usize>(entry, frame, NEIGH_QUEUE_TAIL);
  store<u32>(entry, load<u32>(entry, NEIGH_QUEUED) + 1, NEIGH_QUEUED);
  if (state == NUD_INCOMPLETE) return pushedOut ? FULL : WAIT;
  store<u32>(entry, NUD_INCOMPLETE, NEIGH_STATE);
  store<u32>(entry, 1, NEIGH_PROBES);
  setTimer(entry, retransTime(entry));
  return ASK;
}

function delay(entry: usize): void {
  recorder.spoil();
  store<u32>(entry, NUD_DELAY, NEIGH_STATE);
  setTimer(entry, timeOf(entry, DEV_NEIGH_DELAY, SECOND));
}

/** Whether the next frame for an entry is sent at once, and nothing else happens (see `resolve`). */
export function isQuiet(entry: usize): bool {
  const state = load<u32>(entry, NEIGH_STATE);
  if (state == NUD_REACHABLE) return now - load<u64>(entry, NEIGH_CONFIRMED) < REACHABLE_TIME;
  return (state & (NUD_PERMANENT | NUD_DELAY | NUD_PROBE)) != 0;
}

/** Takes the oldest waiting frame, 0 if none waits. */
export function takeFirst(entry: usize): usize {
  const frame = load<usize>(entry, NEIGH_QUEUE);
  if (!frame) return 0;
  const next = load<usize>(frame, FRAME_NEXT);
  store<usize>(entry, next, NEIGH_QUEUE);
  if (!next) store<usize>(entry, 0, NEIGH_QUEUE_TAIL);
  store<u32>(entry, load<u32>(entry, NEIGH_QUEUED) - 1, NEIGH_QUEUED);
  return frame;
}

/** Notes an address that a message showed (neigh_update); the caller then sends what waits. A permanent entry stays. */
export function update(entry: usize, macHigh: u32, macLow: u32, state: u32, overrides: bool): void {
  const old = load<u32>(entry, NEIGH_STATE);
  if (old == NUD_PERMANENT) return;
  const known = (old & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) != 0;
  const same = known && load<u32>(entry, NEIGH_MAC_HIGH) == macHigh && load<u32>(entry, NEIGH_MAC_LOW) == macLow;
  if (state == NUD_REACHABLE) store<u64>(entry, now, NEIGH_CONFIRMED);
  if (known && !same && !overrides) return;
  if (known && same && (state == NUD_STALE || state == old)) return;
  store<u64>(entry, now, NEIGH_UPDATED);
  if (known && !same) recorder.changed();
  store<u32>(entry, macHigh, NEIGH_MAC_HIGH);
  store<u32>(entry, macLow, NEIGH_MAC_LOW);
  store<u32>(entry, state, NEIGH_STATE);
  store<u32>(entry, load<u32>(entry, NEIGH_GENERATION) + 1, NEIGH_GENERATION);
}

/** An advertisement without a link address says that a known one still holds (ndisc_update with none). False: none is known. */
export function confirm(entry: usize, state: u32): bool {
  const old = load<u32>(entry, NEIGH_STATE);
  if (!(old & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE))) return false;
  update(entry, load<u32>(entry, NEIGH_MAC_HIGH), load<u32>(entry, NEIGH_MAC_LOW), state, false);
  return true;
}

/** Whether a packet for an entry takes the cached link header: the first use makes one, and it is taken while the entry is confirmed. */
export function headerCached(entry: usize): bool {
  const confirmed = (load<u32>(entry, NEIGH_STATE) & (NUD_REACHABLE | NUD_PERMANENT)) != 0;
  const cached = confirmed && load<u32>(entry, NEIGH_CACHED) != 0;
  store<u32>(entry, 1, NEIGH_CACHED);
  return cached;
}

/** Whether an entry was changed less than `locktime` ago: then another answer does not override it. */
export function locked(entry: usize): bool {
  if (load<u32>(entry, NEIGH_STATE) == NUD_NONE) return false;
  return now < load<u64>(entry, NEIGH_UPDATED) + timeOf(entry, DEV_NEIGH_LOCKTIME, MILLISECOND);
}

/** A device has lost its carrier: link addresses that were learned are forgotten, and what waits for one is dropped (neigh_carrier_down). */
export function forgetLearned(device: usize): void {
  recorder.changed();
  const ns = load<usize>(device, DEV_NAMESPACE);
  const table = load<usize>(ns, NS_NEIGHBOURS);
  const buckets = hash.bucketCount(table);
  for (let i: u32 = 0; i < buckets; i++) {
    for (let entry = load<usize>(hash.bucket(table, i)); entry; entry = load<usize>(entry)) {
      if (load<usize>(entry, NEIGH_DEVICE) != device || load<u32>(entry, NEIGH_STATE) == NUD_PERMANENT) continue;
      store<u32>(entry, NUD_NONE, NEIGH_STATE);
      store<u32>(entry, 0, NEIGH_CACHED);
      store<u32>(entry, load<u32>(entry, NEIGH_GENERATION) + 1, NEIGH_GENERATION);
      for (let frame = takeFirst(entry); frame; frame = takeFirst(entry)) drop(ns, frame, DROP_NEIGH_FAILED);
    }
  }
}

export const TIMER_NOTHING: i32 = 0;
export const TIMER_ASK_ALL: i32 = 1; // send a broadcast request
export const TIMER_ASK_ONE: i32 = 2; // send a unicast request to the address known so far
export const TIMER_FAILED: i32 = 3; // nobody answered: report every waiting frame

/** The timer of an entry: what to do now (neigh_timer_handler). */
export function onTimer(entry: usize, generation: u32): i32 {
  if (load<u32>(entry, NEIGH_GENERATION) != generation) return TIMER_NOTHING;
  const state = load<u32>(entry, NEIGH_STATE);
  if (state == NUD_DELAY) {
    if (now - load<u64>(entry, NEIGH_CONFIRMED) < timeOf(entry, DEV_NEIGH_DELAY, SECOND)) {
      store<u32>(entry, NUD_REACHABLE, NEIGH_STATE);
      return TIMER_NOTHING;
    }
    store<u32>(entry, NUD_PROBE, NEIGH_STATE);
    store<u32>(entry, 1, NEIGH_PROBES);
    setTimer(entry, retransTime(entry));
    return TIMER_ASK_ONE;
  }
  if (!(state & (NUD_INCOMPLETE | NUD_PROBE))) return TIMER_NOTHING;
  const probes = load<u32>(entry, NEIGH_PROBES);
  if (probes >= PROBES) {
    store<u32>(entry, NUD_FAILED, NEIGH_STATE);
    return TIMER_FAILED;
  }
  store<u32>(entry, probes + 1, NEIGH_PROBES);
  setTimer(entry, retransTime(entry));
  return state == NUD_PROBE ? TIMER_ASK_ONE : TIMER_ASK_ALL;
}
