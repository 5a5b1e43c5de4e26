// Fragments: putting packets together from them, and taking packets apart (net/ipv4/ip_fragment.c, inet_fragment.c, ip_output.c).
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
import { NS_MACHINE, NS_REASSEMBLIES, REASSEMBLY_FRAMES, REASSEMBLY_NEXT } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as frames from "../memory/frames.ts";
import { give, take } from "../memory/pool.ts";
import * as table from "../track/table.ts";
import { packetLength } from "../track/conntrack.ts";
import { ETHERNET_LENGTH } from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as options from "./options.ts";

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
const QUEUE_ID: usize = 16; // id << 16 | protocol << 8 | user
const QUEUE_FRAMES: usize = REASSEMBLY_FRAMES;
const QUEUE_LENGTH: usize = 24; // of the data, as far as is known
const QUEUE_MEAT: usize = 28; // bytes that are there
const QUEUE_ENDED: usize = 32; // 1: the last fragment is there
const QUEUE_MAX: usize = 36; // the largest fragment, header included
const QUEUE_MAX_DF: usize = 40; // the largest with DF
const QUEUE_TOS: usize = 44;
const QUEUE_GENERATION: usize = 48;
const QUEUE_SIZE: u32 = 64;

let free: usize = 0;

function queueOf(ns: usize, ip: usize, user: u32): usize {
  const source = ipv4.source(ip);
  const destination = ipv4.destination(ip);
  const id = ((<u32>ipv4.id(ip)) << 16) | ((<u32>ipv4.protocol(ip)) << 8) | user;
  let queue = load<usize>(ns, NS_REASSEMBLIES);
  while (queue) {
    if (
      load<u32>(queue, QUEUE_ID) == id &&
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
  store<usize>(queue, load<usize>(ns, NS_REASSEMBLIES), QUEUE_NEXT);
  store<usize>(ns, queue, NS_REASSEMBLIES);
  events.push(now + TIME, load<usize>(ns, NS_MACHINE), events.EVENT_FRAGMENTS, queue, generation);
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
  return (ipv4.fragment(load<usize>(frame, FRAME_NETWORK)) & ipv4.OFFSET_MASK) << 3;
}

function bytesOf(frame: usize): i32 {
  return packetLength(frame) - ipv4.headerLength(load<usize>(frame, FRAME_NETWORK));
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
  const queue = queueOf(ns, ip, user);
  const header = ipv4.headerLength(ip);
  const offset = offsetOf(frame);
  let end = offset + bytesOf(frame);
  const known = load<i32>(queue, QUEUE_LENGTH);
  const ended = load<u32>(queue, QUEUE_ENDED) != 0;
  let bad = false;
  if (!(ipv4.fragment(ip) & ipv4.FLAG_MF)) {
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
  const data = load<usize>(frame, FRAME_DATA);
  store<u32>(frame, <u32>(ip - data) + <u32>(header + end - offset), FRAME_LENGTH);
  const outcome = insert(queue, frame, offset, end);
  if (outcome != INSERTED) {
    table.consume(frame, USED_JOINED);
    if (outcome == OVERLAP) kill(queue);
    return 0;
  }
  store<i32>(queue, load<i32>(queue, QUEUE_MEAT) + end - offset, QUEUE_MEAT);
  const size = header + end - offset;
  store<i32>(queue, max<i32>(load<i32>(queue, QUEUE_MAX), size), QUEUE_MAX);
  if (ipv4.fragment(ip) & ipv4.FLAG_DF) {
    store<i32>(queue, max<i32>(load<i32>(queue, QUEUE_MAX_DF), size), QUEUE_MAX_DF);
  }
  store<i32>(queue, load<i32>(queue, QUEUE_TOS) | (ipv4.tos(ip) & 3), QUEUE_TOS);
  const complete = load<u32>(queue, QUEUE_ENDED) && load<i32>(queue, QUEUE_MEAT) == load<i32>(queue, QUEUE_LENGTH);
  return complete ? join(queue, frame) : 0;
}

/** Makes one packet of all fragments, in the name of the device that the last one came by (ip_frag_reasm). */
function join(queue: usize, last: usize): usize {
  const first = load<usize>(queue, QUEUE_FRAMES);
  const header = ipv4.headerLength(load<usize>(first, FRAME_NETWORK));
  const total = header + load<i32>(queue, QUEUE_LENGTH);
  if (total > LARGEST) {
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
    const from = ipv4.payload(load<usize>(piece, FRAME_NETWORK));
    memory.copy(ip + <usize>(header + offsetOf(piece)), from, <usize>bytes);
    count++;
    if (count < <u32>FRAME_PIECES_MAX) store<u32>(pieces + ((<usize>count) << 2), <u32>bytes);
  }
  store<u32>(pieces, count < <u32>FRAME_PIECES_MAX ? count : 0);
  store<u32>(whole, <u32>link + <u32>total, FRAME_LENGTH);
  // DF stays if the largest fragment had it; then the pieces are sent with it again.
  const largest = load<u32>(queue, QUEUE_MAX);
  const df = load<u32>(queue, QUEUE_MAX_DF) == largest;
  store<u32>(whole, largest, FRAME_FRAGMENT_MAX);
  store<u32>(whole, df ? 1 : 0, FRAME_FRAGMENT_DF);
  ipv4.setWhole(ip, total, df ? ipv4.FLAG_DF : 0, ipv4.tos(ip) | load<i32>(queue, QUEUE_TOS));
  kill(queue);
  return whole;
}

// ---- taking apart

let source: usize = 0;
let ip: usize = 0;
let header: i32 = 0;
let room: i32 = 0;
let done: i32 = 0;
let left: i32 = 0;
let startOffset: i32 = 0;
let moreFollow: bool = false;
let keepDf: bool = false;
let pieceSizes: usize = 0; // the sizes to take again, 0: as large as fits
let piece: u32 = 0;

/** Begins to take a packet apart for an MTU (ip_do_fragment). The caller gives the packet back when `next` has no more. */
export function split(frame: usize, mtu: i32): void {
  source = frame;
  ip = load<usize>(frame, FRAME_NETWORK);
  header = ipv4.headerLength(ip);
  const largest = load<i32>(frame, FRAME_FRAGMENT_MAX);
  room = (largest && largest < mtu ? largest : mtu) - header;
  done = 0;
  left = packetLength(frame) - header;
  startOffset = (ipv4.fragment(ip) & ipv4.OFFSET_MASK) << 3;
  moreFollow = (ipv4.fragment(ip) & ipv4.FLAG_MF) != 0;
  keepDf = load<u32>(frame, FRAME_FRAGMENT_DF) != 0;
  pieceSizes = 0;
  piece = 0;
  if (largest && largest - header <= mtu - header) {
    const pieces = frame + FRAME_LARGE_BYTES - FRAME_PIECES;
    if (load<u32>(pieces)) pieceSizes = pieces;
  }
}

/** The next fragment, with room for a link header before it; 0: that was all. */
export function next(): usize {
  if (left <= 0) return 0;
  let bytes = left;
  if (pieceSizes) {
    piece++;
    bytes = min<i32>(load<i32>(pieceSizes + ((<usize>piece) << 2)), left);
  } else {
    if (bytes > room) bytes = room;
    if (bytes < left) bytes &= ~7;
  }
  const part = frames.newFrameFor(ETHERNET_LENGTH + header + bytes);
  frames.copyMetadata(part, source);
  const entry = table.entryOfFrame(source);
  if (entry) table.hold(entry);
  const data = load<usize>(part, FRAME_DATA);
  memory.copy(data, ip - ETHERNET_LENGTH, <usize>(ETHERNET_LENGTH + header));
  const at = data + ETHERNET_LENGTH;
  memory.copy(at + <usize>header, ip + <usize>(header + done), <usize>bytes);
  store<usize>(part, at, FRAME_NETWORK);
  store<u32>(part, <u32>(ETHERNET_LENGTH + header + bytes), FRAME_LENGTH);
  const offset = startOffset + done;
  left -= bytes;
  const more = left > 0 || moreFollow;
  ipv4.setFragment(at, header + bytes, (offset >> 3) | (more ? ipv4.FLAG_MF : 0) | (keepDf ? ipv4.FLAG_DF : 0));
  if (offset == 0) options.keepCopied(ip);
  done += bytes;
  return part;
}
