// The pool of frames: taking, giving back, copying, and the headroom in front of the bytes.
import {
  FRAME_BYTES,
  FRAME_DATA,
  FRAME_HEADER,
  FRAME_HEADROOM,
  FRAME_ID_HIGH,
  FRAME_ID_LOW,
  FRAME_LENGTH,
  FRAME_NETWORK,
} from "../layout/frame.ts";
import { MACHINE_ID } from "../layout/records.ts";
import { allocate } from "./arena.ts";
import { clear, copy } from "./bytes.ts";
import { machine, nextPacket } from "./clock.ts";
import { give, take } from "./pool.ts";

let free: usize = 0;
let live: u32 = 0;

/** Frames taken and not given back: the books must balance. */
export function liveFrames(): u32 {
  return live;
}

/** An empty frame: metadata cleared, data at the headroom's end, length 0. */
export function newFrame(): usize {
  if (!free) free = allocate(64);
  const frame = take(free, FRAME_BYTES);
  live++;
  clear(frame, FRAME_HEADER);
  store<usize>(frame, frame + FRAME_HEADER + FRAME_HEADROOM, FRAME_DATA);
  return frame;
}

/** A new packet of the current machine: a frame with a packet id of its own. */
export function newPacket(): usize {
  const frame = newFrame();
  store<u32>(frame, nextPacket(), FRAME_ID_LOW);
  store<u32>(frame, load<u32>(machine, MACHINE_ID) + 1, FRAME_ID_HIGH);
  return frame;
}

/** Gives a frame back. */
export function release(frame: usize): void {
  live--;
  give(free, frame);
}

/** A second frame with the same bytes and metadata; the conntrack reference is shared, as in skb_clone. */
export function clone(frame: usize): usize {
  const twin = newFrame();
  for (let i = 0; i < FRAME_HEADER; i += 16) v128.store(twin + <usize>i, v128.load(frame + <usize>i));
  const from = load<usize>(frame, FRAME_DATA);
  const to = twin + (from - frame);
  store<usize>(twin, to, FRAME_DATA);
  store<usize>(twin, load<usize>(frame, FRAME_NETWORK) + (twin - frame), FRAME_NETWORK);
  copy(to, from, load<i32>(frame, FRAME_LENGTH));
  return twin;
}
