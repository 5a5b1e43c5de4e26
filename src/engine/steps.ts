// Reads the steps that the kernel noted of traced packets, and gives its handles their names.
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import * as T from "../../assembly/layout/trace.ts";
import { formatIpv4, formatMac } from "../address.ts";
import { formatIpv6 } from "../address6.ts";
import type { Family } from "../iptables/addresses.ts";
import { Block } from "../iptables/block.ts";
import { findMatch } from "../iptables/matches/table.ts";
import { HOOK_NAMES, TABLE_NAMES, type Rule } from "../iptables/model.ts";
import { NameTable } from "../iptables/names.ts";
import { needsRecord } from "../iptables/prefix.ts";
import { printMatch, printRule } from "../iptables/print.ts";
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP } from "../iptables/protocols.ts";
import { DROP_REASONS, TCP_CONNTRACK_STATES, type Handle, type Kernel } from "../kernel/kernel.ts";
import { SCHEDULERS } from "../seam/ipvs.ts";
import type { ConnectionView, Detail, IpView, PacketView, RuleView, Step, TupleView } from "../seam/trace.ts";
import type { Built } from "./build.ts";
import type { RuleSets } from "./rules.ts";

const TYPE_IPV4 = 0x800;
const TYPE_ARP = 0x806;
const TYPE_IPV6 = 0x86dd;
const ARP_REPLY = 2;
/** Extension headers that have their length in their second byte, in units of eight bytes (RFC 8200, 4). */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const FRAGMENT_HEADER = 44;
const AUTHENTICATION_HEADER = 51;

/** By OWNER_*. */
const OWNERS = new Map<number, Extract<Detail, { kind: "socket" }>["owner"]>([
  [0, "kernel"],
  [R.OWNER_SERVICE, "service"],
  [R.OWNER_DNS, "dns"],
  [R.OWNER_FLOW, "client"],
  [R.OWNER_RESOLVER, "client"],
  [R.OWNER_ECHO, "echo"],
  [R.OWNER_SINK, "sink"],
  [R.OWNER_STOPPED, "sink"],
  [R.OWNER_TAKER, "service"],
  [R.OWNER_TUNNEL, "tunnel"],
  [R.OWNER_FORWARD, "dns"],
  [R.OWNER_INGRESS, "ingress"],
  [R.OWNER_UPSTREAM, "ingress"],
  [R.OWNER_CHECK, "check"],
  [R.OWNER_RELAY, "relay"],
  [R.OWNER_RELAYED, "relay"],
]);

/** By ROUTE_*. */
const ROUTE_TYPES = "none unicast local broadcast anycast multicast blackhole unreachable prohibit".split(" ");
const BRIDGED = ["up", "forward", "flood", "refused"] as const;
const NEIGHBOURS = ["known", "asked", "queued"] as const;

/** By IPVS_*. */
const IPVS = ["scheduled", "kept", "known", "reply", "nobody"] as const;

/** By IP_CT_*, and the direction that it says. */
const CT_INFOS = new Map<number, Pick<ConnectionView, "state" | "direction">>([
  [codes.IP_CT_ESTABLISHED, { state: "ESTABLISHED", direction: "original" }],
  [codes.IP_CT_RELATED, { state: "RELATED", direction: "original" }],
  [codes.IP_CT_NEW, { state: "NEW", direction: "original" }],
  [codes.IP_CT_ESTABLISHED_REPLY, { state: "ESTABLISHED", direction: "reply" }],
  [codes.IP_CT_RELATED_REPLY, { state: "RELATED", direction: "reply" }],
]);

/** A step as the kernel wrote it: where it stands in a copy of a block of them. */
interface Note {
  words: Uint32Array;
  at: number;
}

function word({ words, at }: Note, field: number): number {
  return words[(at + field) >>> 2] ?? 0;
}

function long(note: Note, field: number): number {
  return word(note, field + 4) * 2 ** 32 + word(note, field);
}

function bytesAt({ words, at }: Note, field: number, length: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + at + field, length);
}

/** What every step has. Of most nobody asks for the packet: it is put into words when somebody does. */
class Noted {
  readonly namespace: string;
  readonly timeNs: number;
  readonly packet: number;
  readonly line: number | undefined;
  readonly #reader: StepReader;
  readonly #note: Note;

  constructor(reader: StepReader, note: Note, namespace: string) {
    const line = word(note, T.STEP_LINE);
    this.namespace = namespace;
    this.timeNs = long(note, T.STEP_TIME);
    this.packet = long(note, T.STEP_ID_LOW);
    this.line = line === 0 ? undefined : line - 1;
    this.#reader = reader;
    this.#note = note;
  }

  get view(): PacketView {
    return this.#reader.view(this.#note);
  }

  get connection(): ConnectionView | undefined {
    return this.#reader.connection(this.#note, this.timeNs);
  }
}

/** By MISS_*: the condition of a rule of nftables. */
const NFT_CONDITIONS = new Map<number, RegExp>([
  [T.MISS_SOURCE, /ip6? saddr (!= )?\S+/],
  [T.MISS_DESTINATION, /ip6? daddr (!= )?[\da-f:]\S+/],
  [T.MISS_PROTOCOL, /meta l4proto \S+/],
  [T.MISS_INPUT, /iif(name)? (!= )?\S+/],
  [T.MISS_OUTPUT, /oif(name)? (!= )?\S+/],
]);

function nftCondition(text: string, miss: number): string {
  return NFT_CONDITIONS.get(miss)?.exec(text)?.[0] ?? text;
}

export class StepReader {
  readonly #kernel: Kernel;
  readonly #rules: RuleSets;
  readonly #namespaces = new Map<Handle, string>();
  readonly #devices = new Map<Handle, string>();
  /** Of rules in words; a rule belongs to one set, and namespaces with the same set share it. */
  readonly #views = new WeakMap<Rule, RuleView>();

  constructor(kernel: Kernel, built: Built, rules: RuleSets) {
    this.#kernel = kernel;
    this.#rules = rules;
    for (const [name, handle] of built.namespaces) this.#namespaces.set(handle, name);
    for (const [path, handle] of built.devices) this.#devices.set(handle, path.slice(path.lastIndexOf("/") + 1));
  }

  /** All steps from a block on, in the order in which they happened. */
  read(first: Handle): Step[] {
    const steps: Step[] = [];
    for (const words of this.#kernel.stepBlocks(first)) {
      for (let at = 0; at < words.byteLength; at += T.STEP_SIZE) {
        const note = { words, at };
        const namespace = this.#namespaces.get(word(note, T.STEP_NAMESPACE)) ?? "";
        steps.push(Object.assign(new Noted(this, note, namespace), this.#detail(note, namespace)));
      }
    }
    return steps;
  }

  #device(handle: Handle): string | undefined {
    return this.#devices.get(handle);
  }

  #detail(note: Note, namespace: string): Detail {
    const [a, b, c, d] = [T.STEP_A, T.STEP_B, T.STEP_C, T.STEP_D].map((field) => word(note, field)) as [
      number,
      number,
      number,
      number,
    ];
    const kind = word(note, T.STEP_KIND);
    switch (kind) {
      case T.STEP_RECEIVE:
        return { kind: "receive", device: this.#device(a) ?? "" };
      case T.STEP_TRANSMIT:
        return { kind: "transmit", device: this.#device(a) ?? "" };
      case T.STEP_BRIDGE: {
        const [from, to] = [this.#device(a), this.#device(c)];
        return { kind: "bridge", decision: BRIDGED[b] ?? "up", ...(from ? { from } : {}), ...(to ? { to } : {}) };
      }
      case T.STEP_HOOK: {
        const [input, output] = [this.#device(b), this.#device(c)];
        return { kind: "hook", hook: HOOK_NAMES[a] ?? "", ...(input ? { input } : {}), ...(output ? { output } : {}) };
      }
      case T.STEP_TABLE:
        return { kind: "table", table: TABLE_NAMES[a] ?? "nft", chain: HOOK_NAMES[b] ?? "" };
      case T.STEP_RULE:
        return { kind: "rule", rule: this.#rule(namespace, a), passed: a - b };
      case T.STEP_MISS:
        return { kind: "miss", rule: this.#rule(namespace, a), failed: this.#failed(namespace, a, b, c) };
      case T.STEP_TRACKED:
        return { kind: "tracked" };
      case T.STEP_CONFIRMED:
        return { kind: "confirmed" };
      case T.STEP_NAT: {
        const before = this.#tuple(note, b, c, d);
        return { kind: "nat", manip: a === codes.MANIP_SRC ? "source" : "destination", before };
      }
      case T.STEP_ROUTE: {
        const device = this.#device(c);
        const way = device === undefined ? {} : { device, nextHop: this.#address(note, d) };
        return { kind: "route", incoming: a !== 0, type: ROUTE_TYPES[b] ?? "none", ...way };
      }
      case T.STEP_NEIGHBOUR:
        return {
          kind: "neighbour",
          device: this.#device(a) ?? "",
          address: this.#address(note, b),
          state: NEIGHBOURS[c] ?? "known",
        };
      case T.STEP_SOCKET:
        return { kind: "socket", owner: OWNERS.get(a) ?? "kernel" };
      case T.STEP_DROP:
        return { kind: "drop", reason: DROP_REASONS[a] ?? `${a}` };
      case T.STEP_ANSWER:
        return { kind: "answer", type: a, code: b };
      case T.STEP_BALANCE:
        return { kind: "balance", server: this.#address(note, a) };
      case T.STEP_IPVS: {
        const what = IPVS[a] ?? "known";
        const scheduler = what === "scheduled" ? { scheduler: SCHEDULERS[d] ?? "" } : {};
        return { kind: "ipvs", what, address: this.#address(note, b), port: c, ...scheduler };
      }
      case T.STEP_RESET:
        return { kind: "reset" };
      default:
        throw new Error(`the kernel noted a step of kind ${kind}, which is not known`);
    }
  }

  #rule(namespace: string, index: number): RuleView {
    const found = this.#rules.ruleAt(namespace, index);
    if (!found) return { table: "", chain: "", index, number: index, text: "" };
    const { table, chain, index: position } = found.reference;
    const { rule, nft } = found;
    const words = nft?.rule(found.index);
    if (words && position !== "policy") return { table, chain, index: position + 1, number: position + 1, ...words };
    if (position === "policy" || !rule)
      return {
        table,
        chain,
        index: "policy",
        number: found.end.rules + 1,
        text: found.end.policy,
      };
    const known = this.#views.get(rule);
    if (known) return known;
    const comment = rule.matches.find((match) => match.kind === "comment");
    const view: RuleView = {
      table,
      chain,
      index: position + 1,
      number: position + 1,
      text: printRule(chain, rule),
      ...(comment ? { comment: comment.text } : {}),
    };
    this.#views.set(rule, view);
    return view;
  }

  /** The condition that a rule failed, in its own words: `-d 10.96.0.1/32`. */
  #failed(namespace: string, index: number, miss: number, match: number): string {
    const found = this.#rules.ruleAt(namespace, index);
    if (!found) return "";
    const { rule, nft, family, index: own } = found;
    if (nft) return miss === T.MISS_MATCH ? nft.condition(own, match) : nftCondition(nft.rule(own)?.text ?? "", miss);
    if (!rule) return "";
    if (miss === T.MISS_MATCH) return matchOfRecord(rule, match, family);
    const bare: Partial<Rule> = {};
    if (miss === T.MISS_DESTINATION && rule.destination) bare.destination = rule.destination;
    if (miss === T.MISS_SOURCE && rule.source) bare.source = rule.source;
    if (miss === T.MISS_PROTOCOL && rule.protocol) bare.protocol = rule.protocol;
    if (miss === T.MISS_INPUT && rule.in) bare.in = rule.in;
    if (miss === T.MISS_OUTPUT && rule.out) bare.out = rule.out;
    if (miss === T.MISS_FRAGMENT && rule.fragment) bare.fragment = rule.fragment;
    return printTests(bare);
  }

  /** The packet at a step. */
  view(note: Note): PacketView {
    const [physIn, physOut] = [T.STEP_PHYS_IN, T.STEP_PHYS_OUT].map((field) => this.#device(word(note, field)));
    const header = bytesAt(note, T.STEP_HEADER, T.STEP_HEADER_BYTES);
    return {
      length: word(note, T.STEP_LENGTH),
      macSource: macAt(note, T.STEP_MAC_SOURCE),
      macDestination: macAt(note, T.STEP_MAC_DESTINATION),
      network: this.#network(note, new DataView(header.buffer, header.byteOffset)),
      mark: word(note, T.STEP_MARK),
      ...(physIn === undefined ? {} : { physIn }),
      ...(physOut === undefined ? {} : { physOut }),
      header,
    };
  }

  #network(note: Note, header: DataView): PacketView["network"] {
    const type = word(note, T.STEP_TYPE);
    if (type === TYPE_ARP) {
      const operation = header.getUint16(6) === ARP_REPLY ? "reply" : "request";
      return {
        kind: "arp",
        operation,
        sender: formatIpv4(header.getUint32(14)),
        target: formatIpv4(header.getUint32(24)),
      };
    }
    if (type === TYPE_IPV6) return this.#networkSix(note, header);
    if (type !== TYPE_IPV4) return { kind: "other", etherType: type };
    const protocol = header.getUint8(9);
    const headerLength = (header.getUint8(0) & 15) * 4;
    return {
      kind: "ipv4",
      source: formatIpv4(header.getUint32(12)),
      destination: formatIpv4(header.getUint32(16)),
      protocol,
      ttl: header.getUint8(8),
      id: header.getUint16(4),
      tos: header.getUint8(1),
      totalLength: header.getUint16(2),
      headerLength,
      fragment: header.getUint16(6),
      ...transport(note, header, protocol, headerLength),
    };
  }

  #networkSix(note: Note, header: DataView): PacketView["network"] {
    const headerLength = lengthOfHeaders(header);
    const protocol = word(note, T.STEP_PROTO);
    const addressAt = (at: number): string =>
      formatIpv6((header.getBigUint64(at) << 64n) | header.getBigUint64(at + 8));
    return {
      kind: "ipv6",
      source: addressAt(8),
      destination: addressAt(24),
      protocol,
      ttl: header.getUint8(7),
      id: 0,
      tos: (header.getUint16(0) >>> 4) & 255,
      totalLength: 40 + header.getUint16(4),
      headerLength,
      fragment: 0,
      ...transport(note, header, protocol, headerLength),
    };
  }

  /** The text of what the kernel of the machine at a step holds for an address. */
  #address(note: Note, address: number): string {
    return this.#kernel.addressText(word(note, T.STEP_NAMESPACE), address);
  }

  #tuple(note: Note, source: number, destination: number, ports: number): TupleView {
    const protocol = word(note, T.STEP_PROTO);
    return {
      source: this.#address(note, source),
      destination: this.#address(note, destination),
      sourcePort: ports >>> 16,
      destinationPort: protocol === PROTO_ICMP || protocol === PROTO_ICMPV6 ? (ports & 0xffff) >>> 8 : ports & 0xffff,
    };
  }

  /** The connection of the packet at a step. */
  connection(note: Note, timeNs: number): ConnectionView | undefined {
    const info = CT_INFOS.get(word(note, T.STEP_CT_INFO));
    const kind = word(note, T.STEP_KIND);
    if (word(note, T.STEP_CT) === 0) {
      return kind === T.STEP_TRACKED ? { state: "INVALID", direction: "original" } : undefined;
    }
    if (!info) return undefined;
    const status = word(note, T.STEP_CT_STATUS);
    const protocol = word(note, T.STEP_PROTO);
    const tupleAt = (field: number): TupleView =>
      this.#tuple(note, word(note, field), word(note, field + 4), word(note, field + 8));
    return {
      ...info,
      entry: {
        protocol,
        original: tupleAt(T.STEP_CT_ORIGINAL),
        reply: tupleAt(T.STEP_CT_REPLY),
        assured: (status & codes.IPS_ASSURED) !== 0,
        confirmed: (status & codes.IPS_CONFIRMED) !== 0,
        mark: word(note, T.STEP_CT_MARK),
        timeout: Math.max(0, Math.floor((long(note, T.STEP_CT_END) - timeNs) / 1e9)),
        ...(protocol === PROTO_TCP ? { tcpState: TCP_CONNTRACK_STATES[word(note, T.STEP_CT_STATE)] ?? "NONE" } : {}),
      },
    };
  }
}

function macAt(note: Note, field: number): string {
  return formatMac(bytesAt(note, field, 6));
}

/** What stands behind the IP header. */
function transport(note: Note, header: DataView, protocol: number, headerLength: number): Partial<IpView> {
  const ports = word(note, T.STEP_PORTS);
  const [high, low] = [ports >>> 16, ports & 0xffff];
  const isIcmp = protocol === PROTO_ICMP || protocol === PROTO_ICMPV6;
  return {
    ...(protocol === PROTO_TCP || protocol === PROTO_UDP ? { sourcePort: high, destinationPort: low } : {}),
    ...(protocol === PROTO_TCP && headerLength + 13 < header.byteLength
      ? { tcpFlags: header.getUint8(headerLength + 13) }
      : {}),
    ...(isIcmp ? { icmp: { type: low >>> 8, code: low & 255, id: high } } : {}),
  };
}

/** Bytes of the IPv6 header and its extension headers, as far as they are there. */
function lengthOfHeaders(header: DataView): number {
  let next = header.getUint8(6);
  let length = 40;
  while (length + 2 <= header.byteLength) {
    const units = header.getUint8(length + 1);
    if (EXTENSIONS.has(next)) {
      next = header.getUint8(length);
      length += (units + 1) * 8;
    } else if (next === FRAGMENT_HEADER) {
      next = header.getUint8(length);
      length += 8;
    } else if (next === AUTHENTICATION_HEADER) {
      next = header.getUint8(length);
      length += (units + 2) * 4;
    } else break;
  }
  return length;
}

/** What a rule of nothing else asks: `-d 10.96.0.1/32`. */
function printTests(tests: Partial<Rule>): string {
  const rule = { matches: [], counters: { packets: 0, bytes: 0 }, ...tests };
  return printRule("", rule).replace("-A ", "").trim();
}

/** The match of a rule that the record with a number (from 0) was compiled from. */
function matchOfRecord(rule: Rule, record: number, family: Family): string {
  const scratch = new Block(0, new NameTable(() => 0), family);
  // Blocks of IPv6 have records, which come first.
  const addresses = [
    ...(rule.source && needsRecord(rule.source) ? [{ source: rule.source }] : []),
    ...(rule.destination && needsRecord(rule.destination) ? [{ destination: rule.destination }] : []),
  ];
  const address = addresses[record];
  if (address) return printTests(address);
  let next = addresses.length;
  for (const match of rule.matches) {
    next += findMatch(match.kind)?.compile(match, scratch).length ?? 0;
    if (record < next) return printMatch(match).trim();
  }
  return "";
}
