// Addresses and blocks in objects: as the API server takes them in new objects, and as components find them in objects that are stored.
import { z } from "zod";
import { cidrContains, formatIpv4, parseCidr, parseIpv4, withoutLeadingZeros, type Cidr } from "../address.ts";
import { cidr6Contains, formatIpv6, mappedIpv4, parseCidr6, parseIpv6, type Cidr6 } from "../address6.ts";

/** The family of an address as Kubernetes counts it: 4 also for an IPv4 address in the notation of IPv6; 0 is no address. */
export function ipFamily(text: string): 4 | 6 | 0 {
  if (parseIpv4(text) !== undefined) return 4;
  const address = parseIpv6(text);
  if (address === undefined) return 0;
  return mappedIpv4(address) === undefined ? 6 : 4;
}

/**
 * Why the API server refuses an address in a new object, as it does since 1.36 (StrictIPCIDRValidation, KEP-4858); undefined if it does
 * not. `otherwise`: what the text is if it is no address at all.
 */
export function addressComplaint(text: string, otherwise = "is not an IP address"): string | undefined {
  if (parseIpv4(text) !== undefined) return undefined;
  const plain = withoutLeadingZeros(text);
  const address = parseIpv6(plain);
  if (address === undefined && parseIpv4(plain) === undefined) return `"${text}" ${otherwise}`;
  const mapped = address === undefined ? undefined : mappedIpv4(address);
  if (mapped !== undefined) return `"${text}" is an IPv4 address in the notation of IPv6; write ${formatIpv4(mapped)}`;
  return plain === text ? undefined : `"${text}" has leading zeros; write ${plain}`;
}

/** Why it refuses a block. Bits after the prefix are a remark: see `ambiguity`. */
function blockComplaint(text: string): string | undefined {
  const plain = withoutLeadingZeros(text);
  const block = text.includes("/") ? (parseCidr(plain) ?? parseCidr6(plain)) : undefined;
  if (!block) return `"${text}" is not an address block such as 192.0.2.0/24`;
  const mapped = isCidr6(block) ? mappedIpv4(block.address) : undefined;
  if (mapped !== undefined) return `"${text}" is an IPv4 block in the notation of IPv6; write it as one of IPv4`;
  return plain === text ? undefined : `"${text}" has leading zeros; write ${plain}`;
}

/**
 * The two things that a block with bits after its prefix may mean: 192.0.2.7/24 is 192.0.2.0/24 or 192.0.2.7/32. The API server warns
 * of such a block until 1.35 and refuses it since. Undefined for others.
 */
export function ambiguity(given: string): [block: string, address: string] | undefined {
  const block = parseCidr(given.trim()) ?? parseCidr6(given.trim());
  if (!block || block.address === block.network) return undefined;
  if (isCidr6(block)) return [`${formatIpv6(block.network)}/${block.prefix}`, `${formatIpv6(block.address)}/128`];
  return [`${formatIpv4(block.network)}/${block.prefix}`, `${formatIpv4(block.address)}/32`];
}

function isCidr6(block: Cidr | Cidr6): block is Cidr6 {
  return typeof block.address === "bigint";
}

/** Where nothing can be that others are sent to: ValidateNonSpecialIP. */
const SPECIAL: readonly [name: string, ...blocks: string[]][] = [
  ["stands for no address", "0.0.0.0/32", "::/128"],
  ["is a loopback address", "127.0.0.0/8", "::1/128"],
  ["is a link-local address", "169.254.0.0/16", "fe80::/10"],
  ["is a link-local multicast address", "224.0.0.0/24", "ff02::/16"],
];

/** Why the API server refuses an address in an endpoint or as an external one; undefined if it does not. */
export function reachableComplaint(text: string): string | undefined {
  const found = SPECIAL.find(([, ...blocks]) => blocks.some((block) => holds(block, text)));
  return addressComplaint(text) ?? (found && `"${text}" ${found[0]}, which nobody else can reach`);
}

function holds(block: string, address: string): boolean {
  const [four, ip] = [parseCidr(block), parseIpv4(address)];
  if (four) return ip !== undefined && cidrContains(four, ip);
  const [six, ip6] = [parseCidr6(block), parseIpv6(address)];
  return six !== undefined && ip6 !== undefined && cidr6Contains(six, ip6);
}

/** A text that is one of `words` or has no complaint. */
function text(complaint: (text: string) => string | undefined, ...words: string[]) {
  return z.string().superRefine((text, context) => {
    const message = words.includes(text) ? undefined : complaint(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

/** An address in a new object, or one of `words`. */
export const ip = (...words: string[]) => text(addressComplaint, ...words);
/** An address that others are sent to, in a new object. */
export const reachableIp = text(reachableComplaint);
/** A block of either family in a new object. */
export const cidr = text(blockComplaint);
/** The same with blanks around it, which have always been allowed in loadBalancerSourceRanges. */
export const paddedCidr = text((given) => blockComplaint(given.trim()));

/** An address as netutils.ParseIPSloppy reads it, or one of `words`: what an API server of any age may have stored. */
export const storedIp = (...words: string[]) => text(storedComplaint, ...words);

/** A block as netutils.ParseCIDRSloppy reads it. */
export const storedCidr = text(storedBlockComplaint);
/** The same with blanks around it. */
export const storedPaddedCidr = text((given) => storedBlockComplaint(given.trim()));

function storedBlockComplaint(given: string): string | undefined {
  const text = withoutLeadingZeros(given);
  const block = text.includes("/") ? (parseCidr(text) ?? parseCidr6(text)) : undefined;
  return block ? undefined : `"${given}" is not an address block such as 192.0.2.0/24`;
}

function storedComplaint(given: string): string | undefined {
  return ipFamily(withoutLeadingZeros(given)) === 0 ? `"${given}" is not an IP address` : undefined;
}
