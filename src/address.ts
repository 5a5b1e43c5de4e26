// IPv4 addresses, CIDR blocks and MAC addresses: text to numbers and back.

/** An IPv4 block: `address` is the address as written, `network` the address with the host bits cleared; both as unsigned 32-bit numbers. */
export interface Cidr {
  address: number;
  network: number;
  prefix: number;
}

/** `10.0.0.1` to an unsigned 32-bit number (host order); undefined if it is not a dotted quad without leading zeros. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** An unsigned 32-bit number to a dotted quad. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The netmask of a prefix length, unsigned: 24 gives 0xffffff00. */
export function prefixMask(prefix: number): number {
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
}

/** `10.244.1.1/24` to its parts; a bare address counts as /32; undefined if it is not one. */
export function parseCidr(text: string): Cidr | undefined {
  const [head = "", tail, ...rest] = text.split("/");
  const address = parseIpv4(head);
  if (address === undefined || rest.length > 0) return undefined;
  if (tail !== undefined && !/^\d{1,2}$/.test(tail)) return undefined;
  const prefix = tail === undefined ? 32 : Number(tail);
  if (prefix > 32) return undefined;
  return { address, network: (address & prefixMask(prefix)) >>> 0, prefix };
}

/**
 * The text without leading zeros in the numbers of a dotted quad and in a prefix length: `010.0.0.08/016` is `10.0.0.8/16`. So
 * Kubernetes reads addresses that were stored before it became strict about them, where most of the world would read octal.
 */
export function withoutLeadingZeros(text: string): string {
  return text.replace(/(^|:)0*(\d+)\.0*(\d+)\.0*(\d+)\.0*(\d+)(?=$|\/)/, "$1$2.$3.$4.$5").replace(/\/0+(?=\d+$)/, "/");
}

/** The network form of a block: `10.244.1.0/24`. */
export function formatCidr(cidr: { network: number; prefix: number }): string {
  return `${formatIpv4(cidr.network)}/${cidr.prefix}`;
}

/** The number of addresses in a block. */
export function cidrSize(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** Whether `block` holds `address`. */
export function cidrContains(block: { network: number; prefix: number }, address: number): boolean {
  return (address & prefixMask(block.prefix)) >>> 0 === block.network;
}

/** `02:00:0a:f4:00:02` to its six bytes; undefined if it is not a MAC address. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Six bytes to `02:00:0a:f4:00:02`. */
export function formatMac(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += text === "" ? HEX[byte] : `:${HEX[byte]}`;
  return text;
}
