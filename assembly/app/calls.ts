// Services that call others before they answer: each HTTP request goes through the stages of its route, and is answered after the last one,
// or with 502 or 504 once a call has failed.
import {
  NS_GRAPH,
  NS_MACHINE,
  NS_RANDOM,
  OWNER_SERVICE,
  TCP_ARG,
  TCP_GENERATION,
  TCP_NAMESPACE,
  TCP_OWNER,
  TCP_PORTS,
} from "../layout/records.ts";
import {
  CALL_CHANCE,
  CALL_FLOW,
  CALL_NEXT,
  CALL_TIMES,
  CALL_WORK,
  GRAPH_BAD_GATEWAY,
  GRAPH_ROUTES,
  GRAPH_TIMEOUT,
  HANDLER_NEXT,
  HANDLER_PATH,
  HANDLER_PORT,
  HANDLER_STAGE,
  SERVED_CONNECTION,
  SERVED_GENERATION,
  SERVED_IS_WHOLE,
  SERVED_NEXT,
  SERVED_PENDING,
  SERVED_ROUTE,
  SERVED_SIZE,
  SERVED_STAGE,
  SERVED_STATUS,
  SERVED_WANTED,
  STAGE_CALL,
  STAGE_NEXT,
} from "../layout/traffic.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import { give, take } from "../memory/pool.ts";
import { next32 } from "../memory/random.ts";
import * as tcp from "../socket/tcp.ts";
import { respond } from "./answer.ts";
import { drawWhole } from "./draw.ts";
import { requestsOf, setRequests } from "./service-words.ts";
import * as sessions from "./session.ts";

const BAD_GATEWAY: u32 = 502;
const GATEWAY_TIMEOUT: u32 = 504;
const SPACE: u8 = 32;

let free: usize = 0;

/** A request begins at a connection, with these bytes of its head. Does nothing where no service calls another. */
export function begin(c: usize, at: usize, length: i32): void {
  const graph = load<usize>(load<usize>(c, TCP_NAMESPACE), NS_GRAPH);
  if (!graph) return;
  if (!free) free = allocate(64);
  const served = take(free, SERVED_SIZE);
  clear(served, SERVED_SIZE);
  store<usize>(served, c, SERVED_CONNECTION);
  store<u32>(served, load<u32>(c, TCP_GENERATION), SERVED_GENERATION);
  store<usize>(served, routeOf(graph, load<u32>(c, TCP_PORTS) >> 16, at, length), SERVED_ROUTE);
  let last = requestsOf(c);
  if (!last) setRequests(c, served);
  else {
    while (load<usize>(last, SERVED_NEXT)) last = load<usize>(last, SERVED_NEXT);
    store<usize>(last, served, SERVED_NEXT);
  }
}

/** The route of a request whose first line begins with these bytes, 0: none. */
function routeOf(graph: usize, port: u32, at: usize, length: i32): usize {
  let path = 0;
  while (path < length && load<u8>(at + <usize>path) != SPACE) path++;
  path++;
  for (let route = load<usize>(graph, GRAPH_ROUTES); route; route = load<usize>(route, HANDLER_NEXT)) {
    const own = load<u32>(route, HANDLER_PORT);
    if (own && own != port) continue;
    const text = load<usize>(route, HANDLER_PATH);
    const bytes = load<i32>(text);
    if (path + bytes <= length && !memory.compare(text + 4, at + <usize>path, <usize>bytes)) return route;
  }
  return 0;
}

/** The last request that began at a connection is whole. False: no service here calls another, so it may be answered at once. */
export function isTaken(c: usize, wanted: i32): bool {
  const first = requestsOf(c);
  if (!first) return false;
  let served = first;
  while (load<usize>(served, SERVED_NEXT)) served = load<usize>(served, SERVED_NEXT);
  store<i32>(served, wanted, SERVED_WANTED);
  store<u32>(served, 1, SERVED_IS_WHOLE);
  if (served == first) start(served);
  return true;
}

function start(served: usize): void {
  const route = load<usize>(served, SERVED_ROUTE);
  store<usize>(served, route ? load<usize>(route, HANDLER_STAGE) : 0, SERVED_STAGE);
  run(served);
}

/** Makes the calls of the stage in hand; after the last stage, or when a call has failed, answers. */
function run(served: usize): void {
  const stage = load<usize>(served, SERVED_STAGE);
  if (!stage || load<u32>(served, SERVED_STATUS) || !isThere(served)) {
    finish(served);
    return;
  }
  store<usize>(served, load<usize>(stage, STAGE_NEXT), SERVED_STAGE);
  const ns = load<usize>(load<usize>(served, SERVED_CONNECTION), TCP_NAMESPACE);
  // One more, so that the stage is not over before all its calls have been made.
  store<u32>(served, 1, SERVED_PENDING);
  for (let call = load<usize>(stage, STAGE_CALL); call; call = load<usize>(call, CALL_NEXT)) {
    const chance = load<u32>(call, CALL_CHANCE);
    if (chance && next32(ns + NS_RANDOM) >= chance) continue;
    store<u32>(served, load<u32>(served, SERVED_PENDING) + 1, SERVED_PENDING);
    const flow = load<usize>(call, CALL_FLOW);
    if (flow) sessions.begin(flow, 0, 0, served, load<u32>(call, CALL_TIMES) - 1);
    else {
      const takes = drawWhole(load<usize>(call, CALL_WORK), ns + NS_RANDOM);
      events.push(now + takes, load<usize>(ns, NS_MACHINE), events.EVENT_WORK, served, 0);
    }
  }
  onDone(served, 0);
}

/** A call of a request is over with an HTTP status, or 0; from 500 on it has failed. */
export function onDone(served: usize, status: u32): void {
  if (status >= 500) {
    const own = status == GATEWAY_TIMEOUT ? GATEWAY_TIMEOUT : BAD_GATEWAY;
    if (!load<u32>(served, SERVED_STATUS)) store<u32>(served, own, SERVED_STATUS);
  }
  const pending = load<u32>(served, SERVED_PENDING) - 1;
  store<u32>(served, pending, SERVED_PENDING);
  if (!pending) run(served);
}

/** Whether the client still waits. */
function isThere(served: usize): bool {
  const c = load<usize>(served, SERVED_CONNECTION);
  if (load<u32>(c, TCP_GENERATION) != load<u32>(served, SERVED_GENERATION)) return false;
  return load<u32>(c, TCP_OWNER) == OWNER_SERVICE && !tcp.isOrphan(c);
}

/** Answers a request, and goes on to the next one of its connection. */
function finish(served: usize): void {
  const c = load<usize>(served, SERVED_CONNECTION);
  let next = load<usize>(served, SERVED_NEXT);
  const there = isThere(served);
  const status = load<u32>(served, SERVED_STATUS);
  const wanted = load<i32>(served, SERVED_WANTED);
  give(free, served);
  if (!there) {
    while (next) {
      const after = load<usize>(next, SERVED_NEXT);
      give(free, next);
      next = after;
    }
    return;
  }
  setRequests(c, next);
  if (status) {
    const graph = load<usize>(load<usize>(c, TCP_NAMESPACE), NS_GRAPH);
    const answer = load<usize>(graph + (status == GATEWAY_TIMEOUT ? GRAPH_TIMEOUT : GRAPH_BAD_GATEWAY));
    tcp.write(c, answer + 4, load<i32>(answer));
  } else respond(c, load<usize>(c, TCP_ARG), wanted);
  if (next && load<u32>(next, SERVED_IS_WHOLE)) start(next);
}
