// UDP sockets: sending from one, and finding the one that a datagram is for (net/ipv4/udp.c).
import { DROP_NONE, DROP_NO_SOCKET, DROP_PKT_TOO_SMALL, DROP_UDP_CSUM } from "../layout/codes.ts";
import { FRAME_LENGTH, FRAME_NETWORK, FRAME_SUMMED } from "../layout/frame.ts";
import {
  SOCK_LINE,
  SOCK_LOCAL_PORT,
  SOCK_NAMESPACE,
  SOCK_REMOTE,
  SOCK_BURST,
  SOCK_BURST_TIME,
} from "../layout/records.ts";
import { newPacketFor, nextId, payloadOf, send } from "../ip/packet.ts";
import * as route from "../ip/route-packet.ts";
import { copy } from "../memory/bytes.ts";
import { packetLength } from "../track/conntrack.ts";
import { now } from "../memory/clock.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as udp from "../wire/udp.ts";
import * as table from "./table.ts";

/** Sends a datagram of `bytes` bytes at `from`; false: there is no way to `to`. `source` 0: as the route says. */
export function sendTo(socket: usize, source: u32, to: u32, port: u32, from: usize, bytes: i32, line: u32): bool {
  const ns = load<usize>(socket, SOCK_NAMESPACE);
  if (route.outgoing(ns, to) == route.TO_NOWHERE) return false;
  // A connected socket counts its own identifications.
  const id = load<u32>(socket, SOCK_REMOTE) ? table.nextId(socket) : nextId(ns);
  const own = load<i32>(socket, SOCK_LOCAL_PORT);
  sendRouted(ns, own, source, to, port, from, bytes, line ? line : load<u32>(socket, SOCK_LINE), id);
  return true;
}

/** The same from a port that no socket is bound to, as a packet socket may. */
export function sendFrom(ns: usize, own: i32, to: u32, port: u32, from: usize, bytes: i32, line: u32): bool {
  if (route.outgoing(ns, to) == route.TO_NOWHERE) return false;
  sendRouted(ns, own, 0, to, port, from, bytes, line, nextId(ns));
  return true;
}

function sendRouted(
  ns: usize,
  own: i32,
  source: u32,
  to: u32,
  port: u32,
  from: usize,
  bytes: i32,
  line: u32,
  id: i32,
): void {
  const address = source ? source : route.source;
  const frame = newPacketFor(ns, line, udp.UDP_LENGTH + bytes);
  const at = payloadOf(frame);
  copy(at + udp.UDP_LENGTH, from, bytes);
  const length = udp.UDP_LENGTH + bytes;
  udp.write(at, own, <i32>port, length, address, to);
  // Linux discovers path MTUs with what fits into one packet, fragments what does not, and counts identifications all the same.
  const flag = route.fragmentFlag(ipv4.IPV4_LENGTH + length);
  send(ns, frame, ipv4.PROTO_UDP, address, to, length, 0, id, flag);
}

/** The socket, payload and sender of the datagram that `receive` accepted. */
export let socket: usize = 0;
export let payload: usize = 0;
export let payloadLength: i32 = 0;
export let source: u32 = 0;
export let destination: u32 = 0;

/** Finds the socket of a datagram for this host. DROP_NONE: `socket` is set; DROP_NO_SOCKET: nobody listens. */
export function receive(ns: usize, frame: usize): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const six = anyIp.isSix(ip);
  const header = six ? anyIp.headerLength(ip) : ipv4.headerLength(ip);
  const at = ip + <usize>header;
  const there = packetLength(frame) - header;
  if (there < udp.UDP_LENGTH) return DROP_PKT_TOO_SMALL;
  const length = udp.length(at);
  if (length < udp.UDP_LENGTH || length > there) return DROP_PKT_TOO_SMALL;
  source = six ? ipv6.source(ip) : ipv4.source(ip);
  destination = six ? ipv6.destination(ip) : ipv4.destination(ip);
  // What stands behind the datagram is cut off, also from what an error quotes.
  const surplus = there - length;
  if (surplus) store<i32>(frame, load<i32>(frame, FRAME_LENGTH) - surplus, FRAME_LENGTH);
  if (!load<u32>(frame, FRAME_SUMMED) && !udp.checksumValid(at, length, source, destination)) return DROP_UDP_CSUM;
  socket = table.find(ns, ipv4.PROTO_UDP, destination, <u32>udp.destinationPort(at), source, <u32>udp.sourcePort(at));
  if (!socket) return DROP_NO_SOCKET;
  payload = at + udp.UDP_LENGTH;
  payloadLength = length - udp.UDP_LENGTH;
  return DROP_NONE;
}

/** What fits into a socket's receive buffer before the process that reads it has its turn. */
const BUFFER_DATAGRAMS: u32 = 4096;

/**
 * Whether a socket can take one more datagram at this moment: no time passes while two servers that answer everything answer each
 * other on one host, but their buffers have an end (sock_queue_rcv_skb).
 */
export function bufferTakes(at: usize): bool {
  if (load<u64>(at, SOCK_BURST_TIME) != now) {
    store<u64>(at, now, SOCK_BURST_TIME);
    store<u32>(at, 0, SOCK_BURST);
  }
  const taken = load<u32>(at, SOCK_BURST) + 1;
  store<u32>(at, taken, SOCK_BURST);
  return taken <= BUFFER_DATAGRAMS;
}
