// What a worker counts for each traffic line: requests by outcome, drops by reason, the rule that denied first, latencies, and who answered.
import {
  HISTOGRAM_SUB_BITS,
  LINE_BACKENDS,
  LINE_DELIVERED,
  LINE_DENIED_AT,
  LINE_DENIED_NS,
  LINE_DENIED_RULE,
  LINE_HISTOGRAM,
  LINE_MAX,
  LINE_SIZE,
  LINE_STATUS,
  LINE_SUM,
  STATUS_COUNT,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { now } from "../memory/clock.ts";
import * as cpu from "../memory/cpu.ts";

let first: usize = 0;
const STRIDE: usize = (LINE_SIZE + 63) & ~63;

/** Makes the counters of `lines` lines, each able to count `namespaces` backends. */
export function makeLines(lines: u32, namespaces: u32): void {
  first = allocate(<u32>STRIDE * (lines + 1));
  for (let i: u32 = 1; i <= lines; i++) store<usize>(line(i), allocate(namespaces << 2), LINE_BACKENDS);
}

/** The counters of a line, numbered from 1. */
export function line(number: u32): usize {
  return first + <usize>number * STRIDE;
}

export function add(number: u32, counter: usize): void {
  const at = line(number) + counter;
  store<u32>(at, load<u32>(at) + 1);
}

/**
 * The bucket of a value: below 2^7 each value has its own, above there are 64 for each power of two, so a bucket is at
 * most 1/64 of its value wide.
 */
export function bucketOf(value: u64): u32 {
  const magnitude = <u32>(63 - clz<u64>(value | 1));
  if (magnitude <= <u32>HISTOGRAM_SUB_BITS) return <u32>value;
  const shift = magnitude - <u32>HISTOGRAM_SUB_BITS;
  return ((shift + 1) << HISTOGRAM_SUB_BITS) + ((<u32>(value >> (<u64>shift))) & 63);
}

/** Notes an answered request: how long it took until this moment, and which namespace answered. */
export function answered(number: u32, took: u64, origin: u32): void {
  const latency = took + cpu.spent();
  const record = line(number);
  store<u32>(record, load<u32>(record, LINE_DELIVERED) + 1, LINE_DELIVERED);
  const bucket = record + LINE_HISTOGRAM + ((<usize>bucketOf(latency)) << 2);
  store<u32>(bucket, load<u32>(bucket) + 1);
  store<u64>(record, load<u64>(record, LINE_SUM) + latency, LINE_SUM);
  if (latency > load<u64>(record, LINE_MAX)) store<u64>(record, latency, LINE_MAX);
  const backend = load<usize>(record, LINE_BACKENDS) + ((<usize>origin) << 2);
  store<u32>(backend, load<u32>(backend) + 1);
}

/** Notes the status of an answer. */
export function countStatus(number: u32, status: u32): void {
  if (status < <u32>STATUS_COUNT) add(number, <usize>LINE_STATUS + ((<usize>status) << 2));
}

/** Notes that a rule (by its number in the namespace) of a namespace denies a frame of a line. The earliest counts; of several at once the lowest namespace. */
export function denied(number: u32, namespace: u32, rule: u32): void {
  if (!number) return;
  const record = line(number);
  if (load<u32>(record, LINE_DENIED_RULE)) {
    const before = load<u64>(record, LINE_DENIED_AT);
    if (before < now || (before == now && load<u32>(record, LINE_DENIED_NS) <= namespace)) return;
  }
  store<u64>(record, now, LINE_DENIED_AT);
  store<u32>(record, namespace, LINE_DENIED_NS);
  store<u32>(record, rule + 1, LINE_DENIED_RULE);
}
