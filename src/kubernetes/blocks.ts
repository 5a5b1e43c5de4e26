// Addresses and blocks of either family as whole numbers, for who counts through them.
import { cidrSize, formatIpv4, parseCidr, parseIpv4 } from "../address.ts";
import { formatIpv6, parseCidr6, parseIpv6 } from "../address6.ts";
import type { Family } from "./families.ts";

/** A block of addresses: its first one, and how many it has. */
export interface Block {
  family: Family;
  network: bigint;
  prefix: number;
  size: bigint;
}

/** `10.244.1.0/24` or `fd00:10:244:1::/64`; a bare address counts as a block of its own; undefined if it is neither. */
export function parseBlock(text: string): Block | undefined {
  const four = parseCidr(text);
  if (four)
    return {
      family: "IPv4",
      network: BigInt(four.network),
      prefix: four.prefix,
      size: BigInt(cidrSize(four.prefix)),
    };
  const six = parseCidr6(text);
  return six && { family: "IPv6", network: six.network, prefix: six.prefix, size: 1n << BigInt(128 - six.prefix) };
}

/** An address of either family; undefined if it is none. */
export function parseAddress(text: string): bigint | undefined {
  const four = parseIpv4(text);
  return four === undefined ? parseIpv6(text) : BigInt(four);
}

/** The form in which addresses that are the same are the same text; what is no address of IPv6 stays as it is. */
export function plainAddress(text: string): string {
  const six = parseIpv6(text);
  return six === undefined ? text : formatIpv6(six);
}

export function formatAddress(address: bigint, family: Family): string {
  return family === "IPv4" ? formatIpv4(Number(address)) : formatIpv6(address);
}

/** The last address that somebody may have: of IPv4 the very last one is for broadcasts. */
export function lastHost({ family, network, size }: Block): bigint {
  return network + size - (family === "IPv4" ? 2n : 1n);
}

/** Whether a block holds all of another one of its family. */
export function blockHolds(outer: Block, inner: Block): boolean {
  return inner.network >= outer.network && inner.network + inner.size <= outer.network + outer.size;
}

/** Whether two blocks of one family share an address. */
export function blocksOverlap(a: Block, b: Block): boolean {
  return a.network < b.network + b.size && b.network < a.network + a.size;
}
