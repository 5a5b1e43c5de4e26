// Memory that is never given back: a worker takes 1 MiB at a time from the one shared memory and cuts records off it.
import { SHARED_BREAK } from "../layout/records.ts";

const PAGE: usize = 65536;
const BLOCK_PAGES: u32 = 16;

let next: usize = 0;
let end: usize = 0;
let pagesTaken: u32 = 0;

/** Takes whole pages for this worker alone; the memory grows when it must. Returns their address. */
export function takePages(pages: u32): usize {
  pagesTaken += pages;
  const first = atomic.add<u32>(<usize>SHARED_BREAK, pages);
  const last = first + pages;
  let have = <u32>memory.size();
  while (have < last) {
    // Another worker may grow at the same moment; asking for a little more twice does no harm.
    if (memory.grow(last - have) < 0) unreachable();
    have = <u32>memory.size();
  }
  return <usize>first * PAGE;
}

/** A zero-filled record of `size` bytes, 64-byte aligned. */
export function allocate(size: u32): usize {
  const rounded = (<usize>size + 63) & ~63;
  if (rounded > (BLOCK_PAGES * <u32>PAGE) >> 1) return takePages((<u32>rounded + <u32>PAGE - 1) / <u32>PAGE);
  if (next + rounded > end) {
    next = takePages(BLOCK_PAGES);
    end = next + <usize>BLOCK_PAGES * PAGE;
  }
  const record = next;
  next += rounded;
  return record;
}

/** The bytes that this worker has taken, without what is left of its last block. */
export function taken(): u64 {
  return <u64>pagesTaken * PAGE - (end - next);
}
