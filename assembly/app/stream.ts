// Streams: datagrams that nobody waits for. Those of a line of traffic come from a socket and are metered where they end. Others come from
// a range of source ports in turn, and whoever takes them counts them.
//
// The first datagram of each port may ask for an answer, so that its connection is established on every node that it passes.
import {
  FLOW_ADDRESS,
  FLOW_FIRST,
  FLOW_GREETS,
  FLOW_ID,
  FLOW_LINE,
  FLOW_NAMESPACE,
  FLOW_PORT,
  FLOW_PORT_COUNT,
  FLOW_PORT_FIRST,
  FLOW_PORT_TURN,
  FLOW_REQUEST,
  FLOW_RANDOM,
  FLOW_REQUEST_BYTES,
  FLOW_SENT,
  FLOW_SEQUENCE,
  FLOW_SIZES,
  FLOW_SOCKET,
  FLOW_STREAM,
  LINE_BEGUN,
  LINE_REFUSED,
  LINE_SENT,
  OWNER_FLOW,
  OWNER_SINK,
  STREAM_ASKS,
  STREAM_FLOW,
  STREAM_HEADER,
  STREAM_METERED_HEADER,
  STREAM_NUMBER,
  STREAM_ONE_WAY,
  STREAM_SENT,
} from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { add, answered } from "../observe/lines.ts";
import * as sockets from "../socket/table.ts";
import * as udp from "../socket/udp.ts";
import { PROTO_UDP } from "../wire/ipv4.ts";
import { drawWhole } from "./draw.ts";
import * as meter from "./meter.ts";
import * as sessions from "./session.ts";

/** Binds a socket to each port that asks for an answer, so that it is not refused. */
export function open(flow: usize): void {
  const first = load<u32>(flow, FLOW_PORT_FIRST);
  for (let i: u32 = 0; i < load<u32>(flow, FLOW_GREETS); i++) {
    sockets.bind(load<usize>(flow, FLOW_NAMESPACE), PROTO_UDP, 0, first + i, OWNER_SINK, 0);
  }
}

/** The moment of a stream's next datagram has come. One whose target has a name begins when that is resolved. */
export function onMoment(flow: usize): void {
  if (!load<u32>(flow, FLOW_STREAM)) send(flow);
  else if (load<u32>(flow, FLOW_ADDRESS)) {
    add(load<u32>(flow, FLOW_LINE), LINE_SENT);
    add(load<u32>(flow, FLOW_LINE), LINE_BEGUN);
    sendMetered(flow);
  } else if (!load<usize>(flow, FLOW_FIRST)) sessions.begin(flow, 0, 0, 0, 0);
}

/** The name of a stream's target has this address: its first datagram goes out. */
export function onAddress(flow: usize, address: u32): void {
  store<u32>(flow, address, FLOW_ADDRESS);
  sendMetered(flow);
}

/** Sends a datagram from the stream's socket. */
function sendMetered(flow: usize): void {
  const line = load<u32>(flow, FLOW_LINE);
  const address = load<u32>(flow, FLOW_ADDRESS);
  const port = load<u32>(flow, FLOW_PORT);
  let socket = load<usize>(flow, FLOW_SOCKET);
  if (!socket) {
    const ns = load<usize>(flow, FLOW_NAMESPACE);
    if (!sockets.open(ns, PROTO_UDP, address, port, OWNER_FLOW, <u32>flow, line)) {
      add(line, LINE_REFUSED);
      return;
    }
    socket = sockets.socket;
    store<usize>(flow, socket, FLOW_SOCKET);
  }
  const payload = load<usize>(flow, FLOW_REQUEST);
  const number = load<u32>(flow, FLOW_SENT) + 1;
  store<u32>(flow, number, FLOW_SENT);
  store<u32>(payload, load<u32>(flow, FLOW_STREAM), STREAM_ASKS);
  store<u32>(payload, number, STREAM_NUMBER);
  store<u64>(payload, now, STREAM_SENT);
  store<u32>(payload, load<u32>(flow, FLOW_ID), STREAM_FLOW);
  const sizes = load<usize>(flow, FLOW_SIZES);
  const bytes = load<i32>(flow, FLOW_REQUEST_BYTES) + (sizes ? <i32>drawWhole(sizes, flow + FLOW_RANDOM) : 0);
  if (!udp.sendTo(socket, 0, address, port, payload, bytes, line)) add(line, LINE_REFUSED);
}

/** An ICMP error says that a datagram of a metered stream did not arrive. */
export function onError(flow: usize): void {
  add(load<u32>(flow, FLOW_LINE), LINE_REFUSED);
}

/** Whether a datagram that came to a service is one of a stream that is metered there, and not answered. */
export function endsHere(at: usize, length: i32): bool {
  return length >= STREAM_METERED_HEADER && load<u32>(at, STREAM_ASKS) == STREAM_ONE_WAY;
}

/** A datagram came back to the socket of a metered stream. */
export function cameBack(flow: usize, at: usize, length: i32, origin: u32): void {
  if (length < STREAM_METERED_HEADER || load<u32>(at, STREAM_FLOW) != load<u32>(flow, FLOW_ID)) return;
  meter.count(load<usize>(flow, FLOW_NAMESPACE), at, load<u32>(flow, FLOW_LINE), origin);
}

/** Sends the next datagram of a stream. Its payload is written in place, in the flow's request. */
function send(flow: usize): void {
  const line = load<u32>(flow, FLOW_LINE);
  const payload = load<usize>(flow, FLOW_REQUEST);
  const greets = load<u32>(flow, FLOW_GREETS);
  const number = load<u32>(flow, FLOW_SEQUENCE) + 1;
  const turn = load<u32>(flow, FLOW_PORT_TURN);
  store<u32>(flow, number, FLOW_SEQUENCE);
  store<u32>(flow, turn + 1 == load<u32>(flow, FLOW_PORT_COUNT) ? 0 : turn + 1, FLOW_PORT_TURN);
  store<u32>(payload, greets ? 1 : 0, STREAM_ASKS);
  if (greets) store<u32>(flow, greets - 1, FLOW_GREETS);
  store<u32>(payload, number, STREAM_NUMBER);
  store<u64>(payload, now, STREAM_SENT);
  const sent = udp.sendFrom(
    load<usize>(flow, FLOW_NAMESPACE),
    <i32>(load<u32>(flow, FLOW_PORT_FIRST) + turn),
    load<u32>(flow, FLOW_ADDRESS),
    load<u32>(flow, FLOW_PORT),
    payload,
    load<i32>(flow, FLOW_REQUEST_BYTES),
    line,
  );
  add(line, LINE_SENT);
  if (!sent) add(line, LINE_REFUSED);
}

/** What a meter answers: a few zeros, which nobody reads. */
export const ANSWER: usize = memory.data(16);
export const ANSWER_LENGTH = 8;

/** A datagram arrived at a meter: counts it with the time that it took. True: it asks for an answer. */
export function arrived(at: usize, length: i32, line: u32, origin: u32): bool {
  if (length < STREAM_HEADER || !line) return false;
  answered(line, now - load<u64>(at, STREAM_SENT), origin);
  return load<u32>(at, STREAM_ASKS) != 0;
}
