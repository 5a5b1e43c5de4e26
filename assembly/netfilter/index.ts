// The index of a rule set: which rule of a long run is the next that can match at all, by hash tables (tuple space search).
//
// A run is a stretch of rules of one chain each of which asks for exactly one destination, or source, or destination port: its key.
// A packet need only be held against the rules whose key is its own: the others cannot match, and asking them changes nothing.
// Rules without a key end a run and are tested in place. The index is made once per block, which all namespaces with it share.
import {
  MATCH_DPORT_MAX,
  MATCH_DPORT_MIN,
  MATCH_FLAGS,
  MATCH_INVERT,
  MATCH_KIND,
  MATCH_KIND_PREFIX6,
  MATCH_KIND_TCP,
  MATCH_KIND_UDP,
  MATCH_NOT_DPORT,
  MATCH_SIZE,
  RULE_DST,
  RULE_DST_MASK,
  RULE_FLAGS,
  RULE_MATCHES,
  RULE_MATCH_COUNT,
  RULE_NEXT_ALIKE,
  RULE_NOT_DST,
  RULE_NOT_PROTO,
  RULE_NOT_SRC,
  RULE_PROTO,
  RULE_RUN,
  RULE_SIZE,
  RULE_SRC,
  RULE_SRC_MASK,
} from "../layout/rules.ts";
import { allocate } from "../memory/arena.ts";
import { get16 } from "../memory/bytes.ts";
import { mix } from "../memory/hash.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import * as packet from "./packet.ts";

/** Runs shorter than this are walked rule by rule, which is as fast. */
export const RUN_SHORTEST: u32 = 8;

// The kinds of keys, as bits.
const DESTINATION: u32 = 1;
const SOURCE: u32 = 2;
const PORT: u32 = 4; // protocol << 16 | destination port

// A run: the address of the rule behind it, its table, the kinds of keys in it, its first rule, and for those who look at each rule
// the keys and the kinds of all, one after the other.
const RUN_END: usize = 0;
const RUN_TABLE: usize = 4;
const RUN_MASK: usize = 8;
const RUN_KINDS: usize = 12;
const RUN_FIRST: usize = 16;
const RUN_KEYS: usize = 20;
const RUN_KEY_KINDS: usize = 24;
const RUN_BYTES: u32 = 28;

/** Four keys are looked at at once, past the last one, too. */
const OVERREAD: u32 = 16;
/** What no key's kind is. */
const NO_KIND: i32 = -1;

// A slot of a table: a key and the rules that have it, in order.
const SLOT_KEY: usize = 0;
const SLOT_KIND: usize = 4; // 0: free
const SLOT_FIRST: usize = 8;
const SLOT_LAST: usize = 12;
const SLOT_SHIFT: usize = 4;

let key: u32 = 0;

/** The kind of a rule's key, 0: it has none. Sets `key`. */
function keyOf(block: usize, rule: usize): u32 {
  const flags = load<u32>(rule, RULE_FLAGS);
  if (load<u32>(rule, RULE_DST_MASK) == 0xffffffff && !(flags & RULE_NOT_DST)) {
    key = load<u32>(rule, RULE_DST);
    return DESTINATION;
  }
  if (load<u32>(rule, RULE_SRC_MASK) == 0xffffffff && !(flags & RULE_NOT_SRC)) {
    key = load<u32>(rule, RULE_SRC);
    return SOURCE;
  }
  // The port must be asked before anything that remembers being asked.
  const protocol = load<u32>(rule, RULE_PROTO);
  if (flags & RULE_NOT_PROTO || !load<u32>(rule, RULE_MATCH_COUNT)) return 0;
  let record = block + <usize>load<u32>(rule, RULE_MATCHES);
  // Blocks of IPv6 stand before it, and remember nothing.
  const end = record + <usize>(load<u32>(rule, RULE_MATCH_COUNT) - 1) * MATCH_SIZE;
  while (load<i32>(record, MATCH_KIND) == MATCH_KIND_PREFIX6 && record < end) record += MATCH_SIZE;
  const kind = load<i32>(record, MATCH_KIND);
  const isTcp = protocol == ipv4.PROTO_TCP && kind == MATCH_KIND_TCP;
  if (!isTcp && !(protocol == ipv4.PROTO_UDP && kind == MATCH_KIND_UDP)) return 0;
  if (load<u32>(record, MATCH_FLAGS) & (MATCH_INVERT | MATCH_NOT_DPORT)) return 0;
  const port = load<u32>(record, MATCH_DPORT_MIN);
  if (port != load<u32>(record, MATCH_DPORT_MAX)) return 0;
  key = (protocol << 16) | port;
  return PORT;
}

/** Makes the index of `count` rules from `first` on, whose offsets count from `base`; runs of fewer than `shortest` rules have none. */
export function make(base: usize, first: usize, count: u32, shortest: u32): void {
  const end = first + <usize>count * RULE_SIZE;
  let rule = first;
  while (rule < end) {
    const start = rule;
    while (rule < end && keyOf(base, rule)) rule += RULE_SIZE;
    const length = <u32>(rule - start) / RULE_SIZE;
    if (length >= shortest) makeRun(base, start, rule, length);
    rule += RULE_SIZE;
  }
}

function makeRun(block: usize, start: usize, end: usize, count: u32): void {
  let slots: u32 = 16;
  while (slots < count << 1) slots <<= 1;
  const run = allocate(RUN_BYTES);
  store<usize>(run, end, RUN_END);
  store<usize>(run, allocate(slots << (<u32>SLOT_SHIFT)), RUN_TABLE);
  store<u32>(run, slots - 1, RUN_MASK);
  store<usize>(run, start, RUN_FIRST);
  const keys = allocate((count << 2) + OVERREAD);
  const keyKinds = allocate((count << 2) + OVERREAD);
  store<usize>(run, keys, RUN_KEYS);
  store<usize>(run, keyKinds, RUN_KEY_KINDS);
  let kinds: u32 = 0;
  let place: usize = 0;
  for (let rule = start; rule < end; rule += RULE_SIZE, place += 4) {
    const kind = keyOf(block, rule);
    kinds |= kind;
    store<u32>(keys + place, key);
    store<u32>(keyKinds + place, kind);
    store<usize>(rule, run, RULE_RUN);
    const slot = slotOf(run, kind, key);
    if (load<u32>(slot, SLOT_KIND)) {
      store<usize>(load<usize>(slot, SLOT_LAST), rule, RULE_NEXT_ALIKE);
    } else {
      store<u32>(slot, key, SLOT_KEY);
      store<u32>(slot, kind, SLOT_KIND);
      store<usize>(slot, rule, SLOT_FIRST);
    }
    store<usize>(slot, rule, SLOT_LAST);
  }
  store<u32>(run, kinds, RUN_KINDS);
}

/** The slot of a key, or the free one where it would stand. */
function slotOf(run: usize, kind: u32, value: u32): usize {
  const table = load<usize>(run, RUN_TABLE);
  const mask = load<u32>(run, RUN_MASK);
  let place = mix(value, kind) & mask;
  while (true) {
    const slot = table + ((<usize>place) << SLOT_SHIFT);
    const there = load<u32>(slot, SLOT_KIND);
    if (!there || (there == kind && load<u32>(slot, SLOT_KEY) == value)) return slot;
    place = (place + 1) & mask;
  }
}

/** The first rule with a key at or behind `rule`, `end` if there is none. */
function nextAlike(run: usize, kind: u32, value: u32, rule: usize, end: usize): usize {
  const slot = slotOf(run, kind, value);
  if (!load<u32>(slot, SLOT_KIND)) return end;
  let at = load<usize>(slot, SLOT_FIRST);
  while (at && at < rule) at = load<usize>(at, RULE_NEXT_ALIKE);
  return at ? at : end;
}

// What a packet is held against keys by: its destination port with its protocol, if it has one.
let port: u32 = 0;
let hasPort: bool = false;

/** Sets `port` and `hasPort`. False if the packet has no whole header: the first rule that asks for its ports drops it. */
function readPort(): bool {
  const isTcp = packet.protocol == ipv4.PROTO_TCP;
  hasPort = isTcp || packet.protocol == ipv4.PROTO_UDP;
  if (!hasPort) return true;
  const header = isTcp ? tcp.TCP_LENGTH : udp.UDP_LENGTH;
  if (packet.fragmentOffset || packet.l4Length < header) return false;
  port = (packet.protocol << 16) | (<u32>get16(packet.l4 + 2));
  return true;
}

/** The rule at or behind `rule` in its run that is the next one the packet may match; the rule behind the run if there is none. */
export function seek(run: usize, rule: usize): usize {
  const kinds = load<u32>(run, RUN_KINDS);
  let best = load<usize>(run, RUN_END);
  if (kinds & PORT) {
    if (!readPort()) return rule;
    if (hasPort) best = nextAlike(run, PORT, port, rule, best);
  }
  if (kinds & DESTINATION) best = min<usize>(best, nextAlike(run, DESTINATION, packet.destination, rule, best));
  if (kinds & SOURCE) best = min<usize>(best, nextAlike(run, SOURCE, packet.source, rule, best));
  return best;
}

/** As seek, without the table: it looks at the key of every rule in turn, four at once. */
export function scan(run: usize, rule: usize): usize {
  const kinds = load<u32>(run, RUN_KINDS);
  hasPort = false;
  if (kinds & PORT && !readPort()) return rule;
  const first = load<usize>(run, RUN_FIRST);
  const end = load<usize>(run, RUN_END);
  const keys = load<usize>(run, RUN_KEYS);
  const keyKinds = load<usize>(run, RUN_KEY_KINDS);
  const count = (end - first) / RULE_SIZE;
  const destinations = i32x4.splat(packet.destination);
  const sources = i32x4.splat(packet.source);
  const ports = i32x4.splat(port);
  const portKind = i32x4.splat(hasPort ? <i32>PORT : NO_KIND);
  for (let place = (rule - first) / RULE_SIZE; place < count; place += 4) {
    const four = v128.load(keys + (place << 2));
    let hits = i32x4.eq(four, destinations);
    if (kinds != DESTINATION) {
      const kind = v128.load(keyKinds + (place << 2));
      hits = v128.or(
        v128.and(hits, i32x4.eq(kind, i32x4.splat(DESTINATION))),
        v128.or(
          v128.and(i32x4.eq(four, sources), i32x4.eq(kind, i32x4.splat(SOURCE))),
          v128.and(i32x4.eq(four, ports), i32x4.eq(kind, portKind)),
        ),
      );
    }
    const lanes = i32x4.bitmask(hits);
    if (lanes) return min<usize>(first + (place + <usize>ctz(lanes)) * RULE_SIZE, end);
  }
  return end;
}

/** The rule behind a run. */
export function endOf(run: usize): usize {
  return load<usize>(run, RUN_END);
}
