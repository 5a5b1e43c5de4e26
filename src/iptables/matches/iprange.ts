// -m iprange: the source or destination address is in a range that need not be a block.
import {
  MATCH_IPRANGE_DST,
  MATCH_IPRANGE_NOT_DST,
  MATCH_IPRANGE_NOT_SRC,
  MATCH_IPRANGE_SRC,
  MATCH_KIND_IPRANGE,
} from "../../../assembly/layout/rules.ts";
import { formatIpv4 } from "../../address.ts";
import type { MatchExtension } from "../extension.ts";
import type { InvertibleRange } from "../options.ts";
import { not, parseAddressRange } from "../values.ts";

export interface IprangeMatch {
  kind: "iprange";
  source?: InvertibleRange;
  destination?: InvertibleRange;
}

export const iprange: MatchExtension<IprangeMatch> = {
  name: "iprange",
  options: [
    { name: "src-range", invertible: true },
    { name: "dst-range", invertible: true },
  ],
  parse(options) {
    options.needAny(["src-range", "dst-range"]);
    const source = options.read("src-range", "a range such as 10.0.0.1-10.0.0.9", parseAddressRange);
    const destination = options.read("dst-range", "a range such as 10.0.0.1-10.0.0.9", parseAddressRange);
    return {
      kind: "iprange",
      ...(source && { source: { ...source, inverted: options.inverted("src-range") } }),
      ...(destination && { destination: { ...destination, inverted: options.inverted("dst-range") } }),
    };
  },
  print: (match) => printAddresses("src", match.source) + printAddresses("dst", match.destination),
  compile: ({ source, destination }) => [
    {
      kind: MATCH_KIND_IPRANGE,
      flags:
        (source ? MATCH_IPRANGE_SRC : 0) |
        (source?.inverted ? MATCH_IPRANGE_NOT_SRC : 0) |
        (destination ? MATCH_IPRANGE_DST : 0) |
        (destination?.inverted ? MATCH_IPRANGE_NOT_DST : 0),
      args: [source?.min ?? 0, source?.max ?? 0, destination?.min ?? 0, destination?.max ?? 0],
    },
  ],
};

function printAddresses(side: "src" | "dst", range: InvertibleRange | undefined): string {
  return range ? ` ${not(range.inverted)}--${side}-range ${formatIpv4(range.min)}-${formatIpv4(range.max)}` : "";
}
