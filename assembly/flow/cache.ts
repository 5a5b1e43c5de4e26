// The flow cache: what a frame of a connection did in a machine, from the device that received it or the socket that sent it to the
// wire that takes it away or the socket that it is for, is done again for the frames that follow, without asking bridges, rules,
// routes and neighbours once more (as hardware offload does).
//
// A way goes on through veths from namespace to namespace as long as no other frame waits its turn, as then nothing that others do
// can come between its steps. Frames that are not alone take, and are remembered by, the part up to the next veth.
//
//   bucket, one cache line of an index:    hashes of eight flows | their slots
//   slot, one cache line, one per flow:    MACs, type, TOS | addresses | ports | where | validity | connection | path | new header, sums
//   path, shared by flows of the same way: device out, link header | what must still hold | what is touched | counters | captures
//
// Slots lie in the order in which they were made, as flows that began one after the other mostly go on so.
//
// The first frame of a connection does what that of another one did between the same addresses and to the same port, as long as nothing
// on its way asked for its source port or left something to chance. So a slot may also be of all that open a connection alike; it has
// no connection, but says what the new one is to be.
//
// What is remembered is what memory/recorder.ts has noted, and only if applying it to the frame as it came in gives the frame as it
// went out, byte for byte. Counters are added up per path and reach their places when somebody reads them (`settle`).
import {
  DEVICE_LOOPBACK,
  DEVICE_VETH,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_DYING,
  IPS_FIXED_TIMEOUT,
  IPS_NAT_CLASH,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT_DONE,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_NONE,
  ROUTE_LOCAL,
} from "../layout/codes.ts";
import * as F from "../layout/frame.ts";
import {
  CT_NAMESPACE,
  CT_REPLY,
  CT_SERIAL,
  CT_STATUS,
  CT_TIMEOUT,
  DEV_KIND,
  DEV_NETEM,
  FDB_UPDATED,
  NEIGH_USED,
} from "../layout/records.ts";
import { isQuiet } from "../ip/neighbour.ts";
import { aged } from "../link/bridge.ts";
import * as netem from "../link/netem.ts";
import { allocate } from "../memory/arena.ts";
import * as backlog from "../memory/backlog.ts";
import { clear } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import * as cpu from "../memory/cpu.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";
import { capture } from "../observe/capture.ts";
import * as notes from "../observe/notes.ts";
import * as trace from "../observe/trace.ts";
import { follow, open, transportValid } from "../track/conntrack.ts";
import { TRACK_ACCEPT, isSteady } from "../track/tcp.ts";
import * as tuple from "../track/tuple.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { patch, patchUdp } from "./sums.ts";

// Bytes of a frame with an Ethernet and an IPv4 header without options.
const LINK: usize = 0; // 16 bytes: MACs, type, version and length, TOS
const TYPE: usize = 12;
const FRAGMENT: usize = 20;
const TTL: usize = 22;
const PROTOCOL: usize = 23;
const IP_SUM: usize = 24;
const ADDRESSES: usize = 26;
const PORTS: usize = 34;
const UDP_SIZE: usize = 38;
const UDP_SUM: usize = 40;
const TCP_FLAGS: usize = 47;
const TCP_SUM: usize = 50;
const IP: usize = 14;
const L4: usize = 34;
const ONCE: u32 = 7; // FIN, SYN, RST
const SYN: u32 = 2;
const IPV4_WITHOUT_OPTIONS: u32 = 0x450008; // bytes 12 to 14, as they lie
const ANY_FRAGMENT: u32 = 0xff3f;
const ETHERTYPE_IPV4: u16 = 0x0008; // as it lies

// A slot. Frame bytes stand in it as they lie in the frame.
const SLOT_LINK: usize = 0;
const SLOT_ADDRESSES: usize = 16;
const SLOT_PORTS: usize = 24;
const SLOT_PLACE: usize = 28; // device in or, for what a socket sends, namespace; PLACE_* in the lowest bits
const SLOT_GENERATION: usize = 32;
const SLOT_CT: usize = 36; // 0: the namespace does not track, or the connection is to be opened
const SLOT_CT_SERIAL: usize = 40;
const SLOT_CT_STATUS: usize = 40; // of one that is to be opened
const SLOT_PATH: usize = 44; // and in its lowest bit TRIED
const SLOT_NEW_ADDRESSES: usize = 48;
const SLOT_NEW_PORTS: usize = 56;
const SLOT_IP_DELTA: usize = 60; // u16, as is the next
const SLOT_L4_DELTA: usize = 62;
const SLOT_SIZE: usize = 64;
const TRIED: usize = 1; // the way has been noted a second time since what follows it has been known

// A bucket of the index. An entry that is not used is 0 in both.
const WAYS: usize = 8; // slots that one hash may use
const BUCKET_TAGS: usize = 0; // hashes of flows, so that a search touches no slot but one that fits
const BUCKET_SLOTS: usize = 32;
const BUCKET_SIZE: usize = 64;

const PLACE_UDP: u32 = 1;
const PLACE_TCP: u32 = 2;
const PLACE_ALONE: u32 = 4; // no other frame waits its turn
const PLACE_OPENS: u32 = 8; // of first frames: the source port does not matter, it is 0 in SLOT_PORTS
const DESTINATION_PORT: u32 = 0xffff0000; // of both ports, as they lie

// A path; PATH_COUNTERS addresses (lowest bit: with bytes), then PATH_CAUGHT captures, follow it.
const PATH_DEVICE: usize = 4; // by which it leaves, or, if it is for a socket, came in last
const PATH_FLAGS: usize = 8;
const PATH_TRACKER: usize = 12; // the namespace that tracks the connection
const PATH_LINK: usize = 16; // 16 bytes, the new SLOT_LINK
const PATH_LONGEST: usize = 32;
const PATH_NEIGHBOURS: usize = 36; // two
const PATH_FOUND: usize = 44; // two pairs of forwarding entry and bridge
const PATH_LEARNED: usize = 60; // two forwarding entries
const PATH_COUNTERS: usize = 68;
const PATH_CAUGHT: usize = 72;
const PATH_BYTES_USED: usize = 76; // of this record
const PATH_COST: usize = 80; // of the processor
const PATH_HASH: usize = 84;
const PATH_PACKETS: usize = 88; // u64, not settled yet, as are the bytes
const PATH_BYTES: usize = 96; // u64
const PATH_LIST: usize = 104;
const PATH_MAX: u32 = 2048;

const PATH_TTL: u32 = 1; // one hop less
const PATH_REPLY: u32 = 2;
const PATH_UNREPLIED: u32 = 4; // the connection has seen no reply yet
const PATH_LOCAL: u32 = 8; // it ends at a socket

// A capture on the way: the link header then, the device, and which fields had their new values.
const CAUGHT_LINK: usize = 0;
const CAUGHT_DEVICE: usize = 16;
const CAUGHT_DIRECTION: usize = 20;
const CAUGHT_FIELDS: usize = 24;
const CAUGHT_SIZE: usize = 32;
const FIELD_SOURCE: u32 = 1;
const FIELD_DESTINATION: u32 = 2;
const FIELD_SOURCE_PORT: u32 = 4;
const FIELD_DESTINATION_PORT: u32 = 8;
const FIELD_TTL: u32 = 16;

const BUCKETS_FIRST: u32 = 1 << 9;
const BUCKETS_MAX: u32 = 1 << 17;
/** How many of a bucket's entries may be in use on average, before there are twice as many buckets. */
const CROWDED: u32 = 3;
/** Slots that are made at once. */
const SLOTS_MADE: u32 = 512;
/** Four marks of flows for each hash of so many: the upper bits of a hash, and when in units of half a second. */
const SEEN: u32 = 1 << 14;
const EPOCH: u32 = 255;
const EPOCH_SHIFT: u64 = 29;
const MIXER: u32 = 0x9e3779b1;
const SELDOM: u32 = 29; // one of eight

let on: bool = true;
let index: usize = 0; // buckets
let mask: u32 = 0; // the number of buckets, less one
let used: u32 = 0; // entries of buckets
let unused: usize = 0; // slots that nobody has had yet
let unusedCount: u32 = 0;
let spare: usize = 0; // slots that were given back, a list
let paths: usize = 0; // hash table
let draft: usize = 0; // the path being made
let scratch: usize = 0; // a header
let seen: usize = 0; // marks of flows
let flowHash: u32 = 0; // of the flow looked for last
let entry: u32 = 0; // SLOT_PLACE of the frame that is being noted
let partial: usize = 0; // the slot by which a frame that is on its way alone has come to a veth
let partialOf: usize = 0; // that frame, 0: none

/** Switches the cache on or off. Nothing that can be seen depends on it. */
export function set(use: bool): void {
  settle();
  on = use;
}

function hashOf(addresses: u64, ports: u32, place: u32): u32 {
  let h = addresses * 0x9e3779b97f4a7c15;
  h = (h ^ (h >> 32) ^ (((<u64>place) << 32) | (<u64>ports))) * 0xff51afd7ed558ccd;
  h = (h ^ (h >> 32)) * 0xc4ceb9fe1a85ec53;
  return (<u32>(h >> 32)) | 1;
}

/** The bucket of a hash. */
function bucketOf(h: u32): usize {
  return index + <usize>((h >> 1) & mask) * BUCKET_SIZE;
}

/** Which entries of a bucket have a word in the two vectors from `at` on: a bit for each. */
function having(at: usize, word: u32): i32 {
  const wanted = i32x4.splat(<i32>word);
  const first = i32x4.bitmask(i32x4.eq(v128.load(at), wanted));
  return first | (i32x4.bitmask(i32x4.eq(v128.load(at, 16), wanted)) << 4);
}

/** The slot of a flow, 0 if it has none; sets `flowHash`. The frame's bytes stand at `at`; `link` and `type` are the first 16 of them, `ports` what of its ports counts. */
function find(at: usize, place: u32, ports: u32, link: u64, type: u64): usize {
  const addresses = load<u64>(at, ADDRESSES);
  flowHash = hashOf(addresses, ports, place);
  const bucket = bucketOf(flowHash);
  let hits = having(bucket + BUCKET_TAGS, flowHash);
  while (hits) {
    const slot = load<usize>(bucket + ((<usize>ctz(hits)) << 2), BUCKET_SLOTS);
    if (
      load<u64>(slot, SLOT_ADDRESSES) == addresses &&
      load<u32>(slot, SLOT_PORTS) == ports &&
      load<u32>(slot, SLOT_PLACE) == place &&
      load<u64>(slot, SLOT_LINK) == link &&
      load<u64>(slot, SLOT_LINK + 8) == type
    ) {
      return slot;
    }
    hits &= hits - 1;
  }
  return 0;
}

export const NOT_TAKEN: i32 = 0;
export const TAKEN: i32 = 1;
/** The frame has come to its namespace, that of FRAME_DEVICE: a socket is to have it. */
export const DELIVERED: i32 = 2;

/**
 * A frame comes in by a device: does what the last one like it did, if that is known and still holds. NOT_TAKEN: the frame is as it
 * was, and what it will do is being noted if it may be remembered.
 */
export function taken(device: usize, frame: usize): i32 {
  if (!on || trace.on || load<i32>(device, DEV_KIND) == DEVICE_LOOPBACK) return NOT_TAKEN;
  const at = load<usize>(frame, F.FRAME_DATA);
  return takenFrom(<u32>device, frame, at, load<u64>(at, LINK), load<u64>(at, LINK + 8));
}

/** The same for a packet that a socket of a namespace sends. */
export function takenOut(ns: usize, frame: usize): i32 {
  if (!on || trace.on) return NOT_TAKEN;
  const at = load<usize>(frame, F.FRAME_DATA);
  if (at + IP != load<usize>(frame, F.FRAME_NETWORK)) return NOT_TAKEN;
  // It has no link header yet. Its words are not read back: what has just been stored in parts is slow to read as a whole.
  store<u64>(at, 0);
  store<u32>(at, 0, 8);
  store<u16>(at, ETHERTYPE_IPV4, TYPE);
  const type = ((<u64>ETHERTYPE_IPV4) << 32) | ((<u64>load<u16>(at, IP)) << 48);
  return takenFrom(<u32>ns, frame, at, 0, type);
}

function takenFrom(from: u32, frame: usize, at: usize, link: u64, type: u64): i32 {
  const length = load<u32>(frame, F.FRAME_LENGTH);
  const protocol = <i32>load<u8>(at, PROTOCOL);
  if (((<u32>(type >> 32)) & 0xffffff) != IPV4_WITHOUT_OPTIONS || load<u16>(at, FRAGMENT) & ANY_FRAGMENT)
    return NOT_TAKEN;
  let place = backlog.isEmpty() ? from | PLACE_ALONE : from;
  if (!index) start();
  const before = partialOf == frame ? partial : 0;
  partialOf = 0;
  if (protocol == ipv4.PROTO_UDP) {
    if (length < <u32>UDP_SUM + 2) return NOT_TAKEN;
    place |= PLACE_UDP;
  } else if (protocol == ipv4.PROTO_TCP) {
    if (length < <u32>TCP_SUM + 4) return NOT_TAKEN;
    place |= PLACE_TCP;
    const flags = <u32>load<u8>(at, TCP_FLAGS);
    if (flags == SYN) return takenAsFirst(place | PLACE_OPENS, before, frame, at, length, protocol, link, type, 0);
    // What else begins or ends a connection comes once.
    if (flags & ONCE) return NOT_TAKEN;
  } else {
    return NOT_TAKEN;
  }
  const slot = find(at, place, load<u32>(at, PORTS), link, type);
  if (slot && load<u32>(slot, SLOT_GENERATION) == recorder.generation) {
    const path = pathOfSlot(slot);
    if (fits(path, frame, at, length) && tracked(slot, path, at, length, protocol)) {
      const how = replay(slot, path, frame, at, length, protocol);
      if (before) join(before, slot);
      return how;
    }
    // Unless the connection is another one now, or has been answered, the way is known, but not for this frame.
    if (!isOver(slot)) return NOT_TAKEN;
  }
  // Answers mostly go to the higher port, and open nothing.
  if (protocol == ipv4.PROTO_UDP && bswap<u16>(load<u16>(at, PORTS)) >= bswap<u16>(load<u16>(at, PORTS + 2)))
    return takenAsFirst(place | PLACE_OPENS, before, frame, at, length, protocol, link, type, flowHash);
  if (seenLately()) noteWay(frame, at, place);
  return NOT_TAKEN;
}

/**
 * A frame that may be the first of its connection opens it as the last one like it did, if that is known; `ofFlow`: the hash of its
 * flow, if it may also belong to a connection that is open.
 */
function takenAsFirst(
  place: u32,
  before: usize,
  frame: usize,
  at: usize,
  length: u32,
  protocol: i32,
  link: u64,
  type: u64,
  ofFlow: u32,
): i32 {
  const slot = find(at, place, load<u32>(at, PORTS) & DESTINATION_PORT, link, type);
  const known = slot != 0 && load<u32>(slot, SLOT_GENERATION) == recorder.generation;
  if (known) {
    takeSourcePort(slot, at);
    const path = pathOfSlot(slot);
    if (fits(path, frame, at, length) && opened(slot, path, at, length)) {
      const how = replay(slot, path, frame, at, length, protocol);
      if (before) join(before, slot);
      return how;
    }
  }
  const ofOpening = flowHash;
  flowHash = ofFlow;
  if (ofFlow && seenLately()) {
    noteWay(frame, at, place & ~PLACE_OPENS);
    return NOT_TAKEN;
  }
  flowHash = ofOpening;
  if (!known && seenLately()) noteWay(frame, at, place);
  return NOT_TAKEN;
}

/** The source port of a first frame is that of its connection. */
function takeSourcePort(slot: usize, at: usize): void {
  const to = load<u32>(slot, SLOT_NEW_PORTS) & DESTINATION_PORT;
  store<u32>(slot, to | (load<u32>(at, PORTS) & ~DESTINATION_PORT), SLOT_NEW_PORTS);
}

/** Begins to note the way of a frame of which nothing is known yet that its way depends on. */
function noteWay(frame: usize, at: usize, place: u32): void {
  if (load<usize>(frame, F.FRAME_CT) | load<u32>(frame, F.FRAME_MARK) | load<u32>(frame, F.FRAME_FLAGS)) return;
  // Which rule decided is said of every first packet, where somebody wants to know it.
  const opens = (place & PLACE_OPENS) != 0;
  if (opens && notes.on) return;
  entry = place;
  recorder.begin(frame, at, opens);
  cpu.mark();
}

/**
 * Both parts of a way are known, which were noted apart, as something on the second was not settled yet when the first was noted: the
 * way is noted once more, from its beginning. Once, as there may be another reason. The second part is not needed any more then.
 */
function join(first: usize, second: usize): void {
  if ((load<u32>(first, SLOT_PLACE) ^ load<u32>(second, SLOT_PLACE)) & PLACE_OPENS) return;
  const path = load<usize>(first, SLOT_PATH);
  if (path & TRIED) return;
  store<usize>(first, path | TRIED, SLOT_PATH);
  store<u32>(first, 0, SLOT_GENERATION);
  store<u32>(second, 0, SLOT_GENERATION);
}

function pathOfSlot(slot: usize): usize {
  return load<usize>(slot, SLOT_PATH) & ~TRIED;
}

/**
 * Whether a flow like the one looked for last has left its mark within the last second or half of it; takes it, or leaves one. What
 * comes once, or again when its connection is over, is not worth being noted.
 */
function seenLately(): bool {
  const bucket = seen + ((<usize>((flowHash >> 12) & (SEEN - 1))) << 4);
  const marks = v128.load(bucket);
  const epoch = (<u32>(now >> EPOCH_SHIFT)) & EPOCH;
  const tag = flowHash & ~EPOCH;
  const hits = i32x4.bitmask(i32x4.eq(v128.and(marks, i32x4.splat(~EPOCH)), i32x4.splat(<i32>tag)));
  if (hits) {
    const place = bucket + ((<usize>ctz(hits)) << 2);
    const lately = isFresh(load<u32>(place), epoch);
    store<u32>(place, lately ? 0 : tag | epoch);
    return lately;
  }
  // The oldest makes room, but seldom if it is not old: flows that take turns would push each other out for ever.
  if (isFresh(load<u32>(bucket, 12), epoch) && ((flowHash ^ (<u32>(now >> 8))) * MIXER) >>> SELDOM) return false;
  v128.store(bucket, v128.shuffle<u32>(marks, i32x4.splat(<i32>(tag | epoch)), 4, 0, 1, 2));
  return false;
}

function isFresh(mark: u32, epoch: u32): bool {
  return mark != 0 && ((epoch - mark) & EPOCH) <= 1;
}

function start(): void {
  mask = BUCKETS_FIRST - 1;
  index = allocate(BUCKETS_FIRST * <u32>BUCKET_SIZE);
  paths = hash.newTable(256);
  seen = allocate(SEEN << 4);
  draft = allocate(PATH_MAX);
  scratch = allocate(<u32>recorder.HEADER);
}

/** Whether lengths and, unless this kernel made them, checksums are right; else the long way finds out what is wrong. */
function sound(frame: usize, at: usize, length: u32): bool {
  const total = <u32>bswap<u16>(load<u16>(at, 16));
  if (total + <u32>IP != length) return false;
  if (!load<u32>(frame, F.FRAME_SUMMED)) {
    return ipv4.checksumValid(at + IP) && transportValid(at + IP, <i32>total, true);
  }
  if (load<u8>(at, PROTOCOL) == ipv4.PROTO_UDP) {
    const said = <u32>bswap<u16>(load<u16>(at, UDP_SIZE));
    return said >= 8 && said + <u32>L4 <= length;
  }
  return transportValid(at + IP, <i32>total, false);
}

/** Whether the forwarding entries and the neighbour of a path still hold. */
function holds(path: usize): bool {
  const neighbour = load<usize>(path, PATH_NEIGHBOURS);
  if (neighbour && !isQuiet(neighbour)) return false;
  const farther = load<usize>(path, PATH_NEIGHBOURS + 4);
  if (farther && !isQuiet(farther)) return false;
  const found = load<usize>(path, PATH_FOUND);
  if (!found) return true;
  if (aged(load<usize>(path, PATH_FOUND + 4), found)) return false;
  const second = load<usize>(path, PATH_FOUND + 8);
  return !second || !aged(load<usize>(path, PATH_FOUND + 12), second);
}

/** Follows the connection by this packet (conntrack.enter). False: it is not as it was, and nothing has been changed. */
function tracked(slot: usize, path: usize, at: usize, length: u32, protocol: i32): bool {
  const entry = load<usize>(slot, SLOT_CT);
  if (!entry) return true;
  if (load<u32>(entry, CT_SERIAL) != load<u32>(slot, SLOT_CT_SERIAL) || load<u64>(entry, CT_TIMEOUT) <= now)
    return false;
  const flags = load<u32>(path, PATH_FLAGS);
  const wanted: u32 = flags & PATH_UNREPLIED ? IPS_CONFIRMED : IPS_CONFIRMED | IPS_SEEN_REPLY;
  const asked = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_DYING | IPS_FIXED_TIMEOUT | IPS_NAT_CLASH;
  if ((load<u32>(entry, CT_STATUS) & asked) != wanted) return false;
  const direction: u32 = flags & PATH_REPLY ? 1 : 0;
  if (protocol == ipv4.PROTO_TCP && (flags & PATH_UNREPLIED || !isSteady(entry, direction, at + L4))) return false;
  const bytes = <i32>length - <i32>L4;
  return follow(load<usize>(path, PATH_TRACKER), entry, direction, protocol, at + L4, bytes) == TRACK_ACCEPT;
}

/** Opens the connection of a first frame. False: it is not a first one, or may not be, and nothing has been changed. */
function opened(slot: usize, path: usize, at: usize, length: u32): bool {
  const address = bswap<u32>(load<u32>(slot, SLOT_NEW_ADDRESSES + 4));
  const port = <u32>bswap<u16>(load<u16>(slot, SLOT_NEW_PORTS + 2));
  const ns = load<usize>(path, PATH_TRACKER);
  return open(ns, at + IP, <i32>length - <i32>IP, address, port, load<u32>(slot, SLOT_CT_STATUS));
}

/** Whether a path is open to a frame, but for its connection. */
function fits(path: usize, frame: usize, at: usize, length: u32): bool {
  return length <= load<u32>(path, PATH_LONGEST) && load<u8>(at, TTL) > 1 && sound(frame, at, length) && holds(path);
}

/** Does with a frame what was done with the one before. Returns TAKEN or DELIVERED. */
function replay(slot: usize, path: usize, frame: usize, at: usize, length: u32, protocol: i32): i32 {
  if (load<u32>(path, PATH_CAUGHT)) captureAll(slot, path, frame, at);
  rewrite(slot, path, at, protocol);
  const learned = load<usize>(path, PATH_LEARNED);
  if (learned) {
    store<u64>(learned, now, FDB_UPDATED);
    const second = load<usize>(path, PATH_LEARNED + 4);
    if (second) store<u64>(second, now, FDB_UPDATED);
  }
  const neighbour = load<usize>(path, PATH_NEIGHBOURS);
  if (neighbour) {
    store<u64>(neighbour, now, NEIGH_USED);
    const farther = load<usize>(path, PATH_NEIGHBOURS + 4);
    if (farther) store<u64>(farther, now, NEIGH_USED);
  }
  store<u64>(path, load<u64>(path, PATH_PACKETS) + 1, PATH_PACKETS);
  store<u64>(path, load<u64>(path, PATH_BYTES) + <u64>(length - <u32>IP), PATH_BYTES);
  if (cpu.core) cpu.chargeAgain(load<u32>(path, PATH_COST));
  store<usize>(frame, at + IP, F.FRAME_NETWORK);
  store<u32>(frame, IP_CT_NONE, F.FRAME_CT_INFO);
  const device = load<usize>(path, PATH_DEVICE);
  if (load<u32>(path, PATH_FLAGS) & PATH_LOCAL) {
    store<usize>(frame, device, F.FRAME_DEVICE);
    store<usize>(frame, device, F.FRAME_INPUT);
    store<i32>(frame, F.PACKET_HOST, F.FRAME_PACKET_TYPE);
    store<u32>(frame, ROUTE_LOCAL, F.FRAME_ROUTE_TYPE);
    return DELIVERED;
  }
  if (isDirect(device) && backlog.isEmpty()) {
    partial = slot;
    partialOf = frame;
  }
  netem.send(device, frame);
  return TAKEN;
}

/** Whether what a device sends comes out at once at the other end. */
function isDirect(device: usize): bool {
  return load<i32>(device, DEV_KIND) == DEVICE_VETH && !load<usize>(device, DEV_NETEM);
}

/** Gives a header its new addresses, ports and link header, with the checksums. */
function rewrite(slot: usize, path: usize, at: usize, protocol: i32): void {
  v128.store(at, v128.load(path, PATH_LINK));
  if (load<u32>(path, PATH_FLAGS) & PATH_TTL) store<u8>(at, load<u8>(at, TTL) - 1, TTL);
  store<u64>(at, load<u64>(slot, SLOT_NEW_ADDRESSES), ADDRESSES);
  store<u32>(at, load<u32>(slot, SLOT_NEW_PORTS), PORTS);
  const ip = <u32>load<u16>(slot, SLOT_IP_DELTA);
  if (ip) patch(at + IP_SUM, ip);
  const l4 = <u32>load<u16>(slot, SLOT_L4_DELTA);
  if (!l4) return;
  if (protocol == ipv4.PROTO_UDP) patchUdp(at + UDP_SUM, l4);
  else patch(at + TCP_SUM, l4);
}

// ---- captures

/** Captures the frame at every device on its way that is captured, as it was there. The frame itself is still as it came in. */
function captureAll(slot: usize, path: usize, frame: usize, at: usize): void {
  let caught = path + PATH_LIST + ((<usize>load<u32>(path, PATH_COUNTERS)) << 2);
  for (let left = load<u32>(path, PATH_CAUGHT); left; left--) {
    const copied = capture(load<usize>(caught, CAUGHT_DEVICE), frame, load<u32>(caught, CAUGHT_DIRECTION));
    if (copied) asCaught(slot, caught, copied, at);
    caught += CAUGHT_SIZE;
  }
}

/** Makes a copy of a frame what it was at a capture; `at` is the frame as it came in. */
function asCaught(slot: usize, caught: usize, copied: usize, at: usize): void {
  const fields = load<u32>(caught, CAUGHT_FIELDS);
  v128.store(copied, v128.load(caught, CAUGHT_LINK));
  let addresses: u32 = 0;
  let ports: u32 = 0;
  if (fields & FIELD_SOURCE) addresses += put(copied, at, ADDRESSES, slot + SLOT_NEW_ADDRESSES, 4);
  if (fields & FIELD_DESTINATION) addresses += put(copied, at, ADDRESSES + 4, slot + SLOT_NEW_ADDRESSES + 4, 4);
  if (fields & FIELD_SOURCE_PORT) ports += put(copied, at, PORTS, slot + SLOT_NEW_PORTS, 2);
  if (fields & FIELD_DESTINATION_PORT) ports += put(copied, at, PORTS + 2, slot + SLOT_NEW_PORTS + 2, 2);
  let ip = addresses;
  if (fields & FIELD_TTL) {
    store<u8>(copied, load<u8>(at, TTL) - 1, TTL);
    ip += TTL_DELTA;
  }
  if (ip) patch(copied + IP_SUM, ip);
  if (!(addresses | ports)) return;
  if (load<u8>(at, PROTOCOL) == ipv4.PROTO_UDP) patchUdp(copied + UDP_SUM, addresses + ports);
  else patch(copied + TCP_SUM, addresses + ports);
}

/** What one hop less adds to a checksum: ~word + (word - 0x0100), in the order in which the bytes lie. */
const TTL_DELTA: u32 = 0xfffe;

/** Copies a field of 2 or 4 bytes from a slot and returns what that adds to a checksum. */
function put(to: usize, at: usize, field: usize, from: usize, bytes: usize): u32 {
  let delta: u32 = 0;
  for (let i: usize = 0; i < bytes; i += 2) {
    const before = <u32>load<u16>(at + field + i);
    const after = <u32>load<u16>(from + i);
    store<u16>(to + field + i, <u16>after);
    if (before != after) delta += (~before & 0xffff) + after;
  }
  return delta;
}

// ---- remembering

/**
 * A device sends the frame that is being noted: remembers its way if it can be taken again. Into a veth, the rest of the way is noted
 * as well if it follows at once.
 */
export function remember(device: usize, frame: usize): void {
  if (recorder.frame != frame) return;
  const goesOn = (entry & PLACE_ALONE) != 0 && isDirect(device) && backlog.isEmpty();
  keep(device, frame, 0);
  if (goesOn) recorder.goOn();
  else recorder.spoil();
}

/** The frame that is being noted has come by a device to its namespace, and is for a socket: remembers its way. */
export function rememberDelivery(device: usize, frame: usize): void {
  if (recorder.frame != frame) return;
  const plain =
    load<i32>(frame, F.FRAME_PACKET_TYPE) == F.PACKET_HOST &&
    load<u32>(frame, F.FRAME_ROUTE_TYPE) == ROUTE_LOCAL &&
    load<usize>(frame, F.FRAME_INPUT) == device &&
    !(load<usize>(frame, F.FRAME_CT) | load<u32>(frame, F.FRAME_MARK) | load<u32>(frame, F.FRAME_FLAGS));
  if (plain) keep(device, frame, PATH_LOCAL);
  recorder.spoil();
}

/** Writes slot and path of the frame that is being noted, `flags` being PATH_LOCAL or 0. */
function keep(device: usize, frame: usize, flags: u32): void {
  const at = load<usize>(frame, F.FRAME_DATA);
  const first = recorder.headerAt(0);
  const length = load<u32>(frame, F.FRAME_LENGTH);
  if (<u32>bswap<u16>(load<u16>(first, 16)) + <u32>IP != length) return;
  if (at + IP != load<usize>(frame, F.FRAME_NETWORK)) return;
  clear(draft, <u32>PATH_LIST + 8);
  store<usize>(draft, device, PATH_DEVICE);
  store<u32>(draft, recorder.longest, PATH_LONGEST);
  store<u32>(draft, cpu.sinceMark(), PATH_COST);
  v128.store(draft + PATH_LINK, v128.load(at));
  const hop = load<u8>(first, TTL) - 1 == load<u8>(at, TTL);
  store<u32>(draft, hop ? flags | PATH_TTL : flags, PATH_FLAGS);
  const protocol = <i32>load<u8>(first, PROTOCOL);
  const own = find(first, entry, portsOf(first), load<u64>(first, LINK), load<u64>(first, LINK + 8));
  if (!takeSteps() || !opensAlike(first, at)) return;
  const slot = own ? own : room(first);
  const tried = own ? load<usize>(own, SLOT_PATH) & TRIED : 0;
  store<u32>(slot, 0, SLOT_GENERATION);
  fill(slot, first, at);
  captureFields(first);
  if (!proves(slot, first, at, protocol)) return;
  store<usize>(slot, pathOf() | tried, SLOT_PATH);
  store<u32>(slot, recorder.generation, SLOT_GENERATION);
}

/** What counts of the ports of the frame that is being noted. */
function portsOf(first: usize): u32 {
  return entry & PLACE_OPENS ? load<u32>(first, PORTS) & DESTINATION_PORT : load<u32>(first, PORTS);
}

/** Writes a slot that `room` has found, but for its path and validity. */
function fill(slot: usize, first: usize, at: usize): void {
  v128.store(slot, v128.load(first));
  store<u64>(slot, load<u64>(first, ADDRESSES), SLOT_ADDRESSES);
  store<u32>(slot, portsOf(first), SLOT_PORTS);
  store<u32>(slot, entry, SLOT_PLACE);
  store<usize>(slot, connection, SLOT_CT);
  if (begun) store<u32>(slot, load<u32>(begun, CT_STATUS) & ~IPS_CONFIRMED, SLOT_CT_STATUS);
  else store<u32>(slot, connection ? load<u32>(connection, CT_SERIAL) : 0, SLOT_CT_SERIAL);
  store<u64>(slot, load<u64>(at, ADDRESSES), SLOT_NEW_ADDRESSES);
  store<u32>(slot, load<u32>(at, PORTS), SLOT_NEW_PORTS);
  let addresses: u32 = 0;
  let ports: u32 = 0;
  for (let i: usize = 0; i < 8; i += 2) addresses += difference(first, at, ADDRESSES + i);
  for (let i: usize = 0; i < 4; i += 2) ports += difference(first, at, PORTS + i);
  const hop: u32 = load<u32>(draft, PATH_FLAGS) & PATH_TTL ? TTL_DELTA : 0;
  store<u16>(slot, fold(addresses + hop), SLOT_IP_DELTA);
  store<u16>(slot, fold(addresses + ports), SLOT_L4_DELTA);
}

function difference(first: usize, at: usize, field: usize): u32 {
  const before = <u32>load<u16>(first + field);
  const after = <u32>load<u16>(at + field);
  return before == after ? 0 : (~before & 0xffff) + after;
}

function fold(sum: u32): u16 {
  const once = (sum & 0xffff) + (sum >> 16);
  return <u16>((once & 0xffff) + (once >> 16));
}

/** The connection that the frame being noted belongs to, or the one that it has begun; 0: none. */
let connection: usize = 0;
let begun: usize = 0;

/**
 * Whether the connection that the frame has begun, if it is to be remembered as a first one, is in the table with nothing but what
 * follows from the frame's new destination.
 */
function opensAlike(first: usize, at: usize): bool {
  if (!(entry & PLACE_OPENS)) return true;
  if (!begun) return false;
  const status = load<u32>(begun, CT_STATUS);
  if (!(status & IPS_CONFIRMED) || status & ~(IPS_CONFIRMED | IPS_DST_NAT | IPS_DST_NAT_DONE | IPS_SRC_NAT_DONE))
    return false;
  if (load<u16>(first, PORTS) != load<u16>(at, PORTS)) return false;
  const length = <i32>bswap<u16>(load<u16>(at, 16));
  return tuple.parse(at + IP, length) && tuple.invert() && tuple.matches(begun + CT_REPLY);
}

/** Sorts the noted steps into the draft of the path. False: there are more of a kind than a path holds. */
function takeSteps(): bool {
  let counters: u32 = 0;
  let found: usize = 0;
  let learned: usize = 0;
  let neighbours: usize = 0;
  let flags = load<u32>(draft, PATH_FLAGS);
  connection = 0;
  begun = 0;
  for (let i: u32 = 0; i < recorder.count; i++) {
    const step = recorder.stepAt(i);
    const kind = load<u32>(step);
    const a = load<usize>(step, 4);
    const b = load<u32>(step, 8);
    if (kind == recorder.COUNTED || kind == recorder.COUNTED_BYTES) {
      const place = draft + PATH_LIST + ((<usize>counters) << 2);
      counters++;
      store<usize>(place, a | (kind == recorder.COUNTED_BYTES ? 1 : 0));
    } else if (kind == recorder.FOUND) {
      if (found == 16) return false;
      store<usize>(draft + found, a, PATH_FOUND);
      store<u32>(draft + found, b, PATH_FOUND + 4);
      found += 8;
    } else if (kind == recorder.LEARNED) {
      if (learned == 8) return false;
      store<usize>(draft + learned, a, PATH_LEARNED);
      learned += 4;
    } else if (kind == recorder.RESOLVED) {
      if (neighbours == 8) return false;
      store<usize>(draft + neighbours, a, PATH_NEIGHBOURS);
      neighbours += 4;
    } else if (kind == recorder.TRACKED) {
      if (connection) return false;
      connection = a;
      if (b == <u32>IP_CT_ESTABLISHED_REPLY) flags |= PATH_REPLY;
      if (b == <u32>IP_CT_NEW) flags |= PATH_UNREPLIED;
    } else if (kind == recorder.OPENED) {
      if (begun) return false;
      begun = a;
    }
  }
  store<u32>(draft, flags, PATH_FLAGS);
  const tracked = connection ? connection : begun;
  store<usize>(draft, tracked ? load<usize>(tracked, CT_NAMESPACE) : 0, PATH_TRACKER);
  store<u32>(draft, counters, PATH_COUNTERS);
  return true;
}

/** Adds the captures to the draft. */
function captureFields(first: usize): void {
  let caught = draft + PATH_LIST + ((<usize>load<u32>(draft, PATH_COUNTERS)) << 2);
  let number: u32 = 0;
  for (let i: u32 = 0; i < recorder.count; i++) {
    const step = recorder.stepAt(i);
    if (load<u32>(step) != recorder.CAUGHT) continue;
    const then = recorder.headerAt(++number);
    v128.store(caught, v128.load(then));
    store<usize>(caught, load<usize>(step, 4), CAUGHT_DEVICE);
    store<u32>(caught, load<u32>(step, 8), CAUGHT_DIRECTION);
    let fields: u32 = 0;
    if (load<u32>(then, ADDRESSES) != load<u32>(first, ADDRESSES)) fields |= FIELD_SOURCE;
    if (load<u32>(then, ADDRESSES + 4) != load<u32>(first, ADDRESSES + 4)) fields |= FIELD_DESTINATION;
    if (load<u16>(then, PORTS) != load<u16>(first, PORTS)) fields |= FIELD_SOURCE_PORT;
    if (load<u16>(then, PORTS + 2) != load<u16>(first, PORTS + 2)) fields |= FIELD_DESTINATION_PORT;
    if (load<u8>(then, TTL) != load<u8>(first, TTL)) fields |= FIELD_TTL;
    store<u32>(caught, fields, CAUGHT_FIELDS);
    caught += CAUGHT_SIZE;
  }
  store<u32>(draft, number, PATH_CAUGHT);
  store<u32>(draft, <u32>(caught - draft), PATH_BYTES_USED);
}

/** Whether the slot and the draft turn the frame as it came in into what it was at each capture and what went out. */
function proves(slot: usize, first: usize, at: usize, protocol: i32): bool {
  copyHeader(first);
  rewrite(slot, draft, scratch, protocol);
  if (!sameHeader(at)) return false;
  let caught = draft + PATH_LIST + ((<usize>load<u32>(draft, PATH_COUNTERS)) << 2);
  for (let i: u32 = 1; i <= recorder.caughtCount; i++) {
    copyHeader(first);
    asCaught(slot, caught, scratch, first);
    if (!sameHeader(recorder.headerAt(i))) return false;
    caught += CAUGHT_SIZE;
  }
  return true;
}

function copyHeader(from: usize): void {
  for (let i: usize = 0; i < recorder.HEADER; i += 16) v128.store(scratch + i, v128.load(from + i));
}

function sameHeader(other: usize): bool {
  // Bytes past the end of a short frame are the same as well, as nobody writes there.
  for (let i: usize = 0; i < 56; i += 8) if (load<u64>(scratch + i) != load<u64>(other + i)) return false;
  return true;
}

/** A slot for the flow that `find` has not found: one that is void, a new one, or one whose flow must make room. Its header is at `first`. */
function room(first: usize): usize {
  const bucket = bucketOf(flowHash);
  let free: usize = 0;
  for (let i: usize = 0; i < WAYS; i++) {
    const place = bucket + (i << 2);
    const slot = load<usize>(place, BUCKET_SLOTS);
    if (!slot) {
      if (!free) free = place;
    } else if (isVoid(slot)) {
      store<u32>(place, flowHash, BUCKET_TAGS);
      return slot;
    }
  }
  if (used >= (mask + 1) * CROWDED && mask + 1 < BUCKETS_MAX) {
    grow();
    return room(first);
  }
  if (!free) {
    const place = bucket + (((<usize>(load<u32>(first, PORTS) >> 16)) & (WAYS - 1)) << 2);
    store<u32>(place, flowHash, BUCKET_TAGS);
    return load<usize>(place, BUCKET_SLOTS);
  }
  const slot = newSlot();
  used++;
  store<u32>(free, flowHash, BUCKET_TAGS);
  store<usize>(free, slot, BUCKET_SLOTS);
  return slot;
}

function newSlot(): usize {
  if (spare) {
    const slot = spare;
    spare = load<usize>(slot);
    return slot;
  }
  if (!unusedCount) {
    unused = allocate(SLOTS_MADE * <u32>SLOT_SIZE);
    unusedCount = SLOTS_MADE;
  }
  unusedCount--;
  const slot = unused;
  unused += SLOT_SIZE;
  return slot;
}

function giveBack(slot: usize): void {
  store<usize>(slot, spare);
  store<u32>(slot, 0, SLOT_GENERATION);
  spare = slot;
  used--;
}

function isVoid(slot: usize): bool {
  return load<u32>(slot, SLOT_GENERATION) != recorder.generation || isOver(slot);
}

/** Whether the connection of a slot is gone, or has seen its first reply since. */
function isOver(slot: usize): bool {
  const entry = load<usize>(slot, SLOT_CT);
  if (!entry) return false;
  if (load<u32>(entry, CT_SERIAL) != load<u32>(slot, SLOT_CT_SERIAL) || load<u64>(entry, CT_TIMEOUT) <= now)
    return true;
  const waits = (load<u32>(pathOfSlot(slot), PATH_FLAGS) & PATH_UNREPLIED) != 0;
  return waits && (load<u32>(entry, CT_STATUS) & IPS_SEEN_REPLY) != 0;
}

/** Gives void slots back, and makes twice as many buckets if many are left. */
function grow(): void {
  const old = index;
  const count = mask + 1;
  const entries = <usize>count * WAYS;
  for (let i: usize = 0; i < entries; i++) {
    const place = entryAt(old, i);
    const slot = load<usize>(place, BUCKET_SLOTS);
    if (!slot || !isVoid(slot)) continue;
    giveBack(slot);
    store<u32>(place, 0, BUCKET_TAGS);
    store<usize>(place, 0, BUCKET_SLOTS);
  }
  if (used < (count * CROWDED) >> 1) return;
  mask = (count << 1) - 1;
  index = allocate((count << 1) * <u32>BUCKET_SIZE);
  for (let i: usize = 0; i < entries; i++) {
    const place = entryAt(old, i);
    const slot = load<usize>(place, BUCKET_SLOTS);
    if (!slot) continue;
    const tag = load<u32>(place, BUCKET_TAGS);
    const bucket = bucketOf(tag);
    // There is room: all that are in a bucket now were in one before.
    const free = bucket + ((<usize>ctz(having(bucket + BUCKET_SLOTS, 0))) << 2);
    store<u32>(free, tag, BUCKET_TAGS);
    store<usize>(free, slot, BUCKET_SLOTS);
  }
}

function entryAt(buckets: usize, number: usize): usize {
  return buckets + (number / WAYS) * BUCKET_SIZE + ((number % WAYS) << 2);
}

// ---- paths

/** The path that equals the draft; made if there is none. */
function pathOf(): usize {
  const size = load<u32>(draft, PATH_BYTES_USED);
  let h: u32 = 0;
  for (let i: usize = 4; i < <usize>size; i += 4) h = hash.mix(h, load<u32>(draft + i));
  let path = load<usize>(hash.bucket(paths, h));
  while (path && !samePath(path, size)) path = load<usize>(path);
  if (path) return path;
  path = allocate(size + 16);
  memory.copy(path, draft, size);
  store<u32>(path, h, PATH_HASH);
  if (hash.crowded(paths)) hash.grow(paths, hashOfRecord);
  hash.insert(paths, h, path);
  return path;
}

function samePath(path: usize, size: u32): bool {
  for (let i: usize = 4; i < <usize>size; i += 4) {
    if (i == PATH_HASH) i = PATH_LIST; // the sums between them are the path's own
    if (load<u32>(path + i) != load<u32>(draft + i)) return false;
  }
  return true;
}

/** The hash that a record stands under. */
function hashOfRecord(path: usize): u32 {
  return load<u32>(path, PATH_HASH);
}

/** Brings the counters of devices and rules up to date. */
export function settle(): void {
  if (!paths) return;
  const buckets = hash.bucketCount(paths);
  for (let i: u32 = 0; i < buckets; i++) {
    for (let path = load<usize>(hash.bucket(paths, i)); path; path = load<usize>(path)) {
      const packets = load<u64>(path, PATH_PACKETS);
      if (packets) settlePath(path, packets);
    }
  }
}

function settlePath(path: usize, packets: u64): void {
  const bytes = load<u64>(path, PATH_BYTES);
  for (let i: u32 = 0; i < load<u32>(path, PATH_COUNTERS); i++) {
    const place = load<usize>(path + PATH_LIST + ((<usize>i) << 2));
    const counter = place & ~1;
    store<u64>(counter, load<u64>(counter) + packets);
    if (place & 1) store<u64>(counter, load<u64>(counter, 8) + bytes, 8);
  }
  store<u64>(path, 0, PATH_PACKETS);
  store<u64>(path, 0, PATH_BYTES);
}
