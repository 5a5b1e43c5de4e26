// One try of a request: the name is asked for, the request goes out, and what comes of it. A try that failed may be made again after a
// wait, as Envoy's retry policy has it (the waits are JitteredExponentialBackOffStrategy's).
import {
  PROTOCOL_CONNECT,
  PROTOCOL_HTTP,
  PROTOCOL_ICMP,
  PROTOCOL_QUERY,
  PROTOCOL_RESOLVE,
  PROTOCOL_STREAM,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../layout/codes.ts";
import { FAILED_REFUSED, FAILED_UNANSWERED, FAILED_UNCONNECTED, FAILED_UNRESOLVED } from "../layout/failures.ts";
import {
  FLOW_ADDRESS,
  FLOW_BACKOFF,
  FLOW_BACKOFF_MAX,
  FLOW_ID,
  FLOW_LINE,
  FLOW_NAMES,
  FLOW_NAMESPACE,
  FLOW_PORT,
  FLOW_PROTOCOL,
  FLOW_RANDOM,
  FLOW_RETRIES,
  FLOW_RETRY_ON,
  FLOW_TRY_TIMEOUT,
  LINE_BEGUN,
  LINE_RETRIES,
  NS_MACHINE,
  OWNER_FLOW,
  SESSION_ADDRESS,
  SESSION_FLOW,
  SESSION_HOLDS,
  SESSION_NAME,
  SESSION_START,
  SESSION_STATE,
  SESSION_STATUS,
  SESSION_TCP,
  SESSION_TRY,
  SESSION_TRY_GENERATION,
} from "../layout/records.ts";
import {
  RETRY_5XX,
  RETRY_CONNECT_FAILURE,
  RETRY_GATEWAY_ERROR,
  RETRY_RESET,
  TRY_ASKED,
  TRY_LATER,
} from "../layout/traffic.ts";
import { now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import { fraction } from "../memory/random.ts";
import { add, answered, countStatus } from "../observe/lines.ts";
import * as tcp from "../socket/tcp.ts";
import * as connections from "./connections.ts";
import * as datagram from "./datagram.ts";
import * as exchange from "./exchange.ts";
import * as program from "./program.ts";
import * as resolver from "./resolver.ts";
import * as stream from "./stream.ts";
import * as sessions from "./session.ts";

/** Makes a try, or has it wait for a connection. */
export function start(session: usize): void {
  const protocol = load<i32>(load<usize>(session, SESSION_FLOW), FLOW_PROTOCOL);
  if (protocol == PROTOCOL_HTTP || protocol == PROTOCOL_TCP || protocol == PROTOCOL_CONNECT) {
    if (!load<u32>(session, SESSION_HOLDS) && connections.acquire(session) == connections.NONE_FREE) return;
  }
  asked(session);
  const c = load<usize>(session, SESSION_TCP);
  if (c) exchange.send(session, c);
  else lookUp(session);
}

/** A try begins. */
export function asked(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const tries = load<u32>(session, SESSION_TRY) + 1;
  store<u32>(session, tries, SESSION_TRY);
  store<u32>(session, TRY_ASKED, SESSION_STATE);
  add(load<u32>(flow, FLOW_LINE), tries == 1 ? LINE_BEGUN : LINE_RETRIES);
  const timeout = load<u64>(flow, FLOW_TRY_TIMEOUT);
  if (timeout) setTimer(session, now + timeout);
}

function setTimer(session: usize, at: u64): void {
  const generation = load<u32>(session, SESSION_TRY_GENERATION) + 1;
  store<u32>(session, generation, SESSION_TRY_GENERATION);
  const machine = load<usize>(load<usize>(load<usize>(session, SESSION_FLOW), FLOW_NAMESPACE), NS_MACHINE);
  events.push(at, machine, events.EVENT_TRY, session, generation);
}

/** A try is to begin at a moment. */
export function later(session: usize, at: u64): void {
  store<u32>(session, TRY_LATER, SESSION_STATE);
  setTimer(session, at);
}

/** The moment of a try has come, or its time is over. */
export function onTimer(session: usize, generation: u32): void {
  if (load<u32>(session, SESSION_TRY_GENERATION) != generation) return;
  if (load<u32>(session, SESSION_STATE) == TRY_LATER) start(session);
  else fail(session, late(session));
}

/** Finds out where the request goes, and sends it. */
export function lookUp(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const names = load<usize>(flow, FLOW_NAMES);
  store<u32>(session, load<u32>(flow, FLOW_ADDRESS), SESSION_ADDRESS);
  store<usize>(session, names, SESSION_NAME);
  if (names) follow(session, resolver.start(session));
  else request(session);
}

/** Goes on with a session whose name is being resolved. */
export function follow(session: usize, outcome: i32): void {
  if (outcome == resolver.RESOLVED) request(session);
  else if (outcome == resolver.UNRESOLVED) fail(session, FAILED_UNRESOLVED);
}

/** Sends the request, now that the address is known. */
function request(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const address = load<u32>(session, SESSION_ADDRESS);
  switch (load<i32>(flow, FLOW_PROTOCOL)) {
    case PROTOCOL_UDP:
      datagram.send(session);
      return;
    case PROTOCOL_QUERY:
      datagram.ask(session);
      return;
    case PROTOCOL_ICMP:
      datagram.sendEcho(session);
      return;
    case PROTOCOL_STREAM:
      stream.onAddress(flow, address);
      resolver.stop(session);
      sessions.finish(session);
      return;
    case PROTOCOL_RESOLVE:
      program.onName(load<u32>(flow, FLOW_ID), address, 0);
      resolver.stop(session);
      sessions.finish(session);
      return;
    default: {
      const ns = load<usize>(flow, FLOW_NAMESPACE);
      const line = load<u32>(flow, FLOW_LINE);
      const c = tcp.connect(ns, address, load<u32>(flow, FLOW_PORT), OWNER_FLOW, <u32>session, line);
      if (c) store<usize>(session, c, SESSION_TCP);
      else fail(session, FAILED_REFUSED);
    }
  }
}

/** A try has failed in a way (FAILED_*): it is made again if the flow retries on that, or else the session ends. */
export function fail(session: usize, how: i32): void {
  stop(session, false);
  const unconnected = how == FAILED_REFUSED || how == FAILED_UNCONNECTED || how == FAILED_UNRESOLVED;
  if (!isTriedAgain(session, unconnected ? RETRY_CONNECT_FAILURE : RETRY_RESET)) sessions.fail(session, how);
}

/** The time of the whole request is over. */
export function giveUp(session: usize): void {
  const how = late(session);
  stop(session, false);
  sessions.fail(session, how);
}

/** How a session fails whose time is over. */
function late(session: usize): i32 {
  const c = load<usize>(session, SESSION_TCP);
  return c && tcp.isOpening(c) ? FAILED_UNCONNECTED : FAILED_UNANSWERED;
}

/** An answer has come in full; `keep`: its connection may be used again. */
export function complete(session: usize, origin: u32, keep: bool): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const line = load<u32>(flow, FLOW_LINE);
  const status = load<u32>(session, SESSION_STATUS);
  stop(session, keep);
  if (status >= 500) {
    const gateway = status >= 502 && status <= 504;
    if (isTriedAgain(session, gateway ? RETRY_5XX | RETRY_GATEWAY_ERROR : RETRY_5XX)) return;
  }
  answered(line, now - load<u64>(session, SESSION_START), origin);
  if (status) countStatus(line, status);
  sessions.finish(session);
}

/** Lets go of all that a try has open. */
function stop(session: usize, keep: bool): void {
  connections.release(session, keep);
  const flow = load<usize>(session, SESSION_FLOW);
  if (load<usize>(flow, FLOW_NAMES) || load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_QUERY) resolver.stop(session);
}

function isTriedAgain(session: usize, condition: u32): bool {
  const flow = load<usize>(session, SESSION_FLOW);
  const tries = load<u32>(session, SESSION_TRY);
  if (!(load<u32>(flow, FLOW_RETRY_ON) & condition) || tries > load<u32>(flow, FLOW_RETRIES)) return false;
  const most = min<u64>(
    load<u64>(flow, FLOW_BACKOFF) << (<u64>min<u32>(tries - 1, 20)),
    load<u64>(flow, FLOW_BACKOFF_MAX),
  );
  const share: f64 = 1.0 - fraction(flow + FLOW_RANDOM);
  later(session, now + <u64>(share * <f64>most));
  return true;
}
