// A reverse proxy as ingress-nginx is one: it ends the client's connection, chooses a server by host and path, and opens its own to it.
import {
  CHUNK_BYTES,
  CHUNK_DATA,
  LOCATION_SERVERS,
  PROXY_ANSWERED,
  PROXY_BODY,
  PROXY_BYTES,
  PROXY_CHUNK,
  PROXY_CLIENT,
  PROXY_CONNECTING,
  PROXY_GENERATION,
  PROXY_HEAD,
  PROXY_HEAD_MAX,
  PROXY_PASSING,
  PROXY_READING,
  PROXY_SERVERS,
  PROXY_SIZE,
  PROXY_STATE,
  PROXY_TRIES,
  PROXY_UPSTREAM,
  RESPONSE_BAD_GATEWAY,
  RESPONSE_BAD_REQUEST,
  RESPONSE_GATEWAY_TIMEOUT,
  RESPONSE_NOT_FOUND,
  RESPONSE_UNAVAILABLE,
  SERVERS_COUNT,
  SERVERS_ENTRY,
  SERVERS_FIRST,
  SERVERS_TURN,
  INGRESS_RESPONSES,
} from "../layout/ingress.ts";
import {
  NS_MACHINE,
  OWNER_UPSTREAM,
  TCP_ARG,
  TCP_GENERATION,
  TCP_LINE,
  TCP_NAMESPACE,
  TCP_OWNER,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { now, SECOND } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import { give, take } from "../memory/pool.ts";
import * as tcp from "../socket/tcp.ts";
import * as chunks from "./chunks.ts";
import { endsAnswer, endsHead, LENGTH, MODE } from "./http.ts";
import * as request from "./ingress-request.ts";

/** proxy_connect_timeout and proxy_next_upstream_tries. */
const CONNECT_TIMEOUT: u64 = 5 * SECOND;
const TRIES_MAX: u32 = 3;

let proxies: usize = 0;

// The client's connection keeps its proxy record in the word in which a service's says what it speaks.

function proxyOf(c: usize): usize {
  const known = load<usize>(c, MODE);
  if (known) return known;
  if (!proxies) proxies = allocate(64);
  const proxy = take(proxies, PROXY_SIZE);
  const generation = load<u32>(proxy, PROXY_GENERATION) + 1;
  memory.fill(proxy, 0, PROXY_HEAD);
  store<u32>(proxy, generation, PROXY_GENERATION);
  store<usize>(proxy, c, PROXY_CLIENT);
  store<usize>(c, proxy, MODE);
  return proxy;
}

// ---- the client

/** Bytes came from a client. */
export function onData(c: usize, at: usize, length: i32): void {
  const proxy = proxyOf(c);
  const generation = load<u32>(c, TCP_GENERATION);
  let p = at;
  let left = length;
  const body = load<i32>(proxy, PROXY_BODY);
  if (body) {
    const part = min<i32>(body, left);
    passBody(proxy, p, part);
    p += <usize>part;
    left -= part;
  }
  const bytes = load<i32>(proxy, PROXY_BYTES);
  if (bytes + left > PROXY_HEAD_MAX) {
    refuse(proxy, RESPONSE_BAD_REQUEST);
    return;
  }
  memory.copy(proxy + PROXY_HEAD + <usize>bytes, p, <usize>left);
  store<i32>(proxy, bytes + left, PROXY_BYTES);
  if (load<i32>(proxy, PROXY_STATE) == PROXY_READING) readHead(proxy, bytes);
  if (load<u32>(c, TCP_GENERATION) != generation) return;
}

/** A request that cannot be: it is answered, and the connection ends. */
function refuse(proxy: usize, response: i32): void {
  const c = load<usize>(proxy, PROXY_CLIENT);
  answer(proxy, response);
  onGone(c);
  tcp.close(c);
}

/** Looks for the end of the head among the bytes from `from` on; the request begins there. */
function readHead(proxy: usize, from: i32): void {
  const c = load<usize>(proxy, PROXY_CLIENT);
  const bytes = load<i32>(proxy, PROXY_BYTES);
  for (let i = from; i < bytes; i++) {
    if (!endsHead(c, load<u8>(proxy + PROXY_HEAD + <usize>i))) continue;
    const body = load<i32>(c, LENGTH);
    store<i32>(c, 0, LENGTH);
    begin(proxy, i + 1, body);
    return;
  }
}

/** A request whose head has `head` bytes, and a body of `body` bytes that may have begun to come. */
function begin(proxy: usize, head: i32, body: i32): void {
  const c = load<usize>(proxy, PROXY_CLIENT);
  const table = load<usize>(load<usize>(c, TCP_ARG));
  const start = proxy + PROXY_HEAD;
  if (!request.parse(start, head)) {
    refuse(proxy, RESPONSE_BAD_REQUEST);
    return;
  }
  const location = request.locate(table);
  const offset = location ? load<u32>(location, LOCATION_SERVERS) : 0;
  const servers = table + <usize>offset;
  store<usize>(proxy, offset ? servers : 0, PROXY_SERVERS);
  store<u32>(proxy, 0, PROXY_TRIES);
  store<u32>(proxy, 0, PROXY_ANSWERED);
  const served = offset != 0 && load<u32>(servers, SERVERS_COUNT) != 0;
  if (served) {
    const chunk = chunks.add(proxy + PROXY_CHUNK);
    store<i32>(chunk, request.rewrite(c, start, head, chunk + CHUNK_DATA), CHUNK_BYTES);
  }
  // What follows the head: the body, then perhaps the next request.
  const bytes = load<i32>(proxy, PROXY_BYTES) - head;
  const part = min<i32>(body, bytes);
  store<i32>(proxy, body, PROXY_BODY);
  store<i32>(proxy, served ? PROXY_CONNECTING : PROXY_READING, PROXY_STATE);
  if (part) passBody(proxy, start + <usize>head, part);
  memory.copy(start, start + <usize>(head + part), <usize>(bytes - part));
  store<i32>(proxy, bytes - part, PROXY_BYTES);
  if (served) {
    connect(proxy);
    return;
  }
  answer(proxy, offset ? RESPONSE_UNAVAILABLE : RESPONSE_NOT_FOUND);
  if (bytes - part) readHead(proxy, 0);
}

/** Takes bytes of the request's body: they go to the server, or wait for it. */
function passBody(proxy: usize, at: usize, length: i32): void {
  store<i32>(proxy, load<i32>(proxy, PROXY_BODY) - length, PROXY_BODY);
  const state = load<i32>(proxy, PROXY_STATE);
  if (state == PROXY_PASSING) {
    const upstream = load<usize>(proxy, PROXY_UPSTREAM);
    if (upstream) tcp.write(upstream, at, length);
    return;
  }
  // The body of a request that nobody serves is of no use.
  if (state == PROXY_READING) return;
  chunks.append(proxy + PROXY_CHUNK, at, length);
}

/** Sends one of the proxy's own answers. */
function answer(proxy: usize, response: i32): void {
  const c = load<usize>(proxy, PROXY_CLIENT);
  const table = load<usize>(load<usize>(c, TCP_ARG));
  const at = table + <usize>load<u32>(table + INGRESS_RESPONSES + ((<usize>response) << 2));
  tcp.write(c, at + 4, load<i32>(at));
}

/** The client has closed its connection, or lost it: what is under way for it ends. */
export function onGone(c: usize): void {
  const proxy = load<usize>(c, MODE);
  if (!proxy) return;
  store<usize>(c, 0, MODE);
  leave(proxy);
  chunks.free(proxy + PROXY_CHUNK);
  store<u32>(proxy, load<u32>(proxy, PROXY_GENERATION) + 1, PROXY_GENERATION);
  give(proxies, proxy);
}

// ---- the server

/** Lets go of the server. */
function leave(proxy: usize): void {
  const upstream = load<usize>(proxy, PROXY_UPSTREAM);
  if (!upstream) return;
  store<usize>(proxy, 0, PROXY_UPSTREAM);
  store<u32>(upstream, 0, TCP_OWNER);
  tcp.close(upstream);
}

/** Opens a connection to the server whose turn it is, and to the next one if that cannot be; round robin, as `balance` does it. */
function connect(proxy: usize): void {
  const servers = load<usize>(proxy, PROXY_SERVERS);
  const c = load<usize>(proxy, PROXY_CLIENT);
  const ns = load<usize>(c, TCP_NAMESPACE);
  const count = load<u32>(servers, SERVERS_COUNT);
  while (load<u32>(proxy, PROXY_TRIES) < min<u32>(count, TRIES_MAX)) {
    store<u32>(proxy, load<u32>(proxy, PROXY_TRIES) + 1, PROXY_TRIES);
    const turn = load<u32>(servers, SERVERS_TURN);
    store<u32>(servers, (turn + 1) % count, SERVERS_TURN);
    const server = servers + SERVERS_FIRST + <usize>turn * SERVERS_ENTRY;
    const line = load<u32>(c, TCP_LINE);
    const upstream = tcp.connect(ns, load<u32>(server), load<u32>(server + 4), OWNER_UPSTREAM, <u32>proxy, line);
    if (!upstream) continue;
    store<usize>(proxy, upstream, PROXY_UPSTREAM);
    const generation = load<u32>(proxy, PROXY_GENERATION) + 1;
    store<u32>(proxy, generation, PROXY_GENERATION);
    events.push(now + CONNECT_TIMEOUT, load<usize>(ns, NS_MACHINE), events.EVENT_PROXY, proxy, generation);
    return;
  }
  fail(proxy, RESPONSE_BAD_GATEWAY);
}

/** No server answers the request. If some of an answer has gone out already, all that is left is to end the connection. */
function fail(proxy: usize, response: i32): void {
  const c = load<usize>(proxy, PROXY_CLIENT);
  const begun = load<u32>(proxy, PROXY_ANSWERED) != 0;
  if (!begun) answer(proxy, response);
  if (begun || load<i32>(proxy, PROXY_BODY)) {
    onGone(c);
    tcp.close(c);
    return;
  }
  next(proxy);
}

/** On to the next request of the connection. */
function next(proxy: usize): void {
  leave(proxy);
  chunks.free(proxy + PROXY_CHUNK);
  store<u32>(proxy, load<u32>(proxy, PROXY_GENERATION) + 1, PROXY_GENERATION);
  store<i32>(proxy, PROXY_READING, PROXY_STATE);
  if (load<i32>(proxy, PROXY_BYTES)) readHead(proxy, 0);
}

/** A server has not taken the connection in time. */
export function onTimer(proxy: usize, generation: u32): void {
  if (load<u32>(proxy, PROXY_GENERATION) != generation || load<i32>(proxy, PROXY_STATE) != PROXY_CONNECTING) return;
  leave(proxy);
  const servers = load<usize>(proxy, PROXY_SERVERS);
  if (load<u32>(proxy, PROXY_TRIES) < min<u32>(load<u32>(servers, SERVERS_COUNT), TRIES_MAX)) connect(proxy);
  else fail(proxy, RESPONSE_GATEWAY_TIMEOUT);
}

/** Something happened to a connection to a server (tcp.happened). */
export function onUpstream(upstream: usize): void {
  const proxy = load<usize>(upstream, TCP_ARG);
  const what = tcp.happened;
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    store<usize>(proxy, 0, PROXY_UPSTREAM);
    if (what & tcp.REFUSED) connect(proxy);
    else fail(proxy, what & tcp.EXPIRED ? RESPONSE_GATEWAY_TIMEOUT : RESPONSE_BAD_GATEWAY);
    return;
  }
  if (what & tcp.CONNECTED) {
    store<i32>(proxy, PROXY_PASSING, PROXY_STATE);
    chunks.send(proxy + PROXY_CHUNK, upstream);
  }
  if (what & tcp.DATA) {
    const c = load<usize>(proxy, PROXY_CLIENT);
    store<u32>(proxy, 1, PROXY_ANSWERED);
    tcp.write(c, tcp.data, tcp.dataLength);
    if (endsAnswer(upstream, tcp.data, tcp.dataLength)) {
      next(proxy);
      return;
    }
  }
  if (what & tcp.PEER_CLOSED && load<usize>(proxy, PROXY_UPSTREAM) == upstream) fail(proxy, RESPONSE_BAD_GATEWAY);
}
