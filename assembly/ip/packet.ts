// New IPv4 packets of this host: a frame with room for the Ethernet header, the IPv4 header written, queued for output.
import {
  FRAME_DATA,
  FRAME_LENGTH,
  FRAME_LINE,
  FRAME_NAMESPACE,
  FRAME_NETWORK,
  FRAME_ORIGIN,
  FRAME_SUMMED,
  STAGE_OUTPUT,
} from "../layout/frame.ts";
import { NS_ID, NS_IP_ID, NS_SYSCTLS, SYSCTL_DEFAULT_TTL } from "../layout/records.ts";
import * as backlog from "../memory/backlog.ts";
import * as frames from "../memory/frames.ts";
import { ETHERNET_LENGTH } from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";

/** An empty packet; its payload goes to `payloadOf(frame)`. */
export function newPacket(ns: usize, line: u32): usize {
  return prepared(ns, frames.newPacket(), line);
}

/** The same with room for a payload of `bytes` bytes. */
export function newPacketFor(ns: usize, line: u32, bytes: i32): usize {
  return prepared(ns, frames.newPacketFor(ETHERNET_LENGTH + 60 + bytes), line);
}

function prepared(ns: usize, frame: usize, line: u32): usize {
  store<usize>(frame, load<usize>(frame, FRAME_DATA) + ETHERNET_LENGTH, FRAME_NETWORK);
  store<u32>(frame, line, FRAME_LINE);
  store<u32>(frame, load<u32>(ns, NS_ID), FRAME_ORIGIN);
  store<usize>(frame, ns, FRAME_NAMESPACE);
  // Everything sent from here on is sealed, and every change after that keeps its checksums right.
  store<u32>(frame, 1, FRAME_SUMMED);
  return frame;
}

export function payloadOf(frame: usize): usize {
  return load<usize>(frame, FRAME_NETWORK) + ipv4.IPV4_LENGTH;
}

/** The next identification of packets that may be fragmented. */
export function nextId(ns: usize): i32 {
  const id = (load<u32>(ns, NS_IP_ID) + 1) & 0xffff;
  store<u32>(ns, id, NS_IP_ID);
  return <i32>id;
}

/** Writes the header before `bytes` of payload and queues the packet. `flags` is 0 or FLAG_DF. */
export function send(
  ns: usize,
  frame: usize,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  tos: i32,
  id: i32,
  flags: i32,
): void {
  finish(ns, frame, protocol, source, destination, bytes, tos, id, flags);
  backlog.push(frame, STAGE_OUTPUT);
}

/** Writes the header before `bytes` of payload. */
export function finish(
  ns: usize,
  frame: usize,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  tos: i32,
  id: i32,
  flags: i32,
): void {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const ttl = load<i32>(ns + NS_SYSCTLS, SYSCTL_DEFAULT_TTL << 2);
  ipv4.write(ip, tos, ipv4.IPV4_LENGTH + bytes, id, flags, ttl, protocol, source, destination);
  store<i32>(frame, ETHERNET_LENGTH + ipv4.IPV4_LENGTH + bytes, FRAME_LENGTH);
}
