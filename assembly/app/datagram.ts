// Requests without connections: a datagram and its echo, and ping.
import { PROTOCOL_ICMP, PROTOCOL_STREAM } from "../layout/codes.ts";
import { FAILED_REFUSED } from "../layout/failures.ts";
import {
  FLOW_ID,
  FLOW_LINE,
  FLOW_NAMESPACE,
  FLOW_PORT,
  FLOW_PROTOCOL,
  FLOW_RANDOM,
  FLOW_REQUEST,
  FLOW_REQUEST_BYTES,
  FLOW_SOCKET,
  OWNER_FLOW,
  OWNER_RESOLVER,
  SESSION_ADDRESS,
  SESSION_BYTES,
  SESSION_FLOW,
  SESSION_QUERY_A,
  SESSION_SEQUENCE,
  SESSION_SOCKET,
} from "../layout/records.ts";
import { newPacket, nextId, payloadOf, send as sendPacket } from "../ip/packet.ts";
import * as route from "../ip/route-packet.ts";
import { isSix } from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get32, put16, put32 } from "../memory/bytes.ts";
import { next32 } from "../memory/random.ts";
import * as sockets from "../socket/table.ts";
import * as udp from "../socket/udp.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as attempt from "./attempt.ts";
import * as stream from "./stream.ts";
import * as sessions from "./session.ts";

let scratch: usize = 0;

/** Sends a session's datagram from the flow's socket. */
export function send(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const address = load<u32>(session, SESSION_ADDRESS);
  const port = load<u32>(flow, FLOW_PORT);
  const line = load<u32>(flow, FLOW_LINE);
  let socket = load<usize>(flow, FLOW_SOCKET);
  if (!socket) {
    if (!sockets.open(ns, ipv4.PROTO_UDP, address, port, OWNER_FLOW, <u32>flow, line)) {
      refuse(session);
      return;
    }
    socket = sockets.socket;
    store<usize>(flow, socket, FLOW_SOCKET);
  }
  if (!scratch) scratch = allocate(2048);
  const bytes = lengthOf(flow, session);
  copy(scratch, load<usize>(flow, FLOW_REQUEST), bytes);
  put32(scratch, load<u32>(flow, FLOW_ID));
  put32(scratch + 4, load<u32>(session, SESSION_SEQUENCE));
  if (!udp.sendTo(socket, 0, address, port, scratch, bytes, line)) refuse(session);
}

/** Sends a session's DNS question, with a number of its own, from a socket of its own: as a program does that has no cache. */
export function ask(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const address = load<u32>(session, SESSION_ADDRESS);
  const port = load<u32>(flow, FLOW_PORT);
  const line = load<u32>(flow, FLOW_LINE);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  if (!sockets.open(ns, ipv4.PROTO_UDP, address, port, OWNER_RESOLVER, <u32>session, line)) {
    refuse(session);
    return;
  }
  store<usize>(session, sockets.socket, SESSION_SOCKET);
  if (!scratch) scratch = allocate(2048);
  const bytes = lengthOf(flow, session);
  copy(scratch, load<usize>(flow, FLOW_REQUEST), bytes);
  const number = next32(flow + FLOW_RANDOM) & 0xffff;
  store<u32>(session, number, SESSION_QUERY_A);
  put16(scratch, <i32>number);
  if (!udp.sendTo(sockets.socket, 0, address, port, scratch, bytes, line)) refuse(session);
}

function lengthOf(flow: usize, session: usize): i32 {
  return load<i32>(flow, FLOW_REQUEST_BYTES) + load<i32>(session, SESSION_BYTES);
}

function refuse(session: usize): void {
  attempt.fail(session, FAILED_REFUSED);
}

/** Sends a session's echo request. */
export function sendEcho(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const address = load<u32>(session, SESSION_ADDRESS);
  if (route.outgoing(ns, address) == route.TO_NOWHERE) {
    refuse(session);
    return;
  }
  const frame = newPacket(ns, load<u32>(flow, FLOW_LINE));
  const at = payloadOf(frame);
  const bytes = lengthOf(flow, session);
  copy(at + icmp.ICMP_LENGTH, load<usize>(flow, FLOW_REQUEST), bytes);
  const rest = (load<u32>(flow, FLOW_ID) << 16) | load<u32>(session, SESSION_SEQUENCE);
  if (isSix(address)) {
    icmpv6.write(at, icmpv6.ECHO_REQUEST, 0, rest);
    icmpv6.seal(at, icmp.ICMP_LENGTH + bytes, route.source, address);
    sendPacket(ns, frame, ipv6.PROTO_ICMPV6, route.source, address, icmp.ICMP_LENGTH + bytes, 0, 0, 0);
    return;
  }
  icmp.write(at, icmp.ECHO_REQUEST, 0, rest, icmp.ICMP_LENGTH + bytes);
  // ping sends with DF and counts identifications.
  const flag = route.fragmentFlag(ipv4.IPV4_LENGTH + icmp.ICMP_LENGTH + bytes);
  sendPacket(ns, frame, ipv4.PROTO_ICMP, route.source, address, icmp.ICMP_LENGTH + bytes, 0, nextId(ns), flag);
}

/** A datagram came back to a flow's socket. */
export function onDatagram(flow: usize, at: usize, length: i32, origin: u32): void {
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_STREAM) {
    stream.cameBack(flow, at, length, origin);
    return;
  }
  if (length < 8 || get32(at) != load<u32>(flow, FLOW_ID)) return;
  const session = sessions.find(flow, get32(at + 4));
  if (session) attempt.complete(session, origin, false);
}

/** An echo reply came for a flow. */
export function onEchoReply(flow: usize, sequence: i32, origin: u32): void {
  const session = sessions.find(flow, <u32>sequence);
  if (session) attempt.complete(session, origin, false);
}

/**
 * An ICMP error came about a packet of a flow without connections. It quotes `length` bytes from the transport header
 * on; if the request's number is not among them nobody can say which is meant.
 */
export function onError(flow: usize, at: usize, length: i32): void {
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_STREAM) {
    stream.onError(flow);
    return;
  }
  let session: usize = 0;
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_ICMP) {
    if (length >= icmp.ICMP_LENGTH) session = sessions.find(flow, <u32>icmp.sequence(at));
  } else if (length >= 16) {
    session = sessions.find(flow, get32(at + 12));
  }
  if (session) refuse(session);
}
