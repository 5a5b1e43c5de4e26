// -m conntrack: what connection tracking knows of the packet's connection.
import {
  MATCH_CT_AFTER_STATE,
  MATCH_CT_ASSURED,
  MATCH_CT_CONFIRMED,
  MATCH_CT_EXPECTED,
  MATCH_CT_ORIGINAL_DESTINATION,
  MATCH_CT_ORIGINAL_SOURCE,
  MATCH_CT_PREFIX6,
  MATCH_CT_REPLY_DESTINATION,
  MATCH_CT_REPLY_SOURCE,
  MATCH_CT_SEEN_REPLY,
  MATCH_INVERT,
  MATCH_KIND_CT_ADDRESS,
  MATCH_KIND_CT_DIRECTION,
  MATCH_KIND_CT_EXPIRE,
  MATCH_KIND_CT_PORT,
  MATCH_KIND_CT_PROTO,
  MATCH_KIND_CT_STATE,
  MATCH_KIND_CT_STATUS,
} from "../../../assembly/layout/rules.ts";
import { formatBareNetwork, masked, NETWORK_WORDS, parseUnmaskedNetwork } from "../addresses.ts";
import type { MatchExtension, MatchRecord } from "../extension.ts";
import type { AddressTest } from "../model.ts";
import { printRange, type InvertibleRange } from "../options.ts";
import { parseProtocol } from "../protocols.ts";
import { networkWords } from "../prefix.ts";
import { formatBits, not, parseBits, type Bit } from "../values.ts";
import { CT_STATES } from "./state.ts";

interface BitTest {
  bits: number;
  inverted: boolean;
}

const ADDRESSES = ["ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst"] as const;
const PORTS = ["ctorigsrcport", "ctorigdstport", "ctreplsrcport", "ctrepldstport"] as const;
const WHICH = [
  MATCH_CT_ORIGINAL_SOURCE,
  MATCH_CT_ORIGINAL_DESTINATION,
  MATCH_CT_REPLY_SOURCE,
  MATCH_CT_REPLY_DESTINATION,
] as const;

export type ConntrackMatch = {
  kind: "conntrack";
  /** MATCH_CT_INVALID and its kin. */
  state?: BitTest;
  /** MATCH_CT_EXPECTED and its kin; none is NONE. */
  status?: BitTest;
  protocol?: { number: number; inverted: boolean };
  /** In seconds. */
  expire?: InvertibleRange;
  direction?: "ORIGINAL" | "REPLY";
} & { [K in (typeof ADDRESSES)[number]]?: AddressTest } & { [K in (typeof PORTS)[number]]?: InvertibleRange };

const STATUSES: readonly Bit[] = [
  ["NONE", 0],
  ["EXPECTED", MATCH_CT_EXPECTED],
  ["SEEN_REPLY", MATCH_CT_SEEN_REPLY],
  ["ASSURED", MATCH_CT_ASSURED],
  ["CONFIRMED", MATCH_CT_CONFIRMED],
];

const INVERTIBLE = ["ctstate", "ctproto", ...ADDRESSES, ...PORTS, "ctstatus", "ctexpire"] as const;

export const conntrack: MatchExtension<ConntrackMatch> = {
  name: "conntrack",
  options: [...INVERTIBLE.map((name) => ({ name, invertible: true })), { name: "ctdir" }],
  parse(options, { family }) {
    options.needAny([...INVERTIBLE, "ctdir"]);
    const match: ConntrackMatch = { kind: "conntrack" };
    const states = `a list of ${CT_STATES.map(([name]) => name).join(", ")}`;
    const state = options.read("ctstate", states, (word) => parseBits(word, CT_STATES));
    if (state !== undefined) match.state = { bits: state, inverted: options.inverted("ctstate") };
    const statuses = `a list of ${STATUSES.map(([name]) => name).join(", ")}`;
    const status = options.read("ctstatus", statuses, (word) => parseBits(word, STATUSES));
    if (status !== undefined) match.status = { bits: status, inverted: options.inverted("ctstatus") };
    const protocol = options.read("ctproto", "a protocol", parseProtocol);
    if (protocol !== undefined) match.protocol = { number: protocol, inverted: options.inverted("ctproto") };
    for (const name of ADDRESSES) {
      const network = options.read(name, NETWORK_WORDS[family], (word) => parseUnmaskedNetwork(word, family));
      if (network) match[name] = { ...network, inverted: options.inverted(name) };
    }
    for (const name of PORTS) {
      const ports = options.ports(name);
      if (ports) match[name] = ports;
    }
    const expire = options.range("ctexpire", 0xffffffff, "a number of seconds or a range");
    if (expire) match.expire = expire;
    const direction = options.read("ctdir", "ORIGINAL or REPLY", (word) => {
      const upper = word.toUpperCase();
      return upper === "ORIGINAL" || upper === "REPLY" ? upper : undefined;
    });
    if (direction !== undefined) match.direction = direction;
    return match;
  },
  print(match) {
    let text = "";
    if (match.state) text += ` ${not(match.state.inverted)}--ctstate ${formatBits(match.state.bits, CT_STATES)}`;
    if (match.protocol) text += ` ${not(match.protocol.inverted)}--ctproto ${match.protocol.number}`;
    for (const name of ADDRESSES) {
      const test = match[name];
      if (test) text += ` ${not(test.inverted)}--${name} ${formatBareNetwork(test)}`;
    }
    for (const name of PORTS) text += printRange(name, match[name]);
    if (match.status)
      text += ` ${not(match.status.inverted)}--ctstatus ${formatBits(match.status.bits, STATUSES) || "NONE"}`;
    text += printRange("ctexpire", match.expire);
    if (match.direction) text += ` --ctdir ${match.direction}`;
    return text;
  },
  compile(match, block) {
    const records: MatchRecord[] = [];
    const after = match.state ? MATCH_CT_AFTER_STATE : 0;
    const add = (kind: number, inverted: boolean, flags: number, ...args: number[]): void => {
      records.push({ kind, flags: flags | (inverted ? MATCH_INVERT : 0), args });
    };
    if (match.state) add(MATCH_KIND_CT_STATE, match.state.inverted, 0, match.state.bits);
    if (match.direction) add(MATCH_KIND_CT_DIRECTION, false, after, match.direction === "REPLY" ? 1 : 0);
    ADDRESSES.forEach((name, i) => {
      const test = match[name];
      if (!test) return;
      const { six, words } = networkWords({ value: masked(test), mask: test.mask }, block);
      add(MATCH_KIND_CT_ADDRESS, test.inverted, after | (six ? MATCH_CT_PREFIX6 : 0), WHICH[i] ?? 0, ...words);
    });
    PORTS.forEach((name, i) => {
      const test = match[name];
      if (test) add(MATCH_KIND_CT_PORT, test.inverted, after, WHICH[i] ?? 0, test.min, test.max);
    });
    if (match.protocol) add(MATCH_KIND_CT_PROTO, match.protocol.inverted, after, match.protocol.number);
    if (match.status) add(MATCH_KIND_CT_STATUS, match.status.inverted, after, match.status.bits);
    if (match.expire) add(MATCH_KIND_CT_EXPIRE, match.expire.inverted, after, match.expire.min, match.expire.max);
    return records;
  },
};
