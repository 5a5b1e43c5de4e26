// Requests over connections: TCP, and HTTP/1.1.
import { PROTOCOL_CONNECT, PROTOCOL_HTTP } from "../layout/codes.ts";
import {
  FAILED_CLOSED,
  FAILED_REFUSED,
  FAILED_RESET,
  FAILED_UNANSWERED,
  FAILED_UNCONNECTED,
} from "../layout/failures.ts";
import {
  FLOW_ANSWER_AT,
  FLOW_KEEPS,
  FLOW_PROTOCOL,
  FLOW_REQUEST,
  FLOW_REQUEST_BYTES,
  FLOW_SIZE_AT,
  SESSION_ANSWER_BYTES,
  SESSION_BYTES,
  SESSION_EXPECTED,
  SESSION_FLOW,
  SESSION_RECEIVED,
  SESSION_STATUS,
  SESSION_TCP,
  TCP_APP,
  TCP_ARG,
} from "../layout/records.ts";
import * as tcp from "../socket/tcp.ts";
import * as attempt from "./attempt.ts";
import * as connections from "./connections.ts";
import { endsAnswer } from "./http.ts";
import { writeDigits } from "./sizes.ts";

/** Sends a session's request over a connection. */
export function send(session: usize, c: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  v128.store(c + TCP_APP, v128.splat<i32>(0));
  const request = load<usize>(flow, FLOW_REQUEST);
  const bytes = load<u32>(session, SESSION_BYTES);
  const length = load<u32>(flow, FLOW_REQUEST_BYTES) + bytes;
  const answer = load<u32>(session, SESSION_ANSWER_BYTES);
  store<u32>(session, 0, SESSION_RECEIVED);
  store<u32>(session, 0, SESSION_STATUS);
  store<u32>(session, answer ? answer : length, SESSION_EXPECTED);
  const size = load<u32>(flow, FLOW_SIZE_AT);
  if (size) writeDigits(request + <usize>size, bytes);
  const wanted = load<u32>(flow, FLOW_ANSWER_AT);
  if (wanted) writeDigits(request + <usize>wanted, answer);
  tcp.write(c, request, <i32>length);
}

/** Something happened to the connection of a request (tcp.happened). */
export function onConnection(c: usize, origin: u32): void {
  const session = load<usize>(c, TCP_ARG);
  const flow = load<usize>(session, SESSION_FLOW);
  const protocol = load<i32>(flow, FLOW_PROTOCOL);
  const what = tcp.happened;
  const unanswered = !load<u32>(session, SESSION_RECEIVED);
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    store<usize>(session, 0, SESSION_TCP);
    if (what & tcp.RESET && unanswered && connections.isReplaced(session)) return;
    if (what & tcp.EXPIRED) attempt.fail(session, unanswered ? FAILED_UNCONNECTED : FAILED_UNANSWERED);
    else attempt.fail(session, what & tcp.RESET ? FAILED_RESET : FAILED_REFUSED);
    return;
  }
  if (what & tcp.CONNECTED) {
    if (protocol == PROTOCOL_CONNECT) attempt.complete(session, origin, false);
    else send(session, c);
    return;
  }
  if (what & tcp.DATA) {
    const received = load<u32>(session, SESSION_RECEIVED) + <u32>tcp.dataLength;
    store<u32>(session, received, SESSION_RECEIVED);
    if (protocol == PROTOCOL_HTTP && unanswered)
      store<u32>(session, statusOf(tcp.data, tcp.dataLength), SESSION_STATUS);
    const whole =
      protocol == PROTOCOL_HTTP
        ? endsAnswer(c, tcp.data, tcp.dataLength)
        : received >= load<u32>(session, SESSION_EXPECTED);
    if (whole) {
      attempt.complete(session, origin, load<u32>(flow, FLOW_KEEPS) != 0 && !(what & tcp.PEER_CLOSED));
      return;
    }
  }
  if (!(what & tcp.PEER_CLOSED)) return;
  // The other side closed before its answer was whole.
  if (unanswered && !(what & tcp.DATA) && connections.isReplaced(session)) return;
  attempt.fail(session, FAILED_CLOSED);
}

/** The status of an answer that begins with these bytes: "HTTP/1.1 503"; 0: they say none. */
function statusOf(at: usize, length: i32): u32 {
  if (length < 12) return 0;
  const hundreds = <u32>load<u8>(at, 9) - 48;
  const tens = <u32>load<u8>(at, 10) - 48;
  const ones = <u32>load<u8>(at, 11) - 48;
  return hundreds < 6 && tens < 10 && ones < 10 ? hundreds * 100 + tens * 10 + ones : 0;
}
