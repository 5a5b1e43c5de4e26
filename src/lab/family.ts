// Addresses of a case, of either family, as the kernel takes them: by their numbers.
import { parseCidr, parseIpv4 } from "../address.ts";
import { ipv6Bytes, parseCidr6, parseIpv6 } from "../address6.ts";
import type { Kernel } from "../kernel/kernel.ts";

/**
 * Numbers the IPv6 addresses that texts name, before a machine meets them and gives them numbers of its own: an address may have
 * but one.
 */
export function shareAddresses(kernel: Kernel, texts: readonly string[]): void {
  for (const word of texts.flatMap((text) => text.match(/[0-9a-f]*:[0-9a-f:.]+/gi) ?? [])) {
    const address = parseIpv6(word);
    if (address !== undefined) kernel.addressNumber6(address);
  }
}

/** Whether text is an address of either family. */
export function isAddress(text: string): boolean {
  return parseIpv4(text) !== undefined || parseIpv6(text) !== undefined;
}

/** Whether text is a block, or an address, of either family. */
export function isBlock(text: string): boolean {
  return parseCidr(text) !== undefined || parseCidr6(text) !== undefined;
}

/** The number of an address; undefined if it is none. */
export function numberOf(kernel: Kernel, text: string): number | undefined {
  return isAddress(text) ? kernel.addressNumber(text) : undefined;
}

/** The numbers of a block's address and of its network, and its prefix length; undefined if it is none. */
export function blockOf(kernel: Kernel, text: string) {
  const four = parseCidr(text);
  if (four) return four;
  const six = parseCidr6(text);
  if (!six) return undefined;
  const { address, network, prefix } = six;
  return { address: kernel.addressNumber6(address), network: kernel.addressNumber6(network), prefix };
}

/** The 4 or 16 bytes of an address, in network order. */
export function addressBytes(text: string): Uint8Array {
  const six = parseIpv6(text);
  if (six !== undefined) return ipv6Bytes(six);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(parseIpv4(text) ?? 0);
  return bytes;
}

/** The text of /proc/net/nf_conntrack for an IPv6 address: every group with all its digits. */
export function longText(text: string): string {
  return Buffer.from(addressBytes(text))
    .toString("hex")
    .replace(/(....)(?=.)/g, "$1:");
}
