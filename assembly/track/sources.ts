// Connections by where they come from, as far as their source is translated: one that begins at the same address and port is given
// the same translation if it can have it (nf_nat_bysource).
import {
  CT_NAMESPACE,
  CT_ORIGINAL,
  CT_REPLY,
  CT_SOURCE,
  CT_SOURCE_LISTED,
  CT_TIMEOUT,
  NS_SOURCES,
  TUPLE_PORTS,
  TUPLE_PROTO,
  TUPLE_SRC,
  TUPLE_ZONE,
} from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import * as tuple from "./tuple.ts";

function hashOf(address: u32, port: u32, proto: u32): u32 {
  return hash.mix(address, (port << 8) | proto);
}

/** The hash that an entry stands under; `link` is its CT_SOURCE. */
function hashOfRecord(link: usize): u32 {
  const original = link - CT_SOURCE + CT_ORIGINAL;
  const port = load<u32>(original, TUPLE_PORTS) >> 16;
  return hashOf(load<u32>(original, TUPLE_SRC), port, load<u32>(original, TUPLE_PROTO));
}

/** Lists an entry whose source has been translated. */
export function list(entry: usize): void {
  const ns = load<usize>(entry, CT_NAMESPACE);
  let table = load<usize>(ns, NS_SOURCES);
  if (!table) {
    table = hash.newTable(64);
    store<usize>(ns, table, NS_SOURCES);
  }
  if (hash.crowded(table)) hash.grow(table, hashOfRecord, true);
  hash.insert(table, hashOfRecord(entry + CT_SOURCE), entry + CT_SOURCE);
  store<u32>(entry, 1, CT_SOURCE_LISTED);
}

/** Takes an entry that is to be freed off the list, if it is on it. */
export function forget(entry: usize): void {
  if (!load<u32>(entry, CT_SOURCE_LISTED)) return;
  const link = entry + CT_SOURCE;
  hash.remove(load<usize>(load<usize>(entry, CT_NAMESPACE), NS_SOURCES), hashOfRecord(link), link);
}

/** The newest entry after `last` (0: of all) that began where the current tuple does, in a zone; 0 if there is none. */
export function next(ns: usize, last: usize, zone: u32): usize {
  const table = load<usize>(ns, NS_SOURCES);
  if (!table) return 0;
  const port = tuple.ports >> 16;
  let link = last
    ? load<usize>(last, CT_SOURCE)
    : load<usize>(hash.bucket(table, hashOf(tuple.src, port, tuple.proto)));
  while (link) {
    const entry = link - CT_SOURCE;
    const original = entry + CT_ORIGINAL;
    const same =
      load<u32>(original, TUPLE_SRC) == tuple.src &&
      load<u32>(original, TUPLE_PORTS) >> 16 == port &&
      load<u32>(original, TUPLE_PROTO) == tuple.proto &&
      load<u32>(original, TUPLE_ZONE) == zone;
    if (same && load<u64>(entry, CT_TIMEOUT) > now) return entry;
    link = load<usize>(link);
  }
  return 0;
}

/** The tuple of an entry as its packets leave, in place of the current one. */
export function readTranslated(entry: usize): void {
  tuple.read(entry + CT_REPLY);
  tuple.invert();
}
