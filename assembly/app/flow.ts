// Flows: when their requests come. An open loop begins them at its moments, whatever became of those before; a closed loop begins one
// when the last one is over.
import { PROTOCOL_ICMP, PROTOCOL_STREAM } from "../layout/codes.ts";
import {
  FLOW_ARRIVAL,
  FLOW_CLIENTS,
  FLOW_ID,
  FLOW_INTERVAL,
  FLOW_MOMENTS,
  FLOW_NAMESPACE,
  FLOW_NEXT_AT,
  FLOW_OFF,
  FLOW_ON,
  FLOW_ON_UNTIL,
  FLOW_PROTOCOL,
  FLOW_RANDOM,
  FLOW_STOP,
  FLOW_THINK,
  FLOW_TRACE,
  NS_MACHINE,
  OWNER_FLOW,
} from "../layout/records.ts";
import {
  ARRIVAL_CALLED,
  ARRIVAL_CLOSED,
  ARRIVAL_POISSON,
  ARRIVAL_TRACE,
  MOMENT_ANSWER_BYTES,
  MOMENT_AT,
  MOMENT_BYTES,
  MOMENT_SIZE,
} from "../layout/traffic.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import { fraction } from "../memory/random.ts";
import * as sockets from "../socket/table.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { draw, drawWhole } from "./draw.ts";
import * as session from "./session.ts";
import * as stream from "./stream.ts";

/** Starts a flow: its socket, if it has one for all requests, and its first events. */
export function start(flow: usize, at: f64): void {
  session.prepare();
  const ns = load<usize>(flow, FLOW_NAMESPACE);
  const protocol = load<i32>(flow, FLOW_PROTOCOL);
  if (protocol == PROTOCOL_ICMP) {
    sockets.bind(ns, ipv4.PROTO_ICMP, 0, load<u32>(flow, FLOW_ID) & 0xffff, OWNER_FLOW, <u32>flow);
  }
  if (protocol == PROTOCOL_STREAM) stream.open(flow);
  const arrival = load<i32>(flow, FLOW_ARRIVAL);
  if (arrival == ARRIVAL_CALLED) return;
  if (arrival == ARRIVAL_CLOSED) {
    for (let left = load<u32>(flow, FLOW_CLIENTS); left; left--) push(flow, <u64>at);
    return;
  }
  if (arrival == ARRIVAL_TRACE) skipMoments(flow, at);
  const on = load<usize>(flow, FLOW_ON);
  if (on) store<f64>(flow, at + draw(on, flow + FLOW_RANDOM), FLOW_ON_UNTIL);
  store<f64>(flow, arrival == ARRIVAL_POISSON ? after(flow, at) : at, FLOW_NEXT_AT);
  schedule(flow);
}

/** The moments of a trace before a flow starts are not its own. */
function skipMoments(flow: usize, at: f64): void {
  let moment = load<usize>(flow, FLOW_TRACE);
  let left = load<u32>(flow, FLOW_MOMENTS);
  for (; left && load<f64>(moment, MOMENT_AT) < at; left--) moment += MOMENT_SIZE;
  store<usize>(flow, moment, FLOW_TRACE);
  store<u32>(flow, left, FLOW_MOMENTS);
}

/** The moment of the request after one at `from`, past the times in which none come. */
function after(flow: usize, from: f64): f64 {
  const random = flow + FLOW_RANDOM;
  const interval = load<f64>(flow, FLOW_INTERVAL);
  const poisson = load<i32>(flow, FLOW_ARRIVAL) == ARRIVAL_POISSON;
  let next = from + (poisson ? -NativeMath.log(fraction(random)) * interval : interval);
  const on = load<usize>(flow, FLOW_ON);
  if (!on) return next;
  while (next >= load<f64>(flow, FLOW_ON_UNTIL)) {
    const off = draw(load<usize>(flow, FLOW_OFF), random);
    next += off;
    store<f64>(flow, load<f64>(flow, FLOW_ON_UNTIL) + off + draw(on, random), FLOW_ON_UNTIL);
  }
  return next;
}

function schedule(flow: usize): void {
  if (load<i32>(flow, FLOW_ARRIVAL) != ARRIVAL_TRACE) push(flow, <u64>load<f64>(flow, FLOW_NEXT_AT));
  else if (load<u32>(flow, FLOW_MOMENTS)) push(flow, <u64>load<f64>(load<usize>(flow, FLOW_TRACE), MOMENT_AT));
}

function push(flow: usize, at: u64): void {
  if (at >= load<u64>(flow, FLOW_STOP)) return;
  events.push(at, load<usize>(load<usize>(flow, FLOW_NAMESPACE), NS_MACHINE), events.EVENT_FLOW, flow, 0);
}

/** The time of a request has come. */
export function onMoment(flow: usize): void {
  const arrival = load<i32>(flow, FLOW_ARRIVAL);
  if (arrival == ARRIVAL_TRACE) {
    const moment = load<usize>(flow, FLOW_TRACE);
    store<usize>(flow, moment + MOMENT_SIZE, FLOW_TRACE);
    store<u32>(flow, load<u32>(flow, FLOW_MOMENTS) - 1, FLOW_MOMENTS);
    schedule(flow);
    session.begin(flow, load<u32>(moment, MOMENT_BYTES), load<u32>(moment, MOMENT_ANSWER_BYTES), 0, 0);
    return;
  }
  if (arrival != ARRIVAL_CLOSED) {
    store<f64>(flow, after(flow, load<f64>(flow, FLOW_NEXT_AT)), FLOW_NEXT_AT);
    schedule(flow);
  }
  if (load<i32>(flow, FLOW_PROTOCOL) == PROTOCOL_STREAM) stream.onMoment(flow);
  else session.begin(flow, 0, 0, 0, 0);
}

/** A client of a closed loop is done with a request that began at `began`: it thinks, then makes the next one. */
export function onEnd(flow: usize, began: u64): void {
  if (load<i32>(flow, FLOW_ARRIVAL) != ARRIVAL_CLOSED) return;
  const think = load<usize>(flow, FLOW_THINK);
  const next = now + (think ? drawWhole(think, flow + FLOW_RANDOM) : 0);
  // What fails without any time passing would be tried again at the same moment for ever.
  push(flow, next == began ? now + MILLISECOND : next);
}
