// -m udp and -m sctp, and the source and destination ports that they share with -m tcp.
import { MATCH_KIND_SCTP, MATCH_KIND_UDP, MATCH_NOT_DPORT, MATCH_NOT_SPORT } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { printRange, type InvertibleRange, type Options, type OptionSpec } from "../options.ts";
import { PROTO_SCTP, PROTO_UDP } from "../protocols.ts";

export interface PortTests {
  sport?: InvertibleRange;
  dport?: InvertibleRange;
}

export interface UdpMatch extends PortTests {
  kind: "udp";
}

export interface SctpMatch extends PortTests {
  kind: "sctp";
}

export const PORT_OPTIONS: readonly OptionSpec[] = [
  { name: "sport", aliases: ["source-port"], invertible: true },
  { name: "dport", aliases: ["destination-port"], invertible: true },
];

export const udp = portMatch<UdpMatch>("udp", PROTO_UDP, MATCH_KIND_UDP);
export const sctp = portMatch<SctpMatch>("sctp", PROTO_SCTP, MATCH_KIND_SCTP);

function portMatch<T extends UdpMatch | SctpMatch>(name: T["kind"], protocol: number, kind: number): MatchExtension<T> {
  return {
    name,
    protocol,
    options: PORT_OPTIONS,
    parse: (options) => ({ kind: name, ...parsePorts(options) }) as T,
    print: (match) => printRange("sport", match.sport) + printRange("dport", match.dport),
    compile: (match) => [{ kind, ...compilePorts(match) }],
  };
}

/** The tests that were given; 0 to 65535 tests nothing. */
export function parsePorts(options: Options): PortTests {
  const tests: PortTests = {};
  for (const name of ["sport", "dport"] as const) {
    const range = options.ports(name);
    if (range && !(range.min === 0 && range.max === 65535 && !range.inverted)) tests[name] = range;
  }
  return tests;
}

/** The flags and the first four words of a TCP, UDP or SCTP record. */
export function compilePorts({ sport, dport }: PortTests): { flags: number; args: number[] } {
  return {
    flags: (sport?.inverted ? MATCH_NOT_SPORT : 0) | (dport?.inverted ? MATCH_NOT_DPORT : 0),
    args: [sport?.min ?? 0, sport?.max ?? 65535, dport?.min ?? 0, dport?.max ?? 65535],
  };
}
