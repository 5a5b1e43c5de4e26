// A load balancer's health checks: each asks one port of one server over HTTP at its interval, and 200 is health.
import {
  BALANCER_CHANGES,
  BALANCER_CHANGES_LAST,
  BALANCER_VERSION,
  CHANGE_CHECK,
  CHANGE_NEXT,
  CHANGE_RESULT,
  CHANGE_SIZE,
  CHANGE_STATE,
  CHANGE_TIME,
  CHECK_ADDRESS,
  CHECK_CONTRARY,
  CHECK_DOWN,
  CHECK_FAILED,
  CHECK_FALL,
  CHECK_GENERATION,
  CHECK_INTERVAL,
  CHECK_NAMESPACE,
  CHECK_PASSED,
  CHECK_PORT,
  CHECK_REQUEST,
  CHECK_REQUEST_BYTES,
  CHECK_RISE,
  CHECK_STATE,
  CHECK_STREAM,
  CHECK_TIMEOUT,
  CHECK_UP,
  RESULT_NO_HTTP,
  RESULT_REFUSED,
  RESULT_TIMED_OUT,
} from "../layout/balancer.ts";
import { NS_BALANCER, NS_MACHINE, OWNER_CHECK, TCP_ARG, TCP_OWNER } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as tcp from "../socket/tcp.ts";

const STATUS_OK: u32 = 200;
/** `HTTP/1.1 200` */
const STATUS_AT: usize = 9;
const STATUS_END: i32 = 12;

/** Has a check begin at a moment. */
export function start(check: usize, at: u64): void {
  schedule(check, at, 0);
}

function schedule(check: usize, at: u64, generation: u32): void {
  const machine = load<usize>(load<usize>(check, CHECK_NAMESPACE), NS_MACHINE);
  events.push(at, machine, events.EVENT_CHECK, check, generation);
}

/** The time of the next check has come, generation 0, or that of the one under way is over. */
export function onTimer(check: usize, generation: u32): void {
  if (!generation) ask(check);
  else if (generation == load<u32>(check, CHECK_GENERATION)) finish(check, RESULT_TIMED_OUT);
}

function ask(check: usize): void {
  const generation = load<u32>(check, CHECK_GENERATION) + 1;
  store<u32>(check, generation, CHECK_GENERATION);
  schedule(check, now + load<u64>(check, CHECK_TIMEOUT), generation);
  schedule(check, now + load<u64>(check, CHECK_INTERVAL), 0);
  const ns = load<usize>(check, CHECK_NAMESPACE);
  const to = load<u32>(check, CHECK_ADDRESS);
  const c = tcp.connect(ns, to, load<u32>(check, CHECK_PORT), OWNER_CHECK, <u32>check, 0);
  store<usize>(check, c, CHECK_STREAM);
  if (!c) finish(check, RESULT_REFUSED);
}

/** Something happened to the connection of a check (tcp.happened). */
export function onConnection(c: usize): void {
  const check = load<usize>(c, TCP_ARG);
  const what = tcp.happened;
  if (what & (tcp.REFUSED | tcp.RESET | tcp.EXPIRED)) {
    store<usize>(check, 0, CHECK_STREAM);
    finish(check, what & tcp.EXPIRED ? RESULT_TIMED_OUT : RESULT_REFUSED);
  } else if (what & tcp.CONNECTED) {
    tcp.write(c, load<usize>(check, CHECK_REQUEST), load<i32>(check, CHECK_REQUEST_BYTES));
  } else if (what & tcp.DATA) {
    finish(check, statusOf(tcp.data, tcp.dataLength));
  } else if (what & tcp.PEER_CLOSED) {
    finish(check, RESULT_NO_HTTP);
  }
}

/** The status of an HTTP response that begins with these bytes. */
function statusOf(at: usize, length: i32): u32 {
  if (length < STATUS_END || load<u32>(at) != 0x50545448) return RESULT_NO_HTTP;
  let status: u32 = 0;
  for (let i = STATUS_AT; i < <usize>STATUS_END; i++) {
    const digit = <u32>load<u8>(at + i) - 48;
    if (digit > 9) return RESULT_NO_HTTP;
    status = status * 10 + digit;
  }
  return status;
}

/** A check has ended with a status or RESULT_*. */
function finish(check: usize, result: u32): void {
  store<u32>(check, load<u32>(check, CHECK_GENERATION) + 1, CHECK_GENERATION);
  const c = load<usize>(check, CHECK_STREAM);
  if (c) {
    store<usize>(check, 0, CHECK_STREAM);
    store<u32>(c, 0, TCP_OWNER);
    tcp.close(c);
  }
  const up = result == STATUS_OK;
  const counter: usize = up ? CHECK_PASSED : CHECK_FAILED;
  store<u32>(check + counter, load<u32>(check + counter) + 1);
  const said = up ? CHECK_UP : CHECK_DOWN;
  const state = load<i32>(check, CHECK_STATE);
  if (said == state) {
    store<u32>(check, 0, CHECK_CONTRARY);
    return;
  }
  const contrary = load<u32>(check, CHECK_CONTRARY) + 1;
  store<u32>(check, contrary, CHECK_CONTRARY);
  const threshold: usize = up ? CHECK_RISE : CHECK_FALL;
  if (state && contrary < load<u32>(check + threshold)) return;
  store<u32>(check, 0, CHECK_CONTRARY);
  store<i32>(check, said, CHECK_STATE);
  noteChange(check, said, result);
}

function noteChange(check: usize, state: i32, result: u32): void {
  const balancer = load<usize>(load<usize>(check, CHECK_NAMESPACE), NS_BALANCER);
  store<u32>(balancer, load<u32>(balancer, BALANCER_VERSION) + 1, BALANCER_VERSION);
  const change = allocate(CHANGE_SIZE);
  store<usize>(change, check, CHANGE_CHECK);
  store<u64>(change, now, CHANGE_TIME);
  store<i32>(change, state, CHANGE_STATE);
  store<u32>(change, result, CHANGE_RESULT);
  const last = load<usize>(balancer, BALANCER_CHANGES_LAST);
  if (last) store<usize>(last, change, CHANGE_NEXT);
  else store<usize>(balancer, change, BALANCER_CHANGES);
  store<usize>(balancer, change, BALANCER_CHANGES_LAST);
}
