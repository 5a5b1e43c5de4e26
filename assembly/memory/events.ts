// The event queue: moments ordered by (time, machine, source machine, sequence), so that the order never depends on the workers.
//
// Frames on wires of one latency arrive in the order in which they were sent, and a flow's requests come at steady intervals: such
// events come in order already, and stand in a ring for each of the two kinds (a lane). What would have to stand before the last of
// its lane goes to a 4-ary heap, as do timers, which come late if ever. The first of all events is the first of one of the four.
import { MACHINE_ID } from "../layout/records.ts";
import { allocate, takePages } from "./arena.ts";
import { nextSequence } from "./clock.ts";

const TIME: usize = 0;
const ORDER: usize = 8;
const KIND: usize = 16;
const SUBJECT: usize = 20;
const DETAIL: usize = 24;
const MACHINE: usize = 28;
const SHIFT: usize = 5; // 32 bytes an event

export const EVENT_RECEIVE: i32 = 0; // subject: frame, detail: device
export const EVENT_NEIGHBOUR: i32 = 1; // subject: neighbour, detail: generation
export const EVENT_TCP: i32 = 2; // subject: connection, detail: generation
export const EVENT_FLOW: i32 = 3; // subject: flow
export const EVENT_SESSION: i32 = 4; // subject: flow whose oldest session may be over
export const EVENT_TRANSMIT: i32 = 5; // subject: frame, detail: device
export const EVENT_LOCAL: i32 = 6; // subject: frame of a raw socket
export const EVENT_FRAGMENTS: i32 = 7; // subject: packet being put together, detail: generation
export const EVENT_ASKED: i32 = 8; // subject: question to another DNS server, detail: generation
export const EVENT_PROXY: i32 = 10; // subject: proxied request whose server has not answered the SYN, detail: generation
export const EVENT_CHECK: i32 = 11; // subject: health check; detail: generation of the one that is late, 0: begin the next
export const EVENT_RESOLVER: i32 = 9; // subject: session that waits for an answer, detail: generation
export const EVENT_LEAVE: i32 = 12; // subject: frame that a processor is done with, detail: device
export const EVENT_CORE: i32 = 13; // subject: core of a processor that is free for the next frame
export const EVENT_WORK: i32 = 15; // subject: request of a service whose work is done
export const EVENT_IPVS: i32 = 16; // subject: connection of ip_vs, detail: generation
export const EVENT_TRY: i32 = 14; // subject: session whose try is over, or comes now; detail: generation

// A heap: the address of its events, how many fit, how many there are. A lane: the same, then its first event and the offset of its
// last one.
const EVENTS: usize = 0;
const CAPACITY: usize = 4;
const USED: usize = 8;
const FIRST: usize = 12;
const LAST: usize = 16;
const QUEUE_SIZE: u32 = 32;

let arriving: usize = 0; // lane of frames
let flowing: usize = 0; // lane of flows
let heap: usize = 0;

// The first event of each; of an empty one `none`, which comes after all others.
let firstArriving: usize = 0;
let firstFlowing: usize = 0;
let firstTimer: usize = 0;
let none: usize = 0;

function begin(): void {
  arriving = allocate(QUEUE_SIZE);
  flowing = allocate(QUEUE_SIZE);
  heap = allocate(QUEUE_SIZE);
  none = allocate(1 << (<u32>SHIFT));
  store<u64>(none, u64.MAX_VALUE, TIME);
  store<u64>(none, u64.MAX_VALUE, ORDER);
  firstArriving = none;
  firstFlowing = none;
  firstTimer = none;
}

/** The event taken last by `pop`. */
export let time: u64 = 0;
export let kind: i32 = 0;
export let subject: usize = 0;
export let detail: u32 = 0;
export let owner: usize = 0;

function before(a: usize, b: usize): bool {
  const timeA = load<u64>(a, TIME);
  const timeB = load<u64>(b, TIME);
  return timeA < timeB || (timeA == timeB && load<u64>(a, ORDER) < load<u64>(b, ORDER));
}

function move(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/** Twice the room. The events of a lane begin at its first one, so that they lie in order. */
function makeRoom(queue: usize): void {
  const used = <usize>load<u32>(queue, USED);
  const size: usize = used ? used << 1 : 2048;
  const larger = takePages(<u32>((size << SHIFT) >> 16));
  const begin = <usize>load<u32>(queue, FIRST);
  if (used) {
    const old = load<usize>(queue, EVENTS);
    memory.copy(larger, old + (begin << SHIFT), (used - begin) << SHIFT);
    memory.copy(larger + ((used - begin) << SHIFT), old, begin << SHIFT);
  }
  store<usize>(queue, larger, EVENTS);
  store<u32>(queue, <u32>size, CAPACITY);
  store<u32>(queue, 0, FIRST);
  if (used) store<usize>(queue, larger + ((used - 1) << SHIFT), LAST);
}

function write(place: usize, at: u64, order: u64, machine: usize, what: i32, about: usize, more: u32): void {
  store<u64>(place, at, TIME);
  store<u64>(place, order, ORDER);
  store<i32>(place, what, KIND);
  store<usize>(place, about, SUBJECT);
  store<u32>(place, more, DETAIL);
  store<usize>(place, machine, MACHINE);
}

/** The order number of an event at the machine with the id `target` that `source` causes, with the source's next sequence number. */
export function orderAt(target: u32, source: usize): u64 {
  return ((<u64>target) << 48) | ((<u64>load<u32>(source, MACHINE_ID)) << 32) | (<u64>nextSequence(source));
}

/** Whether a lane's last event, if it has any, comes before a moment. */
function ends(lane: usize, at: u64, order: u64): bool {
  if (!load<u32>(lane, USED)) return true;
  const last = load<usize>(lane, LAST);
  const time = load<u64>(last, TIME);
  return time < at || (time == at && load<u64>(last, ORDER) < order);
}

/** The place behind the last event of a lane, which is now its last. */
function nextOf(lane: usize): usize {
  const used = load<u32>(lane, USED);
  if (used == load<u32>(lane, CAPACITY)) makeRoom(lane);
  const index = (load<u32>(lane, FIRST) + used) & (load<u32>(lane, CAPACITY) - 1);
  const place = load<usize>(lane, EVENTS) + ((<usize>index) << SHIFT);
  store<u32>(lane, used + 1, USED);
  store<usize>(lane, place, LAST);
  return place;
}

/** Adds an event of `machine` with a given order number. */
export function pushOrdered(at: u64, order: u64, machine: usize, what: i32, about: usize, more: u32): void {
  if (!heap) begin();
  if (what == EVENT_RECEIVE) {
    if (ends(arriving, at, order)) {
      write(nextOf(arriving), at, order, machine, what, about, more);
      firstArriving = firstOf(arriving);
      return;
    }
  } else if (what == EVENT_FLOW && ends(flowing, at, order)) {
    write(nextOf(flowing), at, order, machine, what, about, more);
    firstFlowing = firstOf(flowing);
    return;
  }
  const used = load<u32>(heap, USED);
  if (used == load<u32>(heap, CAPACITY)) makeRoom(heap);
  store<u32>(heap, used + 1, USED);
  const events = load<usize>(heap, EVENTS);
  let hole = used;
  while (hole) {
    const parent = (hole - 1) >> 2;
    const above = events + ((<usize>parent) << SHIFT);
    const time = load<u64>(above, TIME);
    if (time < at || (time == at && load<u64>(above, ORDER) < order)) break;
    move(events + ((<usize>hole) << SHIFT), above);
    hole = parent;
  }
  write(events + ((<usize>hole) << SHIFT), at, order, machine, what, about, more);
  firstTimer = events;
}

/** Adds an event that a machine sets for itself. */
export function push(at: u64, machine: usize, what: i32, about: usize, more: u32): void {
  pushOrdered(at, orderAt(load<u32>(machine, MACHINE_ID), machine), machine, what, about, more);
}

/** The first event of a lane or of the heap, `none` if it is empty. */
function firstOf(queue: usize): usize {
  if (!load<u32>(queue, USED)) return none;
  return load<usize>(queue, EVENTS) + ((<usize>load<u32>(queue, FIRST)) << SHIFT);
}

/** The first event of all, `none` if there is none. */
function first(): usize {
  const event = before(firstFlowing, firstArriving) ? firstFlowing : firstArriving;
  return before(firstTimer, event) ? firstTimer : event;
}

/** When the next event comes; u64.MAX_VALUE if there is none. */
export function nextTime(): u64 {
  return heap ? load<u64>(first(), TIME) : u64.MAX_VALUE;
}

/** Takes the first event, if it comes before `limit`, into the variables above. False: there is none. */
export function pop(limit: u64): bool {
  if (!heap) return false;
  const event = first();
  const at = load<u64>(event, TIME);
  if (at >= limit) return false;
  time = at;
  kind = load<i32>(event, KIND);
  subject = load<usize>(event, SUBJECT);
  detail = load<u32>(event, DETAIL);
  owner = load<usize>(event, MACHINE);
  if (event == firstTimer) {
    popHeap();
    firstTimer = firstOf(heap);
  } else if (event == firstArriving) {
    popLane(arriving);
    firstArriving = firstOf(arriving);
  } else {
    popLane(flowing);
    firstFlowing = firstOf(flowing);
  }
  return true;
}

function popLane(lane: usize): void {
  store<u32>(lane, (load<u32>(lane, FIRST) + 1) & (load<u32>(lane, CAPACITY) - 1), FIRST);
  store<u32>(lane, load<u32>(lane, USED) - 1, USED);
}

function popHeap(): void {
  const events = load<usize>(heap, EVENTS);
  const used = load<u32>(heap, USED) - 1;
  store<u32>(heap, used, USED);
  const last = events + ((<usize>used) << SHIFT);
  let hole: u32 = 0;
  while (true) {
    let child = (hole << 2) + 1;
    if (child >= used) break;
    let least = events + ((<usize>child) << SHIFT);
    let place = child;
    const end = min<u32>(child + 4, used);
    while (++child < end) {
      const other = events + ((<usize>child) << SHIFT);
      if (before(other, least)) {
        least = other;
        place = child;
      }
    }
    if (!before(least, last)) break;
    move(events + ((<usize>hole) << SHIFT), least);
    hole = place;
  }
  move(events + ((<usize>hole) << SHIFT), last);
}
