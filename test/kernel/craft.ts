// Frames for tests to send: headers from a few words, with right lengths and checksums unless a test asks for others.
import { checksum, pseudoHeader } from "../tools/checksum.ts";

export interface IpWords {
  from: string;
  to: string;
  ttl?: number;
  tos?: number;
  id?: number;
  /** Flags and fragment offset, as the 16-bit word. */
  fragment?: number;
}

function bytesOf(text: string, separator: string, radix: number): number[] {
  return text.split(separator).map((part) => Number.parseInt(part, radix));
}

function word(value: number): [high: number, low: number] {
  return [(value >>> 8) & 255, value & 255];
}

function long(value: number): number[] {
  return [...word(value >>> 16), ...word(value)];
}

function join(...parts: (readonly number[] | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** An Ethernet frame. */
export function ethernet(to: string, from: string, type: number, payload: Uint8Array): Uint8Array {
  return join(bytesOf(to, ":", 16), bytesOf(from, ":", 16), word(type), payload);
}

/** An IPv4 packet with a header of 20 bytes. */
export function ipv4(words: IpWords, protocol: number, payload: Uint8Array): Uint8Array {
  const { from, to, ttl = 64, tos = 0, id = 1, fragment = 0 } = words;
  const fixed = [0x45, tos, ...word(20 + payload.length), ...word(id), ...word(fragment), ttl, protocol];
  const addresses = [...bytesOf(from, ".", 10), ...bytesOf(to, ".", 10)];
  const sum = checksum(join(fixed, [0, 0], addresses));
  return join(fixed, word(sum), addresses, payload);
}

function withPseudoSum(words: IpWords, protocol: number, before: number[], rest: readonly number[] | Uint8Array) {
  const addresses = join(bytesOf(words.from, ".", 10), bytesOf(words.to, ".", 10));
  const segment = join(before, [0, 0], rest);
  const sum = checksum(pseudoHeader(addresses, protocol, segment.length), segment);
  return join(before, word(sum), rest);
}

/** An IPv4 packet with a UDP datagram; `data` is text or a number of bytes. */
export function udp(words: IpWords, ports: [number, number], data: string | number | Uint8Array = "data"): Uint8Array {
  const payload = dataOf(data);
  const before = [...word(ports[0]), ...word(ports[1]), ...word(8 + payload.length)];
  return ipv4(words, 17, withPseudoSum(words, 17, before, payload));
}

export interface TcpWords {
  /** Letters as in tcpdump: `S`, `S.`, `.`, `P.`, `F.`, `R`, `R.`. */
  flags: string;
  seq?: number;
  ack?: number;
  window?: number;
  data?: string | number | Uint8Array;
  options?: Uint8Array;
}

/** An IPv4 packet with a TCP segment. */
export function tcp(words: IpWords, ports: [number, number], segment: TcpWords): Uint8Array {
  const { flags, seq = 0, ack = 0, window = 64240, data = "", options = new Uint8Array() } = segment;
  const bits = [...flags].reduce((sum, letter) => sum | (1 << "FSRP.U".indexOf(letter)), 0);
  const before = [
    ...word(ports[0]),
    ...word(ports[1]),
    ...long(seq),
    ...long(ack),
    ((20 + options.length) / 4) << 4,
    bits,
    ...word(window),
  ];
  return ipv4(words, 6, withPseudoSum(words, 6, before, join([0, 0], options, dataOf(data))));
}

/** An IPv4 packet with an ICMP message: `rest` is the second word of its header. */
export function icmp(words: IpWords, type: number, code: number, rest: number, payload: Uint8Array): Uint8Array {
  const sum = checksum(join([type, code, 0, 0], long(rest), payload));
  return ipv4(words, 1, join([type, code], word(sum), long(rest), payload));
}

/** An IPv4 packet with an echo request. */
export function ping(words: IpWords, id: number, sequence: number, size = 8): Uint8Array {
  return icmp(words, 8, 0, ((id << 16) | sequence) >>> 0, dataOf(size));
}

/** An ARP message; `toMac` is the target in the message. */
export function arp(
  operation: "request" | "reply",
  senderMac: string,
  sender: string,
  toMac: string,
  target: string,
): Uint8Array {
  return join(
    [0, 1, 8, 0, 6, 4, 0, operation === "request" ? 1 : 2],
    bytesOf(senderMac, ":", 16),
    bytesOf(sender, ".", 10),
    bytesOf(toMac, ":", 16),
    bytesOf(target, ".", 10),
  );
}

function dataOf(data: string | number | Uint8Array): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return typeof data === "number" ? Uint8Array.from({ length: data }, (_, i) => i & 255) : data;
}
