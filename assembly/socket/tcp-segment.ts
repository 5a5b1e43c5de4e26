// A segment in the queue of a connection: where it ends.
import * as R from "../layout/records.ts";
import * as tcp from "../wire/tcp.ts";

/** The sequence number after a segment. */
export function segmentEnd(segment: usize): u32 {
  return (
    load<u32>(segment, R.SEG_SEQ) +
    load<u32>(segment, R.SEG_LENGTH) +
    (load<i32>(segment, R.SEG_FLAGS) & (tcp.SYN | tcp.FIN) ? 1 : 0)
  );
}
