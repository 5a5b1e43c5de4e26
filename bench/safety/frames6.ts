// Random packets of IPv6 for the random frames: sound ones of every kind that the kernel knows.
import { icmpMessage, tcpSegment, udpSegment } from "../../src/lab/packet.ts";
import { ip6Packet } from "../../src/lab/packet6.ts";
import type { Random } from "./random.ts";

const ADDRESSES = [
  "fd000000000000000000000000000001",
  "fd000000000000000000000000000002",
  "fd000000000000000000000000000003",
  "fd000000000000000000000000000009",
  "fd000000000000000000000000000000",
  "fd000001000000000000000000000001",
  "fd000001000000000000000000000003",
  "fd000002000000000000000000000002",
  "20010db8000000000000000000000009",
  "fe80000000000000000000fffe000000",
  "fe80000000000000000000fffe000102",
  "fe80000000060000000000fffe000102",
  "ff020000000000000000000000000001",
  "ff020000000000000000000000000002",
  "ff0200000000000000000001ff000001",
  "ff0e0000000000000000000000000005",
  "00000000000000000000000000000000",
  "00000000000000000000000000000001",
];
const ICMPV6 = 58;
const NEIGHBOURS = [133, 134, 135, 136, 137];

function address(random: Random): Buffer {
  return Buffer.from(random.pick(ADDRESSES), "hex");
}

export function newPacket6(random: Random): Buffer {
  const src = address(random);
  const dst = address(random);
  const fields = { src, dst, hops: random.pick([0, 1, 2, 64, 64, 255, 255]), trafficClass: random.below(256) };
  const payload = Buffer.alloc(random.oneIn(4) ? random.below(1400) : random.below(60), random.below(256));
  const ends = { src, dst, sport: random.pick([53, 80, 1000, 4000]), dport: random.pick([53, 80, 80, 4000, 9]) };
  const [protocol, body] = transport(random, ends, payload);
  return extended(random, fields, protocol, body);
}

type Ends = Parameters<typeof udpSegment>[0];
type Fields = Omit<Parameters<typeof ip6Packet>[0], "protocol">;

function transport(random: Random, ends: Ends, payload: Buffer): [protocol: number, body: Buffer] {
  const message = (type: number, code: number, rest: number, data: Uint8Array): [number, Buffer] => [
    ICMPV6,
    icmpMessage(type, code, rest, data, ends),
  ];
  switch (random.below(6)) {
    case 0:
      return [17, udpSegment(ends, payload)];
    case 1: {
      const flags = random.pick(["S", "S", "SA", "A", "A", "PA", "FA", "R", "RA", "", "FPU"]);
      const options = Buffer.from(random.pick(["", "020405b4", "0204000103030e00", "0101010f"]), "hex");
      const number = (): number => random.pick([0, 1, 2, 100, 0xfffffff0]);
      return [
        6,
        tcpSegment(ends, { flags, seq: number(), ack: number(), window: random.below(65536), options }, payload),
      ];
    }
    case 2:
      return message(random.pick([128, 128, 129]), 0, random.below(1 << 16), payload);
    case 3: {
      const inner = { ...ends, src: ends.dst, dst: ends.src };
      const quote = ip6Packet(
        { src: inner.src, dst: inner.dst, protocol: 17, hops: 9, trafficClass: 0 },
        udpSegment(inner, payload),
      );
      const rest = random.pick([0, 6, 40, 1280, 1400, 0xffffffff]);
      return message(1 + random.below(5), random.below(6), rest, quote.subarray(0, random.below(quote.length + 1)));
    }
    case 4: {
      const target = [address(random), random.oneIn(2) ? address(random) : Buffer.alloc(0)];
      const option = Buffer.from(
        random.pick(["", "01010200000001aa", "02010200000001aa", "0400", "040100000000000060"]),
        "hex",
      );
      return message(
        random.pick(NEIGHBOURS),
        0,
        random.pick([0, 0x60000000, 0xe0000000]),
        Buffer.concat([...target, option]),
      );
    }
    default:
      return [random.pick([0, 41, 43, 44, 47, 50, 51, 59, 60, 132, 253]), payload];
  }
}

/** With extension headers now and then, which may say anything. */
function extended(random: Random, fields: Fields, last: number, body: Buffer): Buffer {
  let protocol = last;
  let bytes = body;
  for (let left = random.oneIn(3) ? 1 + random.below(3) : 0; left > 0; left--) {
    const header = Buffer.from(random.pick(HEADERS), "hex");
    header.writeUInt8(protocol, 0);
    protocol = random.pick([0, 43, 44, 44, 51, 60]);
    bytes = Buffer.concat([header, bytes]);
  }
  return ip6Packet({ ...fields, protocol }, bytes);
}

const HEADERS = [
  "0000010200000000", // padding
  "0000050200000000", // router alert
  "00009e0200000000", // an option to tell of
  "0000010000000007", // the first fragment
  "0000000900000007", // the second
  "0000000800000007", // the last
  "0000fff800000007", // one too far out
  "0000000100000000", // segments left
  "0002000000000000fd000001000000000000000000000001",
];
