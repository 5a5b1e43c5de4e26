// Packets put together from their parts: the Internet checksum, IPv4, and the protocols above IP that replies have.

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMP6 = 58;

/** TCP's flags from the lowest bit on, by their letters. */
const FLAGS = "FSRPAUEC";

/** The Internet checksum (RFC 1071) of some bytes; 0 if they contain a right one. `start` is what is already summed up. */
export function checksum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** Where the headers of a packet of either family stand. */
export interface IpHeader {
  /** Where it begins; the transport header, behind all extension headers; where the packet ends. */
  at: number;
  l4: number;
  end: number;
  total: number;
  protocol: number;
  src: Buffer;
  dst: Buffer;
  isFirst: boolean;
}

/** What an IPv4 header carries besides its lengths and its checksum; `src` and `dst` are four bytes each. */
export interface IpFields {
  src: Uint8Array;
  dst: Uint8Array;
  protocol: number;
  ttl?: number | undefined;
  id?: number | undefined;
  df?: boolean | undefined;
  tos?: number | undefined;
}

export function ipPacket({ src, dst, protocol, ttl = 64, id = 0, df = false, tos = 0 }: IpFields, body: Uint8Array) {
  const head = Buffer.alloc(20);
  head.writeUInt8(0x45, 0);
  head.writeUInt8(tos, 1);
  head.writeUInt16BE(20 + body.length, 2);
  head.writeUInt16BE(id & 0xffff, 4);
  head.writeUInt16BE(df ? 0x4000 : 0, 6);
  head.writeUInt8(ttl, 8);
  head.writeUInt8(protocol, 9);
  head.set(src, 12);
  head.set(dst, 16);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([head, body]);
}

/** The addresses and ports of a segment, as it is sent. */
export interface Ends {
  src: Uint8Array;
  dst: Uint8Array;
  sport: number;
  dport: number;
}

export function udpSegment({ src, dst, sport, dport }: Ends, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(sport, 0);
  head.writeUInt16BE(dport, 2);
  head.writeUInt16BE(8 + payload.length, 4);
  const segment = Buffer.concat([head, payload]);
  const sum = checksum(segment, pseudoSum(src, dst, UDP, segment.length));
  segment.writeUInt16BE(sum === 0 ? 0xffff : sum, 6);
  return segment;
}

/** What a TCP header carries besides its ports; `flags` are letters such as `SA`. */
export interface TcpFields {
  flags: string;
  seq: number;
  ack: number;
  window: number;
  options: Uint8Array;
}

export function tcpSegment({ src, dst, sport, dport }: Ends, fields: TcpFields, payload: Uint8Array): Buffer {
  const options = Buffer.alloc(Math.ceil(fields.options.length / 4) * 4, 1);
  options.set(fields.options);
  const head = Buffer.alloc(20);
  head.writeUInt16BE(sport, 0);
  head.writeUInt16BE(dport, 2);
  head.writeUInt32BE(fields.seq >>> 0, 4);
  head.writeUInt32BE(fields.ack >>> 0, 8);
  head.writeUInt8(((20 + options.length) / 4) << 4, 12);
  head.writeUInt8(
    [...fields.flags].reduce((bits, letter) => bits | (1 << FLAGS.indexOf(letter)), 0),
    13,
  );
  head.writeUInt16BE(fields.window, 14);
  const segment = Buffer.concat([head, options, payload]);
  segment.writeUInt16BE(checksum(segment, pseudoSum(src, dst, TCP, segment.length)), 16);
  return segment;
}

/** An ICMP message; `rest` is the second word of its header. With `ends`, one of ICMPv6 (RFC 4443), whose checksum has them, too. */
export function icmpMessage(
  type: number,
  code: number,
  rest: number,
  payload: Uint8Array,
  ends?: Pick<Ends, "src" | "dst">,
): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(type, 0);
  head.writeUInt8(code, 1);
  head.writeUInt32BE(rest >>> 0, 4);
  const message = Buffer.concat([head, payload]);
  const start = ends ? pseudoSum(ends.src, ends.dst, ICMP6, message.length) : 0;
  message.writeUInt16BE(checksum(message, start), 2);
  return message;
}

/** What the addresses add to a checksum, of either family (RFC 768, RFC 8200 8.1). */
function pseudoSum(src: Uint8Array, dst: Uint8Array, protocol: number, length: number): number {
  const sum = (bytes: Uint8Array): number => ~checksum(bytes) & 0xffff;
  return sum(src) + sum(dst) + protocol + length;
}
