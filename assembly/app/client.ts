// The load: flows that begin requests at their times, and sessions that follow each request to its answer or its end.
import {
  PROTOCOL_CONNECT,
  PROTOCOL_DNS,
  PROTOCOL_HTTP,
  PROTOCOL_ICMP,
  PROTOCOL_RESOLVE,
  PROTOCOL_STREAM,
  PROTOCOL_UDP,
} from "../layout/codes.ts";
import {
  FLOW_ADDRESS,
  FLOW_FIRST,
  FLOW_LAST,
  FLOW_TIMED,
  FLOW_ID,
  FLOW_INTERVAL,
  FLOW_LINE,
  FLOW_NAMES,
  FLOW_NAMESPACE,
  FLOW_NEXT_AT,
  FLOW_POISSON,
  FLOW_PORT,
  FLOW_PROTOCOL,
  FLOW_RANDOM,
  FLOW_REQUEST,
  FLOW_REQUEST_BYTES,
  FLOW_SEQUENCE,
  FLOW_SOCKET,
  FLOW_STOP,
  FLOW_TIMEOUT,
  LINE_REFUSED,
  LINE_SENT,
  LINE_TIMED_OUT,
  LINE_UNRESOLVED,
  NS_MACHINE,
  OWNER_FLOW,
  SESSION_ADDRESS,
  SESSION_EXPECTED,
  SESSION_FLOW,
  SESSION_GENERATION,
  SESSION_NEWER,
  SESSION_OLDER,
  SESSION_NAME,
  SESSION_RECEIVED,
  SESSION_SEQUENCE,
  SESSION_SIZE,
  SESSION_START,
  SESSION_TCP,
  SESSION_TRIES,
  TCP_ARG,
  TCP_OWNER,
} from "../layout/records.ts";
import {
  FAILED_CLOSED,
  FAILED_REFUSED,
  FAILED_RESET,
  FAILED_UNANSWERED,
  FAILED_UNCONNECTED,
  FAILED_UNRESOLVED,
} from "../layout/failures.ts";
import { newPacket, nextId, payloadOf, send } from "../ip/packet.ts";
import * as route from "../ip/route-packet.ts";
import { allocate } from "../memory/arena.ts";
import { clear, copy, get32, put32 } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { fraction } from "../memory/random.ts";
import * as failures from "../observe/failures.ts";
import { add, answered } from "../observe/lines.ts";
import * as sockets from "../socket/table.ts";
import * as tcp from "../socket/tcp.ts";
import * as udp from "../socket/udp.ts";
import * as dns from "../wire/dns.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as program from "./program.ts";
import * as resolver from "./resolver.ts";
import * as stream from "./stream.ts";

let free: usize = 0;
let sessions: usize = 0;
let scratch: usize = 0;

function hashOf(flow: usize, sequence: u32): u32 {
  return hash.mix(<u32>flow, sequence);
}

// ---- flows

/** Starts a flow: its socket, if it has one for all requests, and its first event. */
export function startFlow(flow: usize, at: f64): void {
  if (!sessions) sessions = hash.newTable(4096);
  if (!scratch) scratch = allocate(2048);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const protocol = load<i32>(flow, FLOW_PROTOCOL);
  if (protocol == PROTOCOL_ICMP) {
    sockets.bind(ns, ipv4.PROTO_ICMP, 0, load<u32>(flow, FLOW_ID) & 0xffff, OWNER_FLOW, <u32>flow);
  }
  if (protocol == PROTOCOL_STREAM) stream.open(flow);
  store<f64>(flow, load<u32>(flow, FLOW_POISSON) ? at + gap(flow) : at, FLOW_NEXT_AT);
  schedule(flow);
}

/** The time to the next request. */
function gap(flow: usize): f64 {
  const interval = load<f64>(flow, FLOW_INTERVAL);
  return load<u32>(flow, FLOW_POISSON) ? -NativeMath.log(fraction(flow + FLOW_RANDOM)) * interval : interval;
}

function schedule(flow: usize): void {
  const at = <u64>load<f64>(flow, FLOW_NEXT_AT);
  if (at >= load<u64>(flow, FLOW_STOP)) return;
  const machine = load<usize>(load<usize>(flow, FLOW_NAMESPACE), NS_MACHINE);
  events.push(at, machine, events.EVENT_FLOW, flow, 0);
}

/** The time of a request has come. */
export function onFlow(flow: usize): void {
  store<f64>(flow, load<f64>(flow, FLOW_NEXT_AT) + gap(flow), FLOW_NEXT_AT);
  schedule(flow);
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_STREAM) stream.send(flow);
  else begin(flow);
}

// ---- sessions

function begin(flow: usize): void {
  if (!free) free = allocate(64);
  const session = take(free, SESSION_SIZE);
  const generation = load<u32>(session, SESSION_GENERATION);
  clear(session, SESSION_SIZE);
  store<u32>(session, generation, SESSION_GENERATION);
  const sequence = load<u32>(flow, FLOW_SEQUENCE) + 1;
  store<u32>(flow, sequence, FLOW_SEQUENCE);
  store<usize>(session, flow, SESSION_FLOW);
  // Echo requests count in 16 bits.
  const number = load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_ICMP ? sequence & 0xffff : sequence;
  store<u32>(session, number, SESSION_SEQUENCE);
  store<u64>(session, now, SESSION_START);
  if (hash.crowded(sessions)) hash.grow(sessions, hashOfRecord);
  hash.insert(sessions, hashOf(flow, number), session);
  add(load<u32>(flow, FLOW_LINE), LINE_SENT);
  const last = load<usize>(flow, FLOW_LAST);
  store<usize>(session, last, SESSION_OLDER);
  if (last) store<usize>(last, session, SESSION_NEWER);
  else store<usize>(flow, session, FLOW_FIRST);
  store<usize>(flow, session, FLOW_LAST);
  setTimer(flow);
  const names = load<usize>(flow, FLOW_NAMES);
  if (names) {
    store<usize>(session, names, SESSION_NAME);
    follow(session, resolver.start(session));
  } else {
    store<u32>(session, load<u32>(flow, FLOW_ADDRESS), SESSION_ADDRESS);
    request(session);
  }
}

/** The hash that a record stands under. */
function hashOfRecord(session: usize): u32 {
  return hashOf(load<usize>(session, SESSION_FLOW), load<u32>(session, SESSION_SEQUENCE));
}

/** Ends a session; `counter` (LINE_*) says how, 0 that it was answered and has been counted. */
function end(session: usize, counter: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  if (counter) fail(session, flow, counter);
  if (counter && load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_RESOLVE) {
    program.onName(load<u32>(flow, FLOW_ID), 0, load<u32>(session, SESSION_TRIES));
  }
  const c = load<usize>(session, SESSION_TCP);
  if (c) {
    store<u32>(c, 0, TCP_OWNER);
    tcp.close(c);
  }
  if (load<usize>(flow, FLOW_NAMES)) resolver.stop(session);
  hash.remove(sessions, hashOf(flow, load<u32>(session, SESSION_SEQUENCE)), session);
  const older = load<usize>(session, SESSION_OLDER);
  const newer = load<usize>(session, SESSION_NEWER);
  if (older) store<usize>(older, newer, SESSION_NEWER);
  else store<usize>(flow, newer, FLOW_FIRST);
  if (newer) store<usize>(newer, older, SESSION_OLDER);
  else store<usize>(flow, older, FLOW_LAST);
  give(free, session);
}

/** How the request that ends next has failed (FAILED_*), where the counter does not say it. */
let how: i32 = FAILED_REFUSED;

/** Counts a request that failed. */
function fail(session: usize, flow: usize, counter: usize): void {
  const line = load<u32>(flow, FLOW_LINE);
  add(line, counter);
  if (counter == LINE_UNRESOLVED) how = FAILED_UNRESOLVED;
  else if (counter == LINE_TIMED_OUT) {
    const c = load<usize>(session, SESSION_TCP);
    how = c && tcp.isOpening(c) ? FAILED_UNCONNECTED : FAILED_UNANSWERED;
  }
  failures.note(line, load<u64>(session, SESSION_START), how);
  how = FAILED_REFUSED;
}

/** Sets the flow's timer for its oldest session; all sessions of a flow may take equally long, so they end in order. */
function setTimer(flow: usize): void {
  const oldest = load<usize>(flow, FLOW_FIRST);
  if (!oldest || load<u32>(flow, FLOW_TIMED)) return;
  store<u32>(flow, 1, FLOW_TIMED);
  const machine = load<usize>(load<usize>(flow, FLOW_NAMESPACE), NS_MACHINE);
  const at = load<u64>(oldest, SESSION_START) + load<u64>(flow, FLOW_TIMEOUT);
  events.push(at, machine, events.EVENT_SESSION, flow, 0);
}

/** The flow's timer: ends the sessions whose time is over. */
export function onTimer(flow: usize): void {
  store<u32>(flow, 0, FLOW_TIMED);
  const timeout = load<u64>(flow, FLOW_TIMEOUT);
  let oldest = load<usize>(flow, FLOW_FIRST);
  while (oldest && load<u64>(oldest, SESSION_START) + timeout <= now) {
    end(oldest, LINE_TIMED_OUT);
    oldest = load<usize>(flow, FLOW_FIRST);
  }
  setTimer(flow);
}

function complete(session: usize, origin: u32): void {
  const flow = load<usize>(session, SESSION_FLOW);
  answered(load<u32>(flow, FLOW_LINE), now - load<u64>(session, SESSION_START), origin);
  end(session, 0);
}

/** Sends the request, now that the address is known. */
function request(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const address = load<u32>(session, SESSION_ADDRESS);
  const port = load<u32>(flow, FLOW_PORT);
  const line = load<u32>(flow, FLOW_LINE);
  switch (load<i32>(flow, FLOW_PROTOCOL)) {
    case PROTOCOL_UDP:
      sendDatagram(session, flow, ns, address, port, line);
      return;
    case PROTOCOL_ICMP:
      sendEcho(session, flow, ns, address, line);
      return;
    case PROTOCOL_RESOLVE:
      program.onName(load<u32>(flow, FLOW_ID), address, 0);
      end(session, 0);
      return;
    default: {
      const c = tcp.connect(ns, address, port, OWNER_FLOW, <u32>session, line);
      if (c) store<usize>(session, c, SESSION_TCP);
      else end(session, LINE_REFUSED);
    }
  }
}

// ---- UDP and ICMP

function sendDatagram(session: usize, flow: usize, ns: usize, address: u32, port: u32, line: u32): void {
  let socket = load<usize>(flow, FLOW_SOCKET);
  if (!socket) {
    if (!sockets.open(ns, ipv4.PROTO_UDP, address, port, OWNER_FLOW, <u32>flow, line)) {
      end(session, LINE_REFUSED);
      return;
    }
    socket = sockets.socket;
    store<usize>(flow, socket, FLOW_SOCKET);
  }
  const bytes = load<i32>(flow, FLOW_REQUEST_BYTES);
  copy(scratch, load<usize>(flow, FLOW_REQUEST), bytes);
  put32(scratch, load<u32>(flow, FLOW_ID));
  put32(scratch + 4, load<u32>(session, SESSION_SEQUENCE));
  if (!udp.sendTo(socket, 0, address, port, scratch, bytes, line)) end(session, LINE_REFUSED);
}

function sendEcho(session: usize, flow: usize, ns: usize, address: u32, line: u32): void {
  if (route.outgoing(ns, address) == route.TO_NOWHERE) {
    end(session, LINE_REFUSED);
    return;
  }
  const frame = newPacket(ns, line);
  const at = payloadOf(frame);
  const bytes = load<i32>(flow, FLOW_REQUEST_BYTES);
  copy(at + icmp.ICMP_LENGTH, load<usize>(flow, FLOW_REQUEST), bytes);
  const rest = (load<u32>(flow, FLOW_ID) << 16) | load<u32>(session, SESSION_SEQUENCE);
  icmp.write(at, icmp.ECHO_REQUEST, 0, rest, icmp.ICMP_LENGTH + bytes);
  // ping sends with DF and counts identifications.
  const flag = route.fragmentFlag(ipv4.IPV4_LENGTH + icmp.ICMP_LENGTH + bytes);
  send(ns, frame, ipv4.PROTO_ICMP, route.source, address, icmp.ICMP_LENGTH + bytes, 0, nextId(ns), flag);
}

function findSession(flow: usize, sequence: u32): usize {
  let session = load<usize>(hash.bucket(sessions, hashOf(flow, sequence)));
  while (session) {
    if (load<usize>(session, SESSION_FLOW) == flow && load<u32>(session, SESSION_SEQUENCE) == sequence) return session;
    session = load<usize>(session);
  }
  return 0;
}

/** A datagram came back to a flow's socket. */
export function onDatagram(flow: usize, at: usize, length: i32, origin: u32): void {
  if (length < 8 || get32(at) != load<u32>(flow, FLOW_ID)) return;
  const session = findSession(flow, get32(at + 4));
  if (session) complete(session, origin);
}

/** An echo reply came for a flow. */
export function onEchoReply(flow: usize, sequence: i32, origin: u32): void {
  const session = findSession(flow, <u32>sequence);
  if (session) complete(session, origin);
}

/**
 * An ICMP error came about a packet of a flow without connections. It quotes `length` bytes from the transport header
 * on; if the request's number is not among them the oldest request is meant.
 */
export function onError(flow: usize, at: usize, length: i32): void {
  let session: usize = 0;
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_ICMP) {
    if (length >= icmp.ICMP_LENGTH) session = findSession(flow, <u32>icmp.sequence(at));
  } else if (length >= 16) {
    session = findSession(flow, get32(at + 12));
  }
  if (session) end(session, LINE_REFUSED);
}

// ---- TCP and HTTP

/** Something happened to the connection of a request (tcp.happened). */
export function onConnection(c: usize, origin: u32): void {
  const session = load<usize>(c, TCP_ARG);
  const flow = load<usize>(session, SESSION_FLOW);
  const what = tcp.happened;
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    store<usize>(session, 0, SESSION_TCP);
    if (what & tcp.RESET) how = FAILED_RESET;
    end(session, what & tcp.EXPIRED ? LINE_TIMED_OUT : LINE_REFUSED);
    return;
  }
  if (what & tcp.CONNECTED) {
    if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_CONNECT) {
      complete(session, origin);
      return;
    }
    if (load<i32>(flow, FLOW_PROTOCOL) != PROTOCOL_HTTP) {
      store<u32>(session, load<u32>(flow, FLOW_REQUEST_BYTES), SESSION_EXPECTED);
    }
    tcp.write(c, load<usize>(flow, FLOW_REQUEST), load<i32>(flow, FLOW_REQUEST_BYTES));
    return;
  }
  if (what & tcp.DATA) {
    if (!load<u32>(session, SESSION_EXPECTED)) {
      store<u32>(session, httpLength(tcp.data, tcp.dataLength), SESSION_EXPECTED);
    }
    const received = load<u32>(session, SESSION_RECEIVED) + <u32>tcp.dataLength;
    store<u32>(session, received, SESSION_RECEIVED);
    const expected = load<u32>(session, SESSION_EXPECTED);
    if (expected && received >= expected) {
      complete(session, origin);
      return;
    }
  }
  // The other side closed before its answer was whole.
  if (what & tcp.PEER_CLOSED) {
    how = FAILED_CLOSED;
    end(session, LINE_REFUSED);
  }
}

/** The whole length of an HTTP response whose head lies in these bytes; 0 if it does not say. */
function httpLength(at: usize, length: i32): u32 {
  let body: u32 = 0;
  let known = false;
  for (let i = 0; i + 4 <= length; i++) {
    const p = at + <usize>i;
    // "\r\n\r\n" ends the head; "gth:" ends "Content-Length:".
    if (load<u32>(p) == 0x0a0d0a0d) return known ? <u32>i + 4 + body : 0;
    if (load<u32>(p) == 0x3a687467) {
      known = true;
      for (let j: usize = 4; i + <i32>j < length; j++) {
        const byte = load<u8>(p + j);
        if (byte >= 48 && byte <= 57) body = body * 10 + <u32>(byte - 48);
        else if (byte != 32) break;
      }
    }
  }
  return 0;
}

// ---- names

/** Goes on with a session whose name is being resolved. */
function follow(session: usize, outcome: i32): void {
  if (outcome == resolver.RESOLVED) request(session);
  else if (outcome == resolver.UNRESOLVED) end(session, LINE_UNRESOLVED);
}

/** A datagram came from the DNS server of a session. */
export function onAnswer(session: usize, at: usize, length: i32, origin: u32): void {
  const question = load<i32>(load<usize>(session, SESSION_FLOW), FLOW_PROTOCOL) == PROTOCOL_DNS;
  if (question && length >= dns.DNS_HEADER && dns.flags(at) & dns.FLAG_RESPONSE) complete(session, origin);
  else follow(session, resolver.onAnswer(session, at, length));
}

/** Something happened to the connection of a session to its DNS server (tcp.happened). */
export function onResolverConnection(c: usize): void {
  const session = load<usize>(c, TCP_ARG);
  follow(session, resolver.onConnection(session, c));
}

/** The DNS server of a session has not answered in time. */
export function onResolverTimer(session: usize, generation: u32): void {
  follow(session, resolver.onTimer(session, generation));
}

/** An ICMP error came about a query. */
export function onResolverError(session: usize): void {
  const question = load<i32>(load<usize>(session, SESSION_FLOW), FLOW_PROTOCOL) == PROTOCOL_DNS;
  if (question) end(session, LINE_REFUSED);
  else follow(session, resolver.onError(session));
}
