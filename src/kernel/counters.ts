// Counters of rules as they are taken out of a kernel: only those pages in which something was counted.
import { COUNTER_PAGE_SHIFT } from "../../assembly/layout/records.ts";

/** By page, packets and bytes of each of its rules. May be sent from worker to worker. */
export type RuleCounters = ReadonlyMap<number, BigUint64Array>;

/** What the rule with a RULE_INDEX has counted. */
export function countedBy(counters: RuleCounters, index: number): { packets: number; bytes: number } {
  const page = counters.get(index >>> COUNTER_PAGE_SHIFT);
  const at = (index & ((1 << COUNTER_PAGE_SHIFT) - 1)) * 2;
  return { packets: Number(page?.[at] ?? 0n), bytes: Number(page?.[at + 1] ?? 0n) };
}
