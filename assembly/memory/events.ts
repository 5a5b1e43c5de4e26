// The event queue: a 4-ary heap of moments, ordered by (time, machine, source machine, sequence) so that the order never depends on the workers.
import { MACHINE_ID } from "../layout/records.ts";
import { takePages } from "./arena.ts";
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

let heap: usize = 0;
let capacity: u32 = 0;
let used: u32 = 0;

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

function makeRoom(): void {
  const size = capacity ? capacity << 1 : 2048;
  const larger = takePages(((size + 1) << (<u32>SHIFT)) / 65536 + 1);
  if (used) memory.copy(larger, heap, (<usize>used) << SHIFT);
  heap = larger;
  capacity = size;
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
  if (used == capacity) makeRoom();
  let hole = used++;
  const spare = heap + ((<usize>capacity) << SHIFT);
  store<u64>(spare, at, TIME);
  store<u64>(spare, order, ORDER);
  store<i32>(spare, what, KIND);
  store<usize>(spare, about, SUBJECT);
  store<u32>(spare, more, DETAIL);
  store<usize>(spare, machine, MACHINE);
  while (hole) {
    const parent = (hole - 1) >> 2;
    const above = heap + ((<usize>parent) << SHIFT);
    if (!before(spare, above)) break;
    move(heap + ((<usize>hole) << SHIFT), above);
    hole = parent;
  }
  move(heap + ((<usize>hole) << SHIFT), spare);
}

/** Adds an event that a machine sets for itself. */
export function push(at: u64, machine: usize, what: i32, about: usize, more: u32): void {
  pushOrdered(at, orderOf(machine, machine), machine, what, about, more);
}

/** When the next event comes; u64.MAX_VALUE if there is none. */
export function nextTime(): u64 {
  return used ? load<u64>(heap, TIME) : u64.MAX_VALUE;
}

/** Takes the first event into the variables above. The queue must not be empty. */
export function pop(): void {
  time = load<u64>(heap, TIME);
  kind = load<i32>(heap, KIND);
  subject = load<usize>(heap, SUBJECT);
  detail = load<u32>(heap, DETAIL);
  owner = load<usize>(heap, MACHINE);
  used--;
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
}
