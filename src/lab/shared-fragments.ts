// What a recorder on Linux reads of fragments that a host puts together and sends on in the same pieces: the new headers are
// written into the bytes that were received (ip_do_fragment with a frag_list), which a packet socket shares and reads later.
import type { Row } from "./recording.ts";

type Seen = Pick<Row, "at" | "dir" | "hex">;

// In hexadecimal digits from the start of an untagged frame.
const TYPE = 24;
const IP = 28;
const ID = IP + 8;
const OFFSET = IP + 12;
const PROTOCOL = IP + 18;

/**
 * Gives the frames of a step, in order, as such a recorder reads them. `tracks` says whether a namespace puts fragments
 * together before it forwards them.
 */
export function asRecorderReads<T extends Seen>(frames: readonly T[], tracks: (namespace: string) => boolean): T[] {
  const read = [...frames];
  frames.forEach((sent, i) => {
    const key = sent.dir === "out" && tracks(namespaceOf(sent)) ? laterFragment(sent) : undefined;
    if (key === undefined) return;
    read.slice(0, i).forEach((earlier, at) => {
      if (laterFragment(earlier) === key) read[at] = { ...earlier, hex: sent.hex };
    });
  });
  return read;
}

function namespaceOf({ at }: Seen): string {
  return at.slice(0, at.indexOf(":"));
}

/** What stays of a fragment that is not the first when it is sent on; undefined for all other frames. */
function laterFragment({ hex }: Seen): string | undefined {
  if (hex.slice(TYPE, IP) !== "0800" || (parseInt(hex.slice(OFFSET, OFFSET + 4), 16) & 0x1fff) === 0) return undefined;
  const header = parseInt(hex.charAt(IP + 1), 16) * 8;
  const payload = hex.slice(IP + header);
  return [header, hex.slice(ID, ID + 8), hex.slice(PROTOCOL, PROTOCOL + 2), payload].join(" ");
}
