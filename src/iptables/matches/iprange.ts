// -m iprange: the source or destination address is in a range that need not be a block.
import {
  MATCH_IPRANGE_DST,
  MATCH_IPRANGE_NOT_DST,
  MATCH_IPRANGE_NOT_SRC,
  MATCH_IPRANGE_SIX,
  MATCH_IPRANGE_SRC,
  MATCH_KIND_IPRANGE,
} from "../../../assembly/layout/rules.ts";
import { formatAddress, parseAddressRange, wordsOf, type Address, type AddressRange } from "../addresses.ts";
import type { BlockBuilder, MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

interface RangeTest extends AddressRange {
  inverted: boolean;
}

export interface IprangeMatch {
  kind: "iprange";
  source?: RangeTest;
  destination?: RangeTest;
}

export const iprange: MatchExtension<IprangeMatch> = {
  name: "iprange",
  options: [
    { name: "src-range", invertible: true },
    { name: "dst-range", invertible: true },
  ],
  parse(options, { family }) {
    options.needAny(["src-range", "dst-range"]);
    const what = `a range such as ${family === "ipv4" ? "10.0.0.1-10.0.0.9" : "fd00::1-fd00::9"}`;
    const read = (word: string): AddressRange | undefined => parseAddressRange(word, family);
    const source = options.read("src-range", what, read);
    const destination = options.read("dst-range", what, read);
    return {
      kind: "iprange",
      ...(source && { source: { ...source, inverted: options.inverted("src-range") } }),
      ...(destination && { destination: { ...destination, inverted: options.inverted("dst-range") } }),
    };
  },
  print: (match) => printAddresses("src", match.source) + printAddresses("dst", match.destination),
  compile: ({ source, destination }, block) => [
    {
      kind: MATCH_KIND_IPRANGE,
      flags:
        (source ? MATCH_IPRANGE_SRC : 0) |
        (source?.inverted ? MATCH_IPRANGE_NOT_SRC : 0) |
        (destination ? MATCH_IPRANGE_DST : 0) |
        (destination?.inverted ? MATCH_IPRANGE_NOT_DST : 0) |
        (block.family === "ipv6" ? MATCH_IPRANGE_SIX : 0),
      args: [source?.min, source?.max, destination?.min, destination?.max].map((end) => endWord(end ?? 0, block)),
    },
  ],
};

/** An end of a range: the address, or where its 16 bytes lie. */
function endWord(end: Address, block: BlockBuilder): number {
  return typeof end === "number" ? end : block.data(wordsOf(end));
}

function printAddresses(side: "src" | "dst", range: RangeTest | undefined): string {
  return range ? ` ${not(range.inverted)}--${side}-range ${formatAddress(range.min)}-${formatAddress(range.max)}` : "";
}
