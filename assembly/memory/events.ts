// The event queue: moments ordered by (time, machine, source machine, sequence), so that the order never depends on the workers.
//
// Two 4-ary heaps make it up. Frames and flows, which come soon and are many, have one; timers, which come late if ever, the
// other, so that a frame need not pass thousands of them on its way through the heap.
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
export const EVENT_RESOLVER: i32 = 9; // subject: session that waits for an answer, detail: generation

// A heap: the address of its events, how many fit, how many there are.
const EVENTS: usize = 0;
const CAPACITY: usize = 4;
const USED: usize = 8;

let soon: usize = 0;
let late: usize = 0;

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

function makeRoom(queue: usize): void {
  const used = load<u32>(queue, USED);
  const size = used ? used << 1 : 2048;
  const larger = takePages((size << (<u32>SHIFT)) >> 16);
  if (used) memory.copy(larger, load<usize>(queue, EVENTS), (<usize>used) << SHIFT);
  store<usize>(queue, larger, EVENTS);
  store<u32>(queue, size, CAPACITY);
}

/** The order number of an event at `target` that `source` causes, with the source's next sequence number. */
export function orderOf(target: usize, source: usize): u64 {
  return (
    ((<u64>load<u32>(target, MACHINE_ID)) << 48) |
    ((<u64>load<u32>(source, MACHINE_ID)) << 32) |
    (<u64>nextSequence(source))
  );
}

/** Adds an event of `machine` with a given order number. */
export function pushOrdered(at: u64, order: u64, machine: usize, what: i32, about: usize, more: u32): void {
  if (!soon) {
    soon = allocate(64);
    late = allocate(64);
  }
  const queue = what == EVENT_RECEIVE || what == EVENT_FLOW ? soon : late;
  const used = load<u32>(queue, USED);
  if (used == load<u32>(queue, CAPACITY)) makeRoom(queue);
  store<u32>(queue, used + 1, USED);
  const heap = load<usize>(queue, EVENTS);
  let hole = used;
  while (hole) {
    const parent = (hole - 1) >> 2;
    const above = heap + ((<usize>parent) << SHIFT);
    const time = load<u64>(above, TIME);
    if (time < at || (time == at && load<u64>(above, ORDER) < order)) break;
    move(heap + ((<usize>hole) << SHIFT), above);
    hole = parent;
  }
  const place = heap + ((<usize>hole) << SHIFT);
  store<u64>(place, at, TIME);
  store<u64>(place, order, ORDER);
  store<i32>(place, what, KIND);
  store<usize>(place, about, SUBJECT);
  store<u32>(place, more, DETAIL);
  store<usize>(place, machine, MACHINE);
}

/** Adds an event that a machine sets for itself. */
export function push(at: u64, machine: usize, what: i32, about: usize, more: u32): void {
  pushOrdered(at, orderOf(machine, machine), machine, what, about, more);
}

/** The heap with the first event of all, 0 if there is none. */
function first(): usize {
  if (!soon) return 0;
  if (!load<u32>(late, USED)) return load<u32>(soon, USED) ? soon : 0;
  if (!load<u32>(soon, USED)) return late;
  return before(load<usize>(late, EVENTS), load<usize>(soon, EVENTS)) ? late : soon;
}

/** When the next event comes; u64.MAX_VALUE if there is none. */
export function nextTime(): u64 {
  const queue = first();
  return queue ? load<u64>(load<usize>(queue, EVENTS), TIME) : u64.MAX_VALUE;
}

/** Takes the first event, if it comes before `limit`, into the variables above. False: there is none. */
export function pop(limit: u64): bool {
  const queue = first();
  if (!queue) return false;
  const heap = load<usize>(queue, EVENTS);
  if (load<u64>(heap, TIME) >= limit) return false;
  time = load<u64>(heap, TIME);
  kind = load<i32>(heap, KIND);
  subject = load<usize>(heap, SUBJECT);
  detail = load<u32>(heap, DETAIL);
  owner = load<usize>(heap, MACHINE);
  const used = load<u32>(queue, USED) - 1;
  store<u32>(queue, used, USED);
  const last = heap + ((<usize>used) << SHIFT);
  let hole: u32 = 0;
  while (true) {
    let child = (hole << 2) + 1;
    if (child >= used) break;
    let least = heap + ((<usize>child) << SHIFT);
    let place = child;
    const end = min<u32>(child + 4, used);
    while (++child < end) {
      const other = heap + ((<usize>child) << SHIFT);
      if (before(other, least)) {
        least = other;
        place = child;
      }
    }
    if (!before(least, last)) break;
    move(heap + ((<usize>hole) << SHIFT), least);
    hole = place;
  }
  move(heap + ((<usize>hole) << SHIFT), last);
  return true;
}
