// The connlimit match: how many connections share an address, by a list of them for each rule (nf_conncount.c, xt_connlimit.c).
import { CT_ORIGINAL, CT_TCP_STATE, TUPLE_OWNER, TUPLE_SIZE, TUPLE_ZONE } from "../layout/records.ts";
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
const REPLY_ZONE: usize = TUPLE_OWNER; // the tuple is nobody's
const SIZE: u32 = <u32>TUPLE + TUPLE_SIZE;

let free: usize = 0;

/** The number of living connections under an address, that of the packet among them; 0: the packet belongs to none. */
export function count(state: usize, key: u32, entry: usize): u32 {
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
  let living: u32 = 0;
  let link = state;
  let record = load<usize>(link);
  while (record) {
    const next = load<usize>(record, NEXT);
    if (load<u32>(record, KEY) == key && inZones(record)) {
      tuple.read(record + TUPLE);
      const same = tuple.src == src && tuple.dst == dst && tuple.ports == ports && tuple.proto == proto;
      const found = table.find(packet.ns);
      const over = !found || (!same && proto == PROTO_TCP && isClosed(load<u32>(table.entryOf(found), CT_TCP_STATE)));
      if (over) {
        store<usize>(link, next);
        give(free, record);
        record = next;
        continue;
      }
      if (same) known = true;
      living++;
    }
    link = record + NEXT;
    record = next;
  }
  if (known) return living;
  record = take(free, SIZE);
  store<u32>(record, key, KEY);
  tuple.set(src, dst, ports, proto);
  tuple.write(record + TUPLE);
  store<u32>(record + TUPLE, tuple.zone, TUPLE_ZONE);
  store<u32>(record + TUPLE, tuple.replyZone, REPLY_ZONE);
  store<usize>(record, 0, NEXT);
  store<usize>(link, record);
  return living + 1;
}

/** Whether a connection in a list is one of the current zones. */
function inZones(record: usize): bool {
  const sameOriginal = load<u32>(record + TUPLE, TUPLE_ZONE) == tuple.zone;
  return sameOriginal && load<u32>(record + TUPLE, REPLY_ZONE) == tuple.replyZone;
}
