// The header of a classic pcap file with nanosecond times, which tools that know no pcapng read; one interface a file.
import { CAPTURE_SNAPLEN } from "../../assembly/layout/pcap.ts";
import { concat, littleEndian } from "./block.ts";
import { LINKTYPE_ETHERNET } from "./pcapng.ts";

/** The first 24 bytes of the file. The kernel forms records as fileRecord does: assembly/layout/pcap.ts. */
export function fileHeader(linkType: number = LINKTYPE_ETHERNET): Uint8Array {
  const nanosecondMagic = 0xa1b23c4d;
  return concat([
    littleEndian(4, nanosecondMagic),
    littleEndian(2, 2, 4), // version 2.4
    littleEndian(4, 0, 0, CAPTURE_SNAPLEN, linkType), // time zone and accuracy are 0 by convention
  ]);
}

/** A packet, `time` in nanoseconds since 1970. */
export function fileRecord(time: bigint, bytes: Uint8Array): Uint8Array {
  const second = 1_000_000_000n;
  return concat([littleEndian(4, Number(time / second), Number(time % second), bytes.length, bytes.length), bytes]);
}
