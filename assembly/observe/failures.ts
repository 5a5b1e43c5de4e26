// Failed requests of each line and event, by how they failed. A request belongs to the last event that was going on when it began, or
// else to the first that came while it was under way.
import { EVENT_AT, EVENT_SIZE, EVENT_UNTIL, FAILURES_SIZE } from "../layout/failures.ts";
import { allocate } from "../memory/arena.ts";
import { now } from "../memory/clock.ts";

let events: usize = 0;
let eventCount: u32 = 0;
let counters: usize = 0;

/** Makes room for events and for what `lines` lines count of each. */
export function make(lines: u32, count: u32): void {
  eventCount = count;
  events = allocate(count * EVENT_SIZE + 8);
  counters = allocate((lines + 1) * count * FAILURES_SIZE + 8);
}

/** Notes when an event begins, and until when something comes of it; events are in order of time. */
export function set(index: u32, at: u64, until: u64): void {
  const event = events + <usize>(index * EVENT_SIZE);
  store<u64>(event, at, EVENT_AT);
  store<u64>(event, until, EVENT_UNTIL);
}

/** The counters of a line, numbered from 1, for an event. */
export function countersOf(line: u32, event: u32): usize {
  return counters + <usize>((line * eventCount + event) * FAILURES_SIZE);
}

/** A request of a line that began at a moment has failed now. */
export function note(line: u32, began: u64, how: i32): void {
  let found = -1;
  for (let i = <i32>eventCount - 1; i >= 0; i--) {
    const event = events + <usize>i * EVENT_SIZE;
    const at = load<u64>(event, EVENT_AT);
    if (at > now) continue;
    if (at > began) found = i;
    else if (load<u64>(event, EVENT_UNTIL) >= began) {
      found = i;
      break;
    }
  }
  if (found < 0) return;
  const counter = countersOf(line, found) + ((<usize>how) << 2);
  store<u32>(counter, load<u32>(counter) + 1);
}
