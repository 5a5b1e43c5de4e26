// Puts capture files together from src/pcap and the layout that the kernel uses for the packets, for tests.
import * as layout from "../../assembly/layout/pcap.ts";

export interface TestPacket {
  interfaceId: number;
  /** Nanoseconds of virtual time. */
  ns: number;
  id: bigint;
  flags: number;
  bytes: Uint8Array;
}

/** An enhanced packet block by the layout. */
export function enhancedPacketBlock({ interfaceId, ns, id, flags, bytes }: TestPacket): Uint8Array {
  const tail = layout.EPB_FRAME + ((bytes.length + 3) & ~3);
  const block = new Uint8Array(tail + layout.EPB_TAIL);
  const view = new DataView(block.buffer);
  const time = BigInt(layout.CAPTURE_EPOCH) * 1_000_000_000n + BigInt(ns);
  const word = (at: number, value: number | bigint) => view.setUint32(at, Number(value), true);
  word(layout.EPB_TYPE, layout.EPB_TYPE_VALUE);
  word(layout.EPB_LENGTH, block.length);
  word(layout.EPB_INTERFACE, interfaceId);
  word(layout.EPB_TIME_HIGH, time >> 32n);
  word(layout.EPB_TIME_LOW, time & 0xffff_ffffn);
  word(layout.EPB_CAPTURED, bytes.length);
  word(layout.EPB_ORIGINAL, bytes.length);
  block.set(bytes, layout.EPB_FRAME);
  word(tail + layout.EPB_FLAGS_OPTION, layout.EPB_FLAGS_OPTION_VALUE);
  word(tail + layout.EPB_FLAGS, flags);
  word(tail + layout.EPB_ID_OPTION, layout.EPB_ID_OPTION_VALUE);
  word(tail + layout.EPB_ID_LOW, id & 0xffff_ffffn);
  word(tail + layout.EPB_ID_HIGH, id >> 32n);
  word(tail + layout.EPB_END_OPTION, layout.EPB_END_OPTION_VALUE);
  word(tail + layout.EPB_LENGTH_AGAIN, block.length);
  return block;
}

/** A record of a classic pcap file by the layout. */
export function classicRecord({ ns, bytes }: Pick<TestPacket, "ns" | "bytes">): Uint8Array {
  const record = new Uint8Array(layout.PCAP_FRAME + bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(layout.PCAP_SECONDS, layout.CAPTURE_EPOCH + Math.floor(ns / 1e9), true);
  view.setUint32(layout.PCAP_NANOSECONDS, ns % 1e9, true);
  view.setUint32(layout.PCAP_CAPTURED, bytes.length, true);
  view.setUint32(layout.PCAP_ORIGINAL, bytes.length, true);
  record.set(bytes, layout.PCAP_FRAME);
  return record;
}
