// A packet as the comparison of recordings reads it: where its headers stand, also in what an ICMP error quotes.
export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
const ICMP_ERRORS = [3, 4, 5, 11, 12];
const VXLAN_PORTS = [4789, 8472];

/** The Internet checksum of bytes; 0 if they contain a right one. */
export function checksum(bytes: Buffer, start = 0): number {
  let total = start;
  for (let i = 0; i < bytes.length; i++) total += (bytes[i] ?? 0) << (i % 2 === 0 ? 8 : 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65536);
  return ~total & 0xffff;
}

export class Ip {
  readonly bytes: Buffer;
  readonly at: number;
  readonly protocol: number;
  readonly id: number;
  /** The transport header, and where the packet ends. */
  readonly l4: number;
  readonly end: number;
  /** It is a fragment, the first one or a later one. */
  readonly isFragment: boolean;
  readonly offset: number;
  /** Nothing of it is missing: not a fragment, not cut off. */
  readonly whole: boolean;

  private constructor(bytes: Buffer, at: number, end: number) {
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
    if (this.protocol === ICMP && this.has(1)) return `icmp${this.bytes.readUInt8(this.l4)}`;
    return `p${this.protocol}`;
  }

  get transportValid(): boolean {
    const body = this.bytes.subarray(this.l4, this.end);
    if (this.protocol === ICMP) return checksum(body) === 0;
    let start = this.protocol + body.length;
    for (let i = 12; i < 20; i += 2) start += this.bytes.readUInt16BE(this.at + i);
    return checksum(body, start) === 0;
  }

  /** The packet that an ICMP error quotes. */
  get quoted(): Ip | undefined {
    if (this.protocol !== ICMP || !this.has(28)) return undefined;
    return ICMP_ERRORS.includes(this.bytes.readUInt8(this.l4)) ? Ip.read(this.bytes, this.l4 + 8, this.end) : undefined;
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

/** The IPv4 packet in an Ethernet frame that begins at `at`. */
export function packetOf(bytes: Buffer, at: number, end: number): Ip | undefined {
  if (end - at < 14) return undefined;
  const tagged = bytes.readUInt16BE(at + 12) === 0x8100 && end - at >= 18;
  const l3 = at + (tagged ? 18 : 14);
  return bytes.readUInt16BE(l3 - 2) === 0x0800 ? Ip.read(bytes, l3, end) : undefined;
}
