// Virtual time and whose turn it is: the moment, the machine and its counters, as every layer reads them.
import { MACHINE_PACKETS, MACHINE_SEQUENCE } from "../layout/records.ts";

/** Nanoseconds since the run began. */
export let now: u64 = 0;
/** The machine whose event is being handled (MACHINE_*). */
export let machine: usize = 0;

export const MICROSECOND: u64 = 1000;
export const MILLISECOND: u64 = 1000000;
export const SECOND: u64 = 1000000000;

export function setNow(time: u64): void {
  now = time;
}

export function setMachine(record: usize): void {
  machine = record;
}

/** The next order number of the machine: what makes two events of one moment come in the same order in every run. */
export function nextSequence(record: usize): u32 {
  const sequence = load<u32>(record, MACHINE_SEQUENCE) + 1;
  store<u32>(record, sequence, MACHINE_SEQUENCE);
  return sequence;
}

/** The next packet id of the current machine. */
export function nextPacket(): u32 {
  const id = load<u32>(machine, MACHINE_PACKETS) + 1;
  store<u32>(machine, id, MACHINE_PACKETS);
  return id;
}
