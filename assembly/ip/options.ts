// IPv4 options: read when a packet comes in, filled in when it is forwarded, sent back in answers (net/ipv4/ip_options.c).
import { ROUTE_LOCAL, ROUTE_UNICAST } from "../layout/codes.ts";
import {
  FRAME_DATA,
  FRAME_FLAGS,
  FRAME_HAS_OPTIONS,
  FRAME_ID_LOW,
  FRAME_LENGTH,
  FRAME_NETWORK,
  FRAME_PACKET_TYPE,
  PACKET_HOST,
} from "../layout/frame.ts";
import { DEV_ACCEPT_SOURCE_ROUTE, NS_SYSCTLS, ROUTE_TYPE, SYSCTL_ACCEPT_SOURCE_ROUTE } from "../layout/records.ts";
import { sourceOf } from "../fib/address.ts";
import { addressType, lookup } from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get32, put32 } from "../memory/bytes.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import * as ipv4 from "../wire/ipv4.ts";

const END = 0;
const NOOP = 1;
const RECORD_ROUTE = 7;
const TIMESTAMP = 68;
const LOOSE_ROUTE = 131;
const CIPSO = 134;
const STRICT_ROUTE = 137;
const ROUTER_ALERT = 148;
const COPIED = 128;

const TIME_ONLY = 0;
const TIME_AND_ADDRESS = 1;
const TIME_PRESPECIFIED = 3;

export const FINE: i32 = 0;
export const REFUSED: i32 = 1; // drop
export const PROBLEM: i32 = 2; // drop, and tell the sender what is wrong: ICMP parameter problem, `pointer`

/** Where the parameter problem is, from the start of the header. */
export let pointer: u32 = 0;
/** The packet goes another way than its destination says: on to `nextStop` of its source route. */
export let rerouted: bool = false;
export let nextStop: u32 = 0;

// What the last packet has, as offsets from its header; 0: it has none. As struct ip_options.
let subject: u64 = 0; // its packet id; a frame's place in memory is soon that of another
let recordAt: i32 = 0;
let timeAt: i32 = 0;
let routeAt: i32 = 0;
let labelAt: i32 = 0;
let strict: bool = false;
let recordOpen: bool = false; // rr_needaddr
let timeNeedsAddress: bool = false;
let timeNeedsTime: bool = false;
let changed: bool = false; // is_changed: the checksum is made anew if the packet is forwarded, and only then

function clear(): void {
  recordAt = 0;
  timeAt = 0;
  routeAt = 0;
  labelAt = 0;
  strict = false;
  recordOpen = false;
  timeNeedsAddress = false;
  timeNeedsTime = false;
  rerouted = false;
  changed = false;
}

function byte(at: usize, i: i32): i32 {
  return <i32>load<u8>(at + <usize>i);
}

function problemAt(offset: i32): i32 {
  pointer = <u32>offset;
  return PROBLEM;
}

/** The address of this host that faces the sender (fib_compute_spec_dst). */
function ownAddress(ns: usize, ip: usize): u32 {
  const to = ipv4.destination(ip);
  if (addressType(ns, to) == ROUTE_LOCAL) return to;
  const from = ipv4.source(ip);
  const way = lookup(ns, from);
  return way ? sourceOf(way, from) : 0;
}

/** Milliseconds since midnight UTC (inet_current_timestamp). */
function timeOfDay(): u32 {
  return <u32>((now / MILLISECOND) % 86400000);
}

/** Reads the options of a packet that came in and notes in them that it was here (__ip_options_compile). */
function compile(ns: usize, ip: usize): i32 {
  clear();
  const end = ipv4.headerLength(ip);
  let at = ipv4.IPV4_LENGTH;
  while (at < end) {
    const kind = byte(ip, at);
    if (kind == END) {
      for (let i = at + 1; i < end; i++) {
        if (byte(ip, i) != END) changed = true;
        store<u8>(ip + <usize>i, END);
      }
      break;
    }
    if (kind == NOOP) {
      at++;
      continue;
    }
    if (at + 2 > end) return problemAt(at);
    const length = byte(ip, at + 1);
    if (length < 2 || length > end - at) return problemAt(at);
    let bad: i32 = 0;
    if (kind == LOOSE_ROUTE || kind == STRICT_ROUTE) {
      if (length < 3) bad = at + 1;
      else if (byte(ip, at + 2) < 4) bad = at + 2;
      else if (routeAt) bad = at;
      routeAt = bad ? routeAt : at;
      strict = kind == STRICT_ROUTE;
    } else if (kind == RECORD_ROUTE) {
      bad = compileRecord(ns, ip, at, length);
      changed = true;
    } else if (kind == TIMESTAMP) {
      bad = compileTime(ns, ip, at, length);
      changed = true;
    } else if (kind == ROUTER_ALERT) {
      if (length < 4) bad = at + 1;
    } else if (kind == CIPSO) {
      if (labelAt) bad = at;
      labelAt = at;
      if (!bad) bad = labelProblem(ip, at, length);
    }
    if (bad) return problemAt(bad);
    at += length;
  }
  return FINE;
}

/** A label of a host without label rules: 0, or where it is wrong (cipso_v4_validate). */
function labelProblem(ip: usize, at: i32, length: i32): i32 {
  if (length < 8) return at + 1;
  if (get32(ip + <usize>(at + 2)) == 0) return at + 2;
  for (let i = 6; i < length;) {
    if (i + 1 == length) return at + i;
    const tag = byte(ip, at + i + 1);
    if (tag == 0 || tag > length - i) return at + i + 1;
    i += tag;
  }
  return 0;
}

/** Record route: 0, or where it is wrong. */
function compileRecord(ns: usize, ip: usize, at: i32, length: i32): i32 {
  if (recordAt) return at;
  if (length < 3) return at + 1;
  const next = byte(ip, at + 2);
  if (next < 4) return at + 2;
  if (next <= length) {
    if (next + 3 > length) return at + 2;
    put32(ip + <usize>(at + next - 1), ownAddress(ns, ip));
    store<u8>(ip + <usize>(at + 2), <u8>(next + 4));
    recordOpen = true;
  }
  recordAt = at;
  return 0;
}

/** Timestamp: 0, or where it is wrong. */
function compileTime(ns: usize, ip: usize, at: i32, length: i32): i32 {
  if (timeAt) return at;
  if (length < 4) return at + 1;
  const next = byte(ip, at + 2);
  if (next < 5) return at + 2;
  const mode = byte(ip, at + 3) & 15;
  if (next <= length) {
    if (next + 3 > length) return at + 2;
    let time: i32 = 0;
    if (mode == TIME_ONLY) {
      time = at + next - 1;
      timeNeedsTime = true;
      store<u8>(ip + <usize>(at + 2), <u8>(next + 4));
    } else if (mode == TIME_AND_ADDRESS || mode == TIME_PRESPECIFIED) {
      if (next + 7 > length) return at + 2;
      const address = ip + <usize>(at + next - 1);
      const own = mode == TIME_AND_ADDRESS || addressType(ns, get32(address)) != ROUTE_UNICAST;
      if (mode == TIME_AND_ADDRESS) {
        put32(address, ownAddress(ns, ip));
        timeNeedsAddress = true;
      }
      if (own) {
        time = at + next + 3;
        timeNeedsTime = true;
        store<u8>(ip + <usize>(at + 2), <u8>(next + 8));
      }
    }
    if (time) put32(ip + <usize>time, timeOfDay());
  } else if (mode != TIME_PRESPECIFIED) {
    const overflow = byte(ip, at + 3) >> 4;
    if (overflow == 15) return at + 3;
    store<u8>(ip + <usize>(at + 3), <u8>(mode | ((overflow + 1) << 4)));
  }
  timeAt = at;
  return 0;
}

/** Handles the options of a packet that came in, after its routing decision (ip_rcv_options). `type` is the decision's ROUTE_*. */
export function receive(ns: usize, frame: usize, device: usize, type: u32): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  store<u32>(frame, load<u32>(frame, FRAME_FLAGS) | FRAME_HAS_OPTIONS, FRAME_FLAGS);
  subject = load<u64>(frame, FRAME_ID_LOW);
  const outcome = compile(ns, ip);
  if (outcome != FINE || !routeAt) return outcome;
  const sysctl = load<u32>(ns + NS_SYSCTLS, SYSCTL_ACCEPT_SOURCE_ROUTE << 2);
  if (!sysctl || !load<u32>(device, DEV_ACCEPT_SOURCE_ROUTE)) return REFUSED;
  if (load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST) return REFUSED;
  if (type == ROUTE_UNICAST) return strict ? problemAt(16) : FINE;
  if (type != ROUTE_LOCAL) return REFUSED;
  const space = byte(ip, routeAt + 1);
  let next = byte(ip, routeAt + 2);
  let stop: u32 = 0;
  for (; next <= space; next += 4) {
    if (next + 3 > space) return problemAt(routeAt + 2);
    stop = get32(ip + <usize>(routeAt + next - 1));
    const way = lookup(ns, stop);
    const kind = way ? load<u32>(way, ROUTE_TYPE) : 0;
    if (kind == ROUTE_UNICAST) break;
    if (kind != ROUTE_LOCAL) return REFUSED;
    put32(ip + <usize>16, stop);
    changed = true;
  }
  if (next <= space) {
    rerouted = true;
    nextStop = stop;
  }
  return FINE;
}

export function hasSourceRoute(): bool {
  return routeAt != 0;
}

/** Whether the options of the packet handled last forbid to hand it to a gateway. */
export function isStrict(): bool {
  return strict;
}

/** Fills in what a forwarded packet's options ask for; `source` is this host's address on the way out (ip_forward_options). */
export function forward(ip: usize, source: u32): void {
  if (recordOpen) put32(ip + <usize>(recordAt + byte(ip, recordAt + 2) - 5), source);
  if (rerouted) {
    const space = byte(ip, routeAt + 1);
    let next = byte(ip, routeAt + 2);
    while (next + 3 <= space && get32(ip + <usize>(routeAt + next - 1)) != nextStop) next += 4;
    if (next + 3 <= space) {
      put32(ip + <usize>16, nextStop);
      put32(ip + <usize>(routeAt + next - 1), source);
      store<u8>(ip + <usize>(routeAt + 2), <u8>(next + 4));
    }
    if (timeNeedsAddress) put32(ip + <usize>(timeAt + byte(ip, timeAt + 2) - 9), source);
  }
  if (changed || recordOpen || rerouted) ipv4.seal(ip);
}

/** Where the first whole option at or behind a place in a header stands, those of one byte left out; 0: there is none. */
function optionFrom(ip: usize, place: i32): i32 {
  const end = ipv4.headerLength(ip);
  let at = place;
  while (at < end && byte(ip, at) == NOOP) at++;
  if (at + 1 >= end || byte(ip, at) == END) return 0;
  const length = byte(ip, at + 1);
  return length < 2 || length > end - at ? 0 : at;
}

function optionAfter(ip: usize, at: i32): i32 {
  return optionFrom(ip, at + byte(ip, at + 1));
}

/** In all fragments but the first, options that are not to be copied become nothing (ip_options_fragment). */
export function keepCopied(ip: usize): void {
  let at = optionFrom(ip, ipv4.IPV4_LENGTH);
  while (at) {
    const next = optionAfter(ip, at);
    if (!(byte(ip, at) & COPIED)) memory.fill(ip + <usize>at, <u8>NOOP, <usize>byte(ip, at + 1));
    at = next;
  }
}

let answer: usize = 0;
/** The bytes of options that `echo` made. */
export let echoed: i32 = 0;
/** Where an answer with a source route goes first; 0: it has none. */
export let firstStop: u32 = 0;
let answerRecord: i32 = 0;
let answerTime: i32 = 0;
let answerRoute: i32 = 0;
let answerNeedsAddress: bool = false;
let answerNeedsTime: bool = false;
let answerRecordOpen: bool = false;

/** Where a packet has its first option of a kind, or of another; 0: it has none. */
function find(ip: usize, kind: i32, other: i32): i32 {
  for (let at = optionFrom(ip, ipv4.IPV4_LENGTH); at; at = optionAfter(ip, at)) {
    if ((byte(ip, at) == kind || byte(ip, at) == other) && byte(ip, at + 1) >= 3) return at;
  }
  return 0;
}

/**
 * Finds the options of a packet that is not the one handled last, as it has waited for its neighbour. What was noted of the one handled
 * last, up to where it was wrong, holds for that one alone.
 */
function locate(frame: usize, ip: usize): void {
  const id = load<u64>(frame, FRAME_ID_LOW);
  if (id == subject) return;
  clear();
  subject = id;
  recordAt = find(ip, RECORD_ROUTE, RECORD_ROUTE);
  timeAt = find(ip, TIMESTAMP, TIMESTAMP);
  routeAt = find(ip, LOOSE_ROUTE, STRICT_ROUTE);
  labelAt = find(ip, CIPSO, CIPSO);
}

/** Makes the options of an answer from those of a packet (__ip_options_echo). */
export function echo(ns: usize, frame: usize): void {
  const ip = load<usize>(frame, FRAME_NETWORK);
  echoed = 0;
  firstStop = 0;
  answerRecord = 0;
  answerTime = 0;
  answerRoute = 0;
  answerNeedsAddress = false;
  answerNeedsTime = false;
  answerRecordOpen = false;
  // What a bridge has passed on, or this host has made, has options that nobody has read.
  if (!(load<u32>(frame, FRAME_FLAGS) & FRAME_HAS_OPTIONS)) return;
  if (ipv4.headerLength(ip) == ipv4.IPV4_LENGTH) return;
  if (!answer) answer = allocate(64);
  locate(frame, ip);
  if (recordAt) echoRecord(ip);
  if (timeAt) echoTime(ns, ip);
  if (routeAt) echoRoute(ip);
  if (labelAt) {
    const length = byte(ip, labelAt + 1);
    memory.copy(answer + <usize>echoed, ip + <usize>labelAt, <usize>length);
    echoed += length;
  }
  for (; echoed & 3; echoed++) store<u8>(answer + <usize>echoed, END);
}

function echoRecord(ip: usize): void {
  const length = byte(ip, recordAt + 1);
  const next = byte(ip, recordAt + 2);
  copy(answer, ip + <usize>recordAt, length);
  answerRecord = ipv4.IPV4_LENGTH;
  if (recordOpen && next <= length) {
    store<u8>(answer, <u8>(next + 4), 2);
    answerRecordOpen = true;
  }
  echoed = length;
}

function echoTime(ns: usize, ip: usize): void {
  const length = byte(ip, timeAt + 1);
  let next = byte(ip, timeAt + 2);
  const to = answer + <usize>echoed;
  copy(to, ip + <usize>timeAt, length);
  answerTime = ipv4.IPV4_LENGTH + echoed;
  if (next <= length) {
    if (timeNeedsAddress) {
      answerNeedsAddress = true;
      next += 4;
    }
    if (timeNeedsTime) {
      if ((byte(to, 3) & 15) != TIME_PRESPECIFIED) {
        answerNeedsTime = true;
        next += 4;
      } else if (next + 7 <= length && addressType(ns, get32(to + <usize>(next - 1))) != ROUTE_UNICAST) {
        answerNeedsTime = true;
        next += 8;
      }
    }
    store<u8>(to, <u8>next, 2);
  }
  echoed += length;
}

/** A source route is sent back the other way round. */
function echoRoute(ip: usize): void {
  const start = ip + <usize>routeAt;
  const to = answer + <usize>echoed;
  const length = byte(start, 1);
  let from = min<i32>(byte(start, 2), length + 1) - 4;
  let filled: i32 = 0;
  if (from > 3) {
    firstStop = get32(start + <usize>(from - 1));
    from -= 4;
    filled = 4;
    while (from > 3) {
      store<u32>(to + <usize>(filled - 1), load<u32>(start + <usize>(from - 1)));
      from -= 4;
      filled += 4;
    }
    // A route that names the sender itself at its beginning has one stop too many (RFC 1812).
    if (ipv4.source(ip) == get32(start + <usize>(from + 3))) filled -= 4;
  }
  if (filled <= 3) {
    firstStop = 0;
    return;
  }
  store<u8>(to, load<u8>(start));
  store<u8>(to, <u8>(filled + 3), 1);
  store<u8>(to, 4, 2);
  answerRoute = ipv4.IPV4_LENGTH + echoed;
  echoed += filled + 3;
}

/** Puts the options made by `echo` into a packet that has none yet, and fills them in (ip_options_build). */
export function build(frame: usize, finalDestination: u32): void {
  if (!echoed) return;
  const size = <usize>echoed;
  const ip = load<usize>(frame, FRAME_NETWORK) - size;
  memory.copy(ip, ip + size, ipv4.IPV4_LENGTH);
  memory.copy(ip + ipv4.IPV4_LENGTH, answer, size);
  store<usize>(frame, ip, FRAME_NETWORK);
  store<usize>(frame, load<usize>(frame, FRAME_DATA) - size, FRAME_DATA);
  store<u32>(frame, load<u32>(frame, FRAME_LENGTH) + <u32>size, FRAME_LENGTH);
  const source = ipv4.source(ip);
  if (answerRoute) {
    const last = answerRoute + byte(ip, answerRoute + 1) - 4;
    put32(ip + <usize>last, finalDestination);
    put32(ip + <usize>16, firstStop);
  }
  if (answerRecordOpen) put32(ip + <usize>(answerRecord + byte(ip, answerRecord + 2) - 5), source);
  if (answerNeedsAddress) put32(ip + <usize>(answerTime + byte(ip, answerTime + 2) - 9), source);
  if (answerNeedsTime) put32(ip + <usize>(answerTime + byte(ip, answerTime + 2) - 5), timeOfDay());
  ipv4.lengthen(ip, echoed);
}
