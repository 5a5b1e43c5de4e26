// The queue of a link, as far as its length counts: how many frames and bytes are in it, and when each leaves.
import {
  NETEM_QUEUE,
  NETEM_QUEUED,
  NETEM_QUEUED_BYTES,
  NETEM_QUEUE_ROOM,
  QUEUED_BYTES,
  QUEUED_SIZE,
  QUEUED_UNTIL,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";

const ROOM_FIRST: u32 = 64;

function entryAt(netem: usize, index: u32): usize {
  return load<usize>(netem, NETEM_QUEUE) + <usize>index * QUEUED_SIZE;
}

function move(netem: usize, to: u32, from: u32): void {
  v128.store(entryAt(netem, to), v128.load(entryAt(netem, from)));
}

/** Adds a frame that leaves at a moment. */
export function add(netem: usize, until: u64, bytes: u32): void {
  const count = load<u32>(netem, NETEM_QUEUED);
  if (count == load<u32>(netem, NETEM_QUEUE_ROOM)) makeRoom(netem, count);
  let hole = count;
  while (hole) {
    const parent = (hole - 1) >> 1;
    if (load<u64>(entryAt(netem, parent), QUEUED_UNTIL) <= until) break;
    move(netem, hole, parent);
    hole = parent;
  }
  const entry = entryAt(netem, hole);
  store<u64>(entry, until, QUEUED_UNTIL);
  store<u32>(entry, bytes, QUEUED_BYTES);
  store<u32>(netem, count + 1, NETEM_QUEUED);
  store<u32>(netem, load<u32>(netem, NETEM_QUEUED_BYTES) + bytes, NETEM_QUEUED_BYTES);
}

/** Twice the room. A queue grows to its limit and never again. */
function makeRoom(netem: usize, count: u32): void {
  const room = count ? count << 1 : ROOM_FIRST;
  const larger = allocate(room * QUEUED_SIZE);
  if (count) memory.copy(larger, load<usize>(netem, NETEM_QUEUE), <usize>count * QUEUED_SIZE);
  store<usize>(netem, larger, NETEM_QUEUE);
  store<u32>(netem, room, NETEM_QUEUE_ROOM);
}

/** Takes out the frames that have left by a moment. */
export function leave(netem: usize, now: u64): void {
  while (load<u32>(netem, NETEM_QUEUED) && load<u64>(entryAt(netem, 0), QUEUED_UNTIL) <= now) removeFirst(netem);
}

function removeFirst(netem: usize): void {
  const last = load<u32>(netem, NETEM_QUEUED) - 1;
  store<u32>(netem, last, NETEM_QUEUED);
  const bytes = load<u32>(entryAt(netem, 0), QUEUED_BYTES);
  store<u32>(netem, load<u32>(netem, NETEM_QUEUED_BYTES) - bytes, NETEM_QUEUED_BYTES);
  const until = load<u64>(entryAt(netem, last), QUEUED_UNTIL);
  let hole: u32 = 0;
  while (true) {
    let child = (hole << 1) + 1;
    if (child >= last) break;
    if (
      child + 1 < last &&
      load<u64>(entryAt(netem, child + 1), QUEUED_UNTIL) < load<u64>(entryAt(netem, child), QUEUED_UNTIL)
    ) {
      child++;
    }
    if (load<u64>(entryAt(netem, child), QUEUED_UNTIL) >= until) break;
    move(netem, hole, child);
    hole = child;
  }
  move(netem, hole, last);
}
