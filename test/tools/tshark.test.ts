// What tshark finds, and does not find, in frames written by hand.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { EPB_INBOUND, EPB_OUTBOUND, EPB_UNICAST } from "../../assembly/layout/pcap.ts";
import { concat } from "../../src/pcap/block.ts";
import { fileHeader } from "../../src/pcap/classic.ts";
import { interfaceDescription, interfaceStatistics, nameResolution, sectionHeader } from "../../src/pcap/pcapng.ts";
import { classicRecord, enhancedPacketBlock } from "../pcap/file.ts";
import * as frames from "./frames.ts";
import { fields, judge, testWithTshark } from "./tshark.ts";

const EVERY_FRAME = [
  frames.arpRequest,
  frames.arpReply,
  frames.syn,
  frames.synAck,
  frames.ack,
  frames.data,
  frames.dnsQuery,
  frames.dnsAnswer,
  frames.echo,
  frames.unreachable,
];
const DEVICES = ["shop/web-0/eth0", "node-1/vbr0"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-test-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A pcapng file of the frames, a microsecond apart, each seen on the first interface and half a microsecond later on the second. */
function pcapng(name: string, all: readonly Uint8Array[], devices = DEVICES): string {
  const path = join(folder, name);
  const packets = all.flatMap((bytes, i) =>
    devices.map((_, interfaceId) => {
      const flags = (interfaceId === 0 ? EPB_OUTBOUND : EPB_INBOUND) | EPB_UNICAST;
      return enhancedPacketBlock({ interfaceId, ns: i * 1000 + interfaceId * 500, id: BigInt(i + 1), flags, bytes });
    }),
  );
  const file = concat([
    sectionHeader(),
    ...devices.map((device, i) => {
      const mac = `02:00:00:00:00:0${i}`;
      return interfaceDescription({
        name: device,
        description: `device ${i}`,
        mac,
        ipv4: "10.244.1.1/24",
        speed: 1e10,
      });
    }),
    nameResolution([{ address: "10.244.1.2", name: "web-0.shop" }]),
    ...packets,
    ...devices.map((_, interfaceId) => interfaceStatistics({ interfaceId, endNs: 1e9, received: all.length })),
  ]);
  writeFileSync(path, file);
  return path;
}

/** The frame with bits of one byte changed. */
function changed(bytes: Uint8Array, at: number, bits = 1): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ bits;
  return copy;
}

describe("tshark", () => {
  testWithTshark("finds nothing wrong in sound frames, also if two interfaces saw them", () => {
    expect(judge(pcapng("sound.pcapng", EVERY_FRAME))).toEqual({
      frames: 20,
      badChecksums: [],
      errors: [],
      analysis: [],
    });
  });

  testWithTshark("reads names, nanoseconds, packet ids and directions from a pcapng file", () => {
    const path = pcapng("fields.pcapng", [frames.arpRequest, frames.data]);
    const names = [
      "frame.interface_name",
      "frame.interface_description",
      "frame.time_epoch",
      "frame.packet_id",
      "frame.packet_flags_direction",
    ];
    expect(fields(path, names)).toEqual([
      ["shop/web-0/eth0", "device 0", "1767225600.000000000", "1", "0x00000002"],
      ["node-1/vbr0", "device 1", "1767225600.000000500", "1", "0x00000001"],
      ["shop/web-0/eth0", "device 0", "1767225600.000001000", "2", "0x00000002"],
      ["node-1/vbr0", "device 1", "1767225600.000001500", "2", "0x00000001"],
    ]);
  });

  testWithTshark("reads a classic file in nanoseconds", () => {
    const path = join(folder, "classic.pcap");
    writeFileSync(
      path,
      concat([fileHeader(), ...EVERY_FRAME.map((bytes, i) => classicRecord({ ns: i * 1_100_000_001, bytes }))]),
    );
    expect(fields(path, ["frame.time_epoch"]).slice(0, 2)).toEqual([
      ["1767225600.000000000"],
      ["1767225601.100000001"],
    ]);
    expect(judge(path)).toEqual({ frames: 10, badChecksums: [], errors: [], analysis: [] });
  });

  testWithTshark("names every kind of bad checksum, also in what an ICMP error quotes", () => {
    const spoilt = [
      changed(frames.syn, 22),
      changed(frames.data, 55),
      changed(frames.dnsQuery, 13 + 60),
      changed(frames.echo, 49),
      changed(frames.unreachable, 50),
    ];
    const { badChecksums } = judge(pcapng("checksums.pcapng", spoilt, ["a/eth0"]));
    expect(badChecksums.map(({ frame, device, text }) => `${frame} ${device} ${text}`)).toEqual([
      "1 a/eth0 ip",
      "2 a/eth0 tcp",
      "3 a/eth0 udp",
      "4 a/eth0 icmp",
      "5 a/eth0 ip",
      "5 a/eth0 icmp",
    ]);
  });

  testWithTshark("finds malformed frames", () => {
    const cut = frames.dnsAnswer.slice();
    cut[42 + 7] = 9; // the message claims nine answers
    const { errors } = judge(pcapng("malformed.pcapng", [frames.echo, cut], ["a/eth0"]));
    expect(errors.map(({ frame }) => frame)).toContain(2);
    expect(errors.map(({ frame }) => frame)).not.toContain(1);
  });

  testWithTshark("finds a retransmission on the interface that saw it", () => {
    const stream = [frames.syn, frames.synAck, frames.ack, frames.data, frames.data];
    const { analysis, errors } = judge(pcapng("again.pcapng", stream));
    expect(errors).toEqual([]);
    expect(analysis.map(({ frame, device }) => `${frame} ${device}`)).toEqual(["9 shop/web-0/eth0", "10 node-1/vbr0"]);
    expect(analysis[0]?.text).toContain("retransmission");
  });

  testWithTshark("finds a lost segment", () => {
    const { analysis } = judge(
      pcapng("lost.pcapng", [frames.syn, frames.synAck, frames.ack, changed(frames.data, 40, 4)], ["a/eth0"]),
    );
    expect(analysis.map(({ frame }) => frame)).toEqual([4]);
    expect(analysis[0]?.text).toContain("Previous segment");
  });
});
