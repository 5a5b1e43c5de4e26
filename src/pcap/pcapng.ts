// The pcapng blocks around the frames: section header, interface descriptions, names and interface statistics, as bytes.
//
// A file is one section: header, an interface description per captured device, the names, then enhanced packet blocks
// (formed by the kernel: assembly/layout/pcap.ts), then the statistics. Field numbers are those of the pcapng
// specification (draft-ietf-opsawg-pcapng, sections 4 and 3.5). Nothing here depends on the machine or the wall clock.
import { CAPTURE_EPOCH, CAPTURE_SNAPLEN } from "../../assembly/layout/pcap.ts";
import { parseCidr, parseIpv4, parseMac, prefixMask } from "../address.ts";
import { ipv6Bytes, parseCidr6, parseIpv6 } from "../address6.ts";
import { block, concat, END, littleEndian, littleEndian64, option, utf8 } from "./block.ts";

/** LINKTYPE_ETHERNET: every captured device has it, since libpcap reads a pcapng file only if all its interfaces agree. */
export const LINKTYPE_ETHERNET = 1;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const NANOSECONDS = 9;

/** The first block of a file. Its texts are fixed, so that equal runs give equal files. */
export function sectionHeader(): Uint8Array {
  const unknownSectionLength = littleEndian64(0xffff_ffff_ffff_ffffn);
  return block(0x0a0d0d0a, [
    littleEndian(4, BYTE_ORDER_MAGIC),
    littleEndian(2, 1, 0), // version 1.0
    unknownSectionLength,
    option(2, utf8("emulated")), // shb_hardware
    option(3, utf8("Linux (emulated)")), // shb_os
    option(4, utf8("podwire")), // shb_userappl
    END,
  ]);
}

/** A captured device. */
export interface InterfaceDescription {
  /** `node-1/vbr0`. */
  name: string;
  /** What the device is: `pod shop/frontend-0 on node-1`. */
  description: string;
  /** Its address with prefix length, if it has one: `10.244.1.1/24`. */
  ipv4?: string | undefined;
  /** `fd00:10:244:1::1/64`, likewise. */
  ipv6?: string | undefined;
  /** `02:00:0a:f4:00:02`. */
  mac: string;
  /** Bits per second. */
  speed?: number | undefined;
}

/**
 * An interface description block. Interfaces count from 0 in the order of their blocks; their times are in nanoseconds.
 * Throws a TypeError if an address is not one.
 */
export function interfaceDescription(device: InterfaceDescription): Uint8Array {
  const mac = parseMac(device.mac);
  if (!mac) throw new TypeError(`${device.name}: ${device.mac} is not a MAC address`);
  const options = [option(2, utf8(device.name)), option(3, utf8(device.description))];
  if (device.ipv4 !== undefined) options.push(option(4, addressAndMask(device.ipv4)));
  if (device.ipv6 !== undefined) options.push(option(5, addressAndLength(device.ipv6)));
  options.push(option(6, mac));
  if (device.speed !== undefined) options.push(option(8, littleEndian64(BigInt(Math.round(device.speed)))));
  options.push(option(9, Uint8Array.of(NANOSECONDS)), END);
  return block(1, [littleEndian(2, LINKTYPE_ETHERNET, 0), littleEndian(4, CAPTURE_SNAPLEN), ...options]);
}

/**
 * A name resolution block. Wireshark shows an address by the first of its names.
 * Throws a TypeError if an address is not one.
 */
export function nameResolution(names: readonly { address: string; name: string }[]): Uint8Array {
  const byAddress = new Map<string, string[]>();
  for (const { address, name } of names) byAddress.set(address, [...(byAddress.get(address) ?? []), name]);
  const records = Array.from(byAddress, ([address, texts]) =>
    option(address.includes(":") ? 2 : 1, concat([networkOrder(address), terminated(texts)])),
  );
  return block(4, [...records, END]);
}

/** What an interface saw in a whole run. */
export interface InterfaceStatistics {
  /** Its number, in the order of the interface description blocks. */
  interfaceId: number;
  /** When the run ended, in nanoseconds of virtual time. */
  endNs: number;
  /** Frames captured. */
  received: number;
  /** Frames that the device dropped, if it counts them. */
  dropped?: number | undefined;
}

/** An interface statistics block, for the end of a file. */
export function interfaceStatistics(statistics: InterfaceStatistics): Uint8Array {
  const start = timestamp(0);
  const end = timestamp(statistics.endNs);
  const options = [option(2, start), option(3, end), option(4, littleEndian64(BigInt(statistics.received)))];
  if (statistics.dropped !== undefined) options.push(option(5, littleEndian64(BigInt(statistics.dropped))));
  return block(5, [littleEndian(4, statistics.interfaceId), end, ...options, END]);
}

/** Virtual time as a pcapng time: nanoseconds since 1970, the high word before the low one. */
function timestamp(ns: number): Uint8Array {
  const time = BigInt(CAPTURE_EPOCH) * 1_000_000_000n + BigInt(ns);
  return littleEndian(4, Number(time >> 32n), Number(time & 0xffff_ffffn));
}

/** if_IPv4addr: address and netmask, both in network byte order. */
function addressAndMask(text: string): Uint8Array {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`${text} is not an IPv4 address with prefix length`);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, cidr.address);
  view.setUint32(4, prefixMask(cidr.prefix));
  return bytes;
}

/** if_IPv6addr: the address in network byte order, then the prefix length. */
function addressAndLength(text: string): Uint8Array {
  const cidr = parseCidr6(text);
  if (!cidr) throw new TypeError(`${text} is not an IPv6 address with prefix length`);
  return Uint8Array.of(...ipv6Bytes(cidr.address), cidr.prefix);
}

function networkOrder(text: string): Uint8Array {
  const six = parseIpv6(text);
  if (six !== undefined) return ipv6Bytes(six);
  const address = parseIpv4(text);
  if (address === undefined) throw new TypeError(`${text} is not an IP address`);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, address);
  return bytes;
}

function terminated(texts: readonly string[]): Uint8Array {
  return utf8(texts.map((text) => `${text}\0`).join(""));
}
