// Streams: datagrams at a steady rate from a range of source ports in turn, and the meter that counts them where they arrive.
//
// The first datagram of each port may ask for an answer, so that its connection is established on every node that it passes.
import {
  FLOW_ADDRESS,
  FLOW_GREETS,
  FLOW_LINE,
  FLOW_NAMESPACE,
  FLOW_PORT,
  FLOW_PORT_COUNT,
  FLOW_PORT_FIRST,
  FLOW_PORT_TURN,
  FLOW_REQUEST,
  FLOW_REQUEST_BYTES,
  FLOW_SEQUENCE,
  LINE_REFUSED,
  LINE_SENT,
  OWNER_SINK,
  STREAM_ASKS,
  STREAM_HEADER,
  STREAM_NUMBER,
  STREAM_SENT,
} from "../layout/records.ts";
import { now } from "../memory/clock.ts";
import { add, answered } from "../observe/lines.ts";
import * as sockets from "../socket/table.ts";
import * as udp from "../socket/udp.ts";
import { PROTO_UDP } from "../wire/ipv4.ts";

/** Binds a socket to each port that asks for an answer, so that it is not refused. */
export function open(flow: usize): void {
  const first = load<u32>(flow, FLOW_PORT_FIRST);
  for (let i: u32 = 0; i < load<u32>(flow, FLOW_GREETS); i++) {
    sockets.bind(load<usize>(flow, FLOW_NAMESPACE), PROTO_UDP, 0, first + i, OWNER_SINK, 0);
  }
}

/** Sends the next datagram of a stream. Its payload is written in place, in the flow's request. */
export function send(flow: usize): void {
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
