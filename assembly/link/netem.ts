// What the link of a device does to the frames that the device sends, step by step as netem does it (net/sched/sch_netem.c):
//
//   duplicate? -> lose? -> corrupt a bit? -> is the queue full? -> the copy goes the same way -> overtake, or latency, jitter and rate
//
// All that is random is drawn from one stream per device, in this order, so that a run does not depend on what other links draw.
import { DEVICE_VETH, DROP_QDISC_DROP, OK } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_DEVICE, FRAME_LENGTH, FRAME_STAGE, FRAME_SUMMED, STAGE_RECEIVE } from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import * as backlog from "../memory/backlog.ts";
import { machine, now } from "../memory/clock.ts";
import * as cpu from "../memory/cpu.ts";
import * as events from "../memory/events.ts";
import * as frames from "../memory/frames.ts";
import { mix } from "../memory/hash.ts";
import { below, next32 } from "../memory/random.ts";
import * as recorder from "../memory/recorder.ts";
import { drop } from "../observe/drops.ts";
import * as queue from "./queue.ts";
import * as segment from "./segment.ts";

/** Gives the link of a device a NETEM_* record, which the host fills; what is random begins with the seed of the namespace. */
export function newNetem(device: usize): usize {
  const netem = allocate(R.NETEM_SIZE);
  const seed = load<u64>(load<usize>(device, R.DEV_NAMESPACE), R.NS_RANDOM);
  const number = load<usize>(device, R.DEV_SEGMENT) ? load<u32>(device, R.DEV_PORT_ID) : load<u32>(device, R.DEV_INDEX);
  const own = ((<u64>mix(number + 1, load<u32>(device, R.DEV_MAC_LOW))) << 32) | (<u64>number);
  store<u64>(device, seed ^ own, R.DEV_LINK_RANDOM);
  store<usize>(device, netem, R.DEV_NETEM);
  recorder.changed();
  return netem;
}

/** A veth or wire sends a frame that has left its namespace; it is gone from here afterwards. */
export function send(device: usize, frame: usize): void {
  store<i32>(frame, STAGE_RECEIVE, FRAME_STAGE);
  const netem = load<usize>(device, R.DEV_NETEM);
  if (load<i32>(device, R.DEV_KIND) == DEVICE_VETH && !netem) {
    store<usize>(frame, load<usize>(device, R.DEV_PEER), FRAME_DEVICE);
    backlog.push(frame, STAGE_RECEIVE);
  } else if (cpu.core) {
    // It comes here once more when what has been done so far is done.
    events.push(cpu.reached(), machine, events.EVENT_LEAVE, frame, <u32>device);
  } else if (netem) {
    enqueue(netem, device, frame, true);
  } else {
    const reason = segment.transmit(device, frame);
    if (reason != OK) discard(device, frame);
  }
}

function discard(device: usize, frame: usize): void {
  drop(load<usize>(device, R.DEV_NAMESPACE), frame, DROP_QDISC_DROP);
}

/**
 * netem_enqueue. A copy goes the same way just before the frame, but is not copied once more; one that comes later by a delay, which
 * netem has not, comes over another way.
 */
function enqueue(netem: usize, device: usize, frame: usize, mayDuplicate: bool): void {
  let count = 1;
  if (mayDuplicate && happens(netem, device, R.NETEM_DUPLICATE, R.NETEM_DUPLICATE_CORRELATION)) count++;
  if (isLost(netem, device)) count--;
  if (!count) {
    discard(device, frame);
    return;
  }
  const twin = count > 1 ? frames.clone(frame) : 0;
  if (happens(netem, device, R.NETEM_CORRUPT, R.NETEM_CORRUPT_CORRELATION)) corrupt(device, frame);
  if (isFull(netem, device, load<u32>(frame, FRAME_LENGTH))) {
    discard(device, frame);
    if (twin) discard(device, twin);
    return;
  }
  const later = load<u64>(netem, R.NETEM_DUPLICATE_DELAY);
  if (twin && !later) enqueue(netem, device, twin, false);
  const arrival = overtakes(netem, device) ? now + load<u64>(netem, R.NETEM_LEAST) : schedule(netem, device, frame);
  if (twin && later) arrive(device, twin, arrival + later);
  arrive(device, frame, arrival);
}

/** Whether what has a probability, which stands at `share` of the record, happens to this frame. */
function happens(netem: usize, device: usize, share: usize, correlation: usize): bool {
  const probability = load<u32>(netem + share);
  return probability != 0 && probability >= correlated(device, netem + correlation);
}

/** A random number that resembles the last one by so much as the correlation says (get_crandom). */
function correlated(device: usize, correlation: usize): u32 {
  const fresh = <u64>next32(device + R.DEV_LINK_RANDOM);
  const own = <u64>load<u32>(correlation, 4);
  if (!own) return <u32>fresh;
  const rho = own + 1;
  const answer = <u32>((fresh * (((<u64>1) << 32) - rho) + <u64>load<u32>(correlation) * rho) >> 32);
  store<u32>(correlation, answer);
  return answer;
}

/** loss_event: at random, or in bursts by the model of Gilbert and Elliott (loss_gilb_ell). */
function isLost(netem: usize, device: usize): bool {
  if (load<u32>(netem, R.NETEM_LOSS_MODEL) == R.LOSS_RANDOM) {
    return happens(netem, device, R.NETEM_LOSS, R.NETEM_LOSS_CORRELATION);
  }
  const random = device + R.DEV_LINK_RANDOM;
  if (load<u32>(netem, R.NETEM_LOSS_BAD)) {
    if (next32(random) < load<u32>(netem, R.NETEM_LOSS_R)) store<u32>(netem, 0, R.NETEM_LOSS_BAD);
    return next32(random) > load<u32>(netem, R.NETEM_LOSS_H);
  }
  if (next32(random) < load<u32>(netem, R.NETEM_LOSS)) store<u32>(netem, 1, R.NETEM_LOSS_BAD);
  return next32(random) < load<u32>(netem, R.NETEM_LOSS_K1);
}

/** Turns one bit of a frame over. Nobody knows its checksums any more. */
function corrupt(device: usize, frame: usize): void {
  const random = device + R.DEV_LINK_RANDOM;
  const at = load<usize>(frame, FRAME_DATA) + <usize>below(random, load<u32>(frame, FRAME_LENGTH));
  store<u8>(at, load<u8>(at) ^ ((<u8>1) << (<u8>below(random, 8))));
  store<u32>(frame, 0, FRAME_SUMMED);
}

/**
 * Whether there is no room for a frame of so many bytes. A limit counts all that has not arrived; a link without one has room for as
 * many full frames as a device without a queueing discipline of its own, and counts only what waits for the rate.
 */
function isFull(netem: usize, device: usize, bytes: u32): bool {
  const limit = load<u32>(netem, R.NETEM_LIMIT);
  const limitBytes = load<u32>(netem, R.NETEM_LIMIT_BYTES);
  if (limit | limitBytes) {
    queue.leave(netem, now);
    if (limit && load<u32>(netem, R.NETEM_QUEUED) >= limit) return true;
    return limitBytes != 0 && load<u32>(netem, R.NETEM_QUEUED_BYTES) + bytes > limitBytes;
  }
  const rate = load<u64>(netem, R.NETEM_RATE);
  if (!rate) return false;
  return load<u64>(netem, R.NETEM_LAST) > now + load<u64>(netem, R.NETEM_LATENCY) + segment.longestWait(device, rate);
}

/** Whether a frame goes past all that wait, as one of so many does. */
function overtakes(netem: usize, device: usize): bool {
  const gap = load<u32>(netem, R.NETEM_GAP);
  const counter = load<u32>(netem, R.NETEM_COUNTER);
  if (gap && counter >= gap - 1) {
    if (load<u32>(netem, R.NETEM_REORDER) >= correlated(device, netem + R.NETEM_REORDER_CORRELATION)) {
      store<u32>(netem, 0, R.NETEM_COUNTER);
      return true;
    }
  }
  store<u32>(netem, counter + 1, R.NETEM_COUNTER);
  return false;
}

/** When a frame arrives: after latency and jitter; with a rate also not before all others have, and the time that it takes itself. */
function schedule(netem: usize, device: usize, frame: usize): u64 {
  const bytes = load<u32>(frame, FRAME_LENGTH);
  const rate = load<u64>(netem, R.NETEM_RATE);
  let arrival = <i64>now + delayOf(netem, device);
  if (rate) arrival = max<i64>(arrival, load<i64>(netem, R.NETEM_LAST)) + <i64>segment.timeFor(bytes, rate);
  arrival = max<i64>(arrival, <i64>now + load<i64>(netem, R.NETEM_LEAST));
  if (rate) store<i64>(netem, arrival, R.NETEM_LAST);
  if (load<u32>(netem, R.NETEM_LIMIT) | load<u32>(netem, R.NETEM_LIMIT_BYTES)) queue.add(netem, <u64>arrival, bytes);
  return <u64>arrival;
}

/** Latency with jitter, uniform or by a table of samples (tabledist). */
function delayOf(netem: usize, device: usize): i64 {
  const latency = load<i64>(netem, R.NETEM_LATENCY);
  const jitter = load<i64>(netem, R.NETEM_JITTER);
  if (!jitter) return latency;
  const random = correlated(device, netem + R.NETEM_JITTER_CORRELATION);
  const table = load<usize>(netem, R.NETEM_TABLE);
  if (!table) return <i64>(<u64>random % ((<u64>jitter) << 1)) + latency - jitter;
  const sample = <i64>load<i16>(table + ((<usize>(random % load<u32>(netem, R.NETEM_TABLE_SIZE))) << 1));
  const part = (jitter % SCALE) * sample;
  return (part + (part >= 0 ? SCALE >> 1 : -(SCALE >> 1))) / SCALE + (jitter / SCALE) * sample + latency;
}

const SCALE: i64 = 8192; // NETEM_DIST_SCALE

/** A frame comes to the other end of its link at a moment. */
function arrive(device: usize, frame: usize, arrival: u64): void {
  if (load<i32>(device, R.DEV_KIND) != DEVICE_VETH) {
    segment.distribute(device, frame, arrival);
    return;
  }
  events.push(arrival, machine, events.EVENT_RECEIVE, frame, load<u32>(device, R.DEV_PEER));
}
