// -m pkttype: whether the frame was sent to this host, to everyone or to a group.
import { MATCH_INVERT, MATCH_KIND_PKTTYPE } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { not } from "../values.ts";

// In the order of PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST.
const TYPES = ["unicast", "broadcast", "multicast"] as const;

export interface PkttypeMatch {
  kind: "pkttype";
  type: (typeof TYPES)[number];
  inverted: boolean;
}

export const pkttype: MatchExtension<PkttypeMatch> = {
  name: "pkttype",
  options: [{ name: "pkt-type", invertible: true }],
  parse: (options) => ({
    kind: "pkttype",
    type: options.need("pkt-type", "unicast, broadcast or multicast", (word) =>
      word === "host" ? "unicast" : TYPES.find((type) => type === word),
    ),
    inverted: options.inverted("pkt-type"),
  }),
  print: (match) => ` ${not(match.inverted)}--pkt-type ${match.type}`,
  compile: (match) => [
    { kind: MATCH_KIND_PKTTYPE, flags: match.inverted ? MATCH_INVERT : 0, args: [TYPES.indexOf(match.type)] },
  ],
};
