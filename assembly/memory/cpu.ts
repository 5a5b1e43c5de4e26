// What the work in hand costs: every layer says here what it does while a core does it, and whoever sends asks how far it has come.
//
// Work that no core does (`core` is 0) costs nothing, and nobody asks further. Costs are in 1 / 2^COST_SHIFT nanoseconds.
import { CORE_CPU, COST_SHIFT, CPU_BYTE, CPU_RULE, CPU_SOCKET } from "../layout/records.ts";
import { now } from "./clock.ts";

/** The core (CORE_*) that does the work in hand, 0: none, it takes no time. */
export let core: usize = 0;

let table: usize = 0; // the costs (CPU_*) of that core
let cost: u64 = 0; // so far
let marked: u64 = 0;

/** A core begins a piece of work at this moment. */
export function begin(which: usize): void {
  core = which;
  table = load<usize>(which, CORE_CPU);
  cost = 0;
}

/** The work is done. Returns the nanoseconds that it took. */
export function end(): u64 {
  const took = spent();
  core = 0;
  return took;
}

/** Nanoseconds that the work in hand has taken so far. */
export function spent(): u64 {
  return core ? (cost + (1 << (COST_SHIFT - 1))) >> COST_SHIFT : 0;
}

/** The moment that the work in hand has come to. */
export function reached(): u64 {
  return now + spent();
}

/** Adds a cost of the table (CPU_*). Only while a core works, as all that follow. */
export function charge(what: usize): void {
  cost += <u64>load<u32>(table + what);
}

/** A socket sends or takes so many bytes. */
export function chargeSocket(bytes: u32): void {
  cost += <u64>load<u32>(table, CPU_SOCKET) + <u64>bytes * <u64>load<u32>(table, CPU_BYTE);
}

/** Adds the cost of walking so many rules, as Linux walks them, whatever finds them here. */
export function chargeRules(count: u32): void {
  cost += <u64>count * <u64>load<u32>(table, CPU_RULE);
}

/** Begins to add up what a way costs, for the frames that take it again. */
export function mark(): void {
  marked = cost;
}

export function sinceMark(): u32 {
  return <u32>(cost - marked);
}

/** Adds what a way cost that is taken again. */
export function chargeAgain(way: u32): void {
  cost += <u64>way;
}
