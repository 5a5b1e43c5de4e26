// Blocks of records of any length, one behind the other (BATCH_*): what a worker writes for others or for the host to read.
import { BATCH_HEADER, BATCH_SIZE } from "../layout/records.ts";
import { takePages } from "./arena.ts";

/** An empty block of whole pages. */
export function newBatch(pages: u32): usize {
  const block = takePages(pages);
  store<u32>(block, (pages << 16) - <u32>BATCH_HEADER, BATCH_SIZE);
  return block;
}
