// -m icmp and -m icmp6: type and code of ICMP and ICMPv6.
import { MATCH_ICMP_SIX, MATCH_INVERT, MATCH_KIND_ICMP } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { PROTO_ICMP, PROTO_ICMPV6 } from "../protocols.ts";
import { not, parseNumber } from "../values.ts";

interface TypeTest {
  type: number;
  /** Any code of the type if left out. */
  code?: number;
  inverted: boolean;
}

export interface IcmpMatch extends TypeTest {
  kind: "icmp";
}

export interface Icmp6Match extends TypeTest {
  kind: "icmp6";
}

/** The type of ICMP that stands for any. */
const ANY = 255;

type TypeName = readonly [name: string, type: number, code?: number];

// Name, type, code; the names of iptables -p icmp -h.
const NAMES: readonly TypeName[] = [
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

// The names of ip6tables -p icmpv6 -h.
const NAMES6: readonly TypeName[] = [
  ["destination-unreachable", 1],
  ["no-route", 1, 0],
  ["communication-prohibited", 1, 1],
  ["beyond-scope", 1, 2],
  ["address-unreachable", 1, 3],
  ["port-unreachable", 1, 4],
  ["failed-policy", 1, 5],
  ["reject-route", 1, 6],
  ["packet-too-big", 2],
  ["time-exceeded", 3],
  ["ttl-exceeded", 3],
  ["ttl-zero-during-transit", 3, 0],
  ["ttl-zero-during-reassembly", 3, 1],
  ["parameter-problem", 4],
  ["bad-header", 4, 0],
  ["unknown-header-type", 4, 1],
  ["unknown-option", 4, 2],
  ["echo-request", 128],
  ["ping", 128],
  ["echo-reply", 129],
  ["pong", 129],
  ["router-solicitation", 133],
  ["router-advertisement", 134],
  ["neighbour-solicitation", 135],
  ["neighbor-solicitation", 135],
  ["neighbour-advertisement", 136],
  ["neighbor-advertisement", 136],
  ["redirect", 137],
];

export const icmp = icmpMatch<IcmpMatch>("icmp", {
  family: "ipv4",
  protocol: PROTO_ICMP,
  option: "icmp-type",
  what: "an ICMP type such as 8, 3/4 or echo-request",
  names: NAMES,
  any: ANY,
  flags: 0,
});

export const icmp6 = icmpMatch<Icmp6Match>("icmp6", {
  aliases: ["icmpv6"],
  family: "ipv6",
  protocol: PROTO_ICMPV6,
  option: "icmpv6-type",
  what: "an ICMPv6 type such as 128, 1/4 or echo-request",
  names: NAMES6,
  flags: MATCH_ICMP_SIX,
});

interface Shape extends Required<Pick<MatchExtension<IcmpMatch>, "family" | "protocol">> {
  aliases?: readonly string[];
  option: string;
  /** What the option takes, for error messages. */
  what: string;
  names: readonly TypeName[];
  /** The type that is printed as `any`. */
  any?: number;
  flags: number;
}

function icmpMatch<T extends IcmpMatch | Icmp6Match>(name: T["kind"], shape: Shape): MatchExtension<T> {
  const { aliases = [], family, protocol, option, what, names, any, flags } = shape;
  return {
    name,
    aliases,
    family,
    protocol,
    options: [{ name: option, invertible: true }],
    parse: (options) =>
      ({
        kind: name,
        ...options.need(option, what, (word) => parseType(word, names)),
        inverted: options.inverted(option),
      }) as T,
    print({ type, code, inverted }) {
      const text = type === any ? "any" : code === undefined ? `${type}` : `${type}/${code}`;
      return ` ${not(inverted)}--${option} ${text}`;
    },
    compile: ({ type, code, inverted }) => [
      {
        kind: MATCH_KIND_ICMP,
        flags: flags | (inverted ? MATCH_INVERT : 0),
        args: [type, code ?? 0, code ?? 255],
      },
    ],
  };
}

/** The first name of an ICMPv6 type, or of a type with a code. */
export function icmp6Name(type: number, code: number | undefined): string | undefined {
  return NAMES6.find((named) => named[1] === type && named[2] === code)?.[0];
}

function parseType(text: string, names: readonly TypeName[]): { type: number; code?: number } | undefined {
  const named = names.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (named) return named[2] === undefined ? { type: named[1] } : { type: named[1], code: named[2] };
  const [head = "", tail, ...rest] = text.split("/");
  const type = parseNumber(head, 255);
  if (type === undefined || rest.length > 0) return undefined;
  if (tail === undefined) return { type };
  const code = parseNumber(tail, 255);
  return code === undefined ? undefined : { type, code };
}
