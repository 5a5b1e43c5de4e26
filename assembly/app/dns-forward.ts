// Questions that a DNS server asks another one on behalf of its clients, and the answers that it keeps (CoreDNS' forward and cache).
import {
  ASKED_GENERATION,
  ASKED_ID,
  ASKED_LENGTH,
  ASKED_LINE,
  ASKED_NAME,
  ASKED_NAME_LENGTH,
  ASKED_NEXT,
  ASKED_QUERY,
  ASKED_SERVER,
  ASKED_SIZE,
  ASKED_SOCKET,
  ASKED_TRIES,
  ASKED_TYPE,
  ASKED_USED,
  CACHED_LENGTH,
  CACHED_MESSAGE,
  CACHED_NAME,
  CACHED_NAME_LENGTH,
  CACHED_SINCE,
  CACHED_SIZE,
  CACHED_TTL,
  CACHED_TYPE,
  DNS_UDP_LIMIT,
  SERVER_CACHE,
  SERVER_FORWARD,
  SERVER_IDLE,
  SERVER_IDLE_TAIL,
  SERVER_NAMESPACE,
} from "../layout/zone.ts";
import { NS_MACHINE, NS_RANDOM, OWNER_FORWARD } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { copy, put16 } from "../memory/bytes.ts";
import { now, SECOND } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";
import * as sockets from "../socket/table.ts";
import * as udp from "../socket/udp.ts";
import * as dns from "../wire/dns.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as message from "./dns-message.ts";
import { sameName } from "./dns-zone.ts";

const DNS_PORT: u32 = 53;
/** forward's readTimeout, and how often it asks within its five seconds. */
const WAIT: u64 = 2 * SECOND;
const TRIES: u32 = 2;
/** forward closes sockets that were idle for ten seconds. */
const IDLE_SECONDS: u32 = 10;
/** `cache 30`, and dnsutil's least. */
const KEPT_LONGEST: u32 = 30;
const KEPT_SHORTEST: u32 = 5;
/** The cache holds so many answers (defaultCap). */
const KEPT_MAX: u32 = 9984;

let free: usize = 0;
let scratch: usize = 0;

// ---- asking

/** A question, with the socket that was idle longest if there is one. */
export function newQuestion(server: usize): usize {
  if (!free) free = allocate(64);
  const seconds = <u32>(now / SECOND);
  while (true) {
    const idle = load<usize>(server, SERVER_IDLE);
    if (!idle) break;
    const next = load<usize>(idle, ASKED_NEXT);
    store<usize>(server, next, SERVER_IDLE);
    if (!next) store<usize>(server, 0, SERVER_IDLE_TAIL);
    if (seconds - load<u32>(idle, ASKED_USED) <= IDLE_SECONDS) {
      store<u32>(idle, 0, ASKED_TRIES);
      return idle;
    }
    closeSocket(idle);
    give(free, idle);
  }
  const question = take(free, ASKED_SIZE);
  store<usize>(question, server, ASKED_SERVER);
  store<usize>(question, 0, ASKED_SOCKET);
  store<u32>(question, 0, ASKED_TRIES);
  return question;
}

function closeSocket(question: usize): void {
  const socket = load<usize>(question, ASKED_SOCKET);
  if (socket) sockets.close(socket);
  store<usize>(question, 0, ASKED_SOCKET);
}

/** Sends a question under a new number; false: there is no way to the other server, or no port. */
export function send(question: usize): bool {
  if (!scratch) scratch = allocate(1024);
  const server = load<usize>(question, ASKED_SERVER);
  const ns = load<usize>(server, SERVER_NAMESPACE);
  const to = load<u32>(server, SERVER_FORWARD);
  const line = load<u32>(question, ASKED_LINE);
  if (!load<usize>(question, ASKED_SOCKET)) {
    if (!sockets.open(ns, ipv4.PROTO_UDP, to, DNS_PORT, OWNER_FORWARD, <u32>question, line)) return false;
    store<usize>(question, sockets.socket, ASKED_SOCKET);
  }
  const ident = next32(ns + NS_RANDOM) & 0xffff;
  store<u32>(question, ident, ASKED_ID);
  store<u32>(question, load<u32>(question, ASKED_TRIES) + 1, ASKED_TRIES);
  const generation = load<u32>(question, ASKED_GENERATION) + 1;
  store<u32>(question, generation, ASKED_GENERATION);
  // The cache asks for authenticated data on behalf of whoever asks later.
  const bits = dns.FLAG_RECURSION_DESIRED | dns.FLAG_AUTHENTIC_DATA;
  const query = question + ASKED_QUERY;
  const edns = dns.ednsSize(query, query + <usize>load<i32>(question, ASKED_LENGTH));
  const length = load<i32>(question, ASKED_NAME_LENGTH);
  dns.writeHeader(scratch, <i32>ident, bits, 1, 0, 0, edns ? 1 : 0);
  copy(scratch + dns.DNS_HEADER, load<usize>(question, ASKED_NAME), length);
  let end = scratch + dns.DNS_HEADER + <usize>length;
  put16(end, load<i32>(question, ASKED_TYPE));
  put16(end + 2, dns.CLASS_IN);
  end += 4;
  if (edns) end = dns.writeOpt(end, edns);
  events.push(now + WAIT, load<usize>(ns, NS_MACHINE), events.EVENT_ASKED, question, generation);
  const socket = load<usize>(question, ASKED_SOCKET);
  return udp.sendTo(socket, 0, to, DNS_PORT, scratch, <i32>(end - scratch), line);
}

/** Whether a message is the answer that a question waits for. */
export function takes(question: usize, at: usize, length: i32): bool {
  return (
    length >= dns.DNS_HEADER &&
    (dns.flags(at) & dns.FLAG_RESPONSE) != 0 &&
    <u32>dns.id(at) == load<u32>(question, ASKED_ID) &&
    load<u32>(question, ASKED_TRIES) != 0
  );
}

/** Whether the timer that an event is of has run out, and not been overtaken by an answer or another try. */
export function isOver(question: usize, generation: u32): bool {
  return load<u32>(question, ASKED_GENERATION) == generation && load<u32>(question, ASKED_TRIES) != 0;
}

/** Asks again from another socket; false: it has been tried often enough. */
export function again(question: usize): bool {
  closeSocket(question);
  return load<u32>(question, ASKED_TRIES) < TRIES && send(question);
}

/** A question has its answer, or none; its socket waits for the next one. */
export function done(question: usize): void {
  store<u32>(question, load<u32>(question, ASKED_GENERATION) + 1, ASKED_GENERATION);
  store<u32>(question, 0, ASKED_TRIES);
  if (!load<usize>(question, ASKED_SOCKET)) {
    give(free, question);
    return;
  }
  store<u32>(question, <u32>(now / SECOND), ASKED_USED);
  const server = load<usize>(question, ASKED_SERVER);
  const tail = load<usize>(server, SERVER_IDLE_TAIL);
  store<usize>(question, 0, ASKED_NEXT);
  if (tail) store<usize>(tail, question, ASKED_NEXT);
  else store<usize>(server, question, SERVER_IDLE);
  store<usize>(server, question, SERVER_IDLE_TAIL);
}

// ---- keeping

function hashOf(name: usize, length: i32, type: i32): u32 {
  let value: u32 = <u32>type;
  for (let i = 0; i < length; i++) value = value * 31 + ((<u32>load<u8>(name + <usize>i)) | 32);
  return hash.mix(value, <u32>length);
}

function find(server: usize, name: usize, length: i32, type: i32): usize {
  let entry = load<usize>(hash.bucket(load<usize>(server, SERVER_CACHE), hashOf(name, length, type)));
  while (entry) {
    const same = load<i32>(entry, CACHED_TYPE) == type && load<i32>(entry, CACHED_NAME_LENGTH) == length;
    if (same && sameName(entry + CACHED_NAME, name, length)) return entry;
    entry = load<usize>(entry);
  }
  return 0;
}

/** What is kept of earlier answers about a name, 0 if nothing, or no longer. */
export function kept(server: usize, name: usize, length: i32, type: i32): usize {
  const entry = find(server, name, length, type);
  return entry && keptTtl(entry) ? entry : 0;
}

export function keptMessage(entry: usize): usize {
  return entry + CACHED_MESSAGE;
}

export function keptLength(entry: usize): i32 {
  return load<i32>(entry, CACHED_LENGTH);
}

/** How many seconds longer. */
export function keptTtl(entry: usize): u32 {
  const age = <u32>((now - load<u64>(entry, CACHED_SINCE)) / SECOND);
  const ttl = load<u32>(entry, CACHED_TTL);
  return age < ttl ? ttl - age : 0;
}

/** Keeps the answer to a question, if it is one that may be kept. Returns the TTL under which it is handed on. */
export function keep(question: usize, at: usize, length: i32): u32 {
  const code = dns.flags(at) & dns.RCODE_MASK;
  const ttl = message.lifetime(at, length, KEPT_SHORTEST, KEPT_LONGEST);
  const sayable = code == 0 || code == dns.RCODE_NXDOMAIN;
  if (!ttl || !sayable || length > DNS_UDP_LIMIT || dns.flags(at) & dns.FLAG_TRUNCATED) return ttl;
  const server = load<usize>(question, ASKED_SERVER);
  const name = load<usize>(question, ASKED_NAME);
  const bytes = load<i32>(question, ASKED_NAME_LENGTH);
  const type = load<i32>(question, ASKED_TYPE);
  let entry = find(server, name, bytes, type);
  if (!entry) {
    const table = load<usize>(server, SERVER_CACHE);
    if (hash.count(table) >= KEPT_MAX) return ttl;
    if (hash.crowded(table)) hash.grow(table, hashOfRecord);
    entry = allocate(CACHED_SIZE);
    store<i32>(entry, type, CACHED_TYPE);
    store<i32>(entry, bytes, CACHED_NAME_LENGTH);
    for (let i = 0; i < bytes; i++) {
      const byte = load<u8>(name + <usize>i);
      store<u8>(entry + CACHED_NAME + <usize>i, byte >= 65 && byte <= 90 ? byte + 32 : byte);
    }
    hash.insert(table, hashOf(name, bytes, type), entry);
  }
  copy(entry + CACHED_MESSAGE, at, length);
  store<i32>(entry, length, CACHED_LENGTH);
  store<u32>(entry, ttl, CACHED_TTL);
  store<u64>(entry, now, CACHED_SINCE);
  return ttl;
}

/** The hash that a record stands under. */
function hashOfRecord(entry: usize): u32 {
  const length = load<i32>(entry, CACHED_NAME_LENGTH);
  return hashOf(entry + CACHED_NAME, length, load<i32>(entry, CACHED_TYPE));
}
