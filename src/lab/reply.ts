// A reply step: the frame that answers one which a stub received, with addresses, ports and sequence numbers taken from it, so
// that it fits behind any translation.
import { globMatches } from "../seam/glob.ts";
import { parseMac } from "../address.ts";
import { addressBytes } from "./family.ts";
import { ICMP, ICMP6, icmpMessage, ipPacket, TCP, tcpSegment, UDP, udpSegment, type IpHeader } from "./packet.ts";
import { ip6Of, ip6Packet } from "./packet6.ts";
import type { Row } from "./recording.ts";
import type { ReplyStep, ReplyWith } from "./schema.ts";

const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const TYPE_ARP = 0x0806;
const TYPE_VLAN = 0x8100;
const TUNNEL_PORTS: ReadonlySet<number> = new Set([4789, 8472]);
const FIN = 1;
const SYN = 2;
const ACK = 16;
const ECHO_REQUEST = 8;
const ECHO_REQUEST6 = 128;
const ECHO_REPLY6 = 129;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** So much of a packet is quoted behind its header if a case does not say: what RFC 792 asks, and what fits into 1280 bytes. */
const QUOTE = 8;
const QUOTE6 = 1192;

/** What a step may answer: the frames seen so far, which namespaces are stubs, the MAC address of an interface. */
export interface Answerable {
  rows: readonly Row[];
  isStub: (namespace: string) => boolean;
  macOf: (at: string) => Uint8Array | undefined;
}

/** The frame that a step sends and the interface `at` that it leaves by; undefined if what it answers never came. */
export function replyTo(step: ReplyStep, number: number, seen: Answerable): { at: string; bytes: Buffer } | undefined {
  const row = choose(step, number, seen);
  const bytes = row && answer(Buffer.from(row.hex, "hex"), step.with);
  return row && bytes && { at: step.from ?? row.at, bytes };
}

/** Of the frames that fit, one to the stub's own address before others, then the last, or the one that `nth` says. */
function choose({ to }: ReplyStep, number: number, { rows, isStub, macOf }: Answerable): Row | undefined {
  const wanted = to.step < 0 ? number + to.step : to.step;
  const patterns = typeof to.at === "string" ? [to.at] : to.at;
  const found = rows.filter(
    ({ step, at, dir, inj, hex }) =>
      step === wanted &&
      dir === to.dir &&
      !inj &&
      isStub(at.slice(0, at.indexOf(":"))) &&
      patterns.some((pattern) => globMatches(pattern, at)) &&
      (to.proto === undefined || protocolOf(Buffer.from(hex, "hex")) === to.proto),
  );
  const own = found.filter(({ at, hex }) => hex.startsWith(Buffer.from(macOf(at) ?? []).toString("hex")));
  return (own.length > 0 ? own : found).at(to.nth);
}

function protocolOf(frame: Buffer): number | undefined {
  const { at, type } = networkOf(frame);
  return (type === TYPE_IPV6 ? ip6Of(frame, at) : ipOf(frame))?.protocol;
}

/** Where the network header begins, and the type of what is there. */
function networkOf(frame: Buffer): { at: number; type: number } {
  if (frame.length < 14) return { at: 14, type: 0 };
  const type = frame.readUInt16BE(12);
  return type === TYPE_VLAN && frame.length >= 18 ? { at: 18, type: frame.readUInt16BE(16) } : { at: 14, type };
}

function ipOf(frame: Buffer): IpHeader | undefined {
  const { at, type } = networkOf(frame);
  if (type !== TYPE_IPV4 || frame.length - at < 20) return undefined;
  const first = frame.readUInt8(at);
  const header = (first & 15) * 4;
  if (first >> 4 !== 4 || header < 20 || frame.length - at < header) return undefined;
  const total = frame.readUInt16BE(at + 2);
  const l4 = at + header;
  return {
    at,
    l4,
    end: Math.max(l4, Math.min(at + total, frame.length)),
    total,
    protocol: frame.readUInt8(at + 9),
    src: frame.subarray(at + 12, at + 16),
    dst: frame.subarray(at + 16, at + 20),
    isFirst: (frame.readUInt16BE(at + 6) & 0x1fff) === 0,
  };
}

/** The frame that answers another; undefined if there is nothing in it to answer. */
export function answer(frame: Buffer, spec: ReplyWith): Buffer | undefined {
  if (frame.length < 14) return undefined;
  const tunnel = spec.vxlan ? tunnelOf(frame) : undefined;
  if (tunnel) return answerInside(frame, tunnel, spec);
  const ethernet = (from: Uint8Array, type: number, body: Uint8Array): Buffer =>
    Buffer.concat([frame.subarray(6, 12), from, Buffer.from([type >> 8, type & 255]), body]);
  const { at, type } = networkOf(frame);
  const mine = spec.arp === undefined ? undefined : parseMac(spec.arp);
  if (type === TYPE_ARP && mine) {
    const sender = frame.subarray(at + 8, at + 18);
    const target = frame.subarray(at + 24, at + 28);
    const head = Buffer.concat([frame.subarray(at, at + 6), Buffer.from([0, 2])]);
    return ethernet(mine, TYPE_ARP, Buffer.concat([head, mine, target, sender]));
  }
  const from = spec.mac === undefined ? undefined : parseMac(spec.mac);
  const six = type === TYPE_IPV6 ? ip6Of(frame, at) : undefined;
  if (six) {
    const own = spec.na === undefined ? undefined : parseMac(spec.na);
    return ethernet(from ?? own ?? frame.subarray(0, 6), TYPE_IPV6, answer6(frame, six, spec));
  }
  const ip = ipOf(frame);
  if (!ip) return undefined;
  const src = spec.src === undefined ? ip.dst : addressBytes(spec.src);
  const [protocol, body] = segment(frame, ip, src, spec);
  const fields = { src, dst: ip.src, protocol, ttl: spec.ttl ?? 64, id: spec.id, df: spec.df, tos: spec.tos };
  return ethernet(from ?? frame.subarray(0, 6), TYPE_IPV4, ipPacket(fields, body));
}

/** The packet that answers one of IPv6; a solicitation is answered with an advertisement if the case says whose. */
function answer6(frame: Buffer, ip: IpHeader, spec: ReplyWith): Buffer {
  const icmp = ip.protocol === ICMP6 && ip.isFirst && ip.end - ip.l4 >= 8 ? frame.readUInt8(ip.l4) : undefined;
  if (spec.na !== undefined && icmp === SOLICITATION && ip.end - ip.l4 >= 24) return advertisement(frame, ip, spec);
  const src = spec.src === undefined ? ip.dst : addressBytes(spec.src);
  const fields = { src, dst: ip.src, hops: spec.ttl ?? 64, trafficClass: spec.tos };
  const packet = (protocol: number, body: Buffer): Buffer => ip6Packet({ ...fields, protocol }, body);
  if (spec.icmp_error) {
    const { type, code, rest, quote = QUOTE6 } = spec.icmp_error;
    const quoted = frame.subarray(ip.at, Math.min(ip.end, ip.at + 40 + quote));
    return packet(ICMP6, icmpMessage(type, code, rest, quoted, fields));
  }
  if (icmp === ECHO_REQUEST6) {
    const [rest, payload] = [frame.readUInt32BE(ip.l4 + 4), frame.subarray(ip.l4 + 8, ip.end)];
    return packet(ICMP6, icmpMessage(ECHO_REPLY6, 0, rest, payload, fields));
  }
  const [protocol, body] = segment(frame, ip, src, spec);
  return packet(protocol, body);
}

function advertisement(frame: Buffer, ip: IpHeader, spec: ReplyWith): Buffer {
  const target = frame.subarray(ip.l4 + 8, ip.l4 + 24);
  const src = spec.src === undefined ? target : addressBytes(spec.src);
  const dst = ip.src.every((byte) => byte === 0) ? addressBytes("ff02::1") : ip.src;
  const flags = [..."RSO"].reduce((bits, letter, i) => bits | (spec.na_flags.includes(letter) ? 1 << (31 - i) : 0), 0);
  const option = Buffer.concat([Buffer.from([2, 1]), parseMac(spec.na ?? "") ?? new Uint8Array(6)]);
  const body = icmpMessage(ADVERTISEMENT, 0, flags, Buffer.concat([target, option]), { src, dst });
  return ip6Packet({ src, dst, protocol: ICMP6, hops: spec.ttl ?? 255, trafficClass: spec.tos }, body);
}

function tunnelOf(frame: Buffer): IpHeader | undefined {
  const ip = ipOf(frame);
  if (ip?.protocol !== UDP || !ip.isFirst || ip.end - ip.l4 < 8 + 8 + 14) return undefined;
  return TUNNEL_PORTS.has(frame.readUInt16BE(ip.l4 + 2)) ? ip : undefined;
}

/** An answer to the frame in a VXLAN packet goes back through the tunnel. */
function answerInside(frame: Buffer, outer: IpHeader, spec: ReplyWith): Buffer | undefined {
  const inner = answer(frame.subarray(outer.l4 + 16, outer.end), { ...spec, vxlan: false });
  if (!inner) return undefined;
  const ends = { src: outer.dst, dst: outer.src, sport: spec.vxlan_sport, dport: frame.readUInt16BE(outer.l4 + 2) };
  const body = udpSegment(ends, Buffer.concat([frame.subarray(outer.l4 + 8, outer.l4 + 16), inner]));
  const packet = ipPacket({ src: outer.dst, dst: outer.src, protocol: UDP, id: spec.vxlan_id }, body);
  return Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6), Buffer.from([8, 0]), packet]);
}

/** The protocol and the body of the packet that answers another. */
function segment(frame: Buffer, ip: IpHeader, src: Uint8Array, spec: ReplyWith): [protocol: number, body: Buffer] {
  const payload = Buffer.from(spec.payload, "hex");
  const size = ip.isFirst ? ip.end - ip.l4 : 0;
  const has = (protocol: number, bytes: number): boolean => ip.protocol === protocol && size >= bytes;
  if (spec.icmp_error) {
    const { type, code, rest, quote = QUOTE } = spec.icmp_error;
    const quoted = frame.subarray(ip.at, Math.min(ip.at + ip.total, ip.l4 + quote));
    return [ICMP, icmpMessage(type, code, rest, quoted)];
  }
  if (has(TCP, 20)) return [TCP, tcpAnswer(frame, ip, src, spec)];
  if (has(UDP, 8)) return [UDP, udpSegment(swapped(frame, ip, src), payload)];
  if (has(ICMP, 8) && frame.readUInt8(ip.l4) === ECHO_REQUEST)
    return [ICMP, icmpMessage(0, 0, frame.readUInt32BE(ip.l4 + 4), frame.subarray(ip.l4 + 8, ip.end))];
  return [ip.protocol, frame.subarray(ip.l4, ip.end)];
}

function swapped(frame: Buffer, ip: IpHeader, src: Uint8Array) {
  return { src, dst: ip.src, sport: frame.readUInt16BE(ip.l4 + 2), dport: frame.readUInt16BE(ip.l4) };
}

/** Acknowledges all that came, and goes on where the other side expects it. */
function tcpAnswer(frame: Buffer, ip: IpHeader, src: Uint8Array, spec: ReplyWith): Buffer {
  const bits = frame.readUInt8(ip.l4 + 13);
  const header = (frame.readUInt8(ip.l4 + 12) >> 4) * 4;
  const taken = ip.end - ip.l4 - header + (bits & FIN ? 1 : 0) + (bits & SYN ? 1 : 0);
  const expected = bits & ACK ? frame.readUInt32BE(ip.l4 + 8) : 0;
  const fields = {
    flags: spec.flags,
    seq: (spec.seq ?? expected) + spec.seq_add,
    ack: spec.flags.includes("A") ? frame.readUInt32BE(ip.l4 + 4) + taken + spec.ack_add : 0,
    window: spec.window,
    options: Buffer.concat([
      Buffer.from(spec.options, "hex"),
      sackOption(frame.readUInt32BE(ip.l4 + 4) + taken, spec.sack),
    ]),
  };
  return tcpSegment(swapped(frame, ip, src), fields, Buffer.from(spec.payload, "hex"));
}

/** A SACK option of blocks that count from a sequence number, as `ack_add` does; nothing without any. */
function sackOption(start: number, blocks: ReplyWith["sack"]): Buffer {
  if (blocks.length === 0) return Buffer.alloc(0);
  const edges = blocks.flat().map((edge) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((start + edge) >>> 0);
    return bytes;
  });
  return Buffer.concat([Buffer.from([1, 1, 5, 2 + 8 * blocks.length]), ...edges]);
}
