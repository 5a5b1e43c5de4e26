// IPv6 addresses and blocks: text to numbers and back; names for reverse look-ups.
import { parseIpv4 } from "./address.ts";

/** An IPv6 block: `address` is the address as written, `network` the address with the host bits cleared; both of 128 bits. */
export interface Cidr6 {
  address: bigint;
  network: bigint;
  prefix: number;
}

/** The 96 bits before an IPv4 address that is written as one of IPv6: ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2). */
const MAPPED = 0xffffn;

/** `2001:db8::1`, its last 32 bits maybe as a dotted quad, to a number; undefined if it is not an address. Zones are none. */
export function parseIpv6(given: string): bigint | undefined {
  const text = withoutDots(given);
  const halves = text.split("::");
  if (!text.includes(":") || halves.length > 2) return undefined;
  const [front = [], back = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...front, ...Array<string>(missing).fill("0"), ...back];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** `fd00:244::/48` to its parts; a bare address counts as /128; undefined if it is not one. */
export function parseCidr6(text: string): Cidr6 | undefined {
  const [head = "", tail, ...rest] = text.split("/");
  const address = parseIpv6(head);
  if (address === undefined || rest.length > 0) return undefined;
  if (tail !== undefined && !/^\d{1,3}$/.test(tail)) return undefined;
  const prefix = tail === undefined ? 128 : Number(tail);
  if (prefix > 128) return undefined;
  const host = BigInt(128 - prefix);
  return { address, network: (address >> host) << host, prefix };
}

/** Whether `block` holds `address`. */
export function cidr6Contains(block: { network: bigint; prefix: number }, address: bigint): boolean {
  const host = BigInt(128 - block.prefix);
  return address >> host === block.network >> host;
}

/** The IPv4 address that this one of IPv6 stands for, as an unsigned 32-bit number; undefined for others. */
export function mappedIpv4(address: bigint): number | undefined {
  return address >> 32n === MAPPED ? Number(address & 0xffffffffn) : undefined;
}

/** RFC 5952: the longest run of two or more zero groups, the first of equals, is `::`. */
export function formatIpv6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => (address >> BigInt(112 - 16 * i)) & 0xffffn);
  let start = 0;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0n) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const text = (from: number, to?: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return length === 1 ? text(0) : `${text(0, start)}::${text(start + length)}`;
}

/** The 16 bytes of an address, in network order. */
export function ipv6Bytes(address: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  const halves = new DataView(bytes.buffer);
  halves.setBigUint64(0, address >> 64n);
  halves.setBigUint64(8, address);
  return bytes;
}

/** The address of 16 bytes in network order. */
export function ipv6OfBytes(bytes: Uint8Array): bigint {
  const halves = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return (halves.getBigUint64(0) << 64n) | halves.getBigUint64(8);
}

/** An address of either family as it stands where a port may follow: one of IPv6 in brackets (RFC 3986, 3.2.2). */
export function bracketed(ip: string): string {
  return ip.includes(":") ? `[${ip}]` : ip;
}

/** The name under which an address of either family is looked up: 1.2.0.192.in-addr.arpa, or 32 digits in ip6.arpa (RFC 3596, 2.5). */
export function reverseName(ip: string): string {
  const six = parseIpv6(ip);
  if (six === undefined) return `${ip.split(".").reverse().join(".")}.in-addr.arpa`;
  const digits = six.toString(16).padStart(32, "0");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}

/** The last 32 bits may be written as an IPv4 address. */
function withoutDots(text: string): string {
  const start = text.lastIndexOf(":") + 1;
  const tail = text.includes(".") ? parseIpv4(text.slice(start)) : undefined;
  if (start === 0 || tail === undefined) return text;
  return `${text.slice(0, start)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
}
