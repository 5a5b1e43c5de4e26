// What is said about packets in captures: which rule decided where one goes, why and where one was dropped. Off unless a file wants it.
import { DROP_NETFILTER_DROP } from "../layout/codes.ts";
import {
  FRAME_DATA,
  FRAME_DEVICE,
  FRAME_INPUT,
  FRAME_LENGTH,
  FRAME_NETWORK,
  FRAME_STAGE,
  STAGE_OUTPUT,
} from "../layout/frame.ts";
import {
  DEV_NAME,
  DEV_NAMESPACE,
  NOTE_DEVICE,
  NOTE_DEVICE_NAMESPACE,
  NOTE_FRAME,
  NOTE_NAMESPACE,
  NOTE_REASON,
  NOTE_RULE,
  NS_ID,
  SINK_FILE,
  SINK_INTERFACE,
  SINK_NEXT,
  SINK_SIZE,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { clear, copy } from "../memory/bytes.ts";
import * as ethernet from "../wire/ethernet.ts";
import { reserve } from "./capture.ts";

/** Whether anybody wants notes. */
export let on: bool = false;

let sinks: usize = 0;
// The rule that denied last, and which packet where.
let denying: u32 = 0;
let deniedFrame: usize = 0;
let deniedIn: usize = 0;

/** Sends notes to a file too. */
export function sendTo(file: usize): void {
  const sink = allocate(SINK_SIZE);
  store<usize>(sink, sinks, SINK_NEXT);
  store<usize>(sink, file, SINK_FILE);
  store<u32>(sink, 0, SINK_INTERFACE);
  sinks = sink;
  on = true;
}

/** Notes that a rule (by its number in the namespace) has decided where a packet goes. */
export function decided(ns: usize, frame: usize, rule: u32): void {
  begin(ns, frame, 0, rule + 1, 0);
}

/** Remembers that a rule (by its number in the namespace) denies a packet, for the note of its drop. */
export function denies(ns: usize, frame: usize, rule: u32): void {
  denying = rule + 1;
  deniedFrame = frame;
  deniedIn = ns;
}

/** Notes that a packet is dropped (DROP_*), with its bytes. One that was never sent has no link header yet; it gets one of zeros. */
export function dropped(ns: usize, frame: usize, reason: i32): void {
  const byRule = reason == DROP_NETFILTER_DROP && deniedFrame == frame && deniedIn == ns;
  const data = load<usize>(frame, FRAME_DATA);
  const length = <usize>load<u32>(frame, FRAME_LENGTH);
  const unsent = load<u32>(frame, FRAME_STAGE) == STAGE_OUTPUT;
  const from = unsent ? load<usize>(frame, FRAME_NETWORK) : data;
  const bytes = data + length - from;
  const link: usize = unsent ? <usize>ethernet.ETHERNET_LENGTH : 0;
  const at = begin(ns, frame, reason, byRule ? denying : 0, <u32>(link + bytes)) + NOTE_FRAME;
  clear(at, 16);
  if (unsent) ethernet.setType(at, ethernet.TYPE_IPV4);
  copy(at + link, from, <i32>bytes);
  deniedFrame = 0;
}

function begin(ns: usize, frame: usize, reason: i32, rule: u32, bytes: u32): usize {
  const input = load<usize>(frame, FRAME_INPUT);
  const device = input ? input : load<usize>(frame, FRAME_DEVICE);
  const note = reserve(sinks, frame, 0, <u32>NOTE_FRAME + bytes);
  store<i32>(note, reason, NOTE_REASON);
  store<u32>(note, load<u32>(ns, NS_ID), NOTE_NAMESPACE);
  store<u32>(note, rule, NOTE_RULE);
  store<u32>(note, load<u32>(device ? load<usize>(device, DEV_NAMESPACE) : ns, NS_ID), NOTE_DEVICE_NAMESPACE);
  clear(note + NOTE_DEVICE, 16);
  if (device) memory.copy(note + NOTE_DEVICE, device + DEV_NAME, 16);
  return note;
}
