// Packets of IPv6 as replies need them: where the headers of one stand, and one put together from its parts.
import type { IpHeader } from "./packet.ts";

const HEADER = 40;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;

/** The header at `at` (RFC 8200); undefined if there is none. */
export function ip6Of(frame: Buffer, at: number): IpHeader | undefined {
  if (frame.length - at < HEADER || frame.readUInt8(at) >> 4 !== 6) return undefined;
  const total = HEADER + frame.readUInt16BE(at + 4);
  const end = Math.min(at + total, frame.length);
  let protocol = frame.readUInt8(at + 6);
  let l4 = at + HEADER;
  let isFirst = true;
  while ([HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION].includes(protocol) && isFirst && end - l4 >= 8) {
    const length = protocol === FRAGMENT ? 8 : 8 + frame.readUInt8(l4 + 1) * 8;
    if (protocol === FRAGMENT) isFirst = (frame.readUInt16BE(l4 + 2) & 0xfff8) === 0;
    protocol = frame.readUInt8(l4);
    l4 = Math.min(l4 + length, end);
  }
  const [src, dst] = [frame.subarray(at + 8, at + 24), frame.subarray(at + 24, at + HEADER)];
  return { at, l4, end, total, protocol, src, dst, isFirst };
}

/** What an IPv6 header carries besides its length; `src` and `dst` are 16 bytes each. */
export interface Ip6Fields {
  src: Uint8Array;
  dst: Uint8Array;
  protocol: number;
  hops: number;
  trafficClass: number;
}

export function ip6Packet({ src, dst, protocol, hops, trafficClass }: Ip6Fields, body: Uint8Array): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt32BE(((6 << 28) | (trafficClass << 20)) >>> 0, 0);
  head.writeUInt16BE(body.length, 4);
  head.writeUInt8(protocol, 6);
  head.writeUInt8(hops, 7);
  head.set(src, 8);
  head.set(dst, 24);
  return Buffer.concat([head, body]);
}
