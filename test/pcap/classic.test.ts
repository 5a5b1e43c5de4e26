// The classic pcap header and its records, byte for byte and read back.
import { expect, test } from "vitest";
import { concat } from "../../src/pcap/block.ts";
import { fileHeader } from "../../src/pcap/classic.ts";
import { readCapture } from "../tools/capture.ts";
import * as frames from "../tools/frames.ts";
import { hex } from "../tools/frames.ts";
import { classicRecord } from "./file.ts";

test("the header of a classic file has the nanosecond magic, version 2.4, the snaplen and Ethernet", () => {
  expect(fileHeader()).toEqual(hex("4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000"));
});

test("a classic file reads back with nanoseconds", () => {
  const file = concat([
    fileHeader(),
    classicRecord({ ns: 0, bytes: frames.arpRequest }),
    classicRecord({ ns: 2_999_999_999, bytes: frames.data }),
  ]);
  const capture = readCapture(file);
  expect(capture.format).toBe("pcap");
  expect(capture.interfaces).toMatchObject([{ linkType: 1, snaplen: 262144, resolution: 9 }]);
  expect(capture.packets.map(({ time, bytes }) => [time, bytes])).toEqual([
    [1_767_225_600_000_000_000n, frames.arpRequest],
    [1_767_225_602_999_999_999n, frames.data],
  ]);
});
