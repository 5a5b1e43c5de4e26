// What a frame does in a node, noted while it takes the long way, so that flow/cache.ts can take the next one like it the short way.
//
// Every layer on the way says here what it counted, touched or relied on. Whatever does something else (a random number, a timer, a
// state that the next packet may find changed) says `spoil`, and nothing is remembered. What a decision was read from (rules,
// routes, links, settings, forwarding entries, link addresses) says `changed` when it is changed, and all that is remembered is void.

import { allocate } from "./arena.ts";

/** The frame whose way is being noted, 0: none. */
export let frame: usize = 0;
/** Rises with every change; what was remembered under another number is void. */
export let generation: u32 = 1;
/** The length that every step so far would have let pass, link header included. */
export let longest: u32 = 0;
/** Whether it begins its connection, and what is noted is to hold for those that begin others alike, from any source port. */
export let opening: bool = false;

// A step: kind, two words. The bytes of the header as it was then follow for CAUGHT.
export const COUNTED: u32 = 1; // a: address of a u64 that counts packets
export const COUNTED_BYTES: u32 = 2; // a: address of two u64, packets and bytes
export const LEARNED: u32 = 3; // a: forwarding entry of the source, renewed
export const FOUND: u32 = 4; // a: forwarding entry of the destination, which must not be too old; b: the bridge
export const RESOLVED: u32 = 5; // a: neighbour whose link address was taken
export const TRACKED: u32 = 6; // a: connection, b: IP_CT_*
export const CAUGHT: u32 = 7; // a: device, b: direction
export const OPENED: u32 = 8; // a: connection that the frame begins
export const STEP: usize = 12;
export const HEADER: usize = 64; // bytes of a frame that are kept
const STEPS_MAX: u32 = 96;

const CAUGHT_MAX: u32 = 16;
let steps: usize = 0;
let headers: usize = 0;
/** How many steps there are, and how many of them are CAUGHT. */
export let count: u32 = 0;
export let caughtCount: u32 = 0;

/** Begins to note the way of a frame whose bytes stand at `at`; `opens`: with what it does as the first one of its connection. */
export function begin(which: usize, at: usize, opens: bool): void {
  if (!steps) {
    steps = allocate(STEPS_MAX * <u32>STEP);
    headers = allocate((CAUGHT_MAX + 1) * <u32>HEADER);
  }
  frame = which;
  opening = opens;
  count = 0;
  caughtCount = 0;
  longest = 65535;
  keep(headers, at);
}

function keep(to: usize, at: usize): void {
  for (let i: usize = 0; i < HEADER; i += 16) v128.store(to + i, v128.load(at + i));
}

/** Whether the frame being noted goes on into another namespace when its turn comes. */
let goesOn: bool = false;

/** The frame being noted has gone into a veth, and will be noted further at the other end. */
export function goOn(): void {
  goesOn = true;
}

/** Whether a frame whose turn has come is being noted already. */
export function hasNoted(which: usize): bool {
  goesOn = false;
  return which == frame;
}

/** A turn is over: what was noted is forgotten, unless it goes on. */
export function endTurn(): void {
  if (!goesOn) frame = 0;
}

/** Remembers nothing of this frame. */
export function spoil(): void {
  frame = 0;
}

/** Something that decisions are read from has changed. */
export function changed(): void {
  generation++;
  frame = 0;
}

/** A frame is gone. */
export function gone(which: usize): void {
  if (which == frame) frame = 0;
}

/** Notes a step of the frame being noted. */
export function note(kind: u32, a: usize, b: u32 = 0): void {
  if (count == STEPS_MAX) {
    frame = 0;
    return;
  }
  const step = stepAt(count++);
  store<u32>(step, kind);
  store<usize>(step, a, 4);
  store<u32>(step, b, 8);
}

/** Notes that a device saw the frame, whose bytes stand at `at`. */
export function caught(device: usize, direction: u32, at: usize): void {
  if (caughtCount == CAUGHT_MAX) {
    frame = 0;
    return;
  }
  caughtCount++;
  keep(headerAt(caughtCount), at);
  note(CAUGHT, device, direction);
}

/** Frames longer than so many bytes would have gone another way. */
export function limit(bytes: u32): void {
  if (bytes < longest) longest = bytes;
}

export function stepAt(index: u32): usize {
  return steps + <usize>index * STEP;
}

/** The kept header number `index`: 0 is that of the beginning, then those of the CAUGHT steps. */
export function headerAt(index: u32): usize {
  return headers + <usize>index * HEADER;
}
