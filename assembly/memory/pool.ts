// Records that come and go: free lists over the arena, one for each kind, linked through a record's first word.
import { allocate } from "./arena.ts";

/** Takes a record from the list, or from the arena if it is empty. Its bytes are not cleared. */
export function take(list: usize, size: u32): usize {
  const record = load<usize>(list);
  if (!record) return allocate(size);
  store<usize>(list, load<usize>(record));
  return record;
}

/** Gives a record back to the list that it was taken from. */
export function give(list: usize, record: usize): void {
  store<usize>(record, load<usize>(list));
  store<usize>(list, record);
}
