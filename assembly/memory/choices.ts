// Choices that are not left to chance: what a host has fixed beforehand, so that a run follows another one.
import {
  CHOICE_DST,
  CHOICE_KIND,
  CHOICE_NEXT,
  CHOICE_PORTS,
  CHOICE_PROTO,
  CHOICE_SIZE,
  CHOICE_SRC,
  CHOICE_VALUE,
  NS_CHOICES,
} from "../layout/records.ts";
import { allocate } from "./arena.ts";

/** The value that `take` found. */
export let value: u32 = 0;

/** Adds a choice to the end of a namespace's list. */
export function add(ns: usize, kind: u32, src: u32, dst: u32, ports: u32, proto: u32, chosen: u32): void {
  const record = allocate(CHOICE_SIZE);
  store<u32>(record, kind, CHOICE_KIND);
  store<u32>(record, src, CHOICE_SRC);
  store<u32>(record, dst, CHOICE_DST);
  store<u32>(record, ports, CHOICE_PORTS);
  store<u32>(record, proto, CHOICE_PROTO);
  store<u32>(record, chosen, CHOICE_VALUE);
  let link = ns + NS_CHOICES;
  while (load<usize>(link)) link = load<usize>(link) + CHOICE_NEXT;
  store<usize>(link, record);
}

/** Whether something is fixed for this; then it is in `value`, and the next one gets another. */
export function take(ns: usize, kind: u32, src: u32, dst: u32, ports: u32, proto: u32): bool {
  let link = ns + NS_CHOICES;
  let record = load<usize>(link);
  while (record) {
    if (
      load<u32>(record, CHOICE_KIND) == kind &&
      load<u32>(record, CHOICE_SRC) == src &&
      load<u32>(record, CHOICE_DST) == dst &&
      load<u32>(record, CHOICE_PORTS) == ports &&
      load<u32>(record, CHOICE_PROTO) == proto
    ) {
      value = load<u32>(record, CHOICE_VALUE);
      store<usize>(link, load<usize>(record, CHOICE_NEXT));
      return true;
    }
    link = record + CHOICE_NEXT;
    record = load<usize>(link);
  }
  return false;
}

/** Leaves everything to chance again. */
export function clear(ns: usize): void {
  store<usize>(ns, 0, NS_CHOICES);
}
