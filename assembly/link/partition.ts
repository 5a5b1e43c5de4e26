// A partition of the network: which ports of a segment stand in sets that do not hear each other. Each worker keeps all of it, as it
// asks for the ports of others.
import { allocate } from "../memory/arena.ts";

// Of a segment: the next one, the segment, how many ports it has; then the number of each port's set.
const NEXT: usize = 0;
const SEGMENT: usize = 4;
const PORTS: usize = 8;
const SETS: usize = 12;

let first: usize = 0;
let parted: bool = false;

/** Puts a port into a set, from 1 on; 0: into none, so that all hear it. `ports`: how many the segment has. */
export function place(segment: usize, port: u32, ports: u32, set: u32): void {
  let record = find(segment);
  if (!record) {
    record = allocate(<u32>SETS + (ports << 2));
    store<usize>(record, first, NEXT);
    store<usize>(record, segment, SEGMENT);
    store<u32>(record, ports, PORTS);
    first = record;
  }
  store<u32>(record + ((<usize>port) << 2), set, SETS);
  if (set) parted = true;
}

/** Puts all ports of all segments into no set. */
export function heal(): void {
  parted = false;
  for (let record = first; record; record = load<usize>(record, NEXT)) {
    const ports = load<u32>(record, PORTS);
    for (let port: u32 = 0; port < ports; port++) store<u32>(record + ((<usize>port) << 2), 0, SETS);
  }
}

function find(segment: usize): usize {
  let record = first;
  while (record && load<usize>(record, SEGMENT) != segment) record = load<usize>(record, NEXT);
  return record;
}

/** Whether frames of a port do not reach another one of its segment. */
export function separates(segment: usize, from: u32, to: u32): bool {
  if (!parted) return false;
  const record = find(segment);
  if (!record) return false;
  const a = load<u32>(record + ((<usize>from) << 2), SETS);
  const b = load<u32>(record + ((<usize>to) << 2), SETS);
  return a != 0 && b != 0 && a != b;
}
