// The end of a frame: delivered and done, or dropped with a reason that its namespace and its traffic line count.
import { DROP_COUNT, USED_DROPPED } from "../layout/codes.ts";
import { FRAME_LINE } from "../layout/frame.ts";
import { STEP_DROP } from "../layout/trace.ts";
import { LINE_DROPS, NS_DROPS } from "../layout/records.ts";
import { consume } from "../track/table.ts";
import { line } from "./lines.ts";
import * as notes from "./notes.ts";
import * as trace from "./trace.ts";

/** Gives a frame back and counts why (DROP_*). */
export function drop(ns: usize, frame: usize, reason: i32): void {
  if (trace.on) trace.note(STEP_DROP, ns, frame, reason);
  if (notes.on) notes.dropped(ns, frame, reason);
  count(ns, load<u32>(frame, FRAME_LINE), reason);
  consume(frame, USED_DROPPED);
}

/** Counts a drop of a frame that the caller keeps or has already given back. */
export function count(ns: usize, lineNumber: u32, reason: i32): void {
  if (<u32>reason >= <u32>DROP_COUNT) unreachable();
  const at = ns + NS_DROPS + ((<usize>reason) << 2);
  store<u32>(at, load<u32>(at) + 1);
  if (lineNumber) {
    const counter = line(lineNumber) + LINE_DROPS + ((<usize>reason) << 2);
    store<u32>(counter, load<u32>(counter) + 1);
  }
}
