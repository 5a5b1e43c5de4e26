// The processor of a machine whose work takes time: who does what, what waits, and what is lost while it waits.
//
//   wire -> queue of the card, by a hash of the flow --\
//                                                       core: backlog -> the frame's way, and all that follows from it -> wire
//   socket of a namespace -> core of the namespace ----/
//
// A core takes one frame at a time. All that comes of it on this machine (the hops between namespaces, the server's answer) is the
// same piece of work; it happens at the moment when the work begins, and what it sends leaves when the work so far would be done. A
// frame that comes while its core works waits in the core's backlog; if that is full it is lost (enqueue_to_backlog). Timers
// and programs themselves take no time; what they send does.
import { DROP_CPU_BACKLOG } from "./layout/codes.ts";
import * as F from "./layout/frame.ts";
import * as R from "./layout/records.ts";
import * as netem from "./link/netem.ts";
import { queueOf } from "./link/rss.ts";
import { allocate } from "./memory/arena.ts";
import * as backlog from "./memory/backlog.ts";
import { machine, now } from "./memory/clock.ts";
import * as cpu from "./memory/cpu.ts";
import * as events from "./memory/events.ts";
import { drop } from "./observe/drops.ts";
import * as path from "./path.ts";

/** Gives a machine a processor; the host fills in what work costs. */
export function newProcessor(owner: usize, cores: u32, most: u32): usize {
  const processor = allocate(R.CPU_SIZE + cores * R.CORE_SIZE);
  store<u32>(processor, cores, R.CPU_CORES);
  store<u32>(processor, most, R.CPU_BACKLOG);
  for (let i: u32 = 0; i < cores; i++) store<usize>(coreAt(processor, i), processor, R.CORE_CPU);
  store<usize>(owner, processor, R.MACHINE_CPU);
  return processor;
}

function coreAt(processor: usize, index: u32): usize {
  return processor + R.CPU_SIZE + <usize>index * R.CORE_SIZE;
}

/** Handles an event that is about frames and cores. False: it is another one. */
export function handles(kind: i32, subject: usize, detail: u32): bool {
  if (kind == events.EVENT_RECEIVE) arrive(<usize>detail, subject);
  else if (kind == events.EVENT_CORE) next(subject);
  else if (kind == events.EVENT_LEAVE) netem.send(<usize>detail, subject);
  else return false;
  return true;
}

/** A frame comes in by a device from outside the machine. */
function arrive(device: usize, frame: usize): void {
  store<usize>(frame, device, F.FRAME_DEVICE);
  store<i32>(frame, F.STAGE_RECEIVE, F.FRAME_STAGE);
  give(frame);
}

/** Hands the frames of the backlog, which no core has taken up yet, to their cores. */
export function settle(): void {
  for (let frame = backlog.shift(); frame; frame = backlog.shift()) give(frame);
}

/** A frame for its core: taken up now, or it waits, or there is no room. */
function give(frame: usize): void {
  const core = coreOf(frame);
  const waiting = load<u32>(core, R.CORE_WAITING);
  if (!waiting && load<u64>(core, R.CORE_FREE_AT) <= now) {
    work(core, frame);
    return;
  }
  if (waiting >= load<u32>(load<usize>(core, R.CORE_CPU), R.CPU_BACKLOG)) {
    store<u64>(core, load<u64>(core, R.CORE_DROPPED) + 1, R.CORE_DROPPED);
    drop(namespaceOf(frame), frame, DROP_CPU_BACKLOG);
    return;
  }
  store<usize>(frame, 0, F.FRAME_NEXT);
  if (waiting) store<usize>(load<usize>(core, R.CORE_LAST), frame, F.FRAME_NEXT);
  else store<usize>(core, frame, R.CORE_FIRST);
  store<usize>(core, frame, R.CORE_LAST);
  store<u32>(core, waiting + 1, R.CORE_WAITING);
  if (waiting >= load<u32>(core, R.CORE_LONGEST)) store<u32>(core, waiting + 1, R.CORE_LONGEST);
  if (!waiting) wake(core);
}

/** The core that a frame is for: what a socket sends is done by the core of its namespace, what comes in by that of its queue. */
function coreOf(frame: usize): usize {
  const processor = load<usize>(machine, R.MACHINE_CPU);
  const cores = load<u32>(processor, R.CPU_CORES);
  const isSent = load<i32>(frame, F.FRAME_STAGE) == F.STAGE_OUTPUT;
  const index = isSent ? load<u32>(load<usize>(frame, F.FRAME_NAMESPACE), R.NS_ID) % cores : queueOf(frame, cores);
  return coreAt(processor, index);
}

/** The namespace in which a frame waits. */
function namespaceOf(frame: usize): usize {
  if (load<i32>(frame, F.FRAME_STAGE) == F.STAGE_OUTPUT) return load<usize>(frame, F.FRAME_NAMESPACE);
  return load<usize>(load<usize>(frame, F.FRAME_DEVICE), R.DEV_NAMESPACE);
}

function wake(core: usize): void {
  events.push(load<u64>(core, R.CORE_FREE_AT), machine, events.EVENT_CORE, core, 0);
}

/** A core is free: it takes up the frame that has waited longest. */
function next(core: usize): void {
  const frame = load<usize>(core, R.CORE_FIRST);
  const waiting = load<u32>(core, R.CORE_WAITING) - 1;
  store<usize>(core, load<usize>(frame, F.FRAME_NEXT), R.CORE_FIRST);
  store<u32>(core, waiting, R.CORE_WAITING);
  work(core, frame);
  if (waiting) wake(core);
}

/** Does all that comes of a frame. Other frames that were made at this moment are done with it. */
function work(core: usize, frame: usize): void {
  cpu.begin(core);
  backlog.putFirst(frame);
  path.settle();
  const took = cpu.end();
  store<u64>(core, now + took, R.CORE_FREE_AT);
  store<u64>(core, load<u64>(core, R.CORE_BUSY) + took, R.CORE_BUSY);
  store<u64>(core, load<u64>(core, R.CORE_FRAMES) + 1, R.CORE_FRAMES);
}
