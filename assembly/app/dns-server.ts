// A DNS server over UDP and TCP: answers from its zone, and asks another server about names that are not in it, as CoreDNS does.
import {
  ASKED_CONNECTION,
  ASKED_CONNECTION_GENERATION,
  ASKED_FROM,
  ASKED_LENGTH,
  ASKED_LINE,
  ASKED_LISTENER,
  ASKED_LOCAL,
  ASKED_NAME,
  ASKED_NAME_LENGTH,
  ASKED_PORT,
  ASKED_QUERY,
  ASKED_SERVER,
  ASKED_TYPE,
  DNS_UDP_LIMIT,
  SERVER_CACHE,
  SERVER_CHANGES,
  SERVER_FORWARD,
  SERVER_NAMESPACE,
  SERVER_RECURSIVE,
  SERVER_SIZE,
  SERVER_ZONE,
} from "../layout/zone.ts";
import { NS_RANDOM, SOCK_ARG, TCP_APP, TCP_ARG, TCP_GENERATION, TCP_LINE } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get16, put16 } from "../memory/bytes.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as tcp from "../socket/tcp.ts";
import * as udp from "../socket/udp.ts";
import * as dns from "../wire/dns.ts";
import * as forward from "./dns-forward.ts";
import * as answer from "./dns-message.ts";
import * as zones from "./dns-zone.ts";

/** A server that answers from `zone`, and asks the server at `other` (0: nobody) about other names. `recursive`: it tells what all others know. */
export function newServer(ns: usize, zone: usize, other: u32, recursive: u32): usize {
  const server = allocate(SERVER_SIZE);
  store<usize>(server, ns, SERVER_NAMESPACE);
  store<usize>(server, zone, SERVER_ZONE);
  store<u32>(server, other, SERVER_FORWARD);
  store<u32>(server, recursive, SERVER_RECURSIVE);
  store<usize>(server, hash.newTable(64), SERVER_CACHE);
  return server;
}

// Who asks: a datagram's sender, or a connection.
let server: usize = 0;
let listener: usize = 0;
let local: u32 = 0;
let from: u32 = 0;
let port: u32 = 0;
let line: u32 = 0;
let connection: usize = 0;

/** A query came in a datagram to the address `to`. */
export function onDatagram(
  socket: usize,
  to: u32,
  sender: u32,
  senderPort: u32,
  at: usize,
  length: i32,
  ofLine: u32,
): void {
  server = load<usize>(socket, SOCK_ARG);
  listener = socket;
  local = to;
  from = sender;
  port = senderPort;
  line = ofLine;
  connection = 0;
  respond(at, length);
}

// A query over TCP that has not come as a whole: how many bytes there are, then they, their length in front.
const PART_BYTES: usize = TCP_APP;
const PART: usize = TCP_APP + 4;
const PART_SIZE: u32 = <u32>DNS_UDP_LIMIT + 64;
let parts: usize = 0;

/** Bytes came over a connection: queries, each behind its length (RFC 7766). One that is longer than 512 bytes ends the connection. */
export function onStream(c: usize, at: usize, length: i32): void {
  if (!parts) parts = allocate(64);
  const generation = load<u32>(c, TCP_GENERATION);
  let left = length;
  let p = at;
  while (left > 0 && load<u32>(c, TCP_GENERATION) == generation) {
    let part = load<usize>(c, PART);
    if (!part) {
      part = take(parts, PART_SIZE);
      store<usize>(c, part, PART);
      store<i32>(c, 0, PART_BYTES);
    }
    const have = load<i32>(c, PART_BYTES);
    const whole = have < 2 ? 2 : 2 + get16(part);
    if (whole > DNS_UDP_LIMIT) {
      onStreamEnd(c);
      tcp.close(c);
      return;
    }
    const step = min<i32>(left, whole - have);
    for (let i = 0; i < step; i++) store<u8>(part + <usize>(have + i), load<u8>(p + <usize>i));
    store<i32>(c, have + step, PART_BYTES);
    p += <usize>step;
    left -= step;
    if (have + step < 2 || have + step < 2 + get16(part)) continue;
    server = load<usize>(c, TCP_ARG);
    line = load<u32>(c, TCP_LINE);
    connection = c;
    respond(part + 2, have + step - 2);
    onStreamEnd(c);
  }
}

/** Gives back what a connection has kept. */
export function onStreamEnd(c: usize): void {
  const part = load<usize>(c, PART);
  if (!part) return;
  store<usize>(c, 0, PART);
  give(parts, part);
}

/**
 * Answers a query of `bytes` bytes at `at`, if it deserves an answer, now or when the other server has answered. Of a datagram the
 * server reads no more than 512 bytes.
 */
function respond(at: usize, bytes: i32): void {
  const length = min<i32>(bytes, DNS_UDP_LIMIT);
  if (length < dns.DNS_HEADER) return;
  if (dns.flags(at) & dns.FLAG_RESPONSE || dns.questions(at) != 1) return;
  const name = at + dns.DNS_HEADER;
  const nameLength = dns.nameLength(name, min<i32>(length - dns.DNS_HEADER - 4, dns.NAME_MAX));
  answer.begin();
  if (!nameLength) {
    send(answer.write(at, 0, baseFlags(at) | dns.RCODE_FORMERR, DNS_UDP_LIMIT, 0));
    return;
  }
  const type = get16(name + <usize>nameLength);
  const outcome = gather(name, nameLength, type);
  if (outcome == zones.NOT_OURS) {
    if (load<u32>(server, SERVER_FORWARD)) ask(at, length, name, nameLength, type);
    else finish(at, length, dns.RCODE_SERVFAIL);
    return;
  }
  if (outcome == zones.ALIAS && load<u32>(server, SERVER_FORWARD)) {
    ask(at, length, zones.target, dns.nameLength(zones.target, dns.NAME_MAX), type);
    return;
  }
  answer.shuffle(load<usize>(server, SERVER_NAMESPACE) + NS_RANDOM);
  const says = load<u32>(server, SERVER_RECURSIVE) ? dns.FLAG_RECURSION_AVAILABLE : dns.FLAG_AUTHORITATIVE;
  finish(at, length, says | (outcome == zones.NO_NAME ? dns.RCODE_NXDOMAIN : 0));
}

/** What the server knows itself about a name. */
function gather(name: usize, length: i32, type: i32): i32 {
  return zones.gather(load<usize>(server, SERVER_ZONE), load<usize>(server, SERVER_CHANGES), name, length, type);
}

function baseFlags(query: usize): i32 {
  return dns.FLAG_RESPONSE | (dns.flags(query) & dns.FLAG_RECURSION_DESIRED);
}

/** Writes and sends what has been gathered. */
function finish(query: usize, length: i32, bits: i32): void {
  const name = query + dns.DNS_HEADER;
  const question = dns.nameLength(name, dns.NAME_MAX) + 4;
  const edns = dns.ednsSize(query, query + <usize>length);
  const limit = connection ? answer.LARGEST : max<i32>(edns, DNS_UDP_LIMIT);
  send(answer.write(query, question, baseFlags(query) | bits, limit, edns));
}

function send(length: i32): void {
  if (!connection) {
    udp.sendTo(listener, local, from, port, answer.message, length, line);
    return;
  }
  put16(answer.message - 2, length);
  tcp.write(connection, answer.message - 2, length + 2);
}

/** Asks the other server about a name, unless what it said before still holds. */
function ask(query: usize, length: i32, name: usize, nameLength: i32, type: i32): void {
  const kept = forward.kept(server, name, nameLength, type);
  if (kept) {
    complete(query, length, forward.keptMessage(kept), forward.keptLength(kept), forward.keptTtl(kept), true);
    return;
  }
  const question = forward.newQuestion(server);
  store<i32>(question, length, ASKED_LENGTH);
  copy(question + ASKED_QUERY, query, length);
  // A name in the query goes with it; an alias' target lies in the zone.
  const inQuery = name >= query && name < query + <usize>length;
  store<usize>(question, inQuery ? question + ASKED_QUERY + (name - query) : name, ASKED_NAME);
  store<i32>(question, nameLength, ASKED_NAME_LENGTH);
  store<i32>(question, type, ASKED_TYPE);
  store<usize>(question, listener, ASKED_LISTENER);
  store<u32>(question, local, ASKED_LOCAL);
  store<u32>(question, from, ASKED_FROM);
  store<u32>(question, port, ASKED_PORT);
  store<u32>(question, line, ASKED_LINE);
  store<usize>(question, connection, ASKED_CONNECTION);
  store<u32>(question, connection ? load<u32>(connection, TCP_GENERATION) : 0, ASKED_CONNECTION_GENERATION);
  if (!forward.send(question)) fail(question);
}

/** The other server has answered a question; `at` is the message. */
export function onAnswer(question: usize, at: usize, length: i32): void {
  if (!forward.takes(question, at, length)) return;
  if (!recall(question)) return;
  const ttl = forward.keep(question, at, length);
  complete(question + ASKED_QUERY, load<i32>(question, ASKED_LENGTH), at, length, ttl, false);
  forward.done(question);
}

/** The other server has not answered in time. */
export function onTimer(question: usize, generation: u32): void {
  if (forward.isOver(question, generation) && !forward.again(question)) fail(question);
}

/** An ICMP error came about a question. */
export function onError(question: usize): void {
  if (!forward.again(question)) fail(question);
}

function fail(question: usize): void {
  if (recall(question)) {
    answer.begin();
    finish(question + ASKED_QUERY, load<i32>(question, ASKED_LENGTH), dns.RCODE_SERVFAIL);
  }
  forward.done(question);
}

/** Who asked a question; false: its connection is no more. */
function recall(question: usize): bool {
  server = load<usize>(question, ASKED_SERVER);
  listener = load<usize>(question, ASKED_LISTENER);
  local = load<u32>(question, ASKED_LOCAL);
  from = load<u32>(question, ASKED_FROM);
  port = load<u32>(question, ASKED_PORT);
  line = load<u32>(question, ASKED_LINE);
  connection = load<usize>(question, ASKED_CONNECTION);
  return !connection || load<u32>(connection, TCP_GENERATION) == load<u32>(question, ASKED_CONNECTION_GENERATION);
}

/**
 * Answers with what the other server said. About an alias it was asked for the target, and its answers follow the alias. What was
 * kept is marked as authoritative, as CoreDNS' cache does for the sake of old resolvers.
 */
function complete(query: usize, length: i32, message: usize, bytes: i32, ttl: u32, fromCache: bool): void {
  const name = query + dns.DNS_HEADER;
  const nameLength = dns.nameLength(name, dns.NAME_MAX);
  const type = get16(name + <usize>nameLength);
  answer.begin();
  const alias = gather(name, nameLength, type) == zones.ALIAS;
  let bits = 0;
  if (answer.addFrom(message, bytes, ttl, !alias)) {
    if (alias) bits = dns.FLAG_AUTHORITATIVE;
    else {
      bits = dns.flags(message) & (dns.FLAG_RECURSION_AVAILABLE | dns.RCODE_MASK);
      bits |= fromCache ? dns.FLAG_AUTHORITATIVE : dns.flags(message) & dns.FLAG_AUTHORITATIVE;
    }
  } else {
    answer.begin();
    bits = dns.RCODE_SERVFAIL;
  }
  answer.shuffle(load<usize>(server, SERVER_NAMESPACE) + NS_RANDOM);
  finish(query, length, bits);
}
