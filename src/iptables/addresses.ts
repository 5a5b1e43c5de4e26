// Addresses of rules, of both families, with masks and ranges: to data and back to text.
import { formatIpv4, prefixMask } from "../address.ts";
import { formatIpv6, ipv6Bytes, parseIpv6 } from "../address6.ts";

export type Family = "ipv4" | "ipv6";

/** An address of IPv4 is an unsigned number of 32 bits, one of IPv6 a bigint of 128. */
export type Address = number | bigint;

/** The addresses a for which (a & mask) == value. Both are of one family. */
export interface Network {
  value: Address;
  mask: Address;
}

/** From `min` to `max`, of one family. */
export interface AddressRange {
  min: Address;
  max: Address;
}

const ALL: Readonly<Record<Family, Address>> = { ipv4: 0xffffffff, ipv6: (1n << 128n) - 1n };
const BITS: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** What parseNetwork takes, for error messages. */
export const NETWORK_WORDS: Readonly<Record<Family, string>> = {
  ipv4: "an IPv4 address or block, such as 10.0.0.0/8",
  ipv6: "an IPv6 address or block, such as fd00::/8",
};

/** A mask of all bits. */
export function wholeMask(family: Family): Address {
  return ALL[family];
}

/** The length of the longest prefix. */
export function longestPrefix(family: Family): number {
  return BITS[family];
}

function familyOf(address: Address): Family {
  return typeof address === "number" ? "ipv4" : "ipv6";
}

/** Whether a mask leaves one address only. */
export function isWhole(mask: Address): boolean {
  return mask === ALL[familyOf(mask)];
}

/** `10.1` is 10.1.0.0, as iptables has it; addresses of IPv6 are written as everywhere. */
export function parseAddress(text: string, family: Family): Address | undefined {
  return family === "ipv4" ? parseParts(text) : parseIpv6(text);
}

/** One to four numbers with dots; missing ones are 0. */
function parseParts(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){0,3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return [0, 1, 2, 3].reduce((address, i) => address * 256 + (parts[i] ?? 0), 0);
}

/** A prefix length, or a mask written as an address. */
function parseMask(text: string, family: Family): Address | undefined {
  const bits = BITS[family];
  if (/^\d{1,3}$/.test(text)) return Number(text) <= bits ? maskOf(Number(text), family) : undefined;
  return text.includes(family === "ipv4" ? "." : ":") ? parseAddress(text, family) : undefined;
}

/** The mask of a prefix length. */
function maskOf(prefix: number, family: Family): Address {
  return family === "ipv4" ? prefixMask(prefix) : ((1n << BigInt(prefix)) - 1n) << BigInt(128 - prefix);
}

/** `10.1.0.0/16`, `fd00::/8`; the value is masked. A bare address has a full mask. */
export function parseNetwork(text: string, family: Family): Network | undefined {
  const network = parseUnmaskedNetwork(text, family);
  return network && { value: masked(network), mask: network.mask };
}

/** As parseNetwork, but the value is as written. */
export function parseUnmaskedNetwork(text: string, family: Family): Network | undefined {
  const slash = text.indexOf("/");
  const value = parseAddress(slash < 0 ? text : text.slice(0, slash), family);
  const mask = slash < 0 ? ALL[family] : parseMask(text.slice(slash + 1), family);
  return value === undefined || mask === undefined ? undefined : { value, mask };
}

/** The value without the bits that do not count. */
export function masked({ value, mask }: Network): Address {
  if (typeof value === "bigint") return value & BigInt(mask);
  return (value & Number(mask)) >>> 0;
}

/** The prefix length of a mask; undefined if its bits have a hole. */
export function maskPrefix(mask: Address): number | undefined {
  const family = familyOf(mask);
  const holes = BigInt(ALL[family]) ^ BigInt(mask);
  const host = holes === 0n ? 0 : holes.toString(2).length;
  return holes === (1n << BigInt(host)) - 1n ? BITS[family] - host : undefined;
}

/** As iptables prints it; the C library writes ::1.2.3.4 and ::ffff:1.2.3.4 with dots. */
export function formatAddress(address: Address): string {
  if (typeof address === "number") return formatIpv4(address);
  const dotted = address >> 32n === 0xffffn || (address >> 32n === 0n && address >> 16n !== 0n);
  if (!dotted) return formatIpv6(address);
  return `::${address >> 32n === 0n ? "" : "ffff:"}${formatIpv4(Number(address & 0xffffffffn))}`;
}

/** `10.1.0.0/16`, or with a mask like an address if its bits have a hole. */
export function formatNetwork({ value, mask }: Network): string {
  return `${formatAddress(value)}/${maskPrefix(mask) ?? formatAddress(mask)}`;
}

/** As formatNetwork, but one address is without its mask. */
export function formatBareNetwork({ value, mask }: Network): string {
  return isWhole(mask) ? formatAddress(value) : formatNetwork({ value, mask });
}

/** `1.2.3.4` or `1.2.3.4-1.2.3.9`. */
export function parseAddressRange(text: string, family: Family): AddressRange | undefined {
  const [low = "", high = low, ...rest] = text.split("-");
  const min = parseAddress(low, family);
  const max = parseAddress(high, family);
  return min === undefined || max === undefined || rest.length > 0 ? undefined : { min, max };
}

/** An address of IPv6 as four words, in the order of its bytes in memory; words are little-endian. */
export function wordsOf(address: bigint): number[] {
  const bytes = new DataView(ipv6Bytes(address).buffer);
  return [0, 4, 8, 12].map((at) => bytes.getUint32(at, true));
}
