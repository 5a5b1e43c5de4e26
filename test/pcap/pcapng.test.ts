// The pcapng blocks, byte for byte and read back.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EPB_BROADCAST, EPB_INBOUND, EPB_OUTBOUND, EPB_UNICAST } from "../../assembly/layout/pcap.ts";
import { concat } from "../../src/pcap/block.ts";
import { interfaceDescription, interfaceStatistics, nameResolution, sectionHeader } from "../../src/pcap/pcapng.ts";
import { pathOf, packetsOf, readCapture } from "../tools/capture.ts";
import * as frames from "../tools/frames.ts";
import { hex } from "../tools/frames.ts";
import { enhancedPacketBlock } from "./file.ts";

const eth0 = { name: "shop/web-0/eth0", description: "pod shop/web-0 on node-1", mac: "0a:58:0a:f4:01:02" };
const NEW_YEAR_2026 = 1_767_225_600_000_000_000n;

describe("pcapng blocks", () => {
  test("the section header is little-endian, version 1.0, of unknown length, with fixed texts", () => {
    expect(sectionHeader()).toEqual(
      hex(`
        0a0d0d0a 4c000000 4d3c2b1a 0100 0000 ffffffffffffffff
        0200 0800 656d756c61746564
        0300 1000 4c696e75782028656d756c6174656429
        0400 0700 706f6477697265 00
        0000 0000 4c000000
      `),
    );
  });

  test("an interface has name, description, address with mask, MAC, speed and nanoseconds", () => {
    const device = { name: "n/e", description: "node", ipv4: "10.0.0.1/8", mac: "02:00:0a:00:00:01", speed: 1e10 };
    expect(interfaceDescription(device)).toEqual(
      hex(`
        01000000 54000000 0100 0000 00000400
        0200 0300 6e2f65 00
        0300 0400 6e6f6465
        0400 0800 0a000001 ff000000
        0600 0600 02000a000001 0000
        0800 0800 00e40b5402000000
        0900 0100 09 000000
        0000 0000 54000000
      `),
    );
  });

  test("an interface without address and speed has no such option", () => {
    const { interfaces } = readCapture(concat([sectionHeader(), interfaceDescription(eth0)]));
    expect(interfaces).toEqual([{ ...eth0, linkType: 1, snaplen: 262144, resolution: 9 }]);
  });

  test("the names of an address stand in one record, in the order given", () => {
    const block = nameResolution([
      { address: "10.96.0.10", name: "kube-dns.kube-system" },
      { address: "10.244.1.2", name: "a" },
      { address: "10.96.0.10", name: "dns" },
    ]);
    expect(block).toEqual(
      hex(`
        04000000 40000000
        0100 1d00 0a60000a 6b7562652d646e732e6b7562652d73797374656d 00 646e73 00 000000
        0100 0600 0af40102 61 00 0000
        0000 0000 40000000
      `),
    );
  });

  test("IPv6 addresses have records and options of their own", () => {
    expect(nameResolution([{ address: "fd00:10:96::a", name: "dns" }])).toEqual(
      hex(`
        04000000 28000000
        0200 1400 fd000010009600000000 00000000000a 646e73 00
        0000 0000 28000000
      `),
    );
    const device = { name: "a", description: "b", ipv6: "fd00:10:244:1::1/64", mac: "02:00:0a:00:00:01" };
    expect(interfaceDescription(device)).toEqual(
      hex(`
        01000000 54000000 0100 0000 00000400
        0200 0100 61 000000
        0300 0100 62 000000
        0500 1100 fd00001002440001 0000000000000001 40 000000
        0600 0600 02000a000001 0000
        0900 0100 09 000000
        0000 0000 54000000
      `),
    );
  });

  test("statistics give the number of frames and the virtual time of the end", () => {
    expect(interfaceStatistics({ interfaceId: 2, endNs: 1, received: 3 })).toEqual(
      hex(`
        05000000 40000000 02000000 51728618 0100faed
        0200 0800 51728618 0000faed
        0300 0800 51728618 0100faed
        0400 0800 0300000000000000
        0000 0000 40000000
      `),
    );
  });

  test("a whole file reads back: interfaces, packets, names, statistics", () => {
    const second = {
      name: "node-1/vbr0",
      description: "bridge of node-1",
      mac: "02:00:00:00:00:01",
      ipv4: "10.244.1.1/24",
    };
    const capture = readCapture(
      concat([
        sectionHeader(),
        interfaceDescription(eth0),
        interfaceDescription({ ...second, speed: 10_000_000_000 }),
        nameResolution([{ address: "10.244.1.2", name: "web-0.shop" }]),
        enhancedPacketBlock({ interfaceId: 1, ns: 1500, id: 7n, flags: EPB_INBOUND | EPB_UNICAST, bytes: frames.data }),
        enhancedPacketBlock({
          interfaceId: 0,
          ns: 1000,
          id: 7n,
          flags: EPB_OUTBOUND | EPB_UNICAST,
          bytes: frames.data,
        }),
        enhancedPacketBlock({
          interfaceId: 0,
          ns: 3_000_000_001,
          id: (5n << 32n) | 1n,
          flags: EPB_OUTBOUND | EPB_BROADCAST,
          bytes: frames.arpRequest,
        }),
        interfaceStatistics({ interfaceId: 0, endNs: 5e9, received: 2, dropped: 1 }),
        interfaceStatistics({ interfaceId: 1, endNs: 5e9, received: 1 }),
      ]),
    );
    expect(capture).toMatchObject({
      format: "pcapng",
      hardware: "emulated",
      os: "Linux (emulated)",
      application: "podwire",
    });
    expect(capture.interfaces).toEqual([
      { ...eth0, linkType: 1, snaplen: 262144, resolution: 9 },
      {
        ...second,
        ipv4: "10.244.1.1/255.255.255.0",
        speed: 10_000_000_000n,
        linkType: 1,
        snaplen: 262144,
        resolution: 9,
      },
    ]);
    expect(capture.names).toEqual([{ address: "10.244.1.2", names: ["web-0.shop"] }]);
    expect(packetsOf(capture, eth0.name).map(({ id }) => id)).toEqual([7n, 0x5_0000_0001n]);
    expect(pathOf(capture, 7n).map(({ device, direction }) => [device, direction])).toEqual([
      ["shop/web-0/eth0", "outbound"],
      ["node-1/vbr0", "inbound"],
    ]);
    expect(capture.packets[2]).toEqual({
      device: "shop/web-0/eth0",
      interfaceId: 0,
      time: NEW_YEAR_2026 + 3_000_000_001n,
      id: 0x5_0000_0001n,
      direction: "outbound",
      reception: "broadcast",
      originalLength: 42,
      bytes: frames.arpRequest,
    });
    const times = { time: NEW_YEAR_2026 + 5_000_000_000n, start: NEW_YEAR_2026, end: NEW_YEAR_2026 + 5_000_000_000n };
    expect(capture.statistics).toEqual([
      { interfaceId: 0, ...times, received: 2n, dropped: 1n },
      { interfaceId: 1, ...times, received: 1n },
    ]);
  });

  test("any name, description, frame length, time and packet id reads back", () => {
    const packet = fc.record({
      ns: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      id: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      bytes: fc.uint8Array({ maxLength: 70 }),
    });
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(
      fc.property(text, text, fc.array(packet, { maxLength: 5 }), (name, description, packets) => {
        const flags = EPB_INBOUND | EPB_UNICAST;
        const blocks = packets.map((given) => enhancedPacketBlock({ ...given, interfaceId: 0, flags }));
        const capture = readCapture(
          concat([sectionHeader(), interfaceDescription({ name, description, mac: eth0.mac }), ...blocks]),
        );
        expect(capture.interfaces[0]).toMatchObject({ name, description });
        expect(capture.packets.map(({ time, id, bytes }) => ({ time, id, bytes }))).toEqual(
          packets.map(({ ns, id, bytes }) => ({ time: NEW_YEAR_2026 + BigInt(ns), id, bytes })),
        );
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    [
      "MAC address",
      () => interfaceDescription({ ...eth0, mac: "0a:58" }),
      "shop/web-0/eth0: 0a:58 is not a MAC address",
    ],
    [
      "address",
      () => interfaceDescription({ ...eth0, ipv4: "10.0.0" }),
      "10.0.0 is not an IPv4 address with prefix length",
    ],
    ["named address", () => nameResolution([{ address: "a.b", name: "a" }]), "a.b is not an IP address"],
    [
      "name of 70,000 bytes",
      () => interfaceDescription({ ...eth0, name: "n".repeat(70_000) }),
      "at most 65535 bytes, not 70000",
    ],
  ])("refuses a wrong %s", (_, make, message) => {
    expect(make).toThrow(message);
  });
});
