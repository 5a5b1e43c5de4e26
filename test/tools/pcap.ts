// A strict reader of classic pcap files with nanosecond times, and a writer for tests that hand a few frames to other tools.
import type { Capture, CapturePacket } from "./capture.ts";

export function readPcap(bytes: Uint8Array): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 24) throw new Error("byte 0: the file ends inside its header");
  if (view.getUint32(0, true) !== 0xa1b23c4d) throw new Error("byte 0: not a little-endian pcap file in nanoseconds");
  const version = `${view.getUint16(4, true)}.${view.getUint16(6, true)}`;
  if (version !== "2.4") throw new Error(`byte 4: version ${version}, not 2.4`);
  const snaplen = view.getUint32(16, true);
  const linkType = view.getUint32(20, true);
  const packets: CapturePacket[] = [];
  let at = 24;
  while (at < bytes.length) {
    const captured = at + 16 <= bytes.length ? view.getUint32(at + 8, true) : Infinity;
    if (at + 16 + captured > bytes.length) throw new Error(`byte ${at}: the file ends inside a record`);
    const nanoseconds = view.getUint32(at + 4, true);
    if (nanoseconds >= 1_000_000_000) throw new Error(`byte ${at}: ${nanoseconds} nanoseconds are more than a second`);
    packets.push({
      device: "",
      interfaceId: 0,
      time: BigInt(view.getUint32(at, true)) * 1_000_000_000n + BigInt(nanoseconds),
      direction: "unknown",
      reception: "unknown",
      originalLength: view.getUint32(at + 12, true),
      bytes: bytes.subarray(at + 16, at + 16 + captured),
    });
    at += 16 + captured;
  }
  const device = { name: "", description: "", linkType, snaplen, resolution: 9 };
  return { format: "pcap", interfaces: [device], packets, names: [], statistics: [] };
}

/** A classic pcap file of the packets. */
export function writePcap(packets: readonly { time: bigint; bytes: Uint8Array }[]): Uint8Array {
  const bytes = new Uint8Array(packets.reduce((length, packet) => length + 16 + packet.bytes.length, 24));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b23c4d, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262144, true);
  view.setUint32(20, 1, true);
  let at = 24;
  for (const packet of packets) {
    view.setUint32(at, Number(packet.time / 1_000_000_000n), true);
    view.setUint32(at + 4, Number(packet.time % 1_000_000_000n), true);
    view.setUint32(at + 8, packet.bytes.length, true);
    view.setUint32(at + 12, packet.bytes.length, true);
    bytes.set(packet.bytes, at + 16);
    at += 16 + packet.bytes.length;
  }
  return bytes;
}
