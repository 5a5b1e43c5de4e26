// A packet's walk through a capture: where its id was seen, and as what.
import type { Capture, CapturePacket } from "./capture.ts";
import { decodeFrame } from "./frame.ts";
import { summary } from "./summary.ts";

/** One line for each interface that saw the packet, in the order of time: `node-1/eth0 out ttl 63: 10.0.0.1:1 > ...`. */
export function walkOf(capture: Capture, id: bigint | undefined): string[] {
  return capture.packets.filter((packet) => packet.id === id).map(sighting);
}

/** One sighting of a packet in one line; `ttl` only for IPv4. */
export function sighting({ device, direction, bytes }: CapturePacket): string {
  const { ipv4 } = decodeFrame(bytes);
  const ttl = ipv4 ? ` ttl ${ipv4.ttl}` : "";
  return `${device} ${direction === "inbound" ? "in" : "out"}${ttl}: ${summary(bytes)}`;
}

/** The first packet whose line on a device has the text in it. Throws an Error if there is none. */
export function firstPacket(capture: Capture, device: string, text: string | RegExp): CapturePacket {
  const found = capture.packets.find((packet) => packet.device === device && summary(packet.bytes).search(text) >= 0);
  if (!found) throw new Error(`no packet on ${device} fits ${String(text)}`);
  return found;
}
