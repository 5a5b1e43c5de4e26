// The readers of capture files refuse what is not right.
import { describe, expect, test } from "vitest";
import { concat } from "../../src/pcap/block.ts";
import { interfaceDescription, sectionHeader } from "../../src/pcap/pcapng.ts";
import { enhancedPacketBlock } from "../pcap/file.ts";
import { packetsOf, readCapture } from "./capture.ts";
import { data, hex } from "./frames.ts";
import { readPcap, writePcap } from "./pcap.ts";

const device = interfaceDescription({ name: "a/b", description: "", mac: "02:00:00:00:00:01" });
const packet = enhancedPacketBlock({ interfaceId: 0, ns: 0, id: 1n, flags: 0, bytes: data });
const start = concat([sectionHeader(), device]);

/** The file with one byte of its last block changed, counted from the end. */
function spoilt(file: Uint8Array, fromEnd: number, value: number): Uint8Array {
  const bytes = file.slice();
  bytes[bytes.length - fromEnd] = value;
  return bytes;
}

describe("the pcapng reader refuses", () => {
  test.each([
    ["a file without section header", concat([device]), "byte 0"],
    [
      "a file that ends inside a block",
      concat([start, packet]).subarray(0, -4),
      `byte ${start.length}: the file ends inside a block`,
    ],
    ["two block lengths that differ", spoilt(concat([start, packet]), 4, 8), "the two block lengths differ"],
    ["options without an end", spoilt(concat([start, packet]), 8, 1), "do not end with opt_endofopt"],
    ["padding that is not zero", spoilt(concat([start, packet]), 29, 1), "the padding is not zero"],
    [
      "a packet before its interface",
      concat([sectionHeader(), packet]),
      "interface 0, which is not described before it",
    ],
    ["a second section", concat([start, sectionHeader()]), "one section header must come first"],
    ["an unknown block", concat([start, hex("07000000 0c000000 0c000000")]), "block type 7 is not known"],
  ])("%s", (_, file, message) => {
    expect(() => readCapture(file)).toThrow(message);
  });
});

describe("the pcap reader", () => {
  const file = writePcap([{ time: 1_000_000_002n, bytes: data }]);

  test("reads what the writer of the tests wrote", () => {
    expect(readPcap(file).packets).toMatchObject([{ time: 1_000_000_002n, bytes: data, originalLength: data.length }]);
  });

  test.each([
    [
      "a file in microseconds",
      hex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000"),
      "not a little-endian pcap file in nanoseconds",
    ],
    ["a file that ends inside a record", file.subarray(0, -1), "byte 24: the file ends inside a record"],
    ["a file that ends inside its header", file.subarray(0, 20), "byte 0: the file ends inside its header"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readPcap(bytes)).toThrow(message);
  });
});

test("asking for an interface that was not captured names those that were", () => {
  expect(() => packetsOf(readCapture(start), "node-9/eth0")).toThrow(
    "the capture has no interface node-9/eth0; it has a/b",
  );
});
