// The connections of a flow: opened for each request, or kept for the next ones as HTTP clients do: the one used last first, one request
// at a time. With a limit, requests wait in line until one is free.
import {
  FLOW_CONNECTIONS,
  FLOW_IDLE,
  FLOW_OPEN,
  FLOW_WAIT_FIRST,
  FLOW_WAIT_LAST,
  OWNER_FLOW,
  OWNER_IDLE,
  SESSION_FLOW,
  SESSION_HOLDS,
  SESSION_NEXT_WAITING,
  SESSION_STATE,
  SESSION_TCP,
  TCP_APP,
  TCP_ARG,
  TCP_OWNER,
} from "../layout/records.ts";
import { TRY_WAITS } from "../layout/traffic.ts";
import { now } from "../memory/clock.ts";
import * as tcp from "../socket/tcp.ts";
import * as attempt from "./attempt.ts";
import * as exchange from "./exchange.ts";

// What `acquire` found.
export const NONE_FREE: i32 = 0;
export const TO_BE_OPENED: i32 = 1;
export const OPEN: i32 = 2;

// SESSION_HOLDS
const NEW: u32 = 1;
const USED: u32 = 2;

// The words of an idle connection: its neighbours in the list.
const NEWER: usize = TCP_APP;
const OLDER: usize = NEWER + 4;

/** A connection for a session: SESSION_TCP is an idle one, or none, and one may be opened. NONE_FREE: the session waits in line. */
export function acquire(session: usize): i32 {
  const flow = load<usize>(session, SESSION_FLOW);
  const c = load<usize>(flow, FLOW_IDLE);
  if (c) {
    unlink(flow, c);
    hand(session, c);
    return OPEN;
  }
  const limit = load<u32>(flow, FLOW_CONNECTIONS);
  const open = load<u32>(flow, FLOW_OPEN);
  if (limit && open >= limit) {
    store<u32>(session, TRY_WAITS, SESSION_STATE);
    store<usize>(session, 0, SESSION_NEXT_WAITING);
    const last = load<usize>(flow, FLOW_WAIT_LAST);
    if (last) store<usize>(last, session, SESSION_NEXT_WAITING);
    else store<usize>(flow, session, FLOW_WAIT_FIRST);
    store<usize>(flow, session, FLOW_WAIT_LAST);
    return NONE_FREE;
  }
  store<u32>(flow, open + 1, FLOW_OPEN);
  store<u32>(session, NEW, SESSION_HOLDS);
  return TO_BE_OPENED;
}

function hand(session: usize, c: usize): void {
  store<u32>(session, USED, SESSION_HOLDS);
  store<usize>(session, c, SESSION_TCP);
  store<u32>(c, OWNER_FLOW, TCP_OWNER);
  store<u32>(c, <u32>session, TCP_ARG);
}

/** Takes what a session has back. `keep`: its connection is good for another request; else it is closed. */
export function release(session: usize, keep: bool): void {
  const flow = load<usize>(session, SESSION_FLOW);
  if (load<u32>(session, SESSION_STATE) == TRY_WAITS) leave(flow, session);
  if (!load<u32>(session, SESSION_HOLDS)) return;
  store<u32>(session, 0, SESSION_HOLDS);
  const c = load<usize>(session, SESSION_TCP);
  store<usize>(session, 0, SESSION_TCP);
  const waiting = load<usize>(flow, FLOW_WAIT_FIRST);
  if (waiting) leave(flow, waiting);
  if (c && keep) {
    if (waiting) {
      hand(waiting, c);
      attempt.asked(waiting);
      exchange.send(waiting, c);
    } else idle(flow, c);
    return;
  }
  if (c) end(c);
  if (waiting) {
    store<u32>(waiting, NEW, SESSION_HOLDS);
    attempt.later(waiting, now);
  } else store<u32>(flow, load<u32>(flow, FLOW_OPEN) - 1, FLOW_OPEN);
}

function end(c: usize): void {
  store<u32>(c, 0, TCP_OWNER);
  tcp.close(c);
}

/** Takes a session out of the line; it is the first one unless one behind it was tried before. */
function leave(flow: usize, session: usize): void {
  let before: usize = 0;
  for (let at = load<usize>(flow, FLOW_WAIT_FIRST); at != session; at = load<usize>(at, SESSION_NEXT_WAITING))
    before = at;
  const next = load<usize>(session, SESSION_NEXT_WAITING);
  if (before) store<usize>(before, next, SESSION_NEXT_WAITING);
  else store<usize>(flow, next, FLOW_WAIT_FIRST);
  if (!next) store<usize>(flow, before, FLOW_WAIT_LAST);
  store<u32>(session, 0, SESSION_STATE);
}

/**
 * The server had closed a kept connection before the request reached it: the request goes out over another one at once, as net/http and
 * curl do it. False: the connection was a new one, so that it is the request that failed.
 */
export function isReplaced(session: usize): bool {
  if (load<u32>(session, SESSION_HOLDS) != USED) return false;
  const flow = load<usize>(session, SESSION_FLOW);
  const c = load<usize>(session, SESSION_TCP);
  store<usize>(session, 0, SESSION_TCP);
  store<u32>(session, NEW, SESSION_HOLDS);
  if (c) end(c);
  const other = load<usize>(flow, FLOW_IDLE);
  if (!other) {
    attempt.lookUp(session);
    return true;
  }
  store<u32>(flow, load<u32>(flow, FLOW_OPEN) - 1, FLOW_OPEN);
  unlink(flow, other);
  hand(session, other);
  exchange.send(session, other);
  return true;
}

// ---- idle ones

function idle(flow: usize, c: usize): void {
  const newest = load<usize>(flow, FLOW_IDLE);
  store<usize>(c, 0, NEWER);
  store<usize>(c, newest, OLDER);
  if (newest) store<usize>(newest, c, NEWER);
  store<usize>(flow, c, FLOW_IDLE);
  store<u32>(c, OWNER_IDLE, TCP_OWNER);
  store<u32>(c, <u32>flow, TCP_ARG);
}

function unlink(flow: usize, c: usize): void {
  const newer = load<usize>(c, NEWER);
  const older = load<usize>(c, OLDER);
  if (newer) store<usize>(newer, older, OLDER);
  else store<usize>(flow, older, FLOW_IDLE);
  if (older) store<usize>(older, newer, NEWER);
}

/** Something happened to an idle connection (tcp.happened): if the server has ended it, it is gone. */
export function onIdle(c: usize): void {
  const what = tcp.happened;
  const lost = (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) != 0;
  if (!lost && !(what & tcp.PEER_CLOSED)) return;
  const flow = load<usize>(c, TCP_ARG);
  unlink(flow, c);
  store<u32>(flow, load<u32>(flow, FLOW_OPEN) - 1, FLOW_OPEN);
  if (!lost) end(c);
}
