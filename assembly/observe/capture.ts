// Captured frames: a worker keeps them in its own stream of blocks; between windows one of them merges all streams into the files.
import { DROP_OTHERHOST } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_ID_HIGH, FRAME_ID_LOW, FRAME_LENGTH } from "../layout/frame.ts";
import {
  BATCH_HEADER,
  BATCH_NEXT,
  BATCH_SIZE,
  BATCH_USED,
  CAPTURE_DROPS,
  CAPTURE_PCAPNG,
  CAUGHT_BYTES,
  CAUGHT_DEVICE_SINKS,
  CAUGHT_DIRECTION,
  CAUGHT_ID_HIGH,
  CAUGHT_ID_LOW,
  CAUGHT_LENGTH,
  CAUGHT_MACHINE,
  CAUGHT_TIME,
  DEV_CAPTURE,
  FILE_BUFFER,
  FILE_FILTER,
  FILE_FORMAT,
  FILE_INDEX,
  FILE_PACKETS,
  FILE_RECORD,
  FILE_SEEN,
  FILE_SIZE,
  FILE_USED,
  MACHINE_ID,
  NOTE_FRAME,
  NOTE_REASON,
  SHARED_STREAMS,
  SHARED_WORKERS_MAX,
  SINK_FILE,
  SINK_INTERFACE,
  SINK_NEXT,
  SINK_SIZE,
} from "../layout/records.ts";
import * as P from "../layout/pcap.ts";
import { allocate, takePages } from "../memory/arena.ts";
import { newBatch } from "../memory/batch.ts";
import { copy } from "../memory/bytes.ts";
import { SECOND, machine, now } from "../memory/clock.ts";
import * as recorder from "../memory/recorder.ts";
import * as ethernet from "../wire/ethernet.ts";
import { wants } from "./filter.ts";

export const DIRECTION_IN: u32 = P.EPB_INBOUND;
export const DIRECTION_OUT: u32 = P.EPB_OUTBOUND;

const BLOCK_PAGES: u32 = 16;
const LARGEST: u32 = 65536; // one record or block never is longer

let stream: usize = 0; // the block being written
const epoch: u64 = <u64>P.CAPTURE_EPOCH * SECOND; // the clock's zero in nanoseconds since 1970

/** Prepares the stream of a worker. */
export function startStream(worker: u32): void {
  stream = newBatch(BLOCK_PAGES);
  store<usize>(<usize>SHARED_STREAMS + ((<usize>worker) << 2), stream);
}

/** Notes a frame as a captured device sees it now. Returns where its bytes were copied to, 0 if nobody captures there. */
export function capture(device: usize, frame: usize, direction: u32): usize {
  const sinks = load<usize>(device, DEV_CAPTURE);
  if (!sinks) return 0;
  if (frame == recorder.frame) recorder.caught(device, direction, load<usize>(frame, FRAME_DATA));
  const length = load<u32>(frame, FRAME_LENGTH);
  const bytes = reserve(sinks, frame, direction, length);
  copy(bytes, load<usize>(frame, FRAME_DATA), <i32>length);
  return bytes;
}

/** Makes a record about a frame in the stream, for `length` bytes that the caller writes there; copies may overrun by 15. */
export function reserve(sinks: usize, frame: usize, direction: u32, length: u32): usize {
  const size = (<u32>CAUGHT_BYTES + length + 23) & ~7;
  let used = load<u32>(stream, BATCH_USED);
  if (used + size > load<u32>(stream, BATCH_SIZE)) {
    if (!load<usize>(stream, BATCH_NEXT)) store<usize>(stream, newBatch(BLOCK_PAGES), BATCH_NEXT);
    stream = load<usize>(stream, BATCH_NEXT);
    store<u32>(stream, 0, BATCH_USED);
    used = 0;
  }
  const at = stream + BATCH_HEADER + <usize>used;
  store<u64>(at, now, CAUGHT_TIME);
  store<u32>(at, load<u32>(machine, MACHINE_ID), CAUGHT_MACHINE);
  store<usize>(at, sinks, CAUGHT_DEVICE_SINKS);
  store<u32>(at, direction, CAUGHT_DIRECTION);
  store<u32>(at, length, CAUGHT_LENGTH);
  store<u32>(at, load<u32>(frame, FRAME_ID_LOW), CAUGHT_ID_LOW);
  store<u32>(at, load<u32>(frame, FRAME_ID_HIGH), CAUGHT_ID_HIGH);
  // Records are 8-byte aligned and the room counts the copy's overrun; only the aligned part is used up.
  store<u32>(stream, used + ((<u32>CAUGHT_BYTES + length + 7) & ~7), BATCH_USED);
  return at + CAUGHT_BYTES;
}

/** Bytes waiting in this worker's stream, more or less: whole blocks before the current one and its used part. */
export function pending(worker: u32): u32 {
  let total: u32 = 0;
  let block = load<usize>(<usize>SHARED_STREAMS + ((<usize>worker) << 2));
  while (true) {
    total += load<u32>(block, BATCH_USED);
    if (block == stream) return total;
    block = load<usize>(block, BATCH_NEXT);
  }
}

/** Empties this worker's stream, after its records have been merged. */
export function resetStream(worker: u32): void {
  const first = load<usize>(<usize>SHARED_STREAMS + ((<usize>worker) << 2));
  let block = first;
  while (block) {
    store<u32>(block, 0, BATCH_USED);
    block = load<usize>(block, BATCH_NEXT);
  }
  stream = first;
}

/** A capture file of a number of interfaces, with a buffer of `size` bytes that the host empties. */
export function newFile(index: u32, format: u32, size: u32, interfaces: u32): usize {
  const file = allocate(FILE_RECORD);
  store<u32>(file, index, FILE_INDEX);
  store<u32>(file, format, FILE_FORMAT);
  store<usize>(file, takePages((size + LARGEST) >> 16), FILE_BUFFER);
  store<u32>(file, size, FILE_SIZE);
  store<usize>(file, allocate(interfaces << 2), FILE_SEEN);
  return file;
}

/** Sends what a device sees to a file too, as interface number `id` of it. */
export function addSink(device: usize, file: usize, id: u32): void {
  recorder.changed();
  const sink = allocate(SINK_SIZE);
  store<usize>(sink, load<usize>(device, DEV_CAPTURE), SINK_NEXT);
  store<usize>(sink, file, SINK_FILE);
  store<u32>(sink, id, SINK_INTERFACE);
  store<usize>(device, sink, DEV_CAPTURE);
}

// Where the merge stands in each worker's stream.
let cursors: usize = 0; // block and offset for each worker
let merging: u32 = 0;
let pendingSink: usize = 0; // a sink that the record in hand still goes to
let pendingRecord: usize = 0;

/** Begins a merge of the streams of `workers` workers, all of which stand still. */
export function startMerge(workers: u32): void {
  if (!cursors) cursors = allocate(SHARED_WORKERS_MAX << 3);
  merging = workers;
  for (let i: u32 = 0; i < workers; i++) {
    const cursor = cursors + ((<usize>i) << 3);
    store<usize>(cursor, load<usize>(<usize>SHARED_STREAMS + ((<usize>i) << 2)));
    store<u32>(cursor, 0, 4);
  }
}

/** The record that a worker's cursor stands at, 0 at the end of its stream. */
function peek(worker: u32): usize {
  const cursor = cursors + ((<usize>worker) << 3);
  let block = load<usize>(cursor);
  while (block && load<u32>(cursor, 4) >= load<u32>(block, BATCH_USED)) {
    block = load<usize>(block, BATCH_NEXT);
    store<usize>(cursor, block);
    store<u32>(cursor, 0, 4);
  }
  return block ? block + BATCH_HEADER + <usize>load<u32>(cursor, 4) : 0;
}

/** The earliest record of all streams by (time, machine): the order that one worker alone would have made. */
function next(): usize {
  let best: usize = 0;
  let from: u32 = 0;
  for (let i: u32 = 0; i < merging; i++) {
    const record = peek(i);
    if (!record) continue;
    const time = load<u64>(record, CAUGHT_TIME);
    const bestTime = best ? load<u64>(best, CAUGHT_TIME) : 0;
    if (
      !best ||
      time < bestTime ||
      (time == bestTime && load<u32>(record, CAUGHT_MACHINE) < load<u32>(best, CAUGHT_MACHINE))
    ) {
      best = record;
      from = i;
    }
  }
  if (best) {
    const cursor = cursors + ((<usize>from) << 3);
    store<u32>(cursor, load<u32>(cursor, 4) + ((<u32>CAUGHT_BYTES + load<u32>(best, CAUGHT_LENGTH) + 7) & ~7), 4);
  }
  return best;
}

/** Writes records into the files' buffers until one is full (its FILE_* record is returned) or all are written (0). */
export function merge(): usize {
  while (true) {
    if (!pendingSink) {
      pendingRecord = next();
      if (!pendingRecord) return 0;
      pendingSink = load<usize>(pendingRecord, CAUGHT_DEVICE_SINKS);
    }
    while (pendingSink) {
      const file = load<usize>(pendingSink, SINK_FILE);
      if (!load<u32>(pendingRecord, CAUGHT_DIRECTION)) {
        if (!mergeNote(file)) return file;
        pendingSink = load<usize>(pendingSink, SINK_NEXT);
        continue;
      }
      const filter = load<usize>(file, FILE_FILTER);
      if (filter && !wants(filter, pendingRecord + CAUGHT_BYTES, load<u32>(pendingRecord, CAUGHT_LENGTH))) {
        pendingSink = load<usize>(pendingSink, SINK_NEXT);
        continue;
      }
      const used = load<u32>(file, FILE_USED);
      if (used + load<u32>(pendingRecord, CAUGHT_LENGTH) + 128 > load<u32>(file, FILE_SIZE)) return file;
      const at = load<usize>(file, FILE_BUFFER) + <usize>used;
      const size =
        load<u32>(file, FILE_FORMAT) == CAPTURE_PCAPNG
          ? writePacketBlock(at, pendingRecord, load<u32>(pendingSink, SINK_INTERFACE))
          : writePcapRecord(at, pendingRecord);
      store<u32>(file, used + size, FILE_USED);
      store<u32>(file, load<u32>(file, FILE_PACKETS) + 1, FILE_PACKETS);
      const seen = load<usize>(file, FILE_SEEN) + ((<usize>load<u32>(pendingSink, SINK_INTERFACE)) << 2);
      store<u32>(seen, load<u32>(seen) + 1);
      pendingSink = load<usize>(pendingSink, SINK_NEXT);
    }
  }
}

/** Writes the note in hand into the buffer of a file that wants it. Returns whether there was room. */
function mergeNote(file: usize): bool {
  const note = pendingRecord + CAUGHT_BYTES;
  const size = load<u32>(pendingRecord, CAUGHT_LENGTH);
  if (load<u32>(file, FILE_FORMAT) == CAPTURE_DROPS) {
    // A copy that was flooded to somebody else is no lost packet.
    if (!load<u32>(note, NOTE_REASON) || load<i32>(note, NOTE_REASON) == DROP_OTHERHOST) return true;
    const filter = load<usize>(file, FILE_FILTER);
    if (filter && !wants(filter, note + NOTE_FRAME, size - <u32>NOTE_FRAME)) return true;
  }
  const used = load<u32>(file, FILE_USED);
  const padded = (size + 3) & ~3;
  const length = <u32>P.NOTE_BLOCK_OVERHEAD + padded;
  if (used + length + 16 > load<u32>(file, FILE_SIZE)) return false;
  const at = load<usize>(file, FILE_BUFFER) + <usize>used;
  const time = epoch + load<u64>(pendingRecord, CAUGHT_TIME);
  store<u32>(at, P.NOTE_BLOCK_TYPE_VALUE, P.NOTE_BLOCK_TYPE);
  store<u32>(at, length, P.NOTE_BLOCK_LENGTH);
  store<u32>(at, <u32>(time >> 32), P.NOTE_BLOCK_TIME_HIGH);
  store<u32>(at, <u32>time, P.NOTE_BLOCK_TIME_LOW);
  store<u32>(at, load<u32>(pendingRecord, CAUGHT_ID_LOW), P.NOTE_BLOCK_ID_LOW);
  store<u32>(at, load<u32>(pendingRecord, CAUGHT_ID_HIGH), P.NOTE_BLOCK_ID_HIGH);
  store<u32>(at, size, P.NOTE_BLOCK_SIZE);
  copy(at + P.NOTE_BLOCK_NOTE, note, <i32>size);
  store<u32>(at + <usize>(length - 4), length);
  store<u32>(file, used + length, FILE_USED);
  return true;
}

/** An enhanced packet block with direction, kind of address and packet id (layout/pcap.ts). */
function writePacketBlock(at: usize, record: usize, id: u32): u32 {
  const length = load<u32>(record, CAUGHT_LENGTH);
  const padded = (length + 3) & ~3;
  const size = <u32>P.EPB_OVERHEAD + padded;
  const time = epoch + load<u64>(record, CAUGHT_TIME);
  store<u32>(at, P.EPB_TYPE_VALUE, P.EPB_TYPE);
  store<u32>(at, size, P.EPB_LENGTH);
  store<u32>(at, id, P.EPB_INTERFACE);
  store<u32>(at, <u32>(time >> 32), P.EPB_TIME_HIGH);
  store<u32>(at, <u32>time, P.EPB_TIME_LOW);
  store<u32>(at, length, P.EPB_CAPTURED);
  store<u32>(at, length, P.EPB_ORIGINAL);
  const data = at + P.EPB_FRAME;
  copy(data, record + CAUGHT_BYTES, <i32>length);
  for (let i = length; i < padded; i++) store<u8>(data + <usize>i, 0);
  const high = ethernet.destinationHigh(data);
  let kind: u32 = P.EPB_UNICAST;
  if (ethernet.isBroadcast(high, ethernet.destinationLow(data))) kind = P.EPB_BROADCAST;
  else if (ethernet.isGroup(high)) kind = P.EPB_MULTICAST;
  const tail = data + <usize>padded;
  store<u32>(tail, P.EPB_FLAGS_OPTION_VALUE, P.EPB_FLAGS_OPTION);
  store<u32>(tail, load<u32>(record, CAUGHT_DIRECTION) | kind, P.EPB_FLAGS);
  store<u32>(tail, P.EPB_ID_OPTION_VALUE, P.EPB_ID_OPTION);
  store<u32>(tail, load<u32>(record, CAUGHT_ID_LOW), P.EPB_ID_LOW);
  store<u32>(tail, load<u32>(record, CAUGHT_ID_HIGH), P.EPB_ID_HIGH);
  store<u32>(tail, P.EPB_END_OPTION_VALUE, P.EPB_END_OPTION);
  store<u32>(tail, size, P.EPB_LENGTH_AGAIN);
  return size;
}

/** A record of a classic nanosecond pcap file. */
function writePcapRecord(at: usize, record: usize): u32 {
  const length = load<u32>(record, CAUGHT_LENGTH);
  const time = epoch + load<u64>(record, CAUGHT_TIME);
  store<u32>(at, <u32>(time / SECOND), P.PCAP_SECONDS);
  store<u32>(at, <u32>(time % SECOND), P.PCAP_NANOSECONDS);
  store<u32>(at, length, P.PCAP_CAPTURED);
  store<u32>(at, length, P.PCAP_ORIGINAL);
  copy(at + P.PCAP_FRAME, record + CAUGHT_BYTES, <i32>length);
  return <u32>P.PCAP_FRAME + length;
}
