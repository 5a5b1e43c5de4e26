// Addresses and blocks of either family, as kube-proxy reads, compares and prints them.
import { cidrContains, formatCidr, parseCidr, prefixMask, withoutLeadingZeros, type Cidr } from "../../address.ts";
import type { Family } from "../../kubernetes/families.ts";
import { bracketed, cidr6Contains, formatIpv6, mappedIpv4, parseCidr6, type Cidr6 } from "../../address6.ts";

export type { Family };

/** The family of an address or a block; undefined if it is neither. */
export function familyOf(text: string): Family | undefined {
  if (parseCidr(text)) return "IPv4";
  const block = parseBlock(text);
  return block && (isIpv4(block) ? "IPv4" : "IPv6");
}

/** The block with its host bits cleared, as iptables-save prints it: `10.0.0.0/8`, `fd00::/40`; an address gets /32 or /128. */
export function networkForm(text: string): string {
  const block = parseBlock(text);
  if (!block) return text;
  return isIpv4(block) ? formatCidr(block) : `${formatIpv6(block.network)}/${block.prefix}`;
}

/** An address in its canonical form. */
export function addressForm(text: string): string {
  return networkForm(text).replace(/\/(32|128)$/, "");
}

/** Whether `block` holds the address; never if the families differ. */
export function blockContains(block: string, address: string): boolean {
  const outer = parseBlock(block);
  const inner = parseBlock(address);
  if (!outer || !inner) return false;
  if (isIpv4(outer)) return isIpv4(inner) && cidrContains(outer, inner.address);
  return !isIpv4(inner) && cidr6Contains(outer, inner.address);
}

/** The order of two addresses of one family, as numbers; negative if the first one is lower. */
export function compareAddresses(a: string, b: string): number {
  const [first, second] = [a, b].map((text) => BigInt(parseBlock(text)?.address ?? 0));
  return first === second ? 0 : (first ?? 0n) < (second ?? 0n) ? -1 : 1;
}

export function isLoopback(address: string): boolean {
  return blockContains("127.0.0.0/8", address) || blockContains("::1/128", address);
}

/** `ip:port`, an IPv6 address in brackets: the text that kube-proxy sorts and hashes endpoints by. */
export function joinHostPort(ip: string, port: number): string {
  return `${bracketed(ip)}:${port}`;
}

function isIpv4(block: Cidr | Cidr6): block is Cidr {
  return typeof block.address === "number";
}

/**
 * As netutils.ParseIPSloppy and ParseCIDRSloppy read it: leading zeros of decimal numbers mean nothing, and a block of IPv6 whose
 * network is an IPv4 address in that notation is one of IPv4 (Go's net.IPNet).
 */
function parseBlock(given: string): Cidr | Cidr6 | undefined {
  const plain = parseCidr(given);
  if (plain) return plain;
  const text = withoutLeadingZeros(given);
  const block = parseCidr6(text);
  if (!block) return parseCidr(text);
  const network = mappedIpv4(block.network);
  if (network === undefined) return block;
  const prefix = block.prefix - 96;
  const address = mappedIpv4(block.address) ?? network;
  return { address, network: (network & prefixMask(prefix)) >>> 0, prefix };
}
