// -m multiport: the source or destination port is in a list.
import {
  MATCH_INVERT,
  MATCH_KIND_MULTIPORT,
  MATCH_PORTS_DESTINATION,
  MATCH_PORTS_SOURCE,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { hasPorts } from "../protocols.ts";
import { formatRange, not, parseRange, type Range } from "../values.ts";

export interface MultiportMatch {
  kind: "multiport";
  which: "sports" | "dports" | "ports";
  ports: Range[];
  inverted: boolean;
}

// A range takes the room of two ports in the kernel's record.
const ROOM = 15;
const WHICH = {
  sports: MATCH_PORTS_SOURCE,
  dports: MATCH_PORTS_DESTINATION,
  ports: MATCH_PORTS_SOURCE | MATCH_PORTS_DESTINATION,
};

export const multiport: MatchExtension<MultiportMatch> = {
  name: "multiport",
  options: [
    { name: "sports", aliases: ["source-ports"], invertible: true },
    { name: "dports", aliases: ["destination-ports"], invertible: true },
    { name: "ports", invertible: true },
  ],
  parse(options, rule) {
    if (!hasPorts(rule.protocol))
      options.failWhole("-m multiport needs -p tcp, udp, udplite, sctp or dccp, not inverted");
    const which = options.oneOf(["sports", "dports", "ports"], true) as MultiportMatch["which"];
    const ports = options.need(which, "a list of ports and port ranges from 0 to 65535", parsePorts);
    if (ports.reduce((room, { min, max }) => room + (min === max ? 1 : 2), 0) > ROOM)
      options.fail(which, `there are too many ports; a list holds ${ROOM}, and a range counts as two`);
    return { kind: "multiport", which, ports, inverted: options.inverted(which) };
  },
  print: (match) =>
    ` ${not(match.inverted)}--${match.which} ${match.ports.map((range) => formatRange(range)).join(",")}`,
  compile: (match, block) => [
    {
      kind: MATCH_KIND_MULTIPORT,
      flags: WHICH[match.which] | (match.inverted ? MATCH_INVERT : 0),
      args: [block.data(match.ports.map(({ min, max }) => min + max * 0x10000)), match.ports.length],
    },
  ],
};

function parsePorts(text: string): Range[] | undefined {
  const ranges = text.split(",").map((part) => parseRange(part, 65535));
  return ranges.every((range) => range !== undefined && range.min <= range.max) ? (ranges as Range[]) : undefined;
}
