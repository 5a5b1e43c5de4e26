// -m icmp: the ICMP type and code.
import { MATCH_INVERT, MATCH_KIND_ICMP } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { PROTO_ICMP } from "../protocols.ts";
import { not, parseNumber } from "../values.ts";

export interface IcmpMatch {
  kind: "icmp";
  /** 255 is any type. */
  type: number;
  /** Any code of the type if left out. */
  code?: number;
  inverted: boolean;
}

const ANY = 255;

// Name, type, code; the names of iptables -p icmp -h.
const NAMES: readonly (readonly [name: string, type: number, code?: number])[] = [
  ["any", ANY],
  ["echo-reply", 0],
  ["pong", 0],
  ["destination-unreachable", 3],
  ["network-unreachable", 3, 0],
  ["host-unreachable", 3, 1],
  ["protocol-unreachable", 3, 2],
  ["port-unreachable", 3, 3],
  ["fragmentation-needed", 3, 4],
  ["source-route-failed", 3, 5],
  ["network-unknown", 3, 6],
  ["host-unknown", 3, 7],
  ["network-prohibited", 3, 9],
  ["host-prohibited", 3, 10],
  ["TOS-network-unreachable", 3, 11],
  ["TOS-host-unreachable", 3, 12],
  ["communication-prohibited", 3, 13],
  ["host-precedence-violation", 3, 14],
  ["precedence-cutoff", 3, 15],
  ["source-quench", 4],
  ["redirect", 5],
  ["network-redirect", 5, 0],
  ["host-redirect", 5, 1],
  ["TOS-network-redirect", 5, 2],
  ["TOS-host-redirect", 5, 3],
  ["echo-request", 8],
  ["ping", 8],
  ["router-advertisement", 9],
  ["router-solicitation", 10],
  ["time-exceeded", 11],
  ["ttl-exceeded", 11],
  ["ttl-zero-during-transit", 11, 0],
  ["ttl-zero-during-reassembly", 11, 1],
  ["parameter-problem", 12],
  ["ip-header-bad", 12, 0],
  ["required-option-missing", 12, 1],
  ["timestamp-request", 13],
  ["timestamp-reply", 14],
  ["address-mask-request", 17],
  ["address-mask-reply", 18],
];

export const icmp: MatchExtension<IcmpMatch> = {
  name: "icmp",
  protocol: PROTO_ICMP,
  options: [{ name: "icmp-type", invertible: true }],
  parse: (options) => ({
    kind: "icmp",
    ...options.need("icmp-type", "an ICMP type such as 8, 3/4 or echo-request", parseType),
    inverted: options.inverted("icmp-type"),
  }),
  print(match) {
    const type =
      match.type === ANY ? "any" : match.code === undefined ? `${match.type}` : `${match.type}/${match.code}`;
    return ` ${not(match.inverted)}--icmp-type ${type}`;
  },
  compile: (match) => [
    {
      kind: MATCH_KIND_ICMP,
      flags: match.inverted ? MATCH_INVERT : 0,
      args: [match.type, match.code ?? 0, match.code ?? 255],
    },
  ],
};

function parseType(text: string): { type: number; code?: number } | undefined {
  const named = NAMES.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (named) return named[2] === undefined ? { type: named[1] } : { type: named[1], code: named[2] };
  const [head = "", tail, ...rest] = text.split("/");
  const type = parseNumber(head, 255);
  if (type === undefined || rest.length > 0) return undefined;
  if (tail === undefined) return { type };
  const code = parseNumber(tail, 255);
  return code === undefined ? undefined : { type, code };
}
