// Random frames: sound ones of every kind that the network knows, and what damage makes of them.
import { checksum, icmpMessage, ipPacket, tcpSegment, udpSegment } from "../../src/lab/packet.ts";
import { newPacket6 } from "./frames6.ts";
import type { Random } from "./random.ts";

const TEMPLATES = 300;
const LONGEST = 1618;

export class FrameSource {
  readonly #random: Random;
  readonly #templates: Buffer[];
  readonly #frame = Buffer.alloc(2048);

  /** With `six` half of the frames are of IPv6. */
  constructor(random: Random, six: boolean) {
    this.#random = random;
    this.#templates = Array.from({ length: TEMPLATES }, () => newTemplate(random, six));
  }

  /** The next frame, mostly for the MAC address `to`; its bytes are good until the next call. */
  next(to: Uint8Array): Buffer {
    const random = this.#random;
    const template = random.pick(this.#templates);
    this.#frame.set(template);
    if (!random.oneIn(5)) this.#frame.set(to);
    let length = template.length;
    const damage = random.below(8);
    // A few bytes anywhere, mostly in the headers; then often with a header checksum that is right again.
    if (damage >= 3) {
      for (let left = 1 + random.below(4); left > 0; left--) {
        const at = random.below(random.oneIn(4) ? length : Math.min(length, 60));
        this.#frame[at] = random.pick(INTERESTING) ?? random.below(256);
      }
    }
    if (damage === 1 || damage === 7) length = random.below(length + 1);
    if (damage === 2) {
      const more = random.below(Math.max(1, LONGEST - length));
      this.#frame.fill(random.below(256), length, length + more);
      length += more;
    }
    if (random.oneIn(2)) repair(this.#frame, length);
    return this.#frame.subarray(0, length);
  }
}

const INTERESTING = [0, 1, 2, 4, 5, 15, 20, 60, 64, 68, 69, 70, 79, 127, 128, 192, 224, 240, 255];

/** Makes the checksum of an IPv4 header right. */
function repair(frame: Buffer, length: number): void {
  const header = ((frame[14] ?? 0) & 15) * 4;
  if (frame.readUInt16BE(12) === 0x86dd) return;
  if (header < 20 || 14 + header > length) return;
  frame.writeUInt16BE(0, 24);
  frame.writeUInt16BE(checksum(frame.subarray(14, 14 + header)), 24);
}

const ADDRESSES = [
  "0a000001",
  "0a000002",
  "0a000003",
  "0a000009",
  "0a000063",
  "0a0000ff",
  "0a000101",
  "0a000103",
  "0a000201",
  "0a000202",
  "ac100005",
  "c0a80101",
  "08080808",
  "7f000001",
  "e0000001",
  "ffffffff",
  "00000000",
];

function newTemplate(random: Random, six: boolean): Buffer {
  const ethernet = Buffer.alloc(12);
  const toMac = random.below(8);
  if (toMac === 0) ethernet.fill(255, 0, 6);
  else if (toMac === 1) ethernet.set([1, 0x80, 0xc2, 0, 0, random.below(16)]);
  else if (toMac === 2) ethernet.set([2, 0, 0, 0, 1, random.below(4)]);
  else ethernet.set(random.oneIn(2) ? [2, 0, 0, 0, 2, 0] : [2, 0, 0, 0, 0, random.below(4)]);
  ethernet.set([2, 0, 0, 0, 1, random.below(6)], 6);
  const tag = random.oneIn(10) ? Buffer.from([0x81, 0, random.below(256), random.below(2)]) : Buffer.alloc(0);
  if (six && random.oneIn(2)) return Buffer.concat([ethernet, tag, Buffer.from([0x86, 0xdd]), newPacket6(random)]);
  if (random.oneIn(8)) return Buffer.concat([ethernet, tag, arp(random)]);
  return Buffer.concat([ethernet, tag, Buffer.from([8, 0]), newPacket(random)]);
}

function address(random: Random): Buffer {
  return Buffer.from(random.pick(ADDRESSES), "hex");
}

function arp(random: Random): Buffer {
  const head = Buffer.from([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + random.below(2), 2, 0, 0, 0, 1, random.below(6)]);
  const target = Buffer.from([2, 0, 0, 0, random.below(3), random.below(3)]);
  return Buffer.concat([head, address(random), target, address(random)]);
}

function newPacket(random: Random): Buffer {
  const src = address(random);
  const dst = address(random);
  const payload = Buffer.alloc(random.oneIn(4) ? random.below(1400) : random.below(60), random.below(256));
  const ends = { src, dst, sport: random.pick([53, 80, 1000, 4000]), dport: random.pick([53, 80, 80, 4000, 9]) };
  const fields = { src, dst, ttl: random.pick([1, 2, 64, 64, 255]), id: random.below(8), df: random.oneIn(3) };
  const ip = (protocol: number, body: Uint8Array): Buffer =>
    fragmented(random, ipPacket({ ...fields, protocol }, body));
  switch (random.below(6)) {
    case 0:
    case 1:
      return ip(17, udpSegment(ends, payload));
    case 2:
    case 3: {
      const flags = random.pick(["S", "S", "SA", "A", "A", "PA", "FA", "R", "RA", "", "FPU"]);
      const options = Buffer.from(
        random.pick(["", "020405b4", "0204000103030e00", "080a0000000100000000", "0101010f"]),
        "hex",
      );
      const number = (): number => random.pick([0, 1, 2, 100, 0xfffffff0, 0x7fffffff]);
      return ip(
        6,
        tcpSegment(ends, { flags, seq: number(), ack: number(), window: random.below(65536), options }, payload),
      );
    }
    case 4: {
      const quote = ipPacket(
        { ...fields, src: dst, dst: src, protocol: 17 },
        udpSegment({ ...ends, src: dst, dst: src }, payload),
      );
      const type = random.pick([0, 3, 3, 4, 5, 8, 8, 11, 12, 13]);
      return ip(
        1,
        icmpMessage(
          type,
          random.below(16),
          random.bits(),
          type === 8 ? payload : quote.subarray(0, 28 + random.below(100)),
        ),
      );
    }
    default:
      return ip(random.pick([2, 47, 50, 132, 136, 255]), payload);
  }
}

/** Sometimes a fragment, sometimes with options in its header. */
function fragmented(random: Random, packet: Buffer): Buffer {
  let result = packet;
  if (random.oneIn(5))
    result.writeUInt16BE((random.oneIn(2) ? 0x2000 : 0) | random.pick([0, 0, 1, 2, 3, 185, 8000, 8191]), 6);
  if (random.oneIn(6)) {
    const options = Buffer.from(random.pick(OPTIONS), "hex");
    result = Buffer.concat([packet.subarray(0, 20), options, packet.subarray(20)]);
    result.writeUInt8(0x45 + options.length / 4, 0);
    result.writeUInt16BE(result.length, 2);
  }
  result.writeUInt16BE(0, 10);
  result.writeUInt16BE(checksum(result.subarray(0, ((result[0] ?? 0) & 15) * 4)), 10);
  return result;
}

const OPTIONS = [
  "07070400000000" + "00", // record route
  "830b040a0000020a00000301", // loose source route
  "8907040a00000300", // strict source route
  "440c05010000000000000000", // timestamps with addresses
  "4408050000000000",
  "94040000", // router alert
  "01010101",
  "0727040000000000000000000000000000000000000000000000000000000000000000000000000000000000".slice(0, 80),
];
