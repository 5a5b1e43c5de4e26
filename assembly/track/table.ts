// The conntrack table of a namespace: entries stand in it twice, once under each direction's tuple.
import { DIR_REPLY, IPS_CONFIRMED, IPS_DYING, IPS_FIXED_TIMEOUT, IPS_NAT_CLASH } from "../layout/codes.ts";
import { FRAME_CT, FRAME_CT_INFO } from "../layout/frame.ts";
import { IP_CT_NONE } from "../layout/codes.ts";
import {
  CT_NAMESPACE,
  CT_NEXT,
  CT_ORIGINAL,
  CT_REFERENCES,
  CT_REPLY,
  CT_SERIAL,
  CT_SIZE,
  CT_STATUS,
  CT_TCP_SEEN,
  CT_TIMEOUT,
  NS_CONNECTIONS,
  NS_CONNECTION_COUNT,
  NS_EARLIEST_END,
  NS_ENTRIES,
  NS_FREE_ENTRIES,
  TUPLE_DIR,
  TUPLE_SIZE,
  TUPLE_ZONE,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as frames from "../memory/frames.ts";
import * as tags from "../memory/tags.ts";
import * as sources from "./sources.ts";
import * as tuple from "./tuple.ts";

export function newConnectionTable(): usize {
  return tags.newTable(128);
}

/** The entry that a tuple record belongs to. */
export function entryOf(record: usize): usize {
  return record - <usize>load<u32>(record, TUPLE_DIR) * TUPLE_SIZE;
}

/** The entry that a frame points at, 0 if none. */
export function entryOfFrame(frame: usize): usize {
  return load<usize>(frame, FRAME_CT);
}

export function originalOf(entry: usize): usize {
  return entry + CT_ORIGINAL;
}

export function replyOf(entry: usize): usize {
  return entry + CT_REPLY;
}

export function expired(entry: usize): bool {
  return load<u64>(entry, CT_TIMEOUT) <= now;
}

/**
 * The tuple record that equals the current tuple in the current zones, 0 if none. No two entries have the same tuple, so one whose
 * time is over is removed and ends the search; others are not looked at beyond their tuple, a sweep will find them.
 */
export function find(ns: usize): usize {
  const table = load<usize>(ns, NS_CONNECTIONS);
  const hash = tuple.hash();
  let slot = tags.first(table, hash);
  let record = tags.recordIn(slot);
  while (record && !(tags.fits(slot, hash) && tuple.matches(record) && tuple.inZone(record))) {
    slot = tags.next(table, slot);
    record = tags.recordIn(slot);
  }
  if (record && expired(entryOf(record))) {
    remove(entryOf(record));
    return 0;
  }
  return record;
}

/** What stood where a tuple was asked for last; nobody needs it, but a load without a use may be left out. */
export let asked: u32 = 0;

/** The current tuple will be looked for soon: its place in the table is on its way from memory meanwhile. */
export function ask(ns: usize): void {
  asked = load<u32>(tags.first(load<usize>(ns, NS_CONNECTIONS), tuple.hash()));
}

/** Looks for tuples in the zones of an entry from now on. */
export function searchZonesOf(entry: usize): void {
  tuple.setZones(load<u32>(originalOf(entry), TUPLE_ZONE), load<u32>(replyOf(entry), TUPLE_ZONE));
}

const NOWHERE: u32 = 0xffffffff;

/** The same for tuples that would take the place of the entry's tuple in a direction. */
export function searchZoneOf(entry: usize, direction: u32): void {
  searchZonesOf(entry);
  if (tuple.zone == tuple.replyZone) return;
  if (direction == DIR_REPLY) tuple.setZones(NOWHERE, tuple.replyZone);
  else tuple.setZones(tuple.zone, NOWHERE);
}

/** A new entry outside the table, with one reference. */
export function newEntry(ns: usize): usize {
  let entry = load<usize>(ns, NS_FREE_ENTRIES);
  if (entry) store<usize>(ns, load<usize>(entry), NS_FREE_ENTRIES);
  else entry = newRecord(ns);
  const serial = load<u32>(entry, CT_SERIAL) + 1;
  clear(entry, CT_TCP_SEEN);
  store<u32>(entry, serial, CT_SERIAL);
  store<u32>(entry + CT_REPLY, DIR_REPLY, TUPLE_DIR);
  store<usize>(entry, ns, CT_NAMESPACE);
  store<u32>(entry, 1, CT_REFERENCES);
  return entry;
}

/** A record more for a namespace. Those of all namespaces lie in the order in which they came: a packet's are near each other. */
function newRecord(ns: usize): usize {
  const entry = allocate(CT_SIZE);
  store<usize>(entry, load<usize>(ns, NS_ENTRIES), CT_NEXT);
  store<usize>(ns, entry, NS_ENTRIES);
  return entry;
}

export function hold(entry: usize): void {
  store<u32>(entry, load<u32>(entry, CT_REFERENCES) + 1, CT_REFERENCES);
}

/** Lets go of an entry; the last one to do so frees it. */
export function put(entry: usize): void {
  const left = load<u32>(entry, CT_REFERENCES) - 1;
  store<u32>(entry, left, CT_REFERENCES);
  if (left) return;
  sources.forget(entry);
  const ns = load<usize>(entry, CT_NAMESPACE);
  store<usize>(entry, load<usize>(ns, NS_FREE_ENTRIES));
  store<usize>(ns, entry, NS_FREE_ENTRIES);
}

/** Puts an entry into the table under both tuples. */
export function insert(entry: usize): void {
  insertTuple(entry, originalOf(entry));
  insertTuple(entry, replyOf(entry));
  confirmed(entry, 0);
}

/** Puts an entry whose original tuple another one has into the table under its reply tuple alone, for a second. */
export function insertReply(entry: usize): void {
  insertTuple(entry, replyOf(entry));
  store<u64>(entry, now + SECOND, CT_TIMEOUT);
  confirmed(entry, IPS_FIXED_TIMEOUT | IPS_NAT_CLASH);
}

function insertTuple(entry: usize, record: usize): void {
  const ns = load<usize>(entry, CT_NAMESPACE);
  const table = load<usize>(ns, NS_CONNECTIONS);
  if (tags.isFull(table)) {
    sweep(ns);
    // Unless the sweep made room for a while the next ones would follow too soon.
    if (!tags.isSparse(table)) tags.grow(table);
  }
  tags.insert(table, tuple.hashOf(record), record);
}

function confirmed(entry: usize, status: u32): void {
  const ns = load<usize>(entry, CT_NAMESPACE);
  setEnd(ns, entry, load<u64>(entry, CT_TIMEOUT));
  store<u32>(entry, load<u32>(entry, CT_STATUS) | IPS_CONFIRMED | status, CT_STATUS);
  store<u32>(ns, load<u32>(ns, NS_CONNECTION_COUNT) + 1, NS_CONNECTION_COUNT);
  hold(entry);
}

/** Takes an entry out of the table; frames that point at it keep it alive until they are gone. */
export function remove(entry: usize): void {
  const status = load<u32>(entry, CT_STATUS);
  if (status & IPS_DYING || !(status & IPS_CONFIRMED)) return;
  const ns = load<usize>(entry, CT_NAMESPACE);
  const table = load<usize>(ns, NS_CONNECTIONS);
  store<u32>(entry, status | IPS_DYING, CT_STATUS);
  if (!(status & IPS_NAT_CLASH)) tags.remove(table, tuple.hashOf(originalOf(entry)), originalOf(entry));
  tags.remove(table, tuple.hashOf(replyOf(entry)), replyOf(entry));
  store<u32>(ns, load<u32>(ns, NS_CONNECTION_COUNT) - 1, NS_CONNECTION_COUNT);
  put(entry);
}

/** Sets when an entry of a namespace ends. NS_EARLIEST_END stays at or before the end of every entry. */
export function setEnd(ns: usize, entry: usize, at: u64): void {
  store<u64>(entry, at, CT_TIMEOUT);
  if (at < load<u64>(ns, NS_EARLIEST_END)) store<u64>(ns, at, NS_EARLIEST_END);
}

/** Removes every entry whose time is over. A full table asks for this with every packet, so it looks only when there may be one. */
export function sweep(ns: usize): void {
  if (now < load<u64>(ns, NS_EARLIEST_END)) return;
  let earliest = u64.MAX_VALUE;
  // From the newest to the oldest, so that they are used again in the order in which they lie.
  for (let entry = load<usize>(ns, NS_ENTRIES); entry; entry = load<usize>(entry, CT_NEXT)) {
    if ((load<u32>(entry, CT_STATUS) & (IPS_CONFIRMED | IPS_DYING)) != IPS_CONFIRMED) continue;
    if (expired(entry)) remove(entry);
    else earliest = min<u64>(earliest, load<u64>(entry, CT_TIMEOUT));
  }
  store<u64>(ns, earliest, NS_EARLIEST_END);
}

/** Points a frame at an entry; the frame takes over the caller's reference. */
export function attach(frame: usize, entry: usize, info: u32): void {
  store<usize>(frame, entry, FRAME_CT);
  store<u32>(frame, info, FRAME_CT_INFO);
}

/** Makes a frame forget its connection, as when it leaves the namespace (nf_reset_ct). */
export function detach(frame: usize): void {
  const entry = load<usize>(frame, FRAME_CT);
  if (entry) put(entry);
  store<usize>(frame, 0, FRAME_CT);
  store<u32>(frame, IP_CT_NONE, FRAME_CT_INFO);
}

/** Gives a frame back to the pool, with its reference to a connection; `how` is what it came to (USED_*). */
export function consume(frame: usize, how: i32): void {
  const entry = load<usize>(frame, FRAME_CT);
  if (entry) put(entry);
  frames.release(frame, how);
}

/** A second frame with the same bytes, metadata and connection. */
export function clone(frame: usize): usize {
  const entry = load<usize>(frame, FRAME_CT);
  if (entry) hold(entry);
  return frames.clone(frame);
}
