// Sessions: requests under way, each from its moment to its answer or its end. A request's time counts from the moment at which it was
// due, not from when a connection was free for it, so no wait is left out of the latencies (coordinated omission).
import { PROTOCOL_ICMP, PROTOCOL_RESOLVE } from "../layout/codes.ts";
import { FAILED_UNANSWERED, FAILED_UNCONNECTED, FAILED_UNRESOLVED } from "../layout/failures.ts";
import {
  FLOW_ANSWERS,
  FLOW_FIRST,
  FLOW_ID,
  FLOW_LAST,
  FLOW_LINE,
  FLOW_NAMESPACE,
  FLOW_PROTOCOL,
  FLOW_RANDOM,
  FLOW_SEQUENCE,
  FLOW_SIZES,
  FLOW_TIMED,
  FLOW_TIMEOUT,
  LINE_REFUSED,
  LINE_SENT,
  LINE_TIMED_OUT,
  LINE_UNRESOLVED,
  NS_MACHINE,
  SESSION_ANSWER_BYTES,
  SESSION_BYTES,
  SESSION_FLOW,
  SESSION_GENERATION,
  SESSION_NEWER,
  SESSION_OLDER,
  SESSION_PARENT,
  SESSION_REPEATS,
  SESSION_SEQUENCE,
  SESSION_SIZE,
  SESSION_START,
  SESSION_STATUS,
  SESSION_TRIES,
  SESSION_TRY_GENERATION,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as failures from "../observe/failures.ts";
import { add } from "../observe/lines.ts";
import * as attempt from "./attempt.ts";
import * as calls from "./calls.ts";
import { drawWhole } from "./draw.ts";
import * as flows from "./flow.ts";
import * as program from "./program.ts";

let free: usize = 0;
let sessions: usize = 0;

export function prepare(): void {
  if (!sessions) sessions = hash.newTable(4096);
  if (!free) free = allocate(64);
}

function hashOf(flow: usize, sequence: u32): u32 {
  return hash.mix(<u32>flow, sequence);
}

/** The hash that a record stands under. */
function hashOfRecord(session: usize): u32 {
  return hashOf(load<usize>(session, SESSION_FLOW), load<u32>(session, SESSION_SEQUENCE));
}

/**
 * Begins a request of a flow. Its bytes and those of the answer: 0 for as the flow says. `parent`: the request of a service that it is
 * made for, which is told when it has been made `repeats` times more.
 */
export function begin(flow: usize, bytes: u32, answerBytes: u32, parent: usize, repeats: u32): void {
  const session = take(free, SESSION_SIZE);
  const generation = load<u32>(session, SESSION_GENERATION);
  const tryGeneration = load<u32>(session, SESSION_TRY_GENERATION);
  clear(session, SESSION_SIZE);
  store<u32>(session, generation, SESSION_GENERATION);
  store<u32>(session, tryGeneration, SESSION_TRY_GENERATION);
  const sequence = load<u32>(flow, FLOW_SEQUENCE) + 1;
  store<u32>(flow, sequence, FLOW_SEQUENCE);
  store<usize>(session, flow, SESSION_FLOW);
  // Echo requests count in 16 bits.
  const number = load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_ICMP ? sequence & 0xffff : sequence;
  store<u32>(session, number, SESSION_SEQUENCE);
  store<u64>(session, now, SESSION_START);
  store<u32>(session, bytes ? bytes : sizeOf(flow, FLOW_SIZES), SESSION_BYTES);
  store<u32>(session, answerBytes ? answerBytes : sizeOf(flow, FLOW_ANSWERS), SESSION_ANSWER_BYTES);
  store<usize>(session, parent, SESSION_PARENT);
  store<u32>(session, repeats, SESSION_REPEATS);
  if (hash.crowded(sessions)) hash.grow(sessions, hashOfRecord);
  hash.insert(sessions, hashOf(flow, number), session);
  add(load<u32>(flow, FLOW_LINE), LINE_SENT);
  const last = load<usize>(flow, FLOW_LAST);
  store<usize>(session, last, SESSION_OLDER);
  if (last) store<usize>(last, session, SESSION_NEWER);
  else store<usize>(flow, session, FLOW_FIRST);
  store<usize>(flow, session, FLOW_LAST);
  setTimer(flow);
  attempt.start(session);
}

function sizeOf(flow: usize, field: usize): u32 {
  const distribution = load<usize>(flow + field);
  return distribution ? <u32>drawWhole(distribution, flow + FLOW_RANDOM) : 0;
}

/** The session of a flow with a number, 0 if it is over. */
export function find(flow: usize, sequence: u32): usize {
  let session = load<usize>(hash.bucket(sessions, hashOf(flow, sequence)));
  while (session) {
    if (load<usize>(session, SESSION_FLOW) == flow && load<u32>(session, SESSION_SEQUENCE) == sequence) return session;
    session = load<usize>(session);
  }
  return 0;
}

/** Ends a session that has failed (FAILED_*) and has nothing open any more. */
export function fail(session: usize, how: i32): void {
  const flow = load<usize>(session, SESSION_FLOW);
  const line = load<u32>(flow, FLOW_LINE);
  const late = how == FAILED_UNCONNECTED || how == FAILED_UNANSWERED;
  add(line, late ? LINE_TIMED_OUT : how == FAILED_UNRESOLVED ? LINE_UNRESOLVED : LINE_REFUSED);
  failures.note(line, load<u64>(session, SESSION_START), how);
  store<u32>(session, late ? 504 : 502, SESSION_STATUS);
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_RESOLVE) {
    program.onName(load<u32>(flow, FLOW_ID), 0, load<u32>(session, SESSION_TRIES));
  }
  finish(session);
}

/** Ends a session that has nothing open any more and has been counted. */
export function finish(session: usize): void {
  const flow = load<usize>(session, SESSION_FLOW);
  hash.remove(sessions, hashOfRecord(session), session);
  const older = load<usize>(session, SESSION_OLDER);
  const newer = load<usize>(session, SESSION_NEWER);
  if (older) store<usize>(older, newer, SESSION_NEWER);
  else store<usize>(flow, newer, FLOW_FIRST);
  if (newer) store<usize>(newer, older, SESSION_OLDER);
  else store<usize>(flow, older, FLOW_LAST);
  store<u32>(session, load<u32>(session, SESSION_TRY_GENERATION) + 1, SESSION_TRY_GENERATION);
  const began = load<u64>(session, SESSION_START);
  const parent = load<usize>(session, SESSION_PARENT);
  const repeats = load<u32>(session, SESSION_REPEATS);
  const status = load<u32>(session, SESSION_STATUS);
  give(free, session);
  flows.onEnd(flow, began);
  if (!parent) return;
  if (repeats && status < 500) begin(flow, 0, 0, parent, repeats - 1);
  else calls.onDone(parent, status);
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
    attempt.giveUp(oldest);
    oldest = load<usize>(flow, FLOW_FIRST);
  }
  setTimer(flow);
}
