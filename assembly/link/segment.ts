// Segments between machines: an ideal switch that delays, and the outboxes in which frames reach other workers.
import { DROP_QDISC_DROP, OK, USED_WIRE } from "../layout/codes.ts";
import {
  FRAME_DATA,
  FRAME_ID_HIGH,
  FRAME_ID_LOW,
  FRAME_LENGTH,
  FRAME_LINE,
  FRAME_ORIGIN,
  FRAME_SUMMED,
} from "../layout/frame.ts";
import {
  BATCH_HEADER,
  BATCH_NEXT,
  BATCH_SIZE,
  BATCH_USED,
  CROSS_BYTES,
  CROSS_DEVICE,
  CROSS_ID_HIGH,
  CROSS_ID_LOW,
  CROSS_LENGTH,
  CROSS_LINE,
  CROSS_ORDER,
  CROSS_ORIGIN,
  CROSS_SUMMED,
  CROSS_TIME,
  DEV_BUSY_UNTIL,
  DEV_MTU,
  DEV_NAMESPACE,
  DEV_PORT_ID,
  DEV_SEGMENT,
  MACHINE_ID,
  NS_MACHINE,
  PORT_DEVICE,
  PORT_MACHINE,
  PORT_MAC_HIGH,
  PORT_MAC_LOW,
  PORT_MACHINE_ID,
  PORT_SIZE,
  PORT_WORKER,
  SEGMENT_LATENCY,
  SEGMENT_MACS,
  SEGMENT_MACS_MASK,
  SEGMENT_PORTS,
  SEGMENT_PORT_COUNT,
  SEGMENT_RATE,
  SEGMENT_SIZE,
  SHARED_OUTBOXES,
  SHARED_WORKERS_MAX,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { newBatch } from "../memory/batch.ts";
import { copy } from "../memory/bytes.ts";
import { machine, now } from "../memory/clock.ts";
import * as events from "../memory/events.ts";
import * as frames from "../memory/frames.ts";
import { mix } from "../memory/hash.ts";
import { drop } from "../observe/drops.ts";
import { consume } from "../track/table.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as partition from "./partition.ts";

let self: u32 = 0; // this worker
let side: u32 = 0; // of the outboxes being written; the other one is being read
let earliest: u64 = u64.MAX_VALUE; // the earliest arrival sent to another worker in this window

export function setWorker(index: u32): void {
  self = index;
}

/** A segment for up to `ports` ports. */
export function newSegment(latency: u64, rate: u64, ports: u32): usize {
  const segment = allocate(SEGMENT_SIZE);
  let slots: u32 = 16;
  while (slots < ports << 1) slots <<= 1;
  store<u64>(segment, latency, SEGMENT_LATENCY);
  store<u64>(segment, rate, SEGMENT_RATE);
  store<usize>(segment, allocate(ports * <u32>PORT_SIZE), SEGMENT_PORTS);
  store<usize>(segment, allocate(slots << 2), SEGMENT_MACS);
  store<u32>(segment, slots - 1, SEGMENT_MACS_MASK);
  return segment;
}

/** Plugs a device of a worker into port `port` of a segment. Each port is written by its own worker. */
export function plug(segment: usize, port: u32, device: usize, worker: u32, macHigh: u32, macLow: u32): void {
  const record = load<usize>(segment, SEGMENT_PORTS) + <usize>port * PORT_SIZE;
  store<usize>(record, device, PORT_DEVICE);
  const owner = load<usize>(load<usize>(device, DEV_NAMESPACE), NS_MACHINE);
  store<usize>(record, owner, PORT_MACHINE);
  store<u32>(record, load<u32>(owner, MACHINE_ID), PORT_MACHINE_ID);
  store<u32>(record, worker, PORT_WORKER);
  store<u32>(record, macHigh, PORT_MAC_HIGH);
  store<u32>(record, macLow, PORT_MAC_LOW);
  store<usize>(device, segment, DEV_SEGMENT);
  store<u32>(device, port, DEV_PORT_ID);
}

/** Makes the address table of a segment once all its ports are plugged in. One worker does it. */
export function indexPorts(segment: usize, ports: u32): void {
  store<u32>(segment, ports, SEGMENT_PORT_COUNT);
  const mask = load<u32>(segment, SEGMENT_MACS_MASK);
  const table = load<usize>(segment, SEGMENT_MACS);
  for (let i: u32 = 0; i < ports; i++) {
    const record = load<usize>(segment, SEGMENT_PORTS) + <usize>i * PORT_SIZE;
    let slot = mix(load<u32>(record, PORT_MAC_HIGH), load<u32>(record, PORT_MAC_LOW)) & mask;
    while (load<u32>(table + ((<usize>slot) << 2))) slot = (slot + 1) & mask;
    store<u32>(table + ((<usize>slot) << 2), i + 1);
  }
}

/** The port with an address, numbered from 1; 0: none. */
function portOf(segment: usize, high: u32, low: u32): u32 {
  const mask = load<u32>(segment, SEGMENT_MACS_MASK);
  const table = load<usize>(segment, SEGMENT_MACS);
  let slot = mix(high, low) & mask;
  while (true) {
    const port = load<u32>(table + ((<usize>slot) << 2));
    if (!port) return 0;
    const record = load<usize>(segment, SEGMENT_PORTS) + <usize>(port - 1) * PORT_SIZE;
    if (load<u32>(record, PORT_MAC_LOW) == low && load<u32>(record, PORT_MAC_HIGH) == high) return port;
    slot = (slot + 1) & mask;
  }
}

/** The head of the list of blocks that one worker fills for another. */
function outboxOf(from: u32, to: u32): usize {
  const row = side * <u32>SHARED_WORKERS_MAX + from;
  return <usize>SHARED_OUTBOXES + ((<usize>(row * <u32>SHARED_WORKERS_MAX + to)) << 2);
}

const OUTBOX_PAGES: u32 = 4;

function outbox(worker: u32, size: u32): usize {
  const head = outboxOf(self, worker);
  const first = load<usize>(head);
  for (let block = first; block; block = load<usize>(block, BATCH_NEXT)) {
    if (load<u32>(block, BATCH_USED) + size <= load<u32>(block, BATCH_SIZE)) return block;
  }
  const fresh = newBatch(OUTBOX_PAGES);
  store<usize>(fresh, first, BATCH_NEXT);
  store<usize>(head, fresh);
  return fresh;
}

/** Hands a frame to a port; it is gone from here afterwards. */
function deliver(record: usize, arrival: u64, frame: usize): void {
  const target = load<usize>(record, PORT_MACHINE);
  const device = load<usize>(record, PORT_DEVICE);
  const order = events.orderAt(load<u32>(record, PORT_MACHINE_ID), machine);
  const worker = load<u32>(record, PORT_WORKER);
  if (worker == self) {
    events.pushOrdered(arrival, order, target, events.EVENT_RECEIVE, frame, <u32>device);
    return;
  }
  const length = load<u32>(frame, FRAME_LENGTH);
  const size = (<u32>CROSS_BYTES + length + 23) & ~7;
  const block = outbox(worker, size);
  const at = block + BATCH_HEADER + <usize>load<u32>(block, BATCH_USED);
  store<u64>(at, arrival, CROSS_TIME);
  store<u64>(at, order, CROSS_ORDER);
  store<usize>(at, device, CROSS_DEVICE);
  store<u32>(at, length, CROSS_LENGTH);
  store<u32>(at, load<u32>(frame, FRAME_ID_LOW), CROSS_ID_LOW);
  store<u32>(at, load<u32>(frame, FRAME_ID_HIGH), CROSS_ID_HIGH);
  store<u32>(at, load<u32>(frame, FRAME_LINE), CROSS_LINE);
  store<u32>(at, load<u32>(frame, FRAME_ORIGIN), CROSS_ORIGIN);
  store<u32>(at, load<u32>(frame, FRAME_SUMMED), CROSS_SUMMED);
  copy(at + CROSS_BYTES, load<usize>(frame, FRAME_DATA), <i32>length);
  store<u32>(block, load<u32>(block, BATCH_USED) + size, BATCH_USED);
  if (arrival < earliest) earliest = arrival;
  consume(frame, USED_WIRE);
}

const QUEUE_FRAMES: u64 = 1000; // txqueuelen
const SECOND_BITS: u64 = 8000000000; // nanoseconds in a second, times bits in a byte

/** How many nanoseconds bytes take at a rate in bits per second. */
export function timeFor(bytes: u64, rate: u64): u64 {
  return (bytes * SECOND_BITS) / rate;
}

/** How long a frame may wait for those before it at a device without a queueing discipline: as long as a full queue takes. */
export function longestWait(device: usize, rate: u64): u64 {
  return timeFor(QUEUE_FRAMES * <u64>load<u32>(device, DEV_MTU), rate);
}

/**
 * Puts a frame on the wire: it leaves when the frames before it have left, at the segment's rate, and arrives after its
 * latency. Returns OK, or the reason if the queue is full (the frame is then still the caller's).
 */
export function transmit(device: usize, frame: usize): i32 {
  const segment = load<usize>(device, DEV_SEGMENT);
  const rate = load<u64>(segment, SEGMENT_RATE);
  const busy = max<u64>(load<u64>(device, DEV_BUSY_UNTIL), now);
  if (busy > now && busy - now > longestWait(device, rate)) return DROP_QDISC_DROP;
  const gone = busy + timeFor(<u64>load<u32>(frame, FRAME_LENGTH), rate);
  store<u64>(device, gone, DEV_BUSY_UNTIL);
  const arrival = gone + load<u64>(segment, SEGMENT_LATENCY);

  distribute(device, frame, arrival);
  return OK;
}

/**
 * Hands a frame to the port with its destination, or to all but the one that it came from; it is gone from here afterwards. Ports
 * that a partition keeps apart from the sender do not get it.
 */
export function distribute(device: usize, frame: usize, arrival: u64): void {
  const segment = load<usize>(device, DEV_SEGMENT);
  const at = load<usize>(frame, FRAME_DATA);
  const high = ethernet.destinationHigh(at);
  const ports = load<usize>(segment, SEGMENT_PORTS);
  const own = load<u32>(device, DEV_PORT_ID);
  const known = ethernet.isGroup(high) ? 0 : portOf(segment, high, ethernet.destinationLow(at));
  if (known) {
    if (known - 1 == own) consume(frame, USED_WIRE);
    else if (partition.separates(segment, own, known - 1))
      drop(load<usize>(device, DEV_NAMESPACE), frame, DROP_QDISC_DROP);
    else deliver(ports + <usize>(known - 1) * PORT_SIZE, arrival, frame);
    return;
  }
  const count = load<u32>(segment, SEGMENT_PORT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    if (i == own) continue;
    const twin = frames.clone(frame);
    if (partition.separates(segment, own, i)) drop(load<usize>(device, DEV_NAMESPACE), twin, DROP_QDISC_DROP);
    else deliver(ports + <usize>i * PORT_SIZE, arrival, twin);
  }
  consume(frame, USED_WIRE);
}

/** The earliest arrival that this worker has sent to others since the last call; u64.MAX_VALUE if none. */
export function takeEarliest(): u64 {
  const time = earliest;
  earliest = u64.MAX_VALUE;
  return time;
}

/**
 * Takes in the frames that other workers have left for this one, and turns to the other side of the outboxes, so that the
 * next window may begin while others still read. Called once after each window, behind the barrier.
 */
export function collect(workers: u32): void {
  for (let from: u32 = 0; from < workers; from++) {
    if (from == self) continue;
    let block = load<usize>(outboxOf(from, self));
    while (block) {
      let at = block + BATCH_HEADER;
      const end = at + <usize>load<u32>(block, BATCH_USED);
      while (at < end) {
        at += receive(at);
      }
      store<u32>(block, 0, BATCH_USED);
      block = load<usize>(block, BATCH_NEXT);
    }
  }
  side ^= 1;
}

function receive(at: usize): usize {
  const length = load<u32>(at, CROSS_LENGTH);
  const frame = frames.newFrameFor(<i32>length);
  store<u32>(frame, length, FRAME_LENGTH);
  store<u32>(frame, load<u32>(at, CROSS_ID_LOW), FRAME_ID_LOW);
  store<u32>(frame, load<u32>(at, CROSS_ID_HIGH), FRAME_ID_HIGH);
  store<u32>(frame, load<u32>(at, CROSS_LINE), FRAME_LINE);
  store<u32>(frame, load<u32>(at, CROSS_ORIGIN), FRAME_ORIGIN);
  store<u32>(frame, load<u32>(at, CROSS_SUMMED), FRAME_SUMMED);
  copy(load<usize>(frame, FRAME_DATA), at + CROSS_BYTES, <i32>length);
  const device = load<usize>(at, CROSS_DEVICE);
  const target = load<usize>(load<usize>(device, DEV_NAMESPACE), NS_MACHINE);
  events.pushOrdered(
    load<u64>(at, CROSS_TIME),
    load<u64>(at, CROSS_ORDER),
    target,
    events.EVENT_RECEIVE,
    frame,
    <u32>device,
  );
  return <usize>((<u32>CROSS_BYTES + length + 23) & ~7);
}
