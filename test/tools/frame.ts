// Decodes Ethernet frames for tests: headers as objects, a line of text for a frame, and the checksums that are wrong.
import { checksum, pseudoHeader } from "./checksum.ts";
import { decodeDns, type Dns } from "./dns.ts";

export interface Arp {
  operation: "request" | "reply";
  senderMac: string;
  sender: string;
  targetMac: string;
  target: string;
}

export interface Ipv4 {
  source: string;
  destination: string;
  protocol: number;
  ttl: number;
  tos: number;
  id: number;
  dontFragment: boolean;
  moreFragments: boolean;
  /** In bytes. */
  fragmentOffset: number;
  headerLength: number;
  totalLength: number;
}

export interface Icmp {
  type: number;
  code: number;
  /** Echo: the two words after the checksum. */
  id: number;
  sequence: number;
  /** Errors: the packet that they are about; undefined for other types. */
  quoted?: Packet;
}

export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  /** Letters of the set flags in the order of tcpdump: `S`, `S.`, `P.`, `F.`, `R`, `.`. */
  flags: string;
  window: number;
  headerLength: number;
  options: { kind: number; value: Uint8Array }[];
}

/** From the network layer up; what an ICMP error quotes has this form too. */
export interface Packet {
  arp?: Arp;
  ipv4?: Ipv4;
  icmp?: Icmp;
  udp?: { sourcePort: number; destinationPort: number; length: number };
  tcp?: Tcp;
  /** Of a UDP datagram from or to port 53. */
  dns?: Dns;
  /** What the innermost known header carries, without Ethernet padding. */
  payload: Uint8Array;
  /** Names of the checksums that are wrong: `ip`, `tcp`, `udp`, `icmp`, and those of a quoted packet as `quoted ip`. */
  badChecksums: string[];
}

export interface Frame extends Packet {
  ethernet: { source: string; destination: string; type: number };
}

const ICMP_ERRORS = [3, 4, 5, 11, 12];
const TCP_FLAGS: [bit: number, letter: string][] = [
  [1, "F"],
  [2, "S"],
  [4, "R"],
  [8, "P"],
  [16, "."],
  [32, "U"],
  [64, "E"],
  [128, "W"],
];

/** Decodes a frame; throws a RangeError if a header is cut off. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const view = viewOf(bytes);
  const ethernet = { destination: mac(view, 0), source: mac(view, 6), type: view.getUint16(12) };
  const rest = bytes.subarray(14);
  if (ethernet.type === 0x0806)
    return { ethernet, arp: decodeArp(viewOf(rest)), payload: new Uint8Array(), badChecksums: [] };
  if (ethernet.type === 0x0800) return { ethernet, ...decodeIpv4(rest, false) };
  return { ethernet, payload: rest, badChecksums: [] };
}

function decodeArp(view: DataView): Arp {
  if (view.getUint32(0) !== 0x00010800 || view.getUint16(4) !== 0x0604)
    throw new RangeError("not ARP for IPv4 on Ethernet");
  const operation = view.getUint16(6) === 1 ? "request" : "reply";
  return {
    operation,
    senderMac: mac(view, 8),
    sender: quad(view, 14),
    targetMac: mac(view, 18),
    target: quad(view, 24),
  };
}

/** `quoted`: inside an ICMP error, where the packet may be cut off and only complete checksums are looked at. */
function decodeIpv4(bytes: Uint8Array, quoted: boolean): Packet {
  const view = viewOf(bytes);
  const fragment = view.getUint16(6);
  const ipv4: Ipv4 = {
    source: quad(view, 12),
    destination: quad(view, 16),
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    tos: view.getUint8(1),
    id: view.getUint16(4),
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments: (fragment & 0x2000) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
    headerLength: (view.getUint8(0) & 15) * 4,
    totalLength: view.getUint16(2),
  };
  if (view.getUint8(0) >> 4 !== 4) throw new RangeError("not IP version 4");
  if (ipv4.totalLength > bytes.length && !quoted) throw new RangeError("the packet is shorter than its total length");
  const packet: Packet = { ipv4, payload: bytes.subarray(ipv4.headerLength, ipv4.totalLength), badChecksums: [] };
  if (checksum(bytes.subarray(0, ipv4.headerLength)) !== 0) packet.badChecksums.push("ip");
  if (ipv4.fragmentOffset > 0) return packet;
  const whole = !ipv4.moreFragments && ipv4.totalLength <= bytes.length;
  const transport = packet.payload;
  const pseudo = pseudoHeader(bytes.subarray(12, 20), ipv4.protocol, transport.length);
  if (ipv4.protocol === 1) decodeIcmp(transport, packet, whole);
  else if (ipv4.protocol === 6) decodeTcp(transport, packet, whole, pseudo);
  else if (ipv4.protocol === 17) decodeUdp(transport, packet, whole, pseudo);
  return packet;
}

function decodeIcmp(bytes: Uint8Array, packet: Packet, whole: boolean): void {
  const view = viewOf(bytes);
  const icmp: Icmp = {
    type: view.getUint8(0),
    code: view.getUint8(1),
    id: view.getUint16(4),
    sequence: view.getUint16(6),
  };
  packet.icmp = icmp;
  packet.payload = bytes.subarray(8);
  if (whole && checksum(bytes) !== 0) packet.badChecksums.push("icmp");
  if (!ICMP_ERRORS.includes(icmp.type)) return;
  icmp.quoted = decodeIpv4(packet.payload, true);
  packet.badChecksums.push(...icmp.quoted.badChecksums.map((name) => `quoted ${name}`));
}

function decodeUdp(bytes: Uint8Array, packet: Packet, whole: boolean, pseudo: Uint8Array): void {
  const view = viewOf(bytes);
  packet.udp = { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), length: view.getUint16(4) };
  packet.payload = bytes.subarray(8, packet.udp.length);
  const none = view.getUint16(6) === 0;
  if (whole && !none && checksum(pseudo, bytes) !== 0) packet.badChecksums.push("udp");
  if (whole && (packet.udp.sourcePort === 53 || packet.udp.destinationPort === 53))
    packet.dns = decodeDns(packet.payload);
}

function decodeTcp(bytes: Uint8Array, packet: Packet, whole: boolean, pseudo: Uint8Array): void {
  const view = viewOf(bytes);
  const ports = { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), sequence: view.getUint32(4) };
  if (bytes.length < 20) {
    // An ICMP error need quote no more than eight bytes.
    packet.tcp = { ...ports, acknowledgement: 0, flags: "", window: 0, headerLength: 0, options: [] };
    return;
  }
  const bits = view.getUint8(13);
  const headerLength = (view.getUint8(12) >> 4) * 4;
  packet.tcp = {
    ...ports,
    acknowledgement: view.getUint32(8),
    flags: TCP_FLAGS.map(([bit, letter]) => (bits & bit ? letter : "")).join(""),
    window: view.getUint16(14),
    headerLength,
    options: tcpOptions(bytes.subarray(20, headerLength)),
  };
  packet.payload = bytes.subarray(headerLength);
  if (whole && checksum(pseudo, bytes) !== 0) packet.badChecksums.push("tcp");
}

function tcpOptions(bytes: Uint8Array): { kind: number; value: Uint8Array }[] {
  const options: { kind: number; value: Uint8Array }[] = [];
  let at = 0;
  while (at < bytes.length) {
    const kind = bytes[at] ?? 0;
    if (kind === 0) break;
    const length = kind === 1 ? 1 : (bytes[at + 1] ?? 0);
    if (length < 1 || at + length > bytes.length) throw new RangeError(`TCP option ${kind} does not fit in the header`);
    options.push({ kind, value: bytes.subarray(Math.min(at + 2, at + length), at + length) });
    at += length;
  }
  return options;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function mac(view: DataView, at: number): string {
  return [0, 1, 2, 3, 4, 5]
    .map((i) =>
      view
        .getUint8(at + i)
        .toString(16)
        .padStart(2, "0"),
    )
    .join(":");
}

function quad(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
}
