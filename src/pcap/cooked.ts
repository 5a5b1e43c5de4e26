// Frames of many devices in one classic pcap file, as tcpdump -i any has them: LINKTYPE_LINUX_SLL2, a header of its own in place of Ethernet's.
import { concat } from "./block.ts";

/** https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
export const LINKTYPE_LINUX_SLL2 = 276;

/** Of a packet: to this host, to all, to a group, to another host, from this host (PACKET_* of linux/if_packet.h). */
export const PACKET_TYPES = ["In", "B", "M", "P", "Out"] as const;
export type PacketType = (typeof PACKET_TYPES)[number];

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const ETHERNET_HEADER = 14;
const COOKED_HEADER = 20;

/** The frame with the header of SLL2 in place of its own. `index`: of the device. */
export function cookedFrame(frame: Uint8Array, index: number, isLoopback: boolean, type: PacketType): Uint8Array {
  const header = new Uint8Array(COOKED_HEADER);
  const view = new DataView(header.buffer);
  header.set(frame.subarray(12, 14)); // the protocol
  view.setUint32(4, index);
  view.setUint16(8, isLoopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER);
  view.setUint8(10, PACKET_TYPES.indexOf(type));
  view.setUint8(11, 6); // the length of the sender's address
  header.set(frame.subarray(6, 12), 12);
  return concat([header, frame.subarray(ETHERNET_HEADER)]);
}
