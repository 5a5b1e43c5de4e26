// The connlimit match: how many connections share an address, by a list of them for each rule (nf_conncount.c, xt_connlimit.c).
import { IPS_ASSURED } from "../layout/codes.ts";
import { CT_ORIGINAL, CT_STATUS, CT_TCP_STATE, TUPLE_OWNER, TUPLE_SIZE, TUPLE_ZONE } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { give, take } from "../memory/pool.ts";
import * as table from "../track/table.ts";
import { isClosed } from "../track/tcp.ts";
import * as tuple from "../track/tuple.ts";
import { PROTO_TCP } from "../wire/ipv4.ts";
import * as packet from "./packet.ts";

// A connection in a rule's list, whose head is the first word of the rule's state.
const NEXT: usize = 0;
const KEY: usize = 4;
const TUPLE: usize = 8;
// What a record has for a protocol that stands for its address alone: there has been a connection (struct nf_conncount_rb).
const BEGUN: u32 = 0xffffffff;
const REPLY_ZONE: usize = TUPLE_OWNER; // the tuple is nobody's
const SIZE: u32 = <u32>TUPLE + TUPLE_SIZE;

let free: usize = 0;

/**
 * The number of living connections under an address, that of the packet among them; 0: the packet belongs to none, or to one that
 * is over. Packets of an assured connection add nothing and clear the list of what is over, itself included (nf_conncount_gc_list).
 */
export function count(state: usize, key: u32, entry: usize): u32 {
  const settled = entry != 0 && (load<u32>(entry, CT_STATUS) & IPS_ASSURED) != 0;
  tuple.setZones(0, 0);
  if (entry) {
    tuple.read(entry + CT_ORIGINAL);
    table.searchZonesOf(entry);
  } else if (!tuple.parse(packet.ip, packet.length)) {
    return 0;
  }
  const src = tuple.src;
  const dst = tuple.dst;
  const ports = tuple.ports;
  const proto = tuple.proto;
  if (!free) free = allocate(64);
  let known = false;
  let begun = false;
  let living: u32 = 0;
  let link = state;
  let record = load<usize>(link);
  while (record) {
    const next = load<usize>(record, NEXT);
    if (load<u32>(record, KEY) == key && inZones(record)) {
      tuple.read(record + TUPLE);
      if (tuple.proto == BEGUN) {
        begun = true;
      } else {
        const same = tuple.src == src && tuple.dst == dst && tuple.ports == ports && tuple.proto == proto;
        if (isOver(settled || !same)) {
          store<usize>(link, next);
          give(free, record);
          record = next;
          continue;
        }
        if (same) known = true;
        living++;
      }
    }
    link = record + NEXT;
    record = next;
  }
  if (known || (settled && begun)) return living;
  if (!begun) link = add(link, key, 0, 0, 0, BEGUN);
  add(link, key, src, dst, ports, proto);
  return living + 1;
}

/** Adds a record at the end of a list; returns where the next one goes. */
function add(link: usize, key: u32, src: u32, dst: u32, ports: u32, proto: u32): usize {
  const record = take(free, SIZE);
  store<u32>(record, key, KEY);
  tuple.set(src, dst, ports, proto);
  tuple.write(record + TUPLE);
  store<u32>(record + TUPLE, tuple.zone, TUPLE_ZONE);
  store<u32>(record + TUPLE, tuple.replyZone, REPLY_ZONE);
  store<usize>(record, 0, NEXT);
  store<usize>(link, record);
  return record + NEXT;
}

/** Whether the connection of the current tuple is gone, or has ended if that counts. */
function isOver(endCounts: bool): bool {
  const found = table.find(packet.ns);
  if (!found) return true;
  return endCounts && tuple.proto == PROTO_TCP && isClosed(load<u32>(table.entryOf(found), CT_TCP_STATE));
}

/** Whether a connection in a list is one of the current zones. */
function inZones(record: usize): bool {
  const sameOriginal = load<u32>(record + TUPLE, TUPLE_ZONE) == tuple.zone;
  return sameOriginal && load<u32>(record + TUPLE, REPLY_ZONE) == tuple.replyZone;
}
