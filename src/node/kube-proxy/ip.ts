// Addresses and blocks of either family, as far as kube-proxy compares and prints them.
import { cidrContains, formatCidr, parseCidr, parseIpv4 } from "../../address.ts";

export type Family = "IPv4" | "IPv6";

interface Block6 {
  address: bigint;
  prefix: number;
}

/** The family of an address or a block; undefined if it is neither. */
export function familyOf(text: string): Family | undefined {
  if (parseCidr(text)) return "IPv4";
  return parseBlock6(text) ? "IPv6" : undefined;
}

/** The block with its host bits cleared, as iptables-save prints it: `10.0.0.0/8`, `fd00::/40`; an address gets /32 or /128. */
export function networkForm(text: string): string {
  const block = parseCidr(text);
  if (block) return formatCidr(block);
  const block6 = parseBlock6(text);
  if (!block6) return text;
  return `${formatIpv6(clear(block6.address, block6.prefix))}/${block6.prefix}`;
}

/** An address in its canonical form. */
export function addressForm(text: string): string {
  return networkForm(text).replace(/\/(32|128)$/, "");
}

/** Whether `block` holds the address; never if the families differ. */
export function blockContains(block: string, address: string): boolean {
  const four = parseCidr(block);
  const ip = parseIpv4(address);
  if (four && ip !== undefined) return cidrContains(four, ip);
  const six = parseBlock6(block);
  const ip6 = parseIpv6(address);
  if (!six || ip6 === undefined) return false;
  return clear(ip6, six.prefix) === clear(six.address, six.prefix);
}

export function isLoopback(address: string): boolean {
  return blockContains("127.0.0.0/8", address) || blockContains("::1/128", address);
}

/** `ip:port`, an IPv6 address in brackets: the text that kube-proxy sorts and hashes endpoints by. */
export function joinHostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function clear(address: bigint, prefix: number): bigint {
  const host = BigInt(128 - prefix);
  return (address >> host) << host;
}

function parseBlock6(text: string): Block6 | undefined {
  const [head = "", tail, ...rest] = text.split("/");
  const address = parseIpv6(head);
  if (address === undefined || rest.length > 0) return undefined;
  if (tail !== undefined && !/^\d{1,3}$/.test(tail)) return undefined;
  const prefix = tail === undefined ? 128 : Number(tail);
  return prefix > 128 ? undefined : { address, prefix };
}

function parseIpv6(given: string): bigint | undefined {
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

/** The last 32 bits may be written as an IPv4 address. */
function withoutDots(text: string): string {
  const start = text.lastIndexOf(":") + 1;
  const tail = text.includes(".") ? parseIpv4(text.slice(start)) : undefined;
  if (start === 0 || tail === undefined) return text;
  return `${text.slice(0, start)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
}

/** RFC 5952: the longest run of two or more zero groups, the first of equals, is `::`. */
function formatIpv6(address: bigint): string {
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
