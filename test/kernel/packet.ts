// A packet as the comparison of recordings reads it: where its headers stand, also in what an ICMP error quotes.
export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMP6 = 58;
const ICMP_ERRORS = [3, 4, 5, 11, 12];
const VXLAN_PORTS = [4789, 8472];

/** The Internet checksum of bytes; 0 if they contain a right one. */
export function checksum(bytes: Buffer, start = 0): number {
  let total = start;
  for (let i = 0; i < bytes.length; i++) total += (bytes[i] ?? 0) << (i % 2 === 0 ? 8 : 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65536);
  return ~total & 0xffff;
}

/** Headers of IPv6 behind which the transport header may stand. */
const FRAGMENT = 44;
const EXTENSIONS = [0, 43, FRAGMENT, 60];

export class Ip {
  readonly version: 4 | 6;
  readonly bytes: Buffer;
  readonly at: number;
  readonly protocol: number;
  readonly id: number;
  /** The transport header, and where the packet ends. */
  readonly l4: number;
  readonly end: number;
  /** Where the identification stands; undefined for IPv6 without a fragment header. */
  readonly idAt: number | undefined;
  /** It is a fragment, the first one or a later one. */
  readonly isFragment: boolean;
  readonly offset: number;
  /** Nothing of it is missing: not a fragment, not cut off. */
  readonly whole: boolean;

  private constructor(bytes: Buffer, at: number, end: number) {
    if (bytes.readUInt8(at) >> 4 === 6) {
      const headers = headersOf(bytes, at, Math.min(at + 40 + bytes.readUInt16BE(at + 4), end));
      const word = headers.fragment === undefined ? 0 : bytes.readUInt16BE(headers.fragment + 2);
      this.version = 6;
      this.bytes = bytes;
      this.at = at;
      this.protocol = headers.protocol;
      this.l4 = headers.l4;
      this.end = Math.max(this.l4, Math.min(at + 40 + bytes.readUInt16BE(at + 4), end));
      this.idAt = headers.fragment === undefined ? undefined : headers.fragment + 4;
      this.id = this.idAt === undefined ? 0 : bytes.readUInt32BE(this.idAt);
      this.offset = word >> 3;
      this.isFragment = this.offset !== 0 || (word & 1) !== 0;
      this.whole = at + 40 + bytes.readUInt16BE(at + 4) <= end && !this.isFragment;
      return;
    }
    this.version = 4;
    this.idAt = at + 4;
    const total = bytes.readUInt16BE(at + 2);
    const fragment = bytes.readUInt16BE(at + 6);
    this.bytes = bytes;
    this.at = at;
    this.protocol = bytes.readUInt8(at + 9);
    this.id = bytes.readUInt16BE(at + 4);
    this.l4 = at + (bytes.readUInt8(at) & 15) * 4;
    this.end = Math.max(this.l4, Math.min(at + total, end));
    this.offset = fragment & 0x1fff;
    this.isFragment = this.offset !== 0 || (fragment & 0x2000) !== 0;
    this.whole = at + total <= end && !this.isFragment;
  }

  static read(bytes: Buffer, at: number, end: number): Ip | undefined {
    if (end - at >= 40 && bytes.readUInt8(at) >> 4 === 6) return new Ip(bytes, at, end);
    if (end - at < 20 || bytes.readUInt8(at) >> 4 !== 4) return undefined;
    const length = (bytes.readUInt8(at) & 15) * 4;
    return length >= 20 && end - at >= length ? new Ip(bytes, at, end) : undefined;
  }

  /** Whether so many bytes of the transport header are there. */
  has(size: number): boolean {
    return this.offset === 0 && this.end - this.l4 >= size;
  }

  /** What sort of packet it is, finely enough to tell those apart that a kernel made. */
  get kind(): string {
    if (this.offset !== 0) return "frag";
    if (this.protocol === TCP && this.has(14))
      return `tcp${this.bytes
        .readUInt8(this.l4 + 13)
        .toString(16)
        .padStart(2, "0")}`;
    if (this.protocol === this.icmp && this.has(1)) return `icmp${this.bytes.readUInt8(this.l4)}`;
    return `p${this.protocol}`;
  }

  /** The number of the ICMP of its family. */
  get icmp(): number {
    return this.version === 6 ? ICMP6 : ICMP;
  }

  get transportValid(): boolean {
    const body = this.bytes.subarray(this.l4, this.end);
    if (this.version === 4 && this.protocol === ICMP) return checksum(body) === 0;
    let start = this.protocol + body.length;
    const [first, last] = this.version === 6 ? [8, 40] : [12, 20];
    for (let i = first; i < last; i += 2) start += this.bytes.readUInt16BE(this.at + i);
    return checksum(body, start) === 0;
  }

  /** The packet that an ICMP error quotes. */
  get quoted(): Ip | undefined {
    if (this.protocol !== this.icmp || !this.has(28)) return undefined;
    const type = this.bytes.readUInt8(this.l4);
    return (this.version === 6 ? type < 128 : ICMP_ERRORS.includes(type))
      ? Ip.read(this.bytes, this.l4 + 8, this.end)
      : undefined;
  }

  /** Where the Ethernet frame inside a VXLAN packet begins. */
  get tunnelled(): number | undefined {
    if (this.protocol !== UDP || !this.has(30)) return undefined;
    return VXLAN_PORTS.includes(this.bytes.readUInt16BE(this.l4 + 2)) ? this.l4 + 16 : undefined;
  }

  /** Kind and place of each TCP option of the given length. */
  tcpOptions(kind: number, length: number): number[] {
    const found: number[] = [];
    const end = Math.min(this.l4 + (this.bytes.readUInt8(this.l4 + 12) >> 4) * 4, this.end);
    for (let at = this.l4 + 20; at < end;) {
      const option = this.bytes.readUInt8(at);
      if (option === 0) break;
      const size = option === 1 ? 1 : at + 1 < end ? this.bytes.readUInt8(at + 1) : 0;
      if (size === 0 || (option !== 1 && size < 2)) break;
      if (option === kind && size === length && at + size <= this.end) found.push(at);
      at += size;
    }
    return found;
  }
}

/** The transport protocol of a packet of IPv6, where its header stands, and where the fragment header does. */
function headersOf(bytes: Buffer, at: number, end: number): { protocol: number; l4: number; fragment?: number } {
  let protocol = bytes.readUInt8(at + 6);
  let l4 = at + 40;
  let fragment: number | undefined;
  while (EXTENSIONS.includes(protocol) && end - l4 >= 8) {
    if (protocol === FRAGMENT) fragment = l4;
    const length = protocol === FRAGMENT ? 8 : 8 + bytes.readUInt8(l4 + 1) * 8;
    const isLater = protocol === FRAGMENT && bytes.readUInt16BE(l4 + 2) >> 3 !== 0;
    protocol = bytes.readUInt8(l4);
    l4 = Math.min(l4 + length, end);
    if (isLater) break;
  }
  return { protocol, l4, ...(fragment === undefined ? {} : { fragment }) };
}

/** The IP packet in an Ethernet frame that begins at `at`. */
export function packetOf(bytes: Buffer, at: number, end: number): Ip | undefined {
  if (end - at < 14) return undefined;
  const tagged = bytes.readUInt16BE(at + 12) === 0x8100 && end - at >= 18;
  const l3 = at + (tagged ? 18 : 14);
  const version = { 0x0800: 4, 0x86dd: 6 }[bytes.readUInt16BE(l3 - 2)];
  return version !== undefined && end > l3 && bytes.readUInt8(l3) >> 4 === version
    ? Ip.read(bytes, l3, end)
    : undefined;
}
