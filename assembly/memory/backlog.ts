// The backlog: frames that wait for the current event to be finished with them, first in, first out, as softirq has it.
import { FRAME_NEXT, FRAME_STAGE } from "../layout/frame.ts";

let head: usize = 0;
let tail: usize = 0;

/** Queues a frame for a stage (STAGE_*). */
export function push(frame: usize, stage: i32): void {
  store<i32>(frame, stage, FRAME_STAGE);
  store<usize>(frame, 0, FRAME_NEXT);
  if (tail) store<usize>(tail, frame, FRAME_NEXT);
  else head = frame;
  tail = frame;
}

/** Puts a frame, whose stage is set, before all others. */
export function putFirst(frame: usize): void {
  store<usize>(frame, head, FRAME_NEXT);
  if (!head) tail = frame;
  head = frame;
}

/** The oldest frame, 0 if there is none. */
export function shift(): usize {
  const frame = head;
  if (frame) {
    head = load<usize>(frame, FRAME_NEXT);
    if (!head) tail = 0;
  }
  return frame;
}

export function isEmpty(): bool {
  return !head;
}
