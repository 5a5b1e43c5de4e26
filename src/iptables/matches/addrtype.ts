// -m addrtype: what kind of address the routing table says that the source or destination is.
import {
  MATCH_ADDRTYPE_LIMIT_IN,
  MATCH_ADDRTYPE_LIMIT_OUT,
  MATCH_ADDRTYPE_NOT_DESTINATION,
  MATCH_ADDRTYPE_NOT_SOURCE,
  MATCH_KIND_ADDRTYPE,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { formatBits, not, parseBits, type Bit } from "../values.ts";

interface TypeTest {
  /** 1 << RTN_* for each type. */
  bits: number;
  inverted: boolean;
}

export interface AddrtypeMatch {
  kind: "addrtype";
  source?: TypeTest;
  destination?: TypeTest;
  limit?: "in" | "out";
}

// The bit of a name is 1 << RTN_*, from RTN_UNSPEC 0.
const TYPES: readonly Bit[] = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
  "NAT",
  "XRESOLVE",
].map((name, i) => [name, 1 << i]);

export const addrtype: MatchExtension<AddrtypeMatch> = {
  name: "addrtype",
  options: [
    { name: "src-type", invertible: true },
    { name: "dst-type", invertible: true },
    { name: "limit-iface-in", words: 0 },
    { name: "limit-iface-out", words: 0 },
  ],
  parse(options) {
    options.needAny(["src-type", "dst-type"]);
    const limit = options.oneOf(["limit-iface-in", "limit-iface-out"], false);
    const match: AddrtypeMatch = { kind: "addrtype" };
    const what = `a list of address types (${TYPES.map(([name]) => name).join(", ")})`;
    const source = options.read("src-type", what, (word) => parseBits(word, TYPES));
    const destination = options.read("dst-type", what, (word) => parseBits(word, TYPES));
    if (source !== undefined) match.source = { bits: source, inverted: options.inverted("src-type") };
    if (destination !== undefined) match.destination = { bits: destination, inverted: options.inverted("dst-type") };
    if (limit !== undefined) match.limit = limit === "limit-iface-in" ? "in" : "out";
    return match;
  },
  print(match) {
    let text = "";
    if (match.source) text += ` ${not(match.source.inverted)}--src-type ${formatBits(match.source.bits, TYPES)}`;
    if (match.destination)
      text += ` ${not(match.destination.inverted)}--dst-type ${formatBits(match.destination.bits, TYPES)}`;
    return match.limit ? `${text} --limit-iface-${match.limit}` : text;
  },
  hooks({ limit }) {
    if (limit === "in") return ["PREROUTING", "INPUT", "FORWARD"];
    return limit === "out" ? ["FORWARD", "OUTPUT", "POSTROUTING"] : undefined;
  },
  compile: (match) => [
    {
      kind: MATCH_KIND_ADDRTYPE,
      flags:
        (match.source?.inverted ? MATCH_ADDRTYPE_NOT_SOURCE : 0) |
        (match.destination?.inverted ? MATCH_ADDRTYPE_NOT_DESTINATION : 0) |
        (match.limit === "in" ? MATCH_ADDRTYPE_LIMIT_IN : 0) |
        (match.limit === "out" ? MATCH_ADDRTYPE_LIMIT_OUT : 0),
      args: [match.source?.bits ?? 0, match.destination?.bits ?? 0],
    },
  ],
};
