// Packets of either family as the tools read them: from the header on, with ICMP errors and what they quote.
import { formatIpv4 } from "../address.ts";
import { formatIpv6, ipv6OfBytes } from "../address6.ts";
import { ip6Of } from "../lab/packet6.ts";

export interface Packet {
  six: boolean;
  source: string;
  destination: string;
  protocol: number;
  ttl: number;
  id: number;
  /** What stands behind the header. */
  body: Buffer;
}

/** Reads a packet; one that an ICMP error quotes may be cut off. */
export function readPacket(bytes: Uint8Array): Packet {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const six = ip6Of(view, 0);
  if (six)
    return {
      six: true,
      source: formatIpv6(ipv6OfBytes(six.src)),
      destination: formatIpv6(ipv6OfBytes(six.dst)),
      protocol: six.protocol,
      ttl: view.readUInt8(7),
      id: 0,
      body: view.subarray(six.l4),
    };
  const header = (view.readUInt8(0) & 15) * 4;
  return {
    six: false,
    source: formatIpv4(view.readUInt32BE(12)),
    destination: formatIpv4(view.readUInt32BE(16)),
    protocol: view.readUInt8(9),
    ttl: view.readUInt8(8),
    id: view.readUInt16BE(4),
    body: view.subarray(header),
  };
}

/** An address as the four bytes of a header. */
export function addressBytes(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}

export interface IcmpError {
  /** Whether it is one of ICMPv6. */
  six: boolean;
  /** Who tells it. */
  from: string;
  ttl: number;
  type: number;
  code: number;
  /** The MTU of the next hop, of what was too long. */
  mtu: number;
  quoted: Packet;
}

/** Reads a packet with an ICMP error. */
export function readIcmpError(bytes: Uint8Array): IcmpError {
  const { six, source, ttl, body } = readPacket(bytes);
  return {
    six,
    from: source,
    ttl,
    type: body.readUInt8(0),
    code: body.readUInt8(1),
    mtu: six ? body.readUInt32BE(4) : body.readUInt16BE(6),
    quoted: readPacket(body.subarray(8)),
  };
}
