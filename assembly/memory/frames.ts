// The pool of frames: taking, giving back, copying, and the headroom in front of the bytes.
import {
  FRAME_BYTES,
  FRAME_CAPACITY,
  FRAME_DATA,
  FRAME_FRAGMENT_DF,
  FRAME_FRAGMENT_MAX,
  FRAME_HEADER,
  FRAME_HEADROOM,
  FRAME_ID_HIGH,
  FRAME_ID_LOW,
  FRAME_IS_LARGE,
  FRAME_LARGE_BYTES,
  FRAME_LENGTH,
  FRAME_NETWORK,
  FRAME_PIECES,
} from "../layout/frame.ts";
import { USED_COUNT } from "../layout/codes.ts";
import { MACHINE_ID } from "../layout/records.ts";
import { allocate } from "./arena.ts";
import { clear, copy } from "./bytes.ts";
import { machine, nextPacket } from "./clock.ts";
import { give, take } from "./pool.ts";
import * as recorder from "./recorder.ts";

let free: usize = 0;
let freeLarge: usize = 0;
let live: u32 = 0;
let taken: u64 = 0;
let ended: usize = 0; // a u64 for each USED_*

/** Frames ever taken. */
export function takenFrames(): u64 {
  return taken;
}

/** Frames taken and not given back: the books must balance. */
export function liveFrames(): u32 {
  return live;
}

function begin(): void {
  free = allocate(64);
  freeLarge = allocate(64);
  ended = allocate(USED_COUNT << 3);
}

/** An empty frame: metadata cleared, data at the headroom's end, length 0. */
export function newFrame(): usize {
  if (!free) begin();
  const frame = take(free, FRAME_BYTES);
  live++;
  taken++;
  clear(frame, FRAME_HEADER);
  store<usize>(frame, frame + FRAME_HEADER + FRAME_HEADROOM, FRAME_DATA);
  return frame;
}

/** A new packet of the current machine: a frame with a packet id of its own. */
export function newPacket(): usize {
  return numbered(newFrame());
}

/** The same for a packet of `bytes` bytes, link header included. */
export function newPacketFor(bytes: i32): usize {
  return numbered(newFrameFor(bytes));
}

function numbered(frame: usize): usize {
  store<u32>(frame, nextPacket(), FRAME_ID_LOW);
  store<u32>(frame, load<u32>(machine, MACHINE_ID) + 1, FRAME_ID_HIGH);
  return frame;
}

/** An empty frame for packets of any length. */
export function newLarge(): usize {
  if (!free) begin();
  const frame = take(freeLarge, FRAME_LARGE_BYTES);
  live++;
  taken++;
  for (let i = 0; i < FRAME_HEADER; i += 16) v128.store(frame + <usize>i, i64x2(0, 0));
  store<usize>(frame, frame + FRAME_HEADER + FRAME_HEADROOM, FRAME_DATA);
  store<u32>(frame, 1, FRAME_IS_LARGE);
  return frame;
}

/** An empty frame that holds `bytes` bytes. */
export function newFrameFor(bytes: i32): usize {
  return bytes > FRAME_CAPACITY - 16 ? newLarge() : newFrame();
}

/** Copies what is known of a frame, but not where its bytes are. The caller counts the reference to its connection. */
export function copyMetadata(to: usize, from: usize): void {
  const data = load<usize>(to, FRAME_DATA);
  const large = load<u32>(to, FRAME_IS_LARGE);
  for (let i = 0; i < FRAME_HEADER; i += 16) v128.store(to + <usize>i, v128.load(from + <usize>i));
  store<usize>(to, data, FRAME_DATA);
  store<u32>(to, large, FRAME_IS_LARGE);
  store<u32>(to, 0, FRAME_FRAGMENT_MAX);
  store<u32>(to, 0, FRAME_FRAGMENT_DF);
}

/** Frames that ended so (USED_*). */
export function endedFrames(how: i32): u64 {
  return ended ? load<u64>(ended + ((<usize>how) << 3)) : 0;
}

/** Gives a frame back and counts what it came to (USED_*). */
export function release(frame: usize, how: i32): void {
  recorder.gone(frame);
  live--;
  const counter = ended + ((<usize>how) << 3);
  store<u64>(counter, load<u64>(counter) + 1);
  give(load<u32>(frame, FRAME_IS_LARGE) ? freeLarge : free, frame);
}

/** A second frame with the same bytes and metadata; the conntrack reference is shared, as in skb_clone. */
export function clone(frame: usize): usize {
  const large = load<u32>(frame, FRAME_IS_LARGE) != 0;
  const twin = large ? newLarge() : newFrame();
  for (let i = 0; i < FRAME_HEADER; i += 16) v128.store(twin + <usize>i, v128.load(frame + <usize>i));
  const from = load<usize>(frame, FRAME_DATA);
  const to = twin + (from - frame);
  store<usize>(twin, to, FRAME_DATA);
  store<usize>(twin, load<usize>(frame, FRAME_NETWORK) + (twin - frame), FRAME_NETWORK);
  copy(to, from, load<i32>(frame, FRAME_LENGTH));
  if (large) {
    const pieces = FRAME_LARGE_BYTES - FRAME_PIECES;
    memory.copy(twin + pieces, frame + pieces, FRAME_PIECES);
  }
  return twin;
}
