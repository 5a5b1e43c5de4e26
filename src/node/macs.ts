// Fixed hardware addresses: each is made from an IP address, so that it is unique on its segment and the same in every run.
import { formatMac, parseIpv4 } from "../address.ts";
import { parseIpv6 } from "../address6.ts";

function fromAddress(high: number, low: number, address: string): string {
  const six = parseIpv6(address);
  // Of IPv6 the end of the /64, which tells nodes apart, and the end of the address.
  const ip = six === undefined ? parseIpv4(address) : Number((((six >> 64n) & 0xffffn) << 16n) | (six & 0xffffn));
  if (ip === undefined) throw new TypeError(`${address} is not an IP address`);
  return formatMac(Uint8Array.of(high, low, ip >>> 24, ip >>> 16, ip >>> 8, ip));
}

/** The MAC of a pod's eth0, and of a bridge by its own address. */
export function podMac(address: string): string {
  return fromAddress(0x0a, 0x58, address);
}

/** The MAC of a network card by its first address. */
export function cardMac(address: string): string {
  return fromAddress(0x02, 0x00, address);
}

/** The MAC of a node's end of the tunnels by its address there. */
export function tunnelMac(address: string): string {
  return fromAddress(0x02, 0x02, address);
}

/** The MAC of the near end of a veth pair by the address at its far end. */
export function peerMac(address: string): string {
  return fromAddress(0x02, 0x01, address);
}

/** The MAC of a node's dummy device by the node's address. */
export function dummyMac(address: string): string {
  return fromAddress(0x02, 0x03, address);
}
