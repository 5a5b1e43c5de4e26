// Fragments: putting packets together from them (net/ipv4/ip_fragment.c, inet_fragment.c, net/ipv6/reassembly.c).
import { USED_JOINED } from "../layout/codes.ts";
import {
  FRAME_DATA,
  FRAME_DEVICE,
  FRAME_FRAGMENT_DF,
  FRAME_FRAGMENT_MAX,
  FRAME_LARGE_BYTES,
  FRAME_LENGTH,
  FRAME_NETWORK,
  FRAME_NEXT,
  FRAME_PIECES,
  FRAME_PIECES_MAX,
} from "../layout/frame.ts";
import {
  NS_MACHINE,
  NS_REASSEMBLIES,
  NS_SYSCTLS,
  REASSEMBLY_FRAMES,
  REASSEMBLY_NEXT,
  SYSCTL_IP6FRAG_TIME,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as frames from "../memory/frames.ts";
import { give, take } from "../memory/pool.ts";
import * as table from "../track/table.ts";
import { packetLength } from "../track/conntrack.ts";
import { isSix } from "../memory/addresses.ts";
import { get32 } from "../memory/bytes.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { TCP_LENGTH } from "../wire/tcp.ts";
import { UDP_LENGTH } from "../wire/udp.ts";
import { sendError as sendErrorSix } from "./icmpv6-error.ts";

// Who puts together; the same packet may be put together by several (enum ip_defrag_users).
export const FOR_HOST: u32 = 0;
export const FOR_TRACKING_IN: u32 = 1;
export const FOR_TRACKING_OUT: u32 = 2;
export const FOR_BRIDGE: u32 = 3;

const TIME: u64 = 30 * SECOND; // ipfrag_time
const LARGEST = 65535;

// A packet being put together (struct ipq), in a list of its namespace. Its fragments are linked by FRAME_NEXT, by offset.
const QUEUE_NEXT: usize = REASSEMBLY_NEXT;
const QUEUE_NAMESPACE: usize = 4;
const QUEUE_SOURCE: usize = 8;
const QUEUE_DESTINATION: usize = 12;
const QUEUE_ID: usize = 16; // of IPv4 with the protocol: id << 8 | protocol
const QUEUE_FRAMES: usize = REASSEMBLY_FRAMES;
const QUEUE_LENGTH: usize = 24; // of the data, as far as is known
const QUEUE_MEAT: usize = 28; // bytes that are there
const QUEUE_ENDED: usize = 32; // 1: the last fragment is there
const QUEUE_MAX: usize = 36; // the largest fragment, header included
const QUEUE_MAX_DF: usize = 40; // the largest with DF
const QUEUE_TOS: usize = 44;
const QUEUE_GENERATION: usize = 48;
const QUEUE_USER: usize = 52;
const QUEUE_SIZE: u32 = 64;

let free: usize = 0;

function queueOf(ns: usize, source: u32, destination: u32, id: u32, user: u32): usize {
  let queue = load<usize>(ns, NS_REASSEMBLIES);
  while (queue) {
    if (
      load<u32>(queue, QUEUE_ID) == id &&
      load<u32>(queue, QUEUE_USER) == user &&
      load<u32>(queue, QUEUE_SOURCE) == source &&
      load<u32>(queue, QUEUE_DESTINATION) == destination
    ) {
      return queue;
    }
    queue = load<usize>(queue, QUEUE_NEXT);
  }
  if (!free) free = allocate(64);
  queue = take(free, QUEUE_SIZE);
  const generation = load<u32>(queue, QUEUE_GENERATION) + 1;
  memory.fill(queue, 0, QUEUE_SIZE);
  store<u32>(queue, generation, QUEUE_GENERATION);
  store<usize>(queue, ns, QUEUE_NAMESPACE);
  store<u32>(queue, source, QUEUE_SOURCE);
  store<u32>(queue, destination, QUEUE_DESTINATION);
  store<u32>(queue, id, QUEUE_ID);
  store<u32>(queue, user, QUEUE_USER);
  store<usize>(queue, load<usize>(ns, NS_REASSEMBLIES), QUEUE_NEXT);
  store<usize>(ns, queue, NS_REASSEMBLIES);
  const time = isSix(destination) ? <u64>load<u32>(ns + NS_SYSCTLS, SYSCTL_IP6FRAG_TIME << 2) * SECOND : TIME;
  events.push(now + time, load<usize>(ns, NS_MACHINE), events.EVENT_FRAGMENTS, queue, generation);
  return queue;
}

/** Forgets a packet and what there is of it. */
function kill(queue: usize): void {
  let link = load<usize>(queue, QUEUE_NAMESPACE) + NS_REASSEMBLIES;
  while (load<usize>(link) != queue) link = load<usize>(link) + QUEUE_NEXT;
  store<usize>(link, load<usize>(queue, QUEUE_NEXT));
  let fragment = load<usize>(queue, QUEUE_FRAMES);
  while (fragment) {
    const next = load<usize>(fragment, FRAME_NEXT);
    table.consume(fragment, USED_JOINED);
    fragment = next;
  }
  store<u32>(queue, load<u32>(queue, QUEUE_GENERATION) + 1, QUEUE_GENERATION);
  give(free, queue);
}

/** The time for a packet is over. Returns its first fragment if it is there, which the caller then owns; else 0. */
export function expire(queue: usize, generation: u32): usize {
  if (load<u32>(queue, QUEUE_GENERATION) != generation) return 0;
  let first = load<usize>(queue, QUEUE_FRAMES);
  if (first && offsetOf(first) == 0) store<usize>(queue, load<usize>(first, FRAME_NEXT), QUEUE_FRAMES);
  else first = 0;
  kill(queue);
  return first;
}

function offsetOf(frame: usize): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  if (!anyIp.isSix(ip)) return (ipv4.fragment(ip) & ipv4.OFFSET_MASK) << 3;
  ipv6.walk(ip, packetLength(frame));
  return ipv6.fragment & 0xfff8;
}

/** Bytes before the data of a fragment. */
function headersOf(frame: usize): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  if (!anyIp.isSix(ip)) return ipv4.headerLength(ip);
  ipv6.walk(ip, packetLength(frame));
  return ipv6.fragmentHeader + ipv6.FRAGMENT_LENGTH;
}

function bytesOf(frame: usize): i32 {
  return packetLength(frame) - headersOf(frame);
}

const INSERTED: i32 = 0;
const DUPLICATE: i32 = 1;
const OVERLAP: i32 = 2;

/** Puts a fragment into its place. Runs of fragments that touch count as one: within one it is a duplicate. */
function insert(queue: usize, frame: usize, offset: i32, end: i32): i32 {
  let link = queue + QUEUE_FRAMES;
  let runStart: i32 = -1;
  let runEnd: i32 = -1;
  let place: usize = 0;
  for (let other = load<usize>(link); other; other = load<usize>(other, FRAME_NEXT)) {
    const from = offsetOf(other);
    if (from != runEnd) {
      if (runStart >= 0 && clashes(runStart, runEnd, offset, end)) break;
      runStart = from;
    }
    runEnd = from + bytesOf(other);
    if (from < offset) place = other;
  }
  if (runStart >= 0 && clashes(runStart, runEnd, offset, end)) {
    return offset >= runStart && end <= runEnd ? DUPLICATE : OVERLAP;
  }
  if (place) link = place + FRAME_NEXT;
  store<usize>(frame, load<usize>(link), FRAME_NEXT);
  store<usize>(link, frame);
  return INSERTED;
}

function clashes(start: i32, stop: i32, offset: i32, end: i32): bool {
  return offset < stop && end > start;
}

/** Takes a fragment in. Returns the whole packet once it is complete; 0: it waits, or was of no use (ip_defrag). */
export function gather(ns: usize, frame: usize, user: u32): usize {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const id = ((<u32>ipv4.id(ip)) << 8) | (<u32>ipv4.protocol(ip));
  const queue = queueOf(ns, ipv4.source(ip), ipv4.destination(ip), id, user);
  const size = add(queue, frame, (ipv4.fragment(ip) & ipv4.FLAG_MF) != 0);
  if (!size) return 0;
  if (ipv4.fragment(ip) & ipv4.FLAG_DF) {
    store<i32>(queue, max<i32>(load<i32>(queue, QUEUE_MAX_DF), size), QUEUE_MAX_DF);
  }
  store<i32>(queue, load<i32>(queue, QUEUE_TOS) | (ipv4.tos(ip) & 3), QUEUE_TOS);
  return isComplete(queue) ? join(queue, frame) : 0;
}

/**
 * The same for IPv6 (ipv6_frag_rcv, nf_ct_frag6_gather). A host tells who sends a fragment that no packet can have: a first one without all
 * headers, one before the last that does not end at 8 bytes, one that ends too far out. Connection tracking leaves those, and empty ones,
 * to the host.
 */
export function gatherSix(ns: usize, frame: usize, user: u32): usize {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const length = packetLength(frame);
  if (isIncomplete(ip, length)) return refuseSix(ns, frame, user, icmpv6.INCOMPLETE, 0);
  ipv6.walk(ip, length);
  const at = ipv6.fragmentHeader;
  const more = (ipv6.fragment & 1) != 0;
  const bytes = length - at - ipv6.FRAGMENT_LENGTH;
  const end = (ipv6.fragment & 0xfff8) + bytes;
  if (end > LARGEST) return refuseSix(ns, frame, user, icmpv6.HEADER_FIELD, at + 2);
  if (more && bytes & 7) return refuseSix(ns, frame, user, icmpv6.HEADER_FIELD, PAYLOAD_LENGTH);
  if (!bytes && user != FOR_HOST) return frame;
  const queue = queueOf(ns, ipv6.source(ip), ipv6.destination(ip), get32(ip + <usize>at + 4), user);
  if (!add(queue, frame, more)) return 0;
  return isComplete(queue) ? join(queue, frame) : 0;
}

const PAYLOAD_LENGTH = 4; // of the IPv6 header

/** A fragment that no packet can have is gone, and its sender told; or goes on, if it was tracking that looked at it. */
function refuseSix(ns: usize, frame: usize, user: u32, detail: i32, pointer: i32): usize {
  if (user != FOR_HOST) return frame;
  sendErrorSix(ns, frame, icmpv6.PARAMETER_PROBLEM, detail, <u32>pointer);
  table.consume(frame, USED_JOINED);
  return 0;
}

/** Whether a first fragment lacks a part of its headers up to that of the transport (ipv6frag_thdr_truncated). */
function isIncomplete(ip: usize, length: i32): bool {
  const first = ipv6.skip(ip, length) && (ipv6.fragment & 0xfff8) == 0 && (ipv6.fragment & 1) != 0;
  if (!first) return false;
  const protocol = ipv6.protocol;
  let least = 1;
  if (protocol == ipv4.PROTO_TCP) least = TCP_LENGTH;
  else if (protocol == ipv4.PROTO_UDP) least = UDP_LENGTH;
  else if (protocol == ipv6.PROTO_ICMPV6) least = icmpv6.ICMPV6_LENGTH;
  return ipv6.headers + least > length;
}

function isComplete(queue: usize): bool {
  return load<u32>(queue, QUEUE_ENDED) != 0 && load<i32>(queue, QUEUE_MEAT) == load<i32>(queue, QUEUE_LENGTH);
}

/** Puts a fragment, which `more` follow, into a queue. Returns its size; 0: it is gone, and maybe the queue with it. */
function add(queue: usize, frame: usize, more: bool): i32 {
  const header = headersOf(frame);
  const offset = offsetOf(frame);
  let end = offset + packetLength(frame) - header;
  const known = load<i32>(queue, QUEUE_LENGTH);
  const ended = load<u32>(queue, QUEUE_ENDED) != 0;
  let bad = false;
  if (!more) {
    bad = end < known || (ended && end != known);
    store<u32>(queue, 1, QUEUE_ENDED);
    store<i32>(queue, end, QUEUE_LENGTH);
  } else {
    end &= ~7;
    if (end > known) {
      bad = ended;
      store<i32>(queue, end, QUEUE_LENGTH);
    }
  }
  if (bad || end <= offset) {
    table.consume(frame, USED_JOINED);
    kill(queue);
    return 0;
  }
  const link = <u32>(load<usize>(frame, FRAME_NETWORK) - load<usize>(frame, FRAME_DATA));
  store<u32>(frame, link + <u32>(header + end - offset), FRAME_LENGTH);
  const outcome = insert(queue, frame, offset, end);
  if (outcome != INSERTED) {
    table.consume(frame, USED_JOINED);
    if (outcome == OVERLAP) kill(queue);
    return 0;
  }
  store<i32>(queue, load<i32>(queue, QUEUE_MEAT) + end - offset, QUEUE_MEAT);
  const size = header + end - offset;
  store<i32>(queue, max<i32>(load<i32>(queue, QUEUE_MAX), size), QUEUE_MAX);
  return size;
}

/** Makes one packet of all fragments, in the name of the device that the last one came by (ip_frag_reasm). */
function join(queue: usize, last: usize): usize {
  const first = load<usize>(queue, QUEUE_FRAMES);
  const six = anyIp.isSix(load<usize>(first, FRAME_NETWORK));
  // The fragment header of IPv6 is left out.
  const before = headersOf(first);
  const header = six ? before - ipv6.FRAGMENT_LENGTH : before;
  const total = header + load<i32>(queue, QUEUE_LENGTH);
  if (total > LARGEST + (six ? ipv6.IPV6_LENGTH : 0)) {
    kill(queue);
    return 0;
  }
  const whole = frames.newLarge();
  frames.copyMetadata(whole, first);
  store<usize>(whole, load<usize>(last, FRAME_DEVICE), FRAME_DEVICE);
  const link = load<usize>(first, FRAME_NETWORK) - load<usize>(first, FRAME_DATA);
  const data = load<usize>(whole, FRAME_DATA);
  memory.copy(data, load<usize>(first, FRAME_DATA), link + <usize>header);
  const ip = data + link;
  store<usize>(whole, ip, FRAME_NETWORK);
  const pieces = whole + FRAME_LARGE_BYTES - FRAME_PIECES;
  let count: u32 = 0;
  for (let piece = first; piece; piece = load<usize>(piece, FRAME_NEXT)) {
    const bytes = bytesOf(piece);
    const from = load<usize>(piece, FRAME_NETWORK) + <usize>headersOf(piece);
    memory.copy(ip + <usize>(header + offsetOf(piece)), from, <usize>bytes);
    count++;
    if (count < <u32>FRAME_PIECES_MAX) store<u32>(pieces + ((<usize>count) << 2), <u32>bytes);
  }
  store<u32>(pieces, count < <u32>FRAME_PIECES_MAX ? count : 0);
  store<u32>(whole, <u32>link + <u32>total, FRAME_LENGTH);
  if (six) {
    // What said that a fragment header follows says what follows it.
    ipv6.walk(load<usize>(first, FRAME_NETWORK), packetLength(first));
    store<u8>(ip + <usize>ipv6.fragmentField, load<u8>(load<usize>(first, FRAME_NETWORK) + <usize>ipv6.fragmentHeader));
    ipv6.setPayloadLength(ip, total - ipv6.IPV6_LENGTH);
    store<u32>(whole, load<u32>(queue, QUEUE_MAX), FRAME_FRAGMENT_MAX);
    kill(queue);
    return whole;
  }
  // DF stays if the largest fragment had it; then the pieces are sent with it again.
  const largest = load<u32>(queue, QUEUE_MAX);
  const df = load<u32>(queue, QUEUE_MAX_DF) == largest;
  store<u32>(whole, largest, FRAME_FRAGMENT_MAX);
  store<u32>(whole, df ? 1 : 0, FRAME_FRAGMENT_DF);
  ipv4.setWhole(ip, total, df ? ipv4.FLAG_DF : 0, ipv4.tos(ip) | load<i32>(queue, QUEUE_TOS));
  kill(queue);
  return whole;
}
