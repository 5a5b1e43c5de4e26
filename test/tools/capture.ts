// Reads capture files of either format, knowing nothing of the writer: what a file says, as objects.
import { readFileSync } from "node:fs";
import { readPcap } from "./pcap.ts";
import { readPcapng } from "./pcapng.ts";

export interface CaptureInterface {
  name: string;
  description: string;
  linkType: number;
  snaplen: number;
  /** Units of time in a second, as a power of ten. */
  resolution: number;
  /** Address and mask. */
  ipv4?: string;
  /** All eight groups: `fd00:1:0:0:0:0:0:1/64`. */
  ipv6?: string;
  mac?: string;
  speed?: bigint;
}

export interface CapturePacket {
  /** The interface's name; empty in classic pcap. */
  device: string;
  interfaceId: number;
  /** Nanoseconds since 1970. */
  time: bigint;
  /** The packet id; undefined if the file has none. */
  id?: bigint;
  direction: "inbound" | "outbound" | "unknown";
  /** How the frame is addressed, as the file says. */
  reception: "unicast" | "multicast" | "broadcast" | "promiscuous" | "unknown";
  comment?: string;
  originalLength: number;
  bytes: Uint8Array;
}

export interface CaptureStatistics {
  interfaceId: number;
  time: bigint;
  start?: bigint;
  end?: bigint;
  received?: bigint;
  dropped?: bigint;
}

export interface Capture {
  format: "pcapng" | "pcap";
  /** The texts of the section header. */
  hardware?: string;
  os?: string;
  application?: string;
  interfaces: CaptureInterface[];
  packets: CapturePacket[];
  names: { address: string; names: string[] }[];
  statistics: CaptureStatistics[];
}

/** Reads a capture; throws an Error that says at which byte the file is wrong. */
export function readCapture(bytes: Uint8Array): Capture {
  return bytes[0] === 0x0a ? readPcapng(bytes) : readPcap(bytes);
}

/** Reads a capture from a file. */
export function readCaptureFile(path: string): Capture {
  return readCapture(readFileSync(path));
}

/** The packets of one interface, in file order; throws if the file has no such interface. */
export function packetsOf(capture: Capture, device: string): CapturePacket[] {
  if (!capture.interfaces.some(({ name }) => name === device)) {
    const known = capture.interfaces.map(({ name }) => name).join(", ");
    throw new Error(`the capture has no interface ${device}; it has ${known}`);
  }
  return capture.packets.filter((packet) => packet.device === device);
}

/** The devices that a packet passed, in the order of time. */
export function pathOf(capture: Capture, id: bigint): CapturePacket[] {
  const passed = capture.packets.filter((packet) => packet.id === id);
  return passed.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}
