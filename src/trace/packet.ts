// A packet in a few words, as tcpdump would put it: `TCP SYN 10.244.1.3:32768 > 10.96.12.9:7070`.
import { bracketed } from "../address6.ts";
import type { IpView, PacketView, TupleView } from "../seam/trace.ts";

export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  132: "SCTP",
};

/** The bits of the flags byte of TCP, in the order in which they are told. */
const TCP_FLAGS = [
  [2, "SYN"],
  [1, "FIN"],
  [4, "RST"],
  [8, "PSH"],
  [16, "ACK"],
  [32, "URG"],
  [64, "ECE"],
  [128, "CWR"],
] as const;

const UNREACHABLE = [
  "net unreachable",
  "host unreachable",
  "protocol unreachable",
  "port unreachable",
  "fragmentation needed",
  "source route failed",
  "net unknown",
  "host unknown",
  "source host isolated",
  "net prohibited",
  "host prohibited",
  "net unreachable for TOS",
  "host unreachable for TOS",
  "admin prohibited",
];

/** `port unreachable`, `time exceeded`, `echo request`: an ICMP message by its type and code. */
function icmpName(type: number, code: number): string {
  if (type === 3) return UNREACHABLE[code] ?? `unreachable, code ${code}`;
  if (type === 11) return code === 1 ? "reassembly time exceeded" : "time exceeded";
  const names: Readonly<Record<number, string>> = {
    0: "echo reply",
    5: "redirect",
    8: "echo request",
    12: "parameter problem",
  };
  return names[type] ?? `type ${type}, code ${code}`;
}

const NAMES6: Readonly<Record<number, string>> = {
  2: "packet too big",
  4: "parameter problem",
  128: "echo request",
  129: "echo reply",
  133: "router solicitation",
  134: "router advertisement",
  135: "neighbour solicitation",
  136: "neighbour advertisement",
  137: "redirect",
};

const UNREACHABLE6 = [
  "no route",
  "admin prohibited",
  "beyond scope",
  "address unreachable",
  "port unreachable",
  "failed policy",
  "reject route",
];

/** The same of ICMPv6 (RFC 4443, 4861). */
function icmpv6Name(type: number, code: number): string {
  if (type === 1) return UNREACHABLE6[code] ?? `unreachable, code ${code}`;
  if (type === 3) return code === 1 ? "reassembly time exceeded" : "hop limit exceeded";
  return NAMES6[type] ?? `type ${type}, code ${code}`;
}

/** `ICMP echo request`, `ICMPv6 echo request`: a message to or from a packet of that family. */
export function icmpWords({ kind }: PacketView["network"], type: number, code: number): string {
  return kind === "ipv6" ? `ICMPv6 ${icmpv6Name(type, code)}` : `ICMP ${icmpName(type, code)}`;
}

/** Whether it is an IP packet, of either family. */
export function isIp(network: PacketView["network"]): network is IpView {
  return network.kind === "ipv4" || network.kind === "ipv6";
}

/** `TCP SYN, ACK` and the like, without addresses. */
export function packetKind({ network }: PacketView): string {
  if (network.kind === "arp") return `ARP ${network.operation}`;
  if (network.kind === "other") return `frame of type 0x${network.etherType.toString(16).padStart(4, "0")}`;
  if (network.icmp) return icmpWords(network, network.icmp.type, network.icmp.code);
  const name = PROTOCOL_NAMES[network.protocol] ?? `protocol ${network.protocol}`;
  if (network.tcpFlags !== undefined) return `${name} ${tcpFlagNames(network.tcpFlags).join(", ")}`;
  return name;
}

export function tcpFlagNames(flags: number): string[] {
  return TCP_FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
}

/** `10.244.1.3:32768 > 10.96.12.9:7070`. */
export function packetEnds({ network }: PacketView): string {
  if (network.kind === "arp") return `${network.sender} asks for ${network.target}`;
  if (network.kind === "other") return "";
  return `${end(network.source, network.sourcePort)} > ${end(network.destination, network.destinationPort)}`;
}

function end(address: string, port: number | undefined): string {
  return port === undefined ? address : endpoint(address, port);
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function endpoint(address: string, port: number): string {
  return `${bracketed(address)}:${port}`;
}

/** The two ends of a tuple; for ICMP without numbers that are no ports. */
export function tupleEnds(tuple: TupleView, protocol: number): string {
  const hasPorts = protocol !== 1 && protocol !== 58;
  return `${end(tuple.source, hasPorts ? tuple.sourcePort : undefined)} > ${end(tuple.destination, hasPorts ? tuple.destinationPort : undefined)}`;
}

/** Whether a packet is a question to or an answer from a name server. */
export function isDns(network: IpView): boolean {
  return network.protocol === 17 && (network.sourcePort === 53 || network.destinationPort === 53);
}
