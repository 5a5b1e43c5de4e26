// -m tcp: ports, flags and options of the TCP header.
import { MATCH_KIND_TCP, MATCH_NOT_TCP_FLAGS, MATCH_NOT_TCP_OPTION } from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { printRange, type Options } from "../options.ts";
import { PROTO_TCP } from "../protocols.ts";
import { formatBits, not, parseBits, parseNumber, type Bit } from "../values.ts";
import { compilePorts, parsePorts, PORT_OPTIONS, type PortTests } from "./ports.ts";

export interface TcpMatch extends PortTests {
  kind: "tcp";
  /** The flags in `mask` must be as in `set`; bits as in byte 13 of the header. */
  flags?: { mask: number; set: number; inverted: boolean };
  option?: { number: number; inverted: boolean };
}

const FLAGS: readonly Bit[] = [
  ["FIN", 1],
  ["SYN", 2],
  ["RST", 4],
  ["PSH", 8],
  ["ACK", 16],
  ["URG", 32],
];
const SYN_MASK = 1 | 2 | 4 | 16;
const SYN = 2;

export const tcp: MatchExtension<TcpMatch> = {
  name: "tcp",
  protocol: PROTO_TCP,
  options: [
    ...PORT_OPTIONS,
    { name: "tcp-flags", words: 2, invertible: true },
    { name: "syn", words: 0, invertible: true },
    { name: "tcp-option", invertible: true },
  ],
  parse(options) {
    const match: TcpMatch = { kind: "tcp", ...parsePorts(options) };
    const flags = readFlags(options);
    const option = options.read(
      "tcp-option",
      "an option number from 1 to 255",
      (word) => parseNumber(word, 255) || undefined,
    );
    if (flags && (flags.mask !== 0 || flags.inverted)) match.flags = flags;
    if (option !== undefined) match.option = { number: option, inverted: options.inverted("tcp-option") };
    return match;
  },
  print(match) {
    let text = printRange("sport", match.sport) + printRange("dport", match.dport);
    if (match.option) text += ` ${not(match.option.inverted)}--tcp-option ${match.option.number}`;
    if (match.flags) {
      const { mask, set, inverted } = match.flags;
      text += ` ${not(inverted)}--tcp-flags ${flagNames(mask)} ${flagNames(set)}`;
    }
    return text;
  },
  compile(match) {
    const { flags, args } = compilePorts(match);
    const tests = match.flags ? match.flags.mask | (match.flags.set << 8) : 0;
    return [
      {
        kind: MATCH_KIND_TCP,
        flags:
          flags |
          (match.flags?.inverted ? MATCH_NOT_TCP_FLAGS : 0) |
          (match.option?.inverted ? MATCH_NOT_TCP_OPTION : 0),
        args: [...args, tests, match.option?.number ?? 0],
      },
    ];
  },
};

function readFlags(options: Options): TcpMatch["flags"] {
  const name = options.oneOf(["tcp-flags", "syn"], false);
  if (name === undefined) return undefined;
  const inverted = options.inverted(name);
  if (name === "syn") return { mask: SYN_MASK, set: SYN, inverted };
  const [mask, set] = (options.words(name) ?? []).map((word) => {
    if (word === "ALL") return 63;
    if (word === "NONE" || word === ",") return 0;
    return (
      parseBits(word, FLAGS) ??
      options.fail(name, `"${word}" is not a list of FIN, SYN, RST, PSH, ACK, URG, or ALL or NONE`)
    );
  });
  return { mask: mask ?? 0, set: set ?? 0, inverted };
}

function flagNames(bits: number): string {
  return bits === 0 ? "NONE" : formatBits(bits, FLAGS);
}
