// IPv6 packets for tests to send, with right lengths and checksums.
import { parseIpv6 } from "../../src/address6.ts";
import { checksum } from "../tools/checksum.ts";

export interface Ip6Words {
  from: string;
  to: string;
  hops?: number;
  /** Traffic class. */
  tos?: number;
}

const word = (value: number): number[] => [(value >>> 8) & 255, value & 255];

/** The 16 bytes of an address. */
export function bytesOf6(text: string): number[] {
  const value = parseIpv6(text);
  if (value === undefined) throw new Error(`${text} is not an IPv6 address`);
  return Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(120 - 8 * i)) & 255n));
}

/** A packet without extension headers; `payload` has its checksum at the offset `sumAt`, which is filled in. */
function ipv6({ from, to, hops = 64, tos = 0 }: Ip6Words, protocol: number, payload: number[], sumAt: number) {
  const addresses = [...bytesOf6(from), ...bytesOf6(to)];
  const pseudo = Uint8Array.from([...addresses, 0, 0, ...word(payload.length), 0, 0, 0, protocol]);
  const sum = checksum(pseudo, Uint8Array.from(payload));
  payload.splice(sumAt, 2, ...word(sum));
  return Uint8Array.from([
    0x60 | (tos >> 4),
    (tos & 15) << 4,
    0,
    0,
    ...word(payload.length),
    protocol,
    hops,
    ...addresses,
    ...payload,
  ]);
}

export function udp6(words: Ip6Words, [source, destination]: [number, number], bytes = 4): Uint8Array {
  const header = [...word(source), ...word(destination), ...word(8 + bytes), 0, 0];
  return ipv6(words, 17, [...header, ...new Array<number>(bytes).fill(1)], 6);
}

/** A SYN, with an MSS option if one is given. */
export function syn6(words: Ip6Words, [source, destination]: [number, number], mss?: number): Uint8Array {
  const options = mss === undefined ? [] : [2, 4, ...word(mss)];
  const header = [...word(source), ...word(destination), 0, 0, 0, 1, 0, 0, 0, 0];
  return ipv6(words, 6, [...header, (5 + options.length / 4) << 4, 2, 0xfa, 0xf0, 0, 0, 0, 0, ...options], 16);
}

export function echo6(words: Ip6Words): Uint8Array {
  return ipv6(words, 58, [128, 0, 0, 0, 0, 7, 0, 1, 1, 1, 1, 1], 2);
}
