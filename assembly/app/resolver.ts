// How a client finds the address of a name: glibc's stub resolver, over UDP and TCP, name after name of a search list.
import {
  FLOW_LINE,
  FLOW_NAMESPACE,
  FLOW_RANDOM,
  FLOW_RESOLVER,
  FLOW_TIMEOUT,
  NS_MACHINE,
  OWNER_RESOLVER,
  SESSION_ADDRESS,
  SESSION_ADDRESS6,
  SESSION_ANSWERS,
  SESSION_FLAGS,
  SESSION_FLOW,
  SESSION_GENERATION,
  SESSION_MESSAGE,
  SESSION_NAME,
  SESSION_QUERY_A,
  SESSION_QUERY_AAAA,
  SESSION_SOCKET,
  SESSION_START,
  SESSION_STREAM,
  SESSION_TRIES,
  TCP_OWNER,
} from "../layout/records.ts";
import {
  DNS_A,
  DNS_AAAA,
  RESOLVER_ATTEMPTS,
  RESOLVER_COUNT,
  RESOLVER_EDNS0,
  RESOLVER_FLAGS,
  RESOLVER_NO_A,
  RESOLVER_NO_AAAA,
  RESOLVER_REOPEN,
  RESOLVER_SERVERS,
  RESOLVER_SINGLE,
  RESOLVER_TIMEOUT,
  RESOLVER_USE_VC,
} from "../layout/zone.ts";
import { numberOf } from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get16, get32, put16 } from "../memory/bytes.ts";
import { MILLISECOND, now, SECOND } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";
import * as sockets from "../socket/table.ts";
import * as tcp from "../socket/tcp.ts";
import * as udp from "../socket/udp.ts";
import * as dns from "../wire/dns.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { isBetter } from "./address-choice.ts";

// What becomes of a session's question.
export const WAITING: i32 = 0;
export const RESOLVED: i32 = 1;
export const UNRESOLVED: i32 = 2;

const DNS_PORT: u32 = 53;
/** What glibc says that it takes with `options edns0` (RESOLV_EDNS_BUFFER_SIZE). */
const EDNS_SIZE = 1200;
// Bits of SESSION_ANSWERS.
const A_CAME: u32 = 1;
const AAAA_CAME: u32 = 2;
const BOTH: u32 = 3;

// What comes over TCP: bytes of the message so far, the length in front of it, and its beginning, in which the first address is.
const CAME: usize = 0;
const WHOLE: usize = 4;
const HEAD: usize = 8;
const HEAD_BYTES = 1024;
const MESSAGE_SIZE: u32 = 1088;

let scratch: usize = 0;
let messages: usize = 0;

function resolverOf(session: usize): usize {
  return load<usize>(load<usize>(session, SESSION_FLOW), FLOW_RESOLVER);
}

function has(session: usize, flag: u32): bool {
  return (load<u32>(session, SESSION_FLAGS) & flag) != 0;
}

/** Begins with the name in hand. */
export function start(session: usize): i32 {
  if (!scratch) scratch = allocate(1024);
  if (!messages) messages = allocate(64);
  store<u32>(session, load<u32>(resolverOf(session), RESOLVER_FLAGS), SESSION_FLAGS);
  return resolve(session);
}

/** The bits of the answers that are not asked for. */
function unasked(session: usize): u32 {
  return (has(session, RESOLVER_NO_A) ? A_CAME : 0) | (has(session, RESOLVER_NO_AAAA) ? AAAA_CAME : 0);
}

/** Asks for the name in hand: A and AAAA from one socket, as glibc does. */
function resolve(session: usize): i32 {
  store<u32>(session, 0, SESSION_TRIES);
  store<u32>(session, 0, SESSION_ADDRESS6);
  return attempt(session);
}

/** Asks the server whose turn it is. */
function attempt(session: usize): i32 {
  const flow = load<usize>(session, SESSION_FLOW);
  const first = next32(flow + FLOW_RANDOM) & 0xffff;
  const second = next32(flow + FLOW_RANDOM) & 0xffff;
  store<u32>(session, first, SESSION_QUERY_A);
  store<u32>(session, second == first ? (second + 1) & 0xffff : second, SESSION_QUERY_AAAA);
  const done = unasked(session);
  store<u32>(session, done, SESSION_ANSWERS);
  if (has(session, RESOLVER_USE_VC)) return connect(session);
  if (!openSocket(session) || !ask(session, done & A_CAME ? DNS_AAAA : DNS_A)) return UNRESOLVED;
  if (!done && !has(session, RESOLVER_SINGLE)) ask(session, DNS_AAAA);
  setTimer(session);
  return WAITING;
}

/** The address of the server whose turn it is. */
function serverOf(session: usize): u32 {
  const resolver = resolverOf(session);
  const turn = load<u32>(session, SESSION_TRIES) % load<u32>(resolver, RESOLVER_COUNT);
  return load<u32>(resolver + RESOLVER_SERVERS + ((<usize>turn) << 2));
}

function openSocket(session: usize): bool {
  if (load<usize>(session, SESSION_SOCKET)) return true;
  const flow = load<usize>(session, SESSION_FLOW);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const to = serverOf(session);
  const line = load<u32>(flow, FLOW_LINE);
  if (!sockets.open(ns, ipv4.PROTO_UDP, to, DNS_PORT, OWNER_RESOLVER, <u32>session, line)) return false;
  store<usize>(session, sockets.socket, SESSION_SOCKET);
  return true;
}

/** Writes a query to `at`; returns its length. */
function writeQuery(session: usize, at: usize, type: i32): i32 {
  const name = load<usize>(session, SESSION_NAME);
  const length = load<i32>(name);
  const ident = type == DNS_A ? load<u32>(session, SESSION_QUERY_A) : load<u32>(session, SESSION_QUERY_AAAA);
  const edns = has(session, RESOLVER_EDNS0);
  dns.writeHeader(at, <i32>ident, dns.FLAG_RECURSION_DESIRED, 1, 0, 0, edns ? 1 : 0);
  copy(at + dns.DNS_HEADER, name + 4, length);
  let end = at + dns.DNS_HEADER + <usize>length;
  put16(end, type);
  put16(end + 2, dns.CLASS_IN);
  end += 4;
  if (edns) end = dns.writeOpt(end, EDNS_SIZE);
  return <i32>(end - at);
}

function ask(session: usize, type: i32): bool {
  const length = writeQuery(session, scratch, type);
  return udp.sendTo(load<usize>(session, SESSION_SOCKET), 0, serverOf(session), DNS_PORT, scratch, length, 0);
}

/** The time that glibc gives a server: `timeout`, doubled for each server down the list and shared out among them. */
function patience(session: usize): u64 {
  const resolver = resolverOf(session);
  const count = load<u32>(resolver, RESOLVER_COUNT);
  const turn = load<u32>(session, SESSION_TRIES) % count;
  const timeout = <u64>load<u32>(resolver, RESOLVER_TIMEOUT) * MILLISECOND;
  return turn ? max<u64>((timeout << (<u64>turn)) / <u64>count, SECOND) : timeout;
}

/** Sets the resolver's timer, unless the request is given up before it could run out. */
function setTimer(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const generation = load<u32>(session, SESSION_GENERATION) + 1;
  store<u32>(session, generation, SESSION_GENERATION);
  const at = now + patience(session);
  if (at > load<u64>(session, SESSION_START) + load<u64>(flow, FLOW_TIMEOUT)) return;
  const machine = load<usize>(load<usize>(flow, FLOW_NAMESPACE), NS_MACHINE);
  events.push(at, machine, events.EVENT_RESOLVER, session, generation);
}

/**
 * The timer of a question. With one answer in hand the server, or what lies before it, may not take two questions at once, so they
 * are asked again one by one, then from two sockets; with none the next server is asked (res_send.c).
 */
export function onTimer(session: usize, generation: u32): i32 {
  if (load<u32>(session, SESSION_GENERATION) != generation) return WAITING;
  const flags = load<u32>(session, SESSION_FLAGS);
  if (load<u32>(session, SESSION_ANSWERS) != unasked(session) && !(flags & RESOLVER_REOPEN)) {
    const next: u32 = flags & RESOLVER_SINGLE ? RESOLVER_REOPEN : RESOLVER_SINGLE;
    store<u32>(session, flags | next, SESSION_FLAGS);
    if (next == RESOLVER_REOPEN) closeSocket(session);
    return attempt(session);
  }
  return nextTry(session);
}

function nextTry(session: usize): i32 {
  const resolver = resolverOf(session);
  const tries = load<u32>(session, SESSION_TRIES) + 1;
  store<u32>(session, tries, SESSION_TRIES);
  stop(session);
  if (tries >= load<u32>(resolver, RESOLVER_ATTEMPTS) * load<u32>(resolver, RESOLVER_COUNT)) return UNRESOLVED;
  return attempt(session);
}

function closeSocket(session: usize): void {
  const socket = load<usize>(session, SESSION_SOCKET);
  if (socket) sockets.close(socket);
  store<usize>(session, 0, SESSION_SOCKET);
}

/** Ends what a session has open towards a server. */
export function stop(session: usize): void {
  store<u32>(session, load<u32>(session, SESSION_GENERATION) + 1, SESSION_GENERATION);
  closeSocket(session);
  const message = load<usize>(session, SESSION_MESSAGE);
  if (message) give(messages, message);
  store<usize>(session, 0, SESSION_MESSAGE);
  const c = load<usize>(session, SESSION_STREAM);
  if (!c) return;
  store<usize>(session, 0, SESSION_STREAM);
  store<u32>(c, 0, TCP_OWNER);
  tcp.close(c);
}

/** A datagram came from the server. */
export function onAnswer(session: usize, at: usize, length: i32): i32 {
  if (length < dns.DNS_HEADER || !(dns.flags(at) & dns.FLAG_RESPONSE)) return WAITING;
  if (!isOurs(session, at)) return WAITING;
  if (dns.flags(at) & dns.FLAG_TRUNCATED) {
    // Both questions are asked again over TCP.
    stop(session);
    store<u32>(session, unasked(session), SESSION_ANSWERS);
    return connect(session);
  }
  return takeAnswer(session, at, length);
}

function isOurs(session: usize, at: usize): bool {
  const ident = <u32>dns.id(at);
  return ident == load<u32>(session, SESSION_QUERY_A) || ident == load<u32>(session, SESSION_QUERY_AAAA);
}

/** Takes one of the two answers. */
function takeAnswer(session: usize, at: usize, length: i32): i32 {
  const answers = load<u32>(session, SESSION_ANSWERS);
  const came = <u32>dns.id(at) == load<u32>(session, SESSION_QUERY_A) ? A_CAME : AAAA_CAME;
  if (answers & came) return WAITING;
  const until = at + <usize>length;
  if (came == A_CAME) store<u32>(session, addressIn(at, until), SESSION_ADDRESS);
  else
    store<u32>(
      session,
      address6In(load<usize>(load<usize>(session, SESSION_FLOW), FLOW_NAMESPACE), at, until),
      SESSION_ADDRESS6,
    );
  store<u32>(session, answers | came, SESSION_ANSWERS);
  if ((answers | came) == BOTH) return over(session);
  if (load<usize>(session, SESSION_STREAM) || !has(session, RESOLVER_SINGLE)) return WAITING;
  if (has(session, RESOLVER_REOPEN)) closeSocket(session);
  if (!openSocket(session) || !ask(session, DNS_AAAA)) return UNRESOLVED;
  setTimer(session);
  return WAITING;
}

/** Both answers are in: done, or on to the next name of the search list. */
function over(session: usize): i32 {
  if (settle(session)) {
    stop(session);
    return RESOLVED;
  }
  if (load<usize>(session, SESSION_STREAM)) stop(session);
  const name = load<usize>(session, SESSION_NAME);
  const next = name + 4 + <usize>load<u32>(name);
  store<usize>(session, next, SESSION_NAME);
  return load<u32>(next) ? resolve(session) : UNRESOLVED;
}

/** Chooses between the addresses of either family; false: there is none. */
function settle(session: usize): bool {
  const four = load<u32>(session, SESSION_ADDRESS);
  const six = load<u32>(session, SESSION_ADDRESS6);
  if (!six) return four != 0;
  const ns = load<usize>(load<usize>(session, SESSION_FLOW), FLOW_NAMESPACE);
  if (!four || isBetter(ns, four, six)) store<u32>(session, six, SESSION_ADDRESS);
  return true;
}

/** An ICMP error came about a query: the next server is asked. */
export function onError(session: usize): i32 {
  return nextTry(session);
}

// ---- TCP

function connect(session: usize): i32 {
  const flow = load<usize>(session, SESSION_FLOW);
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const c = tcp.connect(ns, serverOf(session), DNS_PORT, OWNER_RESOLVER, <u32>session, load<u32>(flow, FLOW_LINE));
  if (!c) return UNRESOLVED;
  const message = take(messages, MESSAGE_SIZE);
  store<i32>(message, 0, CAME);
  store<usize>(session, message, SESSION_MESSAGE);
  store<usize>(session, c, SESSION_STREAM);
  setTimer(session);
  return WAITING;
}

/** Something happened to the connection to the server (tcp.happened). */
export function onConnection(session: usize, c: usize): i32 {
  const what = tcp.happened;
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    store<usize>(session, 0, SESSION_STREAM);
    return nextTry(session);
  }
  if (what & tcp.CONNECTED) {
    const done = load<u32>(session, SESSION_ANSWERS);
    // Both at once, each behind its length.
    const first = writeQuery(session, scratch + 2, done & A_CAME ? DNS_AAAA : DNS_A);
    put16(scratch, first);
    if (done) {
      tcp.write(c, scratch, 2 + first);
      return WAITING;
    }
    const second = writeQuery(session, scratch + 4 + <usize>first, DNS_AAAA);
    put16(scratch + 2 + <usize>first, second);
    tcp.write(c, scratch, 4 + first + second);
    return WAITING;
  }
  if (what & tcp.DATA) {
    const outcome = takeBytes(session, tcp.data, tcp.dataLength);
    if (outcome != WAITING || load<usize>(session, SESSION_STREAM) != c) return outcome;
  }
  return what & tcp.PEER_CLOSED ? nextTry(session) : WAITING;
}

/** Bytes of messages behind their lengths; of each the beginning is kept. */
function takeBytes(session: usize, at: usize, length: i32): i32 {
  const message = load<usize>(session, SESSION_MESSAGE);
  for (let i = 0; i < length; i++) {
    const came = load<i32>(message, CAME);
    const byte = load<u8>(at + <usize>i);
    store<i32>(message, came + 1, CAME);
    if (came == 0) store<i32>(message, (<i32>byte) << 8, WHOLE);
    else if (came == 1) store<i32>(message, load<i32>(message, WHOLE) | (<i32>byte), WHOLE);
    else if (came < 2 + HEAD_BYTES) store<u8>(message + HEAD + <usize>(came - 2), byte);
    if (came < 2 || came + 1 < 2 + load<i32>(message, WHOLE)) continue;
    store<i32>(message, 0, CAME);
    const kept = min<i32>(load<i32>(message, WHOLE), HEAD_BYTES);
    if (kept < dns.DNS_HEADER || !isOurs(session, message + HEAD)) continue;
    const outcome = takeAnswer(session, message + HEAD, kept);
    if (outcome != WAITING || load<usize>(session, SESSION_MESSAGE) != message) return outcome;
  }
  return WAITING;
}

/** The first IPv4 address among the answers of a message, 0 if none. */
function addressIn(at: usize, until: usize): u32 {
  const data = dataIn(at, until, 0, DNS_A, 4);
  return data ? get32(data) : 0;
}

/** The IPv6 address among the answers of a message that is called rather than the others, by its number; 0 if there is none. */
function address6In(ns: usize, at: usize, until: usize): u32 {
  let best: u32 = 0;
  let data = dataIn(at, until, 0, DNS_AAAA, 16);
  while (data) {
    const number = numberOf(data);
    if (!best || isBetter(ns, best, number)) best = number;
    data = dataIn(at, until, data, DNS_AAAA, 16);
  }
  return best;
}

/** The data of the first answer behind `after` that has a type and a size, 0 if none. */
function dataIn(at: usize, until: usize, after: usize, wanted: i32, length: usize): usize {
  let p = dns.skipName(at + dns.DNS_HEADER, until);
  if (!p) return 0;
  p += 4;
  for (let left = dns.answers(at); left > 0; left--) {
    p = dns.skipName(p, until);
    if (!p || p + dns.RECORD_HEAD > until) return 0;
    const type = get16(p);
    const size = <usize>get16(p + 8);
    p += dns.RECORD_HEAD;
    if (p + size > until) return 0;
    if (type == wanted && size == length && p > after) return p;
    p += size;
  }
  return 0;
}
