// Meters: what arrives of a stream, counted where it ends: how long it took, what came out of order or twice, and how much the times
// differ (RFC 3550's interarrival jitter). A stream is known by its flow and by who takes it.
import {
  LINE_DUPLICATES,
  LINE_JITTER_MAX,
  LINE_JITTER_SUM,
  LINE_REORDERED,
  LINE_STREAMS,
  METER_FLOW,
  METER_HIGHEST,
  METER_JITTER,
  METER_NAMESPACE,
  METER_SEEN,
  METER_SIZE,
  METER_TRANSIT,
  STREAM_FLOW,
  STREAM_NUMBER,
  STREAM_SENT,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import * as cpu from "../memory/cpu.ts";
import * as hash from "../memory/hash.ts";
import { take } from "../memory/pool.ts";
import { add, answered, line as lineOf } from "../observe/lines.ts";

let meters: usize = 0;
let free: usize = 0;

function hashOf(ns: usize, flow: u32): u32 {
  return hash.mix(<u32>ns, flow);
}

/** The hash that a record stands under. */
function hashOfRecord(meter: usize): u32 {
  return hashOf(load<usize>(meter, METER_NAMESPACE), load<u32>(meter, METER_FLOW));
}

function meterOf(ns: usize, flow: u32): usize {
  if (!meters) {
    meters = hash.newTable(256);
    free = allocate(64);
  }
  let meter = load<usize>(hash.bucket(meters, hashOf(ns, flow)));
  while (meter) {
    if (load<usize>(meter, METER_NAMESPACE) == ns && load<u32>(meter, METER_FLOW) == flow) return meter;
    meter = load<usize>(meter);
  }
  meter = take(free, METER_SIZE);
  clear(meter, METER_SIZE);
  store<usize>(meter, ns, METER_NAMESPACE);
  store<u32>(meter, flow, METER_FLOW);
  if (hash.crowded(meters)) hash.grow(meters, hashOfRecord);
  hash.insert(meters, hashOf(ns, flow), meter);
  return meter;
}

/** Whether a datagram with a number has come before, as far as the last 64 tell; notes that it came, and whether it was late. */
function isTwice(meter: usize, number: u32, line: u32): bool {
  const highest = load<u32>(meter, METER_HIGHEST);
  const seen = load<u64>(meter, METER_SEEN);
  if (number > highest) {
    const ahead = number - highest;
    store<u32>(meter, number, METER_HIGHEST);
    store<u64>(meter, (ahead < 64 ? seen << (<u64>ahead) : 0) | 1, METER_SEEN);
    return false;
  }
  const behind = <u64>(highest - number);
  const bit: u64 = behind < 64 ? (<u64>1) << behind : 0;
  if (seen & bit) return true;
  store<u64>(meter, seen | bit, METER_SEEN);
  add(line, LINE_REORDERED);
  return false;
}

/** The estimate of RFC 3550, A.8, in sixteenths of a nanosecond. */
function noteTransit(meter: usize, transit: u64, line: u32): void {
  const record = lineOf(line);
  const last = load<u64>(meter, METER_TRANSIT);
  store<u64>(meter, transit, METER_TRANSIT);
  if (!last) {
    store<u32>(record, load<u32>(record, LINE_STREAMS) + 1, LINE_STREAMS);
    return;
  }
  const old = load<u64>(meter, METER_JITTER);
  const difference = transit > last ? transit - last : last - transit;
  const jitter = old + difference - ((old + 8) >> 4);
  store<u64>(meter, jitter, METER_JITTER);
  store<u64>(record, load<u64>(record, LINE_JITTER_SUM) + jitter - old, LINE_JITTER_SUM);
  if (jitter > load<u64>(record, LINE_JITTER_MAX)) store<u64>(record, jitter, LINE_JITTER_MAX);
}

/** A datagram of a stream came to its end in a namespace; `origin` has sent or answered it. */
export function count(ns: usize, at: usize, line: u32, origin: u32): void {
  const meter = meterOf(ns, load<u32>(at, STREAM_FLOW));
  if (isTwice(meter, load<u32>(at, STREAM_NUMBER), line)) {
    add(line, LINE_DUPLICATES);
    return;
  }
  const took = now - load<u64>(at, STREAM_SENT);
  answered(line, took, origin);
  noteTransit(meter, max<u64>(took + cpu.spent(), 1), line);
}
